/**
 * Kills the engine again and again under load. Every stream has to end with its wire's error or go on to its end; nothing
 * may hang, and the next child serves as the first did.
 */
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
  /** A greedy answer before the first kill and after the last. */
  readonly saysTheSame: boolean;
}

const CLIENTS = 6;
/** Nobody waits longer: a stream that says nothing for so long hangs. */
const HANGS_AFTER_MS = 60_000;

export async function killUnderLoad(weightsFile: string, kills: number): Promise<KillReport> {
  const atelier = await startAtelier(`engine: { weights: "${weightsFile}", contextTokens: 2048 }\n`);
  try {
    const before = (await timedStream(atelier, ask('Say something about rivers.', 24, 0))).text;
    let isOver = false;
    let calls = 0;
    let completed = 0;
    let failed = 0;
    const wrong: string[] = [];
    const client = async (): Promise<void> => {
      while (!isOver) {
        const index = calls++;
        const signal = AbortSignal.timeout(HANGS_AFTER_MS);
        const { error, outputTokens } = await timedStream(atelier, ask(`Call ${index}: tell me a story.`, 40, 0.7), {
          signal,
        });
        if (signal.aborted) wrong.push(`call ${index} hung`);
        else if (error === undefined && outputTokens !== undefined) completed++;
        else if (error?.includes('"error"') || error?.includes('"code"')) failed++;
        else wrong.push(`call ${index}: ${error}`);
      }
    };
    const clients = Array.from({ length: CLIENTS }, client);
    for (let kill = 0; kill < kills; kill++) {
      const processId = await servingEngine(atelier);
      await new Promise((resolve) => setTimeout(resolve, 20 + ((kill * 137) % 600)));
      process.kill(processId, 'SIGKILL');
      await untilGone(atelier, processId);
    }
    await servingEngine(atelier);
    isOver = true;
    await Promise.all(clients);
    const after = (await timedStream(atelier, ask('Say something about rivers.', 24, 0))).text;
    return {
      kills,
      calls,
      completed,
      failed,
      wrong,
      restarts: await atelier.metric('atelier_engine_restarts'),
      receipts: atelier.receipts().length,
      saysTheSame: before === after && before !== '',
    };
  } finally {
    await atelier.stop();
  }
}

function ask(content: string, tokens: number, temperature: number): object {
  return { model: 'qwen3-vl-plus', messages: [{ role: 'user', content }], max_tokens: tokens, temperature };
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
