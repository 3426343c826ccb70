import { describe, expect, it } from 'vitest';
import { bytesOfBytePairSpelling, textsOfSpellings } from './token-spelling.ts';

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

describe('bytesOfBytePairSpelling', () => {
  it('reads the bytes behind the characters', () => {
    expect(text(bytesOfBytePairSpelling('Ġhello') ?? new Uint8Array())).toBe(' hello');
    expect(text(bytesOfBytePairSpelling('Ċ') ?? new Uint8Array())).toBe('\n');
    expect(text(bytesOfBytePairSpelling('ä½łå¥½') ?? new Uint8Array())).toBe('你好');
  });

  it('has none for a spelling that was added by name', () => {
    expect(bytesOfBytePairSpelling('<｜end▁of▁sentence｜>')).toBeUndefined();
    expect(bytesOfBytePairSpelling('two words')).toBeUndefined();
  });
});

describe('textsOfSpellings', () => {
  it('tells the manner of spelling by the text', () => {
    expect(textsOfSpellings(' hello\n你', ['Ġhello', 'Ċ', 'ä½ł'])).toEqual([' hello', '\n', '你']);
    expect(textsOfSpellings('hello world', ['\u2581hello', '\u2581world'])).toEqual([' hello', ' world']);
    expect(textsOfSpellings('a世', ['a', '<0xE4>', '<0xB8>', '<0x96>'])).toEqual(['a', '\ufffd', '\ufffd', '\ufffd']);
    expect(textsOfSpellings('', [])).toEqual([]);
  });

  it('takes tokens that a model has by name as they are', () => {
    expect(textsOfSpellings('<|end|> a', ['<|end|>', 'Ġa'])).toEqual(['<|end|>', ' a']);
  });

  it('gives the spellings where no manner gives the text back', () => {
    expect(textsOfSpellings('Hello', ['Ġhello'])).toEqual(['Ġhello']);
  });
});
