/** A real Redis for tests, where the machine has one. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TestRedis {
  /** As `config.redis`. */
  readonly url: string;
  /** Kills the server: its port refuses, what it knew is gone. */
  stop(): Promise<void>;
  /** Starts it again on the same port, empty. */
  start(): Promise<void>;
  /** It hangs: keeps its connections and answers nothing. */
  pause(): void;
  resume(): void;
  /** Ends it for good. */
  close(): Promise<void>;
}

/** Why no Redis can be had; undefined when it can. Use: `describe.skipIf(REDIS_MISSING)(titleOnRedis(…), …)`. */
export const REDIS_MISSING: string | undefined = missing();

/** The title of a suite on Redis; tells why it is skipped when it is. */
export function titleOnRedis(title: string): string {
  return REDIS_MISSING === undefined ? title : `${title} (${REDIS_MISSING})`;
}

function missing(): string | undefined {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'no redis-server is on the PATH';
  }
}

/** A port that was free may be taken before Redis has it. */
const ATTEMPTS = 3;

/** Starts a Redis of its own, on a port that the system chose, which writes nothing to disk. */
export async function startRedis(): Promise<TestRedis> {
  for (let attempt = 1; ; attempt++) {
    const redis = new RedisProcess(await freePort());
    try {
      await redis.start();
      return redis;
    } catch (thrown) {
      await redis.close();
      if (attempt === ATTEMPTS) throw thrown;
    }
  }
}

class RedisProcess implements TestRedis {
  readonly #port: number;
  readonly #folder = mkdtempSync(join(tmpdir(), 'atelier-redis-'));
  #child: ChildProcess | undefined;
  readonly url: string;

  constructor(port: number) {
    this.#port = port;
    this.url = `redis://127.0.0.1:${port}`;
  }

  async start(): Promise<void> {
    const options = ['--port', String(this.#port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    const child = spawn('redis-server', [...options, '--dir', this.#folder], { stdio: 'ignore' });
    this.#child = child;
    const ended = new Promise<never>((_resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`redis-server ended with ${code}`)));
    });
    ended.catch(() => {});
    await Promise.race([ended, answers(this.#port, () => child.exitCode === null)]);
  }

  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }

  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  async close(): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Knocks until the server answers. */
async function answers(port: number, isAlive: () => boolean): Promise<void> {
  while (isAlive()) if (await ping(port)) return;
}

function ping(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' }, () => socket.write('PING\r\n'));
    socket.once('data', (data) => {
      socket.destroy();
      resolve(data.toString().startsWith('+PONG'));
    });
    // A refusal comes at once; the pause keeps the knocking from taking the processor that Redis starts on.
    socket.once('error', () => setTimeout(resolve, 5, false));
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
