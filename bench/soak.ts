/** Many short calls on one engine: what of its memory does not come back. */
import { readFileSync } from 'node:fs';
import { startAtelier } from './atelier.ts';
import { inParallel } from './structured.ts';
import { timedStream } from './token-times.ts';

export interface SoakReport {
  readonly calls: number;
  readonly outputTokens: number;
  /** Memory of the engine's own (not the weights, which are a mapped file) in MiB, after each tenth of the calls. */
  readonly residentMib: readonly number[];
  readonly failed: number;
  readonly firstFailure: string | undefined;
}

/** Calls of up to 120 tokens, four at a time, each another. The context is small, so that all of its cells are in use early. */
export async function soak(weightsFile: string, calls: number): Promise<SoakReport> {
  const atelier = await startAtelier(
    `engine: { weights: "${weightsFile}", contextTokens: 512, cache: { enabled: false } }\n`,
  );
  try {
    const residentMib: number[] = [];
    const failures: string[] = [];
    let outputTokens = 0;
    let done = 0;
    const items = Array.from({ length: calls }, (_, index) => index);
    await inParallel(4, items, async (index) => {
      const { error, outputTokens: own = 0 } = await timedStream(atelier, callOf(index));
      if (error !== undefined) failures.push(error);
      outputTokens += own;
      if (++done % Math.ceil(calls / 10) === 0) residentMib.push(await residentMibOf(atelier));
    });
    return { calls, outputTokens, residentMib, failed: failures.length, firstFailure: failures[0] };
  } finally {
    await atelier.stop();
  }
}

/** Kinds take turns: sampled and greedy, with and without log probabilities, penalties and a grammar. */
function callOf(index: number): object {
  const kinds = [
    { temperature: 0 },
    { temperature: 1, top_p: 0.95, seed: index },
    { temperature: 0.8, presence_penalty: 0.5, logprobs: true, top_logprobs: 3 },
    { temperature: 0.7, response_format: { type: 'json_object' } },
  ];
  const content = `Count from ${index} on, up to ${index + 200}, one number a line, or as JSON.`;
  return {
    model: 'qwen3-vl-plus',
    messages: [{ role: 'user', content }],
    max_tokens: 120,
    ...kinds[index % kinds.length],
  };
}

async function residentMibOf(atelier: { engineProcessId(): Promise<number> }): Promise<number> {
  const status = readFileSync(`/proc/${await atelier.engineProcessId()}/status`, 'utf8');
  return Math.round(Number(/RssAnon:\s+(\d+)/.exec(status)?.[1]) / 1024);
}
