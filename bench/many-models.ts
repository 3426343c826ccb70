/** Two local models that do not fit beside each other: what a call costs that needs the other one. */
import { statSync } from 'node:fs';
import type { LocalModelsView } from '../src/admin/engine-routes.ts';
import { startAtelier } from './atelier.ts';
import { median } from './load.ts';
import { timedStream } from './token-times.ts';

export interface SwitchReport {
  /** First token of a call whose weights were loaded, in memory. */
  readonly loadedMs: number;
  /** First token of a call for which the other model had to go: by the model that was called. */
  readonly switchMs: { readonly [weights: string]: number };
  /** Of it the loading, as the fleet counts it. */
  readonly loadMs: { readonly [weights: string]: number };
  /** Calls to both at once, in turns: all of them answered. */
  readonly mixedCalls: number;
  readonly mixedFailures: number;
  readonly loads: number;
}

export async function measureSwitches(first: string, second: string, rounds: number): Promise<SwitchReport> {
  const atelier = await startAtelier(
    `engine:
  weights: "${first}"
  contextTokens: 2048
  sequences: 2
  memoryLimit: ${roomForOne(first, second)}
  models: { other: { weights: "${second}" } }
  cache: { enabled: false }
models: { "qwen3-*": embedded/other }
`,
  );
  try {
    const call = async (model: string, tokens = 2): Promise<number> => {
      const startedMs = performance.now();
      const { pieceMs, error } = await timedStream(atelier, {
        model,
        messages: [{ role: 'user', content: 'Say hello.' }],
        max_tokens: tokens,
        temperature: 0,
      });
      if (error !== undefined) throw new Error(error);
      return (pieceMs[0] ?? Number.NaN) - startedMs;
    };
    await call('qwen-plus');
    const loaded: number[] = [];
    const switches = new Map<string, number[]>();
    for (let round = 0; round < rounds; round++)
      for (const model of ['qwen3-32b', 'qwen-plus']) {
        switches.set(model, [...(switches.get(model) ?? []), await call(model)]);
        loaded.push(await call(model));
      }
    let mixedFailures = 0;
    const mixed = Array.from({ length: 24 }, (_, i) => (i % 3 === 0 ? 'qwen3-32b' : 'qwen-plus'));
    await Promise.all(mixed.map((model) => call(model, 16).catch(() => mixedFailures++)));
    const { items } = await atelier.admin<LocalModelsView>('/admin/engines');
    return {
      loadedMs: median(loaded),
      switchMs: Object.fromEntries([...switches].map(([model, times]) => [model, Math.round(median(times))])),
      loadMs: Object.fromEntries(items.map(({ weights, loadMs }) => [weights, loadMs ?? Number.NaN])),
      mixedCalls: mixed.length,
      mixedFailures,
      loads: items.reduce((sum, { loads }) => sum + (loads ?? 0), 0),
    };
  } finally {
    await atelier.stop();
  }
}

/** Bytes that the larger one needs with its context, and both together exceed. */
function roomForOne(...files: readonly string[]): number {
  return Math.max(...files.map((file) => statSync(file).size)) + 600_000_000;
}
