import { describe, expect, it } from 'vitest';
import type { JsonSchema } from '../../../core/generation.ts';
import { unspokenFlags } from './unspoken-flags.ts';

function isUnspoken(flag: string, description: string, request: string | undefined, name = 'get_proteins'): boolean {
  const properties: JsonSchema = { [flag]: { type: 'boolean', description }, cell: { type: 'string' } };
  return unspokenFlags(name, { type: 'object', properties, required: ['cell'] }, request).includes(flag);
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
      unspokenFlags('find', { type: 'object', properties, required: [...required] }, 'Find it');
    expect(flags([])).toEqual(['detailed']);
    expect(flags(['detailed'])).toEqual([]);
  });
});
