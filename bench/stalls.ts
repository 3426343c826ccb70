/** What a stream feels of a long prompt beside it: the pauses between its tokens while the prompt is being read. */
import { type AtelierProcess, startAtelier } from './atelier.ts';
import { quantile } from './load.ts';
import { timedStream } from './token-times.ts';

export interface Stalls {
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly maxMs: number;
  /** What the prompt's caller waited for its first token, and what it waits when it is alone. */
  readonly firstTokenMs: number;
  readonly aloneMs: number;
  readonly promptTokens: number;
}

/** One stream, then a prompt of about 4,000 tokens beside it. */
export async function measureStalls(weightsFile: string): Promise<Stalls> {
  const atelier = await startAtelier(
    `engine: { weights: "${weightsFile}", contextTokens: 6144, cache: { enabled: false } }\n`,
  );
  try {
    await timedStream(atelier, ask('Say hello.', 8));
    const aloneMs = await firstTokenOf(atelier, longText('alone'));
    const leaving = new AbortController();
    const begun = Promise.withResolvers<void>();
    const stream = timedStream(atelier, ask(COUNTING, 4_000), {
      signal: leaving.signal,
      onPiece: (count) => count === 12 && begun.resolve(),
    });
    await begun.promise;
    const fromMs = performance.now();
    const { firstTokenMs, promptTokens } = await promptBeside(atelier, longText('beside'));
    const toMs = performance.now();
    leaving.abort();
    const { pieceMs } = await stream;
    const times = [fromMs, ...pieceMs.filter((at) => at > fromMs && at <= toMs)];
    const gaps = times.slice(1).map((at, i) => at - (times[i] ?? at));
    return {
      p50Ms: quantile(gaps, 0.5),
      p95Ms: quantile(gaps, 0.95),
      maxMs: Math.max(...gaps),
      firstTokenMs,
      aloneMs,
      promptTokens,
    };
  } finally {
    await atelier.stop();
  }
}

const COUNTING = 'Write the numbers from 1 to 2000 in words, one a line, and do not stop before.';

function ask(text: string, tokens: number): object {
  return { model: 'qwen-plus', messages: [{ role: 'user', content: text }], temperature: 0, max_tokens: tokens };
}

/** About 4,000 tokens. */
function longText(name: string): string {
  const lines = Array.from({ length: 285 }, (_, i) => `Note ${name} ${i}: the river rose by ${i} cm last night.`);
  return `${lines.join(' ')} How high is it?`;
}

async function firstTokenOf(atelier: AtelierProcess, text: string): Promise<number> {
  const startedMs = performance.now();
  const { pieceMs, error } = await timedStream(atelier, ask(text, 2));
  if (error !== undefined) throw new Error(error);
  // Weights that end at once have said their first token, too.
  return (pieceMs[0] ?? performance.now()) - startedMs;
}

async function promptBeside(
  atelier: AtelierProcess,
  text: string,
): Promise<{ firstTokenMs: number; promptTokens: number }> {
  const firstTokenMs = await firstTokenOf(atelier, text);
  return { firstTokenMs, promptTokens: atelier.receipts().at(-1)?.inputTokens ?? Number.NaN };
}
