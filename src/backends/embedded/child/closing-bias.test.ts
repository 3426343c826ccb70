import { describe, expect, it } from 'vitest';
import { closingBiasOf } from './closing-bias.ts';
import { letterTokeniser } from './testing/letter-model.ts';
import { ModelVocabulary } from './vocabulary.ts';

const WORDS = ['}}]', '"}}]\n', ']}}', '}}', '"}', '"]}', ' }', '",', '"a', '{}', ' {"', '},', '": '];
const bias = closingBiasOf(new ModelVocabulary(letterTokeniser(WORDS)));
const token = (text: string): number =>
  WORDS.includes(text) ? 258 + WORDS.indexOf(text) : (new TextEncoder().encode(text)[0] ?? -1);

describe('closingBiasOf', () => {
  it('closes a string by its quote, never by a bracket that would be part of it', () => {
    expect(['"', '"}', '"]}'].map((text) => bias.string.get(token(text)))).toEqual([60, 60, 60]);
    expect(['}', '",', '"a', 'x'].map((text) => bias.string.get(token(text)))).toEqual(Array(4).fill(undefined));
  });

  it('prefers brackets to separators and separators to beginnings', () => {
    const [bracket, separator, beginning] = ['}', ',', '"'].map((text) => bias.value.get(token(text)) ?? 0);
    expect(bracket).toBeGreaterThan(separator ?? 0);
    expect(separator).toBeGreaterThan(beginning ?? 0);
    expect(['}}', ' }', ']'].map((text) => bias.value.get(token(text)))).toEqual([60, 60, 60]);
    expect(['},', ' {"', '1'].map((text) => bias.value.get(token(text)))).toEqual([undefined, undefined, undefined]);
  });
});
