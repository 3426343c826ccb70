/**
 * Brings one file from the first source that has the right bytes. Bytes gather in `FILE.part`, which survives an
 * interruption and may be continued by any source; the file gets its name only when its digest is right.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import { isGguf } from './gguf.ts';
import {
  BrokenOffError,
  OffsetError,
  type OpenedFile,
  reasonOf,
  SourceError,
  type WantedFile,
  type WeightsSource,
} from './sources.ts';

/** A source that breaks off is asked again for the rest. */
const TRIES_A_SOURCE = 4;

export type DownloadProgress =
  /** What an earlier run left is read again for the digest. */
  | { readonly phase: 'resuming'; readonly receivedBytes: number }
  | {
      readonly phase: 'downloading';
      readonly source: string;
      readonly receivedBytes: number;
      readonly totalBytes: number | null;
    }
  | { readonly phase: 'source-failed'; readonly source: string; readonly reason: string };

export interface Download {
  readonly wanted: WantedFile;
  readonly sources: readonly WeightsSource[];
  readonly file: string;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: DownloadProgress) => void;
  /** What a file has to be whose digest is right or unknown; a GGUF file without it. */
  readonly isRightKind?: ((file: string) => Promise<boolean>) | undefined;
}

/** No source had the file; each reason is told. */
export class DownloadError extends Error {
  readonly reasons: readonly { readonly source: string; readonly reason: string }[];

  constructor(reasons: DownloadError['reasons']) {
    super(reasons.map(({ source, reason }) => `${source}: ${reason}`).join('; '));
    this.name = 'DownloadError';
    this.reasons = reasons;
  }
}

/** The bytes of a source are not the official ones. */
class DigestError extends SourceError {
  readonly wasResumed: boolean;

  constructor(message: string, wasResumed: boolean) {
    super(message);
    this.wasResumed = wasResumed;
  }
}

/** Downloads to `file`. `isVerified` is false only when nobody could say what the digest should be. */
export async function download(job: Download): Promise<{ isVerified: boolean; source: string }> {
  await mkdir(path.dirname(job.file), { recursive: true });
  const reasons: { source: string; reason: string }[] = [];
  for (const source of job.sources.filter((each) => each.has(job.wanted))) {
    try {
      return { isVerified: await fromSource(source, job), source: source.id };
    } catch (thrown) {
      job.signal.throwIfAborted();
      if (!(thrown instanceof SourceError)) throw thrown;
      reasons.push({ source: source.id, reason: thrown.message });
      job.onProgress({ phase: 'source-failed', source: source.id, reason: thrown.message });
    }
  }
  throw new DownloadError(reasons);
}

async function fromSource(source: WeightsSource, job: Download): Promise<boolean> {
  const part = `${job.file}.part`;
  for (let tries = 1; ; tries++) {
    const before = await sizeOf(part);
    try {
      return await attempt(source, job, part);
    } catch (thrown) {
      job.signal.throwIfAborted();
      if (thrown instanceof DigestError || thrown instanceof OffsetError) await rm(part, { force: true });
      // What an earlier run left may have been at fault, so the source gets a chance with none of it.
      const isFresh = thrown instanceof DigestError ? thrown.wasResumed : thrown instanceof OffsetError && before > 0;
      if (tries >= TRIES_A_SOURCE || !(isFresh || thrown instanceof BrokenOffError)) throw thrown;
    }
  }
}

async function attempt(source: WeightsSource, job: Download, part: string): Promise<boolean> {
  const { wanted, signal, onProgress } = job;
  let offset = await sizeOf(part);
  const isComplete = wanted.sizeBytes !== null && wanted.sha256 !== null && offset === wanted.sizeBytes;
  if (isComplete) {
    await settle(part, job, await hashOfPart(part, job), wanted.sha256, true);
    return true;
  }
  let opened = await source.open(wanted, offset, signal);
  const expected = wanted.sha256 ?? opened.sha256;
  if (offset > 0 && expected === null) {
    // Without a digest nobody would notice that the two pieces belong to different files.
    await closeBody(opened);
    await rm(part, { force: true });
    offset = 0;
    opened = await source.open(wanted, 0, signal);
  }
  await checkDisk(job, (opened.totalBytes ?? 0) - offset);
  const hash = await hashOfPart(part, job);
  const handle = await open(part, 'a');
  try {
    await append({ opened, offset, handle, hash, source: source.id, onProgress });
    await handle.sync();
  } finally {
    await handle.close();
  }
  await settle(part, job, hash, expected, offset > 0);
  return expected !== null;
}

