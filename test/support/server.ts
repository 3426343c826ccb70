/** A whole server in this process, on a port the system chose, with a home of its own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CreatedKey, NewKeyRequest } from '../../src/admin/contract.ts';
import { type AdminService, createAdminService } from '../../src/admin/service.ts';
import { type ConfigFlags, loadConfig } from '../../src/config.ts';
import type { Receipt } from '../../src/core/ports.ts';
import { systemClock } from '../../src/core/system.ts';
import { type RunningServer, type StartOptions, startServer } from '../../src/main.ts';
import { openDatabase } from '../../src/stores/sql/database.ts';
import { createPlatformStore } from '../../src/stores/sql/platform.ts';
import { silentLog } from './context.ts';

export interface TestServer {
  readonly running: RunningServer;
  /** Base URL for an OpenAI SDK. */
  readonly openAiBaseUrl: string;
  readonly key: string;
  readonly home: string;
  /** The administration, as by the command line: on a connection of its own. The server follows within its poll. */
  readonly admin: AdminService;
  /** Another key (region, workspace…), which the server knows when it is first shown. */
  createKey(request?: Partial<NewKeyRequest>): Promise<CreatedKey>;
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

export interface TestServerOptions extends StartOptions {
  /** Settings as environment variables, over those that keep limits and free quotas out of a test's way. */
  readonly environment?: { readonly [name: string]: string } | undefined;
}

/** On, and met by no test that does not ask for it. */
const OUT_OF_THE_WAY = {
  ATELIER_LIMITS_REQUESTS_PER_SECOND: '10000000',
  ATELIER_LIMITS_CONCURRENT_STREAMS: '10000000',
  ATELIER_LIMITS_CATALOGUE: 'false',
  ATELIER_QUOTA_ENABLED: 'false',
  // Not whatever this machine happens to have.
  ATELIER_ENGINE_KIND: 'binding',
};

/** Starts a server; without weights it answers from the script. */
export async function startTestServer(
  flags: ConfigFlags = {},
  { environment, ...options }: TestServerOptions = {},
): Promise<TestServer> {
  const home = mkdtempSync(join(tmpdir(), 'atelier-test-'));
  const config = loadConfig({
    flags: { home, port: 0, scripted: options.weights === undefined, ...flags },
    env: { ...OUT_OF_THE_WAY, ...environment },
    cwd: home,
  });
  const database = await openDatabase(config.database);
  const store = createPlatformStore(database, systemClock);
  const admin = createAdminService({
    store,
    current: () => store.load(),
    clock: systemClock,
    defaultRegion: config.regions.default,
  });
  const createKey: TestServer['createKey'] = (request) => admin.createKey('test', { name: 'test', ...request });
  const { secret } = await createKey();
  const running = await startServer(config, { log: silentLog, ...options });
  await running.ready;
  const openAiBaseUrl = `${running.baseUrl}/compatible-mode/v1`;
  const receipts = async (): Promise<StoredReceipt[]> => {
    await running.flush();
    const rows = await database.queries
      .selectFrom('receipts')
      .select([
        'request_id as requestId',
        'ending',
        'error_code as errorCode',
        'model',
        'served_by as servedBy',
        'input_total as inputTokens',
        'input_cached_read as cachedTokens',
        'output_total as outputTokens',
        'output_reasoning as reasoningTokens',
        'charge_nano as chargeNano',
      ])
      .orderBy('id')
      .execute();
    return rows as StoredReceipt[];
  };
  return {
    running,
    openAiBaseUrl,
    key: secret,
    home,
    admin,
    createKey,
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
