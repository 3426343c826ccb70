/**
 * One llama-server as a child of this process: starts it, waits until its weights are loaded, and makes sure that it
 * ends with us however we end. The supervisor one process up starts both anew when either dies.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { CompletionClient } from './completions.ts';
import { type ServerSetting, serverArguments, serverEnvironment } from './server-arguments.ts';

export type ServerProcessSetting = Omit<ServerSetting, 'port'> & { readonly binary: string };

const HEALTH_INTERVAL_MS = 50;
const HELP_TIMEOUT_MS = 15_000;
const KEPT_LINES = 20;
const LINE_CHARACTERS = 300;

/**
 * Starts the server and gives its process a twin that does nothing but wait for our end: its standard input closes when
 * we are gone, even by SIGKILL, and it kills the server. When the server ends first, the twin goes too: its process id may
 * soon be another's. On Windows children go with their parent by themselves.
 */
const KEEPER = `
exec 3<&0
"$@" 3<&- </dev/null &
server=$!
{ cat <&3; kill -9 $server; } >/dev/null 2>&1 &
twin=$!
exec 3<&-
wait $server
code=$?
kill -9 $twin 2>/dev/null
exit $code
`;

export class ServerProcess {
  readonly client: CompletionClient;
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  readonly #gone: Promise<string>;

  private constructor(child: ChildProcess, client: CompletionClient) {
    this.#child = child;
    this.client = client;
    for (const stream of [child.stdout, child.stderr]) {
      if (!stream) continue;
      createInterface({ input: stream }).on('line', (line) => {
        this.#lines.push(line.slice(0, LINE_CHARACTERS));
        if (this.#lines.length > KEPT_LINES) this.#lines.shift();
      });
    }
    this.#gone = new Promise((resolve) => {
      child.on('error', (error) => resolve(error.message));
      child.on('close', (code, signal) => resolve(signal ? `ended by ${signal}` : `ended with code ${code}`));
    });
  }

  /** Rejects with the server's own complaint when it cannot load the weights. */
  static async start(setting: ServerProcessSetting, signal: AbortSignal): Promise<ServerProcess> {
    const help = await helpOf(setting.binary);
    const port = await freePort();
    const apiKey = randomBytes(24).toString('base64url');
    const command = [setting.binary, ...serverArguments({ ...setting, port }, help)];
    const [program = '', ...rest] =
      process.platform === 'win32' ? command : ['/bin/sh', '-c', KEEPER, 'sh', ...command];
    const child = spawn(program, rest, {
      env: serverEnvironment(process.env, apiKey),
      stdio: ['pipe', 'pipe', 'pipe'],
      // A process group of its own: Ctrl-C in the terminal is for us to answer, and live streams are to be finished.
      detached: process.platform !== 'win32',
      windowsHide: true,
    });
    child.stdin?.on('error', () => {});
    const server = new ServerProcess(child, new CompletionClient({ port, apiKey }));
    try {
      await server.#untilReady(signal);
    } catch (thrown) {
      server.kill();
      throw thrown;
    }
    return server;
  }

  /** Resolves when it is gone, with what it had to say. */
  get gone(): Promise<string> {
    return this.#gone.then((how) => `llama-server ${how}${this.#complaint()}`);
  }

  /** At once. The keeper sees its input close and kills the server; the group is killed for good measure. */
  kill(): void {
    this.client.close();
    this.#child.stdin?.destroy();
    const { pid } = this.#child;
    if (pid === undefined || this.#child.exitCode !== null) return;
    try {
      process.kill(process.platform === 'win32' ? pid : -pid, 'SIGKILL');
    } catch {
      // Gone already.
    }
  }

  async #untilReady(signal: AbortSignal): Promise<void> {
    let end: string | undefined;
    void this.gone.then((how) => {
      end = how;
    });
    while (end === undefined) {
      signal.throwIfAborted();
      if (await this.client.isReady(signal).catch(() => false)) return;
      await Promise.race([pause(HEALTH_INTERVAL_MS), this.#gone]);
    }
    throw new Error(end);
  }

  /** The last lines that speak of an error, or the last line. */
  #complaint(): string {
    const errors = this.#lines.filter((line) => /error|fail|cannot|unable|invalid/i.test(line));
    const told = errors.length > 0 ? errors.slice(-2) : this.#lines.slice(-1);
    return told.length === 0 ? '' : `: ${told.join('; ')}`;
  }
}

async function helpOf(binary: string): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(binary, ['--help'], {
    timeout: HELP_TIMEOUT_MS,
    maxBuffer: 1 << 22,
    env: serverEnvironment(process.env, ''),
  });
  return `${stdout}\n${stderr}`;
}

/** One that is free now. Should another program take it in this moment, the start fails and is tried again. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      const port = typeof address === 'object' && address ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}