interface Appending {
  readonly opened: OpenedFile;
  readonly offset: number;
  readonly handle: FileHandle;
  readonly hash: Hash;
  readonly source: string;
  readonly onProgress: Download['onProgress'];
}

async function append({ opened, offset, handle, hash, source, onProgress }: Appending): Promise<void> {
  const { totalBytes } = opened;
  // A source that cannot begin at the offset gives bytes that are here already.
  let skipBytes = offset - opened.startsAt;
  if (skipBytes < 0) throw new OffsetError(`it began at byte ${opened.startsAt}, not ${offset}`);
  let receivedBytes = offset;
  onProgress({ phase: 'downloading', source, receivedBytes, totalBytes });
  try {
    for await (const chunk of opened.body) {
      const fresh = skipBytes > 0 ? chunk.subarray(Math.min(skipBytes, chunk.length)) : chunk;
      skipBytes -= chunk.length - fresh.length;
      if (fresh.length === 0) continue;
      hash.update(fresh);
      await handle.appendFile(fresh);
      receivedBytes += fresh.length;
      onProgress({ phase: 'downloading', source, receivedBytes, totalBytes });
    }
  } catch (thrown) {
    if (isDiskFull(thrown)) throw new DiskError(thrown);
    throw thrown instanceof SourceError ? thrown : new SourceError(reasonOf(thrown), { cause: thrown });
  }
  if (totalBytes !== null && receivedBytes < totalBytes)
    throw new BrokenOffError(`it broke off after ${receivedBytes} of ${totalBytes} bytes`);
}

/** Gives the file its name when it is right, and deletes it when it is not. */
async function settle(part: string, job: Download, hash: Hash, expected: string | null, wasResumed: boolean) {
  const actual = hash.digest('hex');
  if (expected !== null && actual !== expected)
    throw new DigestError(
      `its file has the SHA-256 ${actual}, not ${expected}; it was refused and deleted`,
      wasResumed,
    );
  if (!(await (job.isRightKind ?? isGguf)(part)))
    throw new DigestError('its file is no GGUF file; it was refused and deleted', wasResumed);
  await rename(part, job.file);
}

async function hashOfPart(part: string, job: Download): Promise<Hash> {
  const hash = createHash('sha256');
  const receivedBytes = await sizeOf(part);
  if (receivedBytes === 0) return hash;
  job.onProgress({ phase: 'resuming', receivedBytes });
  for await (const chunk of createReadStream(part, { highWaterMark: 1 << 20, signal: job.signal })) hash.update(chunk);
  return hash;
}

/** A full disk is nobody's fault among the sources; it ends the download. */
export class DiskError extends Error {
  constructor(cause: unknown, message = 'the disk is full') {
    super(message, { cause });
    this.name = 'DiskError';
  }
}

async function checkDisk(job: Download, neededBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(path.dirname(job.file));
  if (bavail * bsize < neededBytes)
    throw new DiskError(
      undefined,
      `${neededBytes} bytes are needed in ${path.dirname(job.file)}, ${bavail * bsize} are free`,
    );
}

function isDiskFull(thrown: unknown): boolean {
  const code = (thrown as NodeJS.ErrnoException | undefined)?.code;
  return code === 'ENOSPC' || code === 'EDQUOT';
}

async function closeBody(opened: OpenedFile): Promise<void> {
  await opened.body[Symbol.asyncIterator]().return?.();
}

async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    ({ size }) => size,
    () => 0,
  );
}
