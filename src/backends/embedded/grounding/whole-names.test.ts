import { describe, expect, it } from 'vitest';
import type { JsonSchema } from '../../../core/generation.ts';
import { compileArgumentsSchema } from '../constraints/index.ts';
import { namedValues } from './named-values.ts';
import { withWholeNames } from './whole-names.ts';

const text: JsonSchema = { type: 'string' };

/** Whether the first argument may be this text. */
function mayBe(value: string, request: string, properties: JsonSchema): boolean {
  const held = withWholeNames({ type: 'object', properties }, { values: namedValues(request, ''), request });
  expect(() => compileArgumentsSchema(held)).not.toThrow();
  const [first] = Object.values(
    held.properties as { readonly [name: string]: { readonly not?: { readonly pattern: string } } },
  );
  return first?.not === undefined || !new RegExp(first.not.pattern).test(value);
}

describe('a name', () => {
  it('is not cut short', () => {
    const guitar = 'The price of a used Gibson Les Paul guitar in Chicago';
    expect(mayBe('Les Paul', guitar, { model: text })).toBe(false);
    expect(mayBe('Les Paul guitar', guitar, { model: text })).toBe(false);
    expect(mayBe('LesPaul', guitar, { model: text })).toBe(false);
    expect(mayBe('II', 'An old Apple II computer', { model: text })).toBe(false);
    expect(mayBe('Gibson', guitar, { model: text })).toBe(false);
    expect(mayBe('Gibson Les Paul', guitar, { model: text })).toBe(true);
    expect(mayBe('Gibson Les Paul Standard', guitar, { model: text })).toBe(true);
    expect(mayBe('Gibson Les', guitar, { model: text })).toBe(false);
  });

  it('is not cut short beside what else is ruled out, and where more is said of it anything may be', () => {
    const guitar = 'A Gibson Les Paul';
    const model = { type: 'string', not: { pattern: '[0-9]' } };
    expect(mayBe('Les Paul', guitar, { model })).toBe(false);
    expect(mayBe('Gibson Les Paul 59', guitar, { model })).toBe(false);
    expect(mayBe('Gibson Les Paul', guitar, { model })).toBe(true);
    const short = { model: { type: 'string', not: { maxLength: 3 } } };
    const held = withWholeNames(
      { type: 'object', properties: short },
      { values: namedValues(guitar, ''), request: guitar },
    );
    expect(held.properties).toEqual(short);
  });

  it('has the word that its argument is named after where it is a building', () => {
    const name = { type: 'string', description: 'The name of the museum' };
    expect(mayBe('Louvre', 'When does the Louvre Museum open?', { name })).toBe(false);
    expect(mayBe('The Louvre', 'When does the Louvre Museum open?', { name })).toBe(false);
    expect(mayBe('Louvre Museum', 'When does the Louvre Museum open?', { name })).toBe(true);
    const recipe = { type: 'string', description: 'The name of the recipe' };
    expect(mayBe('Beef Lasagna', 'Find the Beef Lasagna Recipe', { recipe_name: recipe })).toBe(true);
  });

  it('is without what it is led by', () => {
    const name = { type: 'string', description: 'The full name of the lawyer' };
    expect(mayBe('John Doe', 'The cases of Lawyer John Doe', { name })).toBe(true);
    expect(mayBe('John Doe', 'The cases of Judge John Doe', { name })).toBe(true);
    expect(mayBe('John Doe', 'The cases of Little John Doe', { name })).toBe(false);
  });

  it('may be cut where a part of it is said alone, belongs to another argument, or is all that was found of it', () => {
    expect(mayBe('Louvre', 'When does the Louvre Museum open? I love the Louvre.', { name: text })).toBe(true);
    expect(mayBe('Les Paul', 'A Gibson Les Paul', { model: text, brand: text })).toBe(true);
    expect(mayBe('John', 'Write to John Doe', { name: text, last_name: text })).toBe(true);
    expect(mayBe('Liverpool', 'How did Liverpool F.C. play?', { team: text })).toBe(true);
    expect(mayBe('Apple', 'What is worth more, Apple Inc. or gold?', { name: text })).toBe(true);
  });

  it('is held in arguments that are told one alone', () => {
    expect(mayBe('PlayStation', 'Games in the PlayStation Store', { platform: text })).toBe(true);
    expect(mayBe('Les Paul', 'A Gibson Les Paul', { query: text })).toBe(true);
    expect(mayBe('Les Paul', 'A Gibson Les Paul', { model: { type: 'string', maxLength: 8 } })).toBe(true);
  });
});
