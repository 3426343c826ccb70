/** Starts Atelier for a measurement: a process of its own, a home of its own, a key, and what it wrote into its ledger. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import nodeFlags from '../scripts/node-flags.json' with { type: 'json' };
import type { LocalModelsView } from '../src/admin/engine-routes.ts';
import { type ServerProcess, startServer } from './processes.ts';

export const CHAT_PATH = '/compatible-mode/v1/chat/completions';

export interface AtelierProcess {
  readonly server: ServerProcess;
  readonly key: string;
  post(body: object, signal?: AbortSignal): Promise<Response>;
  metric(name: string): Promise<number>;
  /** Of the first engine child; kill it to see what happens. */
  engineProcessId(): Promise<number>;
  /** The administration's answer. */
  admin<View>(path: string): Promise<View>;
  receipts(): { ending: string; outputTokens: number; inputTokens: number }[];
  stop(): Promise<void>;
}

/** Limits are counted for every call (the key has some of each kind, see serve.ts), and refuse none. */
const LIMITS = 'limits: { requestsPerSecond: 10000000, concurrentStreams: 10000000, catalogue: false }\n';

/**
 * `yaml` is the whole configuration but for the port and limits. `checkout` is the folder of another version that is to be
 * measured beside this one; it may be too old to know limits.
 */
export async function startAtelier(yaml: string, checkout?: string): Promise<AtelierProcess> {
  const root = checkout ?? join(import.meta.dirname, '..');
  const folder = mkdtempSync(join(tmpdir(), 'atelier-bench-'));
  const home = join(folder, 'home');
  const configFile = join(folder, 'atelier.yaml');
  writeFileSync(configFile, `server: { port: 0 }\n${checkout === undefined ? LIMITS : ''}${yaml}`);
  const server = await startServer('atelier', [join(root, 'bench/serve.ts'), configFile, home], {
    // As `npm start` runs it.
    flags: nodeFlags,
    logFile: join(folder, 'log'),
    env: { NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/node') },
    marker: /listening (\d+)/,
  });
  const key = readFileSync(join(home, 'bench-key'), 'utf8').trim();
  const admin = async <View>(path: string): Promise<View> => {
    // Read when it is asked for: an older version has none.
    const adminKey = readFileSync(join(home, 'bench-admin-key'), 'utf8').trim();
    const headers = { authorization: `Bearer ${adminKey}` };
    return (await (await fetch(new URL(path, server.url), { headers })).json()) as View;
  };
  return {
    admin,
    engineProcessId: async () => {
      const { items } = await admin<LocalModelsView>('/admin/engines');
      return items[0]?.processId ?? Number.NaN;
    },
    server,
    key,
    post: (body, signal) =>
      fetch(new URL(CHAT_PATH, server.url), {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: signal ?? null,
      }),
    metric: async (name) => {
      const text = await (await fetch(new URL('/metrics', server.url))).text();
      return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1]);
    },
    receipts: () => {
      const database = new BetterSqlite3(join(home, 'atelier.db'), { readonly: true });
      const rows = database
        .prepare('SELECT ending, output_total AS outputTokens, input_total AS inputTokens FROM receipts ORDER BY id')
        .all();
      database.close();
      return rows as { ending: string; outputTokens: number; inputTokens: number }[];
    },
    stop: async () => {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Configuration of a server that answers from one weights file. */
export const engineYaml = (weightsFile: string): string =>
  `engine: { weights: "${weightsFile}", contextTokens: 4096 }\n`;
