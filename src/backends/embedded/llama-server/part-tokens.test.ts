import { describe, expect, it } from 'vitest';
import { letterTokeniser } from '../child/testing/letter-model.ts';
import { ModelVocabulary } from '../child/vocabulary.ts';
import { PartTokens } from './part-tokens.ts';

const parts = new PartTokens(new ModelVocabulary(letterTokeniser()));

describe('tokens that are parts of a character', () => {
  it('are told by the bytes that the last one leaves', () => {
    const fox = [...new TextEncoder().encode('🦊')];
    const last = fox.at(-1) ?? 0;
    expect(parts.before(last, '🦊', 3)).toEqual(fox.slice(0, 3));
    expect(parts.before(0x61, 'a', 0)).toEqual([]);
  });

  it('are as many as there were, where their bytes are lost', () => {
    expect(parts.before(0x61, '\ufffda', 2)).toHaveLength(2);
    expect(parts.before(0x62, 'a', 1)).toHaveLength(1);
  });
});
