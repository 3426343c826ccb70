import { expect, it } from 'vitest';
import { compileArgumentsSchema } from '../constraints/index.ts';
import { withLanguages } from './languages.ts';

const text = { type: 'string' };

function languageFor(request: string, schema: object = text, name = 'target_language'): unknown {
  const held = withLanguages({ type: 'object', properties: { [name]: { ...schema } } }, request);
  expect(() => compileArgumentsSchema(held)).not.toThrow();
  return (held.properties as Record<string, unknown>)[name];
}

it('is one that the request says', () => {
  const held = { ...text, pattern: '^(English|French)' };
  expect(languageFor('Translate it from English to French, to French')).toEqual(held);
  expect(languageFor('Lyrics in English or French', text, 'lang')).toEqual(held);
});

it('is left alone where a code is wanted, or no language is said', () => {
  for (const description of ['ISO 639-1 code', "e.g. 'en'", 'Language, e.g. (en, fr)', 'Locale'])
    expect(languageFor('Translate it to French', { ...text, description })).toEqual({ ...text, description });
  expect(languageFor('Translate it')).toEqual(text);
  expect(languageFor('Translate it to French', text, 'text')).toEqual(text);
  expect(languageFor('Translate it to French', { ...text, enum: ['fr'] })).toEqual({ ...text, enum: ['fr'] });
});
