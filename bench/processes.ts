/** Servers under measurement, each in a process of its own, with what the system says of their CPU and memory. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { openSync, readFileSync } from 'node:fs';

export interface ServerProcess {
  readonly name: string;
  readonly url: URL;
  /** Milliseconds of CPU (user and system) used so far, of the process alone. */
  cpuMs(): number;
  /** Resident memory in MiB. */
  memoryMib(): number;
  stop(): Promise<void>;
}

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** Starts a program and waits for the line that names its port (`… <port>` after `marker`). */
export async function startServer(
  name: string,
  args: readonly string[],
  options: {
    readonly marker: RegExp;
    readonly env?: NodeJS.ProcessEnv;
    readonly flags?: readonly string[];
    readonly logFile?: string;
  },
): Promise<ServerProcess> {
  const child = spawn(process.execPath, [...(options.flags ?? []), ...args], {
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', options.logFile === undefined ? 'pipe' : openSync(options.logFile, 'a')],
  });
  const port = await portOf(name, child, options.marker);
  // Nobody may be slowed down by a full pipe.
  child.stdout?.resume();
  child.stderr?.resume();
  return {
    name,
    url: new URL(`http://127.0.0.1:${port}`),
    cpuMs: () => {
      const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
      return ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND) * 1000;
    },
    memoryMib: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024,
    stop: () =>
      new Promise((resolve) => {
        child.once('exit', () => resolve());
        child.kill('SIGTERM');
      }),
  };
}

function portOf(name: string, child: ChildProcess, marker: RegExp): Promise<number> {
  return new Promise((resolve, reject) => {
    let seen = '';
    const read = (data: Buffer): void => {
      seen += data.toString();
      const port = marker.exec(seen)?.[1];
      if (port !== undefined) resolve(Number(port));
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
    child.once('exit', (code) => reject(new Error(`${name} ended with ${code} before it listened:\n${seen}`)));
  });
}
