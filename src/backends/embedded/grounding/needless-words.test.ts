import { describe, expect, it } from 'vitest';
import type { JsonSchema } from '../../../core/generation.ts';
import { compileArgumentsSchema } from '../constraints/index.ts';
import { namedValues } from './named-values.ts';
import { withoutNeedlessWords } from './needless-words.ts';

const text: JsonSchema = { type: 'string' };

/** Whether the first argument may be this text. */
function mayBe(value: string, request: string, properties: JsonSchema): boolean {
  const held = withoutNeedlessWords({ type: 'object', properties }, { values: namedValues(request, ''), request });
  expect(() => compileArgumentsSchema(held)).not.toThrow();
  const [first] = Object.values(
    held.properties as { readonly [name: string]: { readonly not?: { readonly pattern: string } } },
  );
  return first?.not === undefined || !new RegExp(first.not.pattern).test(value);
}

describe('words that are no part of a value', () => {
  it('are the name of the argument', () => {
    expect(mayBe('Rosewood Finish', 'A guitar in Rosewood finish', { finish: text })).toBe(false);
    expect(mayBe('Rosewood Finish', 'A guitar in Rosewood Finish', { finish: text })).toBe(false);
    expect(mayBe('Rosewood', 'A guitar in Rosewood finish', { finish: text })).toBe(true);
    expect(mayBe('Lasagna Recipe', 'Calories of the Lasagna Recipe', { recipe: text })).toBe(false);
    expect(mayBe('Finish', 'A guitar in Rosewood finish', { finish: text })).toBe(true);
    expect(mayBe('Santa Clara County', 'Records of Santa Clara county', { county: text })).toBe(true);
    expect(mayBe('Rosewood Finish', 'A guitar in Rosewood', { finish: text })).toBe(true);
  });

  it('are what another argument is told', () => {
    const scale = { key: text, scale_type: { type: 'string', default: 'major' } };
    expect(mayBe('C sharp major', 'The scale of C sharp major', scale)).toBe(false);
    for (const other of ['C# maj', 'C# Majo.', 'C# majour', 'C# mjr'])
      expect(mayBe(other, 'The scale of C# major', scale)).toBe(other === 'C# mjr');
    expect(mayBe('C# made', 'The scale of C# major, made up', scale)).toBe(true);
    expect(mayBe('C# maj', 'The scale of C# major, made up', scale)).toBe(false);
    expect(mayBe('C sharp', 'The scale of C sharp major', scale)).toBe(true);
    expect(mayBe('C sharp major', 'The scale of C sharp', scale)).toBe(true);
    const dish = { dish: text, diet: { enum: ['vegan', 'any'], type: 'string' } };
    expect(mayBe('Tasty vegan salad', 'A tasty vegan salad', dish)).toBe(false);
    expect(mayBe('many salads', 'any of many salads', dish)).toBe(true);
    const index = { company: text, index: { enum: ['^GSPC', '^IXIC'], type: 'string' } };
    expect(mayBe('Acme ^GSPC', 'Acme in GSPC', index)).toBe(false);
    expect(mayBe('Acme GSPC', 'Acme in GSPC', index)).toBe(true);
  });

  it('are what the argument says of which type it is', () => {
    expect(mayBe('human cell', 'What is in a human cell?', { cell_type: text })).toBe(false);
    expect(mayBe('human', 'What is in a human cell?', { cell_type: text })).toBe(true);
    expect(mayBe('stem cell', 'What is in a human?', { cell_type: text })).toBe(true);
  });

  it('are a sex and a year, where another argument is told it', () => {
    const sport = { sport: text, gender: text };
    expect(mayBe('women tennis', "The best in women's tennis", sport)).toBe(false);
    expect(mayBe("Women's tennis", "The best in women's tennis", sport)).toBe(false);
    expect(mayBe('tennis', "The best in women's tennis", sport)).toBe(true);
    expect(mayBe("women's tennis", "The best in women's tennis", { sport: text })).toBe(true);
    const league = { tournament: text, season: text };
    expect(mayBe('La Liga 2020-2021', 'Messi in La Liga 2020-2021', league)).toBe(false);
    expect(mayBe('La Liga 2021', 'Messi in La Liga 2020-2021', league)).toBe(false);
    expect(mayBe('La Liga 2022', 'Messi in La Liga 2020-2021', league)).toBe(false);
    expect(mayBe('La Liga', 'Messi in La Liga 2020-2021', league)).toBe(true);
    expect(mayBe('La Liga 2020', 'Messi in La Liga 2020', { tournament: text })).toBe(true);
    expect(mayBe('2021 La Liga', 'Messi in the 2021 La Liga', league)).toBe(false);
    const house = { house: text, year: text };
    expect(mayBe('1600 Pennsylvania Avenue', 'Who lived in 1600 Pennsylvania Avenue?', house)).toBe(true);
    expect(mayBe('May 2020', 'Messi in May 2020', { start_month: text, year: text })).toBe(true);
  });

  it('are parts of names, and of texts of any kind', () => {
    const hall = { venue: text, kind: { enum: ['hall', 'arena'], type: 'string' } };
    expect(mayBe('Royal Albert Hall', 'Concerts in the Royal Albert Hall', hall)).toBe(true);
    expect(mayBe('Royal Albert Hall', 'Concerts in a hall, the Royal Albert Hall', hall)).toBe(false);
    expect(mayBe('jazz in a hall', 'Find jazz in a hall', { query: text, kind: hall.kind })).toBe(true);
  });
});
