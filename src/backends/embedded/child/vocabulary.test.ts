import { describe, expect, it } from 'vitest';
import type { Tokeniser } from './binding.ts';
import { letterTokeniser } from './testing/letter-model.ts';
import { ModelVocabulary } from './vocabulary.ts';

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

describe('ModelVocabulary', () => {
  const vocabulary = new ModelVocabulary(letterTokeniser(['hello']));

  it('takes control tokens from control text and plain text as it is spelt', () => {
    const tokens = vocabulary.tokenisePrompt([
      { kind: 'control', text: '<|start|>' },
      { kind: 'plain', text: '<|end|>' },
      { kind: 'control', text: '<|end|>' },
    ]);
    expect(tokens).toEqual([257, ...new TextEncoder().encode('<|end|>'), 256]);
  });

  it('begins with the begin token once, and only where the model wants one', () => {
    const wanting = new ModelVocabulary({ ...letterTokeniser(), prependsBeginToken: true });
    expect(wanting.tokenisePrompt([{ kind: 'plain', text: 'a' }])).toEqual([257, 97]);
    expect(wanting.tokenisePrompt([{ kind: 'control', text: '<|start|>a' }])).toEqual([257, 97]);
    expect(vocabulary.tokenisePrompt([{ kind: 'plain', text: 'a' }])).toEqual([97]);
  });

  it('tells the tokens of a text with their texts, without a begin token', () => {
    const wanting = new ModelVocabulary({ ...letterTokeniser(['hello']), prependsBeginToken: true });
    const pieces = [
      { kind: 'plain', text: 'hello!' },
      { kind: 'control', text: '<|end|>' },
    ] as const;
    expect(wanting.tokensOf(pieces)).toEqual([
      { id: 258, text: 'hello' },
      { id: 33, text: '!' },
      { id: 256, text: '<|end|>' },
    ]);
    // A character in three tokens: none of them is a text.
    expect(wanting.tokensOf([{ kind: 'plain', text: '你' }]).map((token) => token.text)).toEqual([
      '\ufffd',
      '\ufffd',
      '\ufffd',
    ]);
  });

  it('gives a control token no text, but its spelling', () => {
    expect(vocabulary.bytes(256)).toHaveLength(0);
    expect(vocabulary.controlText(256)).toBe('<|end|>');
    expect(vocabulary.controlText(97)).toBeUndefined();
    expect(vocabulary.controlTexts()).toEqual(['<|end|>', '<|start|>']);
  });

  it('finds tokens by their text', () => {
    expect(vocabulary.tokensWhere((candidate) => candidate === 'hello' || candidate === '}')).toEqual([0x7d, 258]);
  });

  it('tokenises text in the middle without the blank that some vocabularies put first', () => {
    const letters = letterTokeniser([' ']);
    const blanking: Tokeniser = {
      ...letters,
      tokenise: (part, control) => (part === '' ? [] : letters.tokenise(` ${part}`, control)),
    };
    const spaced = new ModelVocabulary(blanking);
    const tokens = spaced.tokenisePrompt([
      { kind: 'plain', text: 'a' },
      { kind: 'plain', text: 'b' },
    ]);
    expect(tokens.map((token) => text(spaced.bytes(token))).join('')).toBe(' ab');
    expect(spaced.tokeniseForced('x')).toEqual(letters.tokenise('x', true));
  });
});
