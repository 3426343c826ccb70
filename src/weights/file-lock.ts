/** A lock between processes, as a file that its owner keeps fresh. */
import { randomUUID } from 'node:crypto';
import { readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';

const HEARTBEAT_MS = 2000;
/** An owner that has not touched its lock for this long is gone, or asleep with its machine. */
const STALE_MS = 30_000;
const POLL_MS = 200;

export interface LockOptions {
  readonly signal: AbortSignal;
  /** Told once, when another process holds the lock. */
  readonly onWait?: (() => void) | undefined;
}

/** Runs the action while holding the lock. The action's signal aborts also when the lock was lost. */
export async function withFileLock<Result>(
  file: string,
  { signal, onWait }: LockOptions,
  action: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const owner = JSON.stringify({ pid: process.pid, host: hostname(), token: randomUUID() });
  await take(file, owner, signal, onWait);
  const lost = new AbortController();
  const heartbeat = setInterval(() => {
    keepFresh(file, owner).catch((error: unknown) => lost.abort(error));
  }, HEARTBEAT_MS);
  try {
    return await action(AbortSignal.any([signal, lost.signal]));
  } finally {
    clearInterval(heartbeat);
    if ((await contentOf(file)) === owner) await rm(file, { force: true });
  }
}

async function take(file: string, owner: string, signal: AbortSignal, onWait: (() => void) | undefined): Promise<void> {
  let hasToldOfWaiting = false;
  for (;;) {
    signal.throwIfAborted();
    try {
      await writeFile(file, owner, { flag: 'wx' });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const held = await contentOf(file);
    if (held !== undefined && (await isAbandoned(file, held))) await breakLock(file, held);
    else {
      if (!hasToldOfWaiting) onWait?.();
      hasToldOfWaiting = true;
      await delay(POLL_MS, undefined, { signal });
    }
  }
}

/** Moves an abandoned lock away; puts it back when somebody else had broken and retaken it meanwhile. */
async function breakLock(file: string, expected: string): Promise<void> {
  const aside = `${file}.${randomUUID()}`;
  try {
    await rename(file, aside);
  } catch {
    return;
  }
  const moved = await contentOf(aside);
  if (moved !== undefined && moved !== expected) await writeFile(file, moved, { flag: 'wx' }).catch(() => {});
  await rm(aside, { force: true });
}

async function keepFresh(file: string, owner: string): Promise<void> {
  if ((await contentOf(file)) !== owner) throw new Error(`another process has taken over ${file}`);
  const now = new Date();
  await utimes(file, now, now);
}

async function isAbandoned(file: string, held: string): Promise<boolean> {
  const ageMs = await stat(file).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => 0,
  );
  if (ageMs > STALE_MS) return true;
  const { pid, host } = parseOwner(held);
  // A process id means nothing on another machine that shares the folder.
  return host === hostname() && pid !== undefined && !isAlive(pid);
}

function parseOwner(text: string): { pid?: number; host?: string } {
  try {
    return JSON.parse(text) as { pid?: number; host?: string };
  } catch {
    // Being written this moment.
    return {};
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function contentOf(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch(() => undefined);
}
