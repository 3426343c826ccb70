import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Detokenizer } from './detokenizer.ts';

describe('Detokenizer', () => {
  it('gives whole characters only, however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 5 }), (text, size) => {
        const detokenizer = new Detokenizer();
        const bytes = new TextEncoder().encode(text);
        const pieces: string[] = [];
        for (let i = 0; i < bytes.length; i += size) pieces.push(detokenizer.push(bytes.slice(i, i + size)));
        expect(pieces.join('')).toBe(text);
        for (const piece of pieces) expect(piece.isWellFormed()).toBe(true);
      }),
    );
  });

  it('keeps a byte order mark that the model wrote', () => {
    expect(new Detokenizer().push(new TextEncoder().encode('\ufeffa'))).toBe('\ufeffa');
  });

  it('forgets half a character on reset', () => {
    const detokenizer = new Detokenizer();
    expect(detokenizer.push(Uint8Array.of(0xe4, 0xbd))).toBe('');
    detokenizer.reset();
    expect(detokenizer.push(Uint8Array.of(0x61))).toBe('a');
  });
});
