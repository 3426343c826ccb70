import { describe, expect, it } from 'vitest';
import type { JsonSchema } from '../../../core/generation.ts';
import { compileArgumentsSchema } from '../constraints/index.ts';
import { withYearsApart } from './years.ts';

const TEXT = { type: 'string' };

function leagueFor(request: string, others: JsonSchema = { season: TEXT }, league: JsonSchema = TEXT): JsonSchema {
  const parameters = { type: 'object', properties: { league, ...others } };
  const { properties } = withYearsApart(parameters, request) as typeof parameters;
  expect(() => compileArgumentsSchema({ ...parameters, properties })).not.toThrow();
  return properties.league;
}

describe('the year of a request', () => {
  it('is not in a text where another argument is for it', () => {
    expect(leagueFor('The table of the 2021 La Liga')).toEqual({ ...TEXT, not: { pattern: '2021' } });
    expect(leagueFor('La Liga in 2020 and 2021', { amendment_year: { type: 'integer' } })).toEqual({
      ...TEXT,
      not: { pattern: '2020|2021' },
    });
  });

  it('may be, where none is, or where a description says so', () => {
    expect(leagueFor('The table of the 2021 La Liga', { team: TEXT })).toEqual(TEXT);
    const described = { ...TEXT, description: "With its year, e.g. '2020 La Liga'" };
    expect(leagueFor('The table of the 2021 La Liga', { season: TEXT }, described)).toEqual(described);
    const chosen = { ...TEXT, enum: ['2021 La Liga'] };
    expect(leagueFor('The table of the 2021 La Liga', { season: TEXT }, chosen)).toEqual(chosen);
  });

  it('is none where the number is another', () => {
    for (const request of ['case 2022/AL2562', '12,021 people', 'item A2021', '2021.5 m', '20210 pieces', 'La Liga'])
      expect(leagueFor(request), request).toEqual(TEXT);
  });
});
