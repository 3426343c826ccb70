/**
 * Clients that hang up at random points on real weights: no sequence may stay taken, and what is billed must be what was
 * emitted. Each client reads with log probabilities, so it can count the tokens of what it got; what the server had
 * already sent when the client hung up shows as a difference of a step or two a client, never the other way.
 */

import { randomFrom } from '../src/backends/embedded/testing/random.ts';
import { type AtelierProcess, engineYaml, startAtelier } from './atelier.ts';
import { inParallel } from './structured.ts';
import { framesOf } from './token-times.ts';

export interface DisconnectReport {
  readonly clients: number;
  readonly finished: number;
  readonly left: number;
  readonly busySequences: number;
  readonly readTokens: number;
  readonly billedTokens: number;
  readonly receipts: number;
  /** Clients that read to the end and whose own count is not their reply's. */
  readonly wrongCounts: number;
}

/** Runs `count` clients, `atOnce` at a time; each leaves before, while or after it is answered. */
export async function proveDisconnects(weightsFile: string, count: number, atOnce: number): Promise<DisconnectReport> {
  const atelier = await startAtelier(engineYaml(weightsFile));
  try {
    const random = randomFrom(20_261_124);
    const clients = Array.from({ length: count }, () => ({
      leaveAfterChunks: Math.floor(random() * 20) - 2,
      waitMs: random() * 120,
    }));
    let readTokens = 0;
    let finished = 0;
    let wrongCounts = 0;
    await inParallel(atOnce, clients, async ({ leaveAfterChunks, waitMs }, index) => {
      const outcome = await runClient(atelier, index, leaveAfterChunks, waitMs);
      readTokens += outcome.tokens;
      if (outcome.reported !== undefined) finished++;
      if (outcome.reported !== undefined && outcome.reported !== outcome.tokens) wrongCounts++;
    });
    await settled(atelier, count);
    const receipts = atelier.receipts();
    return {
      clients: count,
      finished,
      left: count - finished,
      busySequences: await atelier.metric('atelier_engine_busy_sequences'),
      readTokens,
      billedTokens: receipts.reduce((sum, { outputTokens }) => sum + outputTokens, 0),
      receipts: receipts.length,
      wrongCounts,
    };
  } finally {
    await atelier.stop();
  }
}

async function runClient(
  atelier: AtelierProcess,
  index: number,
  leaveAfterChunks: number,
  waitMs: number,
): Promise<{ tokens: number; reported: number | undefined }> {
  const leaving = new AbortController();
  let tokens = 0;
  let reported: number | undefined;
  if (leaveAfterChunks < 0) setTimeout(() => leaving.abort(), waitMs);
  try {
    const response = await atelier.post(
      {
        model: 'qwen3-vl-plus',
        messages: [{ role: 'user', content: `Client ${index}: tell me about the number ${index}.` }],
        stream: true,
        stream_options: { include_usage: true },
        max_tokens: 16,
        logprobs: true,
      },
      leaving.signal,
    );
    let chunks = 0;
    for await (const chunk of chunksOf(response)) {
      tokens += chunk.choices[0]?.logprobs?.content?.length ?? 0;
      reported = chunk.usage?.completion_tokens ?? reported;
      if (chunks++ === leaveAfterChunks) leaving.abort();
    }
  } catch (thrown) {
    if (!leaving.signal.aborted) throw thrown;
  }
  return { tokens, reported };
}

interface Chunk {
  readonly choices: readonly { readonly logprobs: { readonly content: readonly unknown[] } | null }[];
  readonly usage: { readonly completion_tokens: number } | null;
}

async function* chunksOf(response: Response): AsyncGenerator<Chunk> {
  for await (const data of framesOf(response)) if (data.startsWith('{')) yield JSON.parse(data);
}

/** Waits until nothing runs and the ledger has written. */
async function settled(atelier: AtelierProcess, count: number): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (performance.now() < deadline) {
    const isIdle =
      (await atelier.metric('atelier_calls_active')) === 0 &&
      (await atelier.metric('atelier_engine_busy_sequences')) === 0;
    if (isIdle && atelier.receipts().length >= count - 200) {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
