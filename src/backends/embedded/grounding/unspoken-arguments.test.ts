import { describe, expect, it } from 'vitest';
import type { JsonSchema } from '../../../core/generation.ts';
import { unspokenArguments } from './unspoken-arguments.ts';

function isUnspoken(flag: string, description: string, request: string | undefined, name = 'get_proteins'): boolean {
  const properties: JsonSchema = { [flag]: { type: 'boolean', description }, cell: { type: 'string' } };
  return unspokenArguments(name, { type: 'object', properties, required: ['cell'] }, request).includes(flag);
}

describe('an optional flag', () => {
  const request = 'What are the names of proteins in the plasma membrane?';

  it('is unspoken where nothing is said of what it is about', () => {
    expect(isUnspoken('include_description', 'True for a brief description of each protein.', request)).toBe(true);
    expect(isUnspoken('detailed', 'If true, returns masses, too. Default is false.', request)).toBe(true);
  });

  it('is spoken of by a word of its name or its description', () => {
    expect(isUnspoken('include_names', 'Default is false.', request)).toBe(false);
    expect(isUnspoken('detailed', 'Whether membranes are told apart.', request)).toBe(false);
    expect(isUnspoken('with_history', 'The history of the case.', 'Give me the histories, too')).toBe(false);
  });

  it('is not judged where words cannot be compared', () => {
    expect(isUnspoken('detailed', 'Masses, too.', '质膜中有哪些蛋白质?')).toBe(false);
    expect(isUnspoken('detailed', '是否返回质量', request)).toBe(false);
    expect(isUnspoken('detailed', 'Masses, too.', undefined)).toBe(false);
    expect(isUnspoken('value', 'If true', request)).toBe(false);
  });

  it('is one that may be left out', () => {
    const properties = { detailed: { type: 'boolean' }, count: { type: 'integer' } };
    const flags = (required: readonly string[]) =>
      unspokenArguments('find', { type: 'object', properties, required: [...required] }, 'Find it');
    expect(flags([])).toEqual(['detailed']);
    expect(flags(['detailed'])).toEqual([]);
  });
});

describe('an optional precision', () => {
  const isUnspokenNumber = (name: string, request: string): boolean => {
    const properties: JsonSchema = { [name]: { type: 'integer', description: 'Decimals to round to.' } };
    return unspokenArguments('distance', { type: 'object', properties }, request).includes(name);
  };

  it('is unspoken where nobody said how exact the result is to be', () => {
    const request = 'The distance between A(3,4) and B(1,2)';
    expect(isUnspokenNumber('rounding', request)).toBe(true);
    expect(isUnspokenNumber('decimal_places', request)).toBe(true);
    expect(isUnspokenNumber('rounding', `${request}, to 2 decimal places`)).toBe(false);
    expect(isUnspokenNumber('rounding', `${request}, to the nearest integer`)).toBe(false);
    expect(isUnspokenNumber('places', request)).toBe(false);
  });
});
