/** Prefixes on disk with the real engine: what is read back gives the cold answer, whatever happened in between. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { proveCache } from '../../bench/cache-trials.ts';
import { ForkedEngine, type JobSeen } from '../../src/backends/embedded/child/testing/forked-engine.ts';
import { greedyPlan } from '../../src/backends/embedded/child/testing/plans.ts';
import type { DecodePlan, EngineOptions } from '../../src/backends/embedded/engine-protocol.ts';

const WEIGHTS = process.env.ATELIER_TEST_WEIGHTS;
const REASON = WEIGHTS === undefined ? ' (skipped: ATELIER_TEST_WEIGHTS names no weights file)' : '';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'atelier-prefixes-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const LONG = Array.from({ length: 40 }, (_, i) => `Item ${i} costs ${(i * 7) % 13} coins.`).join(' ');

function planOf(question: string): DecodePlan {
  return greedyPlan(
    [
      { kind: 'control', text: '<|im_start|>user\n' },
      { kind: 'plain', text: `${LONG} ${question}` },
      { kind: 'control', text: '<|im_end|>\n<|im_start|>assistant\n' },
    ],
    {
      stages: [{ kind: 'answer', opening: '', maxTokens: 8 }],
      logprobs: { top: 0 },
      cache: { mode: 'implicit', namespace: 'a' },
    },
  );
}

const start = (): Promise<ForkedEngine> => {
  const cache = { folder, maxBytes: 1e9, maxAgeMs: 3_600_000 };
  const options: EngineOptions = { weightsFile: WEIGHTS ?? '', sequences: 2, contextTokens: 2_048, threads: 1, cache };
  return ForkedEngine.start(options);
};

const answerOf = (job: JobSeen) =>
  (job.choices[0]?.pieces ?? []).flatMap((piece) => (piece.type === 'text' ? (piece.logprobs ?? []) : []));

/** Asks short things until the cache is as the test says. */
async function until(engine: ForkedEngine, isSo: (cache: { entries: number; maxBytes?: number }) => boolean) {
  for (;;) {
    await engine.run({ ...planOf(''), prompt: [{ kind: 'plain', text: 'Hi' }], cache: undefined });
    const { cache } = engine.states.at(-1) ?? {};
    if (cache && isSo({ entries: cache.entries, maxBytes: cache.maxBytes ?? 0 })) return;
  }
}

const TIMEOUT = { timeout: 120_000 };

describe.skipIf(WEIGHTS === undefined)(`a prefix on disk${REASON}`, TIMEOUT, () => {
  it('gives the cold answer after a kill, and a damaged one costs only a miss', async () => {
    const first = await start();
    await until(first, ({ maxBytes = 0 }) => maxBytes > 0);
    const cold = await first.run(planOf('Name the cheapest item.'));
    expect(cold.accepted?.cachedTokens).toBe(0);
    await until(first, ({ entries }) => entries === 1);
    await first.kill();

    const second = await start();
    const warm = await second.run(planOf('Name the cheapest item.'));
    expect(warm.accepted?.cachedTokens).toBeGreaterThan((warm.accepted?.promptTokens ?? 0) - 80);
    expect(answerOf(warm)).toEqual(answerOf(cold));
    await second.kill();

    const [name = ''] = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((each) =>
      each.endsWith('.kv'),
    );
    const cells = readFileSync(path.join(folder, name));
    writeFileSync(path.join(folder, name), cells.fill(7, cells.length >> 1, (cells.length >> 1) + 9));
    const third = await start();
    const missed = await third.run(planOf('Name the cheapest item.'));
    expect(missed.accepted?.cachedTokens).toBe(0);
    expect(answerOf(missed)).toEqual(answerOf(cold));
    await third.stop();
  });
});

/** On weights of random numbers, so that they are always there. The long run is `npm run bench -- cache-trials`. */
describe('trials of prefixes on disk', TIMEOUT, () => {
  it('give no wrong answer at ten times the cap, with kills in between', async () => {
    const report = await proveCache({ trials: 150, seed: 7, killEvery: 50 });
    expect(report).toMatchObject({ trials: 150, wrong: 0, rounded: 0, kills: 3 });
    expect(report.fromFile).toBeGreaterThan(30);
    expect(report.mostBytes).toBeLessThanOrEqual(report.capBytes);
  });
});
