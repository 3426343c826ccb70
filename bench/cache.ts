/**
 * What a prefix saves: the same 4,000 tokens cold, warm in a sequence, and from a file after the engine was started anew.
 * And what writing such a prefix costs somebody who streams meanwhile.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ForkedEngine } from '../src/backends/embedded/child/testing/forked-engine.ts';
import { greedyPlan } from '../src/backends/embedded/child/testing/plans.ts';
import type { DecodePlan, EngineOptions } from '../src/backends/embedded/engine-protocol.ts';
import type { Row } from './gateway.ts';
import { median } from './load.ts';

const SEQUENCES = 4;

export async function benchCache(weightsFile: string, prefixTokens: number): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'atelier-cache-'));
  const options: EngineOptions = {
    weightsFile,
    sequences: SEQUENCES,
    contextTokens: prefixTokens + 1_024,
    threads: 'auto',
    cache: { folder, maxBytes: 'auto', maxAgeMs: 3_600_000 },
  };
  try {
    const first = await ForkedEngine.start(options);
    const text = await textOf(first, prefixTokens);
    // Weights that were never hashed are hashed first; the cache is there then.
    await cacheOpens(first);
    await ask(first, planOf('warm up', 'Say hello.', 4));
    const cold = await ask(first, planOf(text, 'Which item is the cheapest?'));
    const again = await ask(first, planOf(text, 'Which item is the cheapest?'));
    const other = await ask(first, planOf(text, 'How many items are there?'));
    const gaps = await gapsWhileWriting(first);
    await first.stop();
    const startedMs = performance.now();
    const second = await ForkedEngine.start(options);
    const startMs = performance.now() - startedMs;
    const reloaded = await ask(second, planOf(text, 'Which item is the cheapest?'));
    const reloadedOther = await ask(second, planOf(text, 'What does item 7 cost?'));
    await second.stop();
    if (again.text !== cold.text || reloaded.text !== cold.text) throw new Error('a warm answer is not the cold one');
    const row = (name: string, unit: string, value: number): Row => ({ name, unit, values: { atelier: value } });
    return [
      row(`first token, ${cold.promptTokens} tokens, cold`, 'ms', cold.firstTokenMs),
      row('the same, warm in a sequence', 'ms', again.firstTokenMs),
      row('another question, warm', 'ms', other.firstTokenMs),
      row('the same, from its file after a restart', 'ms', reloaded.firstTokenMs),
      row('another question behind it', 'ms', reloadedOther.firstTokenMs),
      row('tokens that came from the file', '', reloaded.cachedTokens),
      row('start of the engine, index included', 'ms', startMs),
      row('cold / warm', '×', cold.firstTokenMs / again.firstTokenMs),
      row('cold / from file', '×', cold.firstTokenMs / reloaded.firstTokenMs),
      row('gap of a stream, median', 'ms', median(gaps)),
      row('longest gap of a stream while a file is written', 'ms', Math.max(...gaps)),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Asked {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly firstTokenMs: number;
  readonly text: string;
}

async function ask(engine: ForkedEngine, plan: DecodePlan): Promise<Asked> {
  const startedMs = performance.now();
  const job = engine.start(plan);
  let firstTokenMs = 0;
  const first = job
    .when(({ type }) => type === 'step')
    .then(() => {
      firstTokenMs = performance.now() - startedMs;
    });
  const { accepted, choices, last } = await job.ended;
  if (last.type !== 'done') throw new Error(`the engine answered ${last.type}`);
  await first;
  const { promptTokens = 0, cachedTokens = 0 } = accepted ?? {};
  return { promptTokens, cachedTokens, firstTokenMs, text: choices[0]?.text ?? '' };
}

/** A stream goes on while the long prefix, free for a second, is written. */
async function gapsWhileWriting(engine: ForkedEngine): Promise<number[]> {
  const gaps: number[] = [];
  const job = engine.start(planOf('', 'Tell a long story.', 96));
  let lastMs: number | undefined;
  void job.when((message) => {
    if (message.type !== 'step') return false;
    const nowMs = performance.now();
    if (lastMs !== undefined) gaps.push(nowMs - lastMs);
    lastMs = nowMs;
    return false;
  });
  await job.ended;
  return gaps;
}

/** Asks until something has been put on disk or could have been. */
async function cacheOpens(engine: ForkedEngine): Promise<void> {
  for (;;) {
    await ask(engine, planOf('', 'Say hello.', 1));
    if ((engine.states.at(-1)?.cache?.maxBytes ?? 0) > 0) return;
  }
}

/** About so many tokens of text. */
async function textOf(engine: ForkedEngine, tokens: number): Promise<string> {
  const line = (i: number): string => `Item ${i} weighs ${(i * 37) % 101} grams and costs ${(i * 7) % 13} coins.`;
  const lineTokens = (await engine.count(Array.from({ length: 50 }, (_, i) => line(i)).join(' '))) / 50;
  return Array.from({ length: Math.round(tokens / lineTokens) }, (_, i) => line(i)).join(' ');
}

function planOf(text: string, question: string, maxTokens = 16): DecodePlan {
  return greedyPlan(
    [
      { kind: 'control', text: '<|im_start|>user\n' },
      { kind: 'plain', text },
      { kind: 'plain', text: `\n\n${question}` },
      { kind: 'control', text: '<|im_end|>\n<|im_start|>assistant\n' },
    ],
    { stages: [{ kind: 'answer', opening: '', maxTokens }], cache: { mode: 'implicit', namespace: 'bench' } },
  );
}
