/**
 * Kills the engine again and again under load. Every stream has to end with its wire's error or go on to its end; nothing
 * may hang, and the next child serves as the first did. The calls share long prefixes, so that children die while they
 * write and fetch them: what the last child finds of them has to be what the first computed.
 */
import type { CacheView } from '../src/admin/cache-routes.ts';
import { startAtelier } from './atelier.ts';
import { timedStream } from './token-times.ts';

export interface KillReport {
  readonly kills: number;
  readonly calls: number;
  readonly completed: number;
  /** Ended by an error frame or a status before the first byte. */
  readonly failed: number;
  /** Neither: what must not be. */
  readonly wrong: readonly string[];
  readonly restarts: number;
  readonly receipts: number;
  /** Greedy answers behind the long prefixes that were the same cold, before the first kill, and from files after the last. */
  readonly sameAnswers: number;
  readonly answers: number;
  /** Tokens of the long prefixes that the last child had not to compute, and those it was asked with. */
  readonly foundTokens: number;
  readonly askedTokens: number;
  /** Prefixes on disk at the end, and whether they are within their cap. */
  readonly entries: number;
  readonly isWithinCap: boolean;
}

const CLIENTS = 6;
const PREFIXES = 8;
/** Room for all of them: one that had to be read again beside streams would be rounded otherwise (docs/decisions/0022). */
const CACHE_BYTES = 512 * 2 ** 20;
/** Nobody waits longer: a stream that says nothing for so long hangs. */
const HANGS_AFTER_MS = 60_000;

export async function killUnderLoad(weightsFile: string, kills: number): Promise<KillReport> {
  const atelier = await startAtelier(
    `engine: { weights: "${weightsFile}", contextTokens: 2048, cache: { maxBytes: ${CACHE_BYTES} } }\n`,
  );
  try {
    const before = await answersBehindPrefixes(atelier);
    // Read alone and written: what is lost before that is read again beside streams.
    while ((await entriesOf(atelier)) < PREFIXES) await new Promise((resolve) => setTimeout(resolve, 100));
    let isOver = false;
    let calls = 0;
    let completed = 0;
    let failed = 0;
    const wrong: string[] = [];
    const client = async (): Promise<void> => {
      while (!isOver) {
        const index = calls++;
        const signal = AbortSignal.timeout(HANGS_AFTER_MS);
        const text = `${prefixText(index % PREFIXES)} Call ${index}: tell me a story.`;
        const { error, outputTokens } = await timedStream(atelier, ask(text, 40, 0.7), { signal });
        if (signal.aborted) wrong.push(`call ${index} hung`);
        else if (error === undefined && outputTokens !== undefined) completed++;
        else if (error?.includes('"error"') || error?.includes('"code"')) failed++;
        else wrong.push(`call ${index}: ${error}`);
      }
    };
    const clients = Array.from({ length: CLIENTS }, client);
    for (let kill = 0; kill < kills; kill++) {
      const processId = await servingEngine(atelier);
      await new Promise((resolve) => setTimeout(resolve, 20 + ((kill * 137) % 1_500)));
      process.kill(processId, 'SIGKILL');
      await untilGone(atelier, processId);
    }
    await servingEngine(atelier);
    isOver = true;
    await Promise.all(clients);
    // Nothing of them is warm in the child that answers now: all it finds, it finds in files.
    const last = await servingEngine(atelier);
    process.kill(last, 'SIGKILL');
    await untilGone(atelier, last);
    await servingEngine(atelier);
    const after = await answersBehindPrefixes(atelier);
    const { items } = await atelier.admin<CacheView>('/admin/cache');
    const totals = items[0]?.totals;
    return {
      kills,
      calls,
      completed,
      failed,
      wrong,
      restarts: await atelier.metric('atelier_engine_restarts'),
      receipts: await settledReceipts(atelier),
      sameAnswers: before.texts.filter((text, index) => text !== '' && text === after.texts[index]).length,
      answers: PREFIXES,
      foundTokens: after.cachedTokens,
      askedTokens: after.promptTokens,
      entries: totals?.entries ?? 0,
      isWithinCap: totals !== undefined && totals.bytes <= CACHE_BYTES,
    };
  } finally {
    await atelier.stop();
  }
}

async function entriesOf(atelier: Atelier): Promise<number> {
  return (await atelier.admin<CacheView>('/admin/cache')).items[0]?.totals.entries ?? 0;
}

function prefixText(prefix: number): string {
  const lines = Array.from(
    { length: 40 },
    (_, i) => `Item ${i} of list ${prefix} costs ${(i * 7 + prefix) % 97} coins.`,
  );
  return `List ${prefix}. ${lines.join(' ')}`;
}

/** Asked one at a time: beside others, numbers round otherwise. */
async function answersBehindPrefixes(
  atelier: Atelier,
): Promise<{ readonly texts: readonly string[]; readonly cachedTokens: number; readonly promptTokens: number }> {
  const texts: string[] = [];
  let cachedTokens = 0;
  let promptTokens = 0;
  for (let prefix = 0; prefix < PREFIXES; prefix++) {
    const answer = await timedStream(atelier, ask(`${prefixText(prefix)} What is this?`, 16, 0));
    texts.push(answer.text);
    cachedTokens += answer.cachedTokens ?? 0;
    promptTokens += answer.promptTokens ?? 0;
  }
  return { texts, cachedTokens, promptTokens };
}

/** How many there are once no more come: they are written behind the answers. */
async function settledReceipts(atelier: Atelier): Promise<number> {
  for (let count = -1; ; ) {
    const now = atelier.receipts().length;
    if (now === count) return now;
    count = now;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}

function ask(content: string, tokens: number, temperature: number): object {
  return { model: 'qwen-plus', messages: [{ role: 'user', content }], max_tokens: tokens, temperature };
}

type Atelier = Awaited<ReturnType<typeof startAtelier>>;

/** The process id of an engine that has its weights. */
async function servingEngine(atelier: Atelier): Promise<number> {
  while ((await atelier.metric('atelier_engine_loaded')) !== 1) await new Promise((resolve) => setTimeout(resolve, 20));
  return atelier.engineProcessId();
}

async function untilGone(atelier: Atelier, processId: number): Promise<void> {
  for (;;) {
    const now = await atelier.engineProcessId();
    if (now !== processId) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
