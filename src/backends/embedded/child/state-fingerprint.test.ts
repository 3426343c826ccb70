import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { computeWeightsDigest, fingerprintOf, knownWeightsDigest } from './state-fingerprint.ts';

it('depends on everything that cells depend on', () => {
  const facts = { weightsDigest: 'w', engineVersion: '1', sequences: 4, template: '' };
  const others = [
    { ...facts, weightsDigest: 'x' },
    { ...facts, engineVersion: '2' },
    { ...facts, sequences: 5 },
    { ...facts, template: 't' },
  ];
  const prints = [facts, ...others].map(fingerprintOf);
  expect(new Set(prints).size).toBe(5);
  expect(prints[0]).toMatch(/^[0-9a-f]{32}$/);
  expect(fingerprintOf({ ...facts })).toBe(prints[0]);
});

it('hashes weights once, and again when the file has changed', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'atelier-print-'));
  try {
    const weights = path.join(folder, 'w.gguf');
    writeFileSync(weights, 'weights');
    const cache = path.join(folder, 'cache');
    expect(await knownWeightsDigest(weights, cache)).toBeUndefined();
    const digest = await computeWeightsDigest(weights, cache);
    expect(await knownWeightsDigest(weights, cache)).toBe(digest);
    appendFileSync(weights, '!');
    expect(await knownWeightsDigest(weights, cache)).toBeUndefined();
    expect(await computeWeightsDigest(weights, cache)).not.toBe(digest);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
