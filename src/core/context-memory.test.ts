import { describe, expect, it } from 'vitest';
import { autoContextTokens, type ContextShape, contextBytesPerToken } from './context-memory.ts';

const GIB = 2 ** 30;
const QWEN_05: ContextShape = {
  trainContextTokens: 32_768,
  layers: 24,
  keyValueHeads: 2,
  headDimension: 64,
};

describe('autoContextTokens', () => {
  it('knows what a token costs: 12 KiB on the 0.5B', () => {
    expect(contextBytesPerToken(QWEN_05)).toBe(12 * 1024);
  });

  it('gives the model all it was trained for, up to 32,768, where memory is plenty', () => {
    expect(autoContextTokens(QWEN_05, 4, 20 * GIB)).toBe(32_768);
    expect(autoContextTokens({ ...QWEN_05, trainContextTokens: 131_072 }, 4, 20 * GIB)).toBe(32_768);
    expect(autoContextTokens({ ...QWEN_05, trainContextTokens: 2_048 }, 4, 20 * GIB)).toBe(2_048);
  });

  it('takes 40% of the free memory, in steps of 256', () => {
    const tokens = autoContextTokens(QWEN_05, 4, 2 * GIB);
    expect(tokens % 256).toBe(0);
    expect(tokens).toBe(Math.floor((2 * GIB * 0.4) / (12 * 1024 * 4) / 256) * 256);
  });

  it('gives 8,192 while memory can hold them at all, less below that', () => {
    expect(autoContextTokens(QWEN_05, 4, 0.5 * GIB)).toBe(8_192);
    expect(autoContextTokens(QWEN_05, 4, 0.2 * GIB)).toBeLessThan(8_192);
    expect(autoContextTokens(QWEN_05, 64, 1024)).toBe(256);
  });
});
