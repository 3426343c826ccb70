/** A whole server in this process, on a port the system chose, with a home of its own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConfigFlags, loadConfig } from '../../src/config.ts';
import type { Receipt } from '../../src/core/ports.ts';
import { systemClock } from '../../src/core/system.ts';
import { type RunningServer, type StartOptions, startServer } from '../../src/main.ts';
import { openDatabase } from '../../src/stores/sqlite/database.ts';
import { createKeyStore } from '../../src/stores/sqlite/keys.ts';
import { silentLog } from './context.ts';

export interface TestServer {
  readonly running: RunningServer;
  /** Base URL for an OpenAI SDK. */
  readonly openAiBaseUrl: string;
  readonly key: string;
  readonly home: string;
  /** POSTs JSON (or raw text) to Chat Completions with the key. */
  chat(body: unknown, init?: RequestInit): Promise<Response>;
  /** Receipts written so far, oldest first. */
  receipts(): Promise<StoredReceipt[]>;
  /** The newest receipt once there are more than `count`: a call whose client has left ends on its own time. */
  receiptAfter(count: number): Promise<StoredReceipt>;
  metric(name: string): Promise<number>;
  close(): Promise<void>;
}

export type StoredReceipt = Pick<Receipt, 'requestId' | 'ending' | 'errorCode' | 'model' | 'servedBy'> & {
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  readonly reasoningTokens: number;
  readonly chargeNano: number;
};

/** Starts a server; without weights it answers from the script. */
export async function startTestServer(flags: ConfigFlags = {}, options: StartOptions = {}): Promise<TestServer> {
  const home = mkdtempSync(join(tmpdir(), 'atelier-test-'));
  const config = loadConfig({
    flags: { home, port: 0, scripted: options.weights === undefined, ...flags },
    env: {},
    cwd: home,
  });
  const database = await openDatabase(join(config.home, 'atelier.db'));
  const { secret } = createKeyStore(database, systemClock).create('test');
  const running = await startServer(config, { log: silentLog, ...options });
  await running.ready;
  const openAiBaseUrl = `${running.baseUrl}/compatible-mode/v1`;
  const receipts = async (): Promise<StoredReceipt[]> => {
    await running.flush();
    return database.sqlite
      .prepare<[], StoredReceipt>(
        `SELECT request_id AS requestId, ending, error_code AS errorCode, model, served_by AS servedBy, input_total AS inputTokens,
           input_cached_read AS cachedTokens, output_total AS outputTokens, output_reasoning AS reasoningTokens,
             charge_nano AS chargeNano
         FROM receipts ORDER BY id`,
      )
      .all();
  };
  return {
    running,
    openAiBaseUrl,
    key: secret,
    home,
    chat: (body, init = {}) =>
      fetch(`${openAiBaseUrl}/chat/completions`, {
        method: 'POST',
        body: typeof body === 'string' ? body : JSON.stringify(body),
        ...init,
        headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json', ...init.headers },
      }),
    receipts,
    receiptAfter: async (count) => {
      for (;;) {
        const written = await receipts();
        const newest = written.at(-1);
        if (newest && written.length > count) return newest;
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
    metric: async (name) => {
      const text = await (await fetch(`${running.baseUrl}/metrics`)).text();
      return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1]);
    },
    close: async () => {
      await running.close();
      await database.close();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** The data of each frame of an SSE body; a frame that is not one `data:` line fails. */
export async function framesOf(response: Response): Promise<string[]> {
  const text = await response.text();
  const frames = text.split('\n\n');
  if (frames.pop() !== '') throw new Error('the last frame has no blank line');
  return frames
    .filter((frame) => !frame.startsWith(':'))
    .map((frame) => {
      if (!frame.startsWith('data: ') || frame.includes('\n')) throw new Error(`not one data line: ${frame}`);
      return frame.slice('data: '.length);
    });
}
