import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { fitAdvice, fitOf, memoryNeeded } from './fit.ts';
import { readWeightsShape, type WeightsShape } from './gguf.ts';
import { ggufBytes } from './testing/gguf-file.ts';

const GIB = 2 ** 30;
const QWEN3_8B: WeightsShape = {
  architecture: 'qwen3',
  fileBytes: 5.03e9,
  trainContextTokens: 40_960,
  layers: 36,
  keyValueHeads: 8,
  headDimension: 128,
};

describe('memoryNeeded', () => {
  it('adds weights, full contexts and the engine around them', () => {
    const need = memoryNeeded(QWEN3_8B, { sequences: 2, contextTokens: 8_192 }, 16 * GIB);
    expect(need.contextBytes).toBe(36 * 8 * 128 * 4 * 8_192 * 2);
    expect(need.totalBytes).toBe(5.03e9 + need.contextBytes + 0.4e9);
  });

  it('takes for `auto` what the engine would choose beside the weights', () => {
    const need = memoryNeeded(QWEN3_8B, { sequences: 4, contextTokens: 'auto' }, 24 * GIB);
    expect(need.contextTokens).toBeGreaterThan(8_192);
    expect(need.totalBytes).toBeLessThan(24 * GIB);
  });
});

describe('fitOf', () => {
  it('fits or says which context would', () => {
    const wish = { sequences: 4, contextTokens: 32_768 };
    expect(fitOf(QWEN3_8B, wish, 40 * GIB).fits).toBe(true);
    const fit = fitOf(QWEN3_8B, wish, 12 * GIB);
    if (fit.fits) throw new Error('it does not fit');
    expect(fit.fittingTokens % 256).toBe(0);
    expect(fitOf(QWEN3_8B, { ...wish, contextTokens: fit.fittingTokens }, 12 * GIB).fits).toBe(true);
    expect(fitOf(QWEN3_8B, { ...wish, contextTokens: fit.fittingTokens + 256 }, 12 * GIB).fits).toBe(false);
    const advice = fitAdvice('qwen3-8b', fit, wish, 12 * GIB, ['qwen3-4b']);
    expect(advice.problem).toBe(
      'qwen3-8b takes 24.8 GB (weights 5.0 GB, 4 × 32,768 tokens of context 19.3 GB), and 12.9 GB are free.',
    );
    expect(advice.fix).toBe(
      `a context of ${fit.fittingTokens.toLocaleString('en')} fits (--context-tokens ${fit.fittingTokens}), or serve smaller weights (--weights qwen3-4b), or close other programs.`,
    );
  });

  it('does not fit where not even the weights do, nor a context of any use', () => {
    for (const freeBytes of [4 * GIB, 5.2 * GIB]) {
      const wish = { sequences: 4, contextTokens: 'auto' } as const;
      const fit = fitOf(QWEN3_8B, wish, freeBytes);
      if (fit.fits) throw new Error('it does not fit');
      expect(fit.fittingTokens).toBe(0);
      expect(fitAdvice('qwen3-8b', fit, wish, freeBytes, []).fix).toBe(
        'try one answer at a time (--sequences 1), or close other programs.',
      );
    }
  });
});

describe('readWeightsShape', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'atelier-fit-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const write = (bytes: Buffer): string => {
    const file = path.join(folder, 'w.gguf');
    writeFileSync(file, bytes);
    return file;
  };
  const SIZES = {
    'qwen3.block_count': 36,
    'qwen3.context_length': 40_960,
    'qwen3.embedding_length': 4_096,
    'qwen3.attention.head_count': 32,
    'qwen3.attention.head_count_kv': 8,
  };

  it('reads the sizes at the head of a file, before the vocabulary ends', async () => {
    const bytes = ggufBytes({ 'general.architecture': 'qwen3', ...SIZES, 'tokenizer.ggml.tokens': ['a', 'b'] });
    const { fileBytes, ...sizes } = QWEN3_8B;
    expect(await readWeightsShape(write(bytes))).toEqual({ ...sizes, fileBytes: bytes.length });
    expect(fileBytes).toBeGreaterThan(0);
    expect(await readWeightsShape(write(bytes.subarray(0, -5)))).toMatchObject(sizes);
  });

  it('takes the dearest layer where they differ, and a head size that is told', async () => {
    const bytes = ggufBytes({
      'general.architecture': 'qwen3',
      ...SIZES,
      'qwen3.attention.head_count_kv': [2, 4, 2],
      'qwen3.attention.key_length': 64,
    });
    expect(await readWeightsShape(write(bytes))).toMatchObject({ keyValueHeads: 4, headDimension: 64 });
  });

  it('knows nothing of another file, or of one that does not say', async () => {
    expect(await readWeightsShape(write(Buffer.from('no weights')))).toBeUndefined();
    expect(await readWeightsShape(write(ggufBytes({ 'general.architecture': 'qwen3' })))).toBeUndefined();
  });
});
