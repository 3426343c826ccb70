/**
 * What computed cells depend on. Two engines with one fingerprint may read each other's states; a state of any other
 * must never reach the native loader.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { STATE_FORMAT } from '../cache-folder.ts';

export interface FingerprintFacts {
  /** Of the weights file. */
  readonly weightsDigest: string;
  /** Of the binding and of what it is built from. */
  readonly engineVersion: string;
  /** The native format names the streams of the context, one a sequence. */
  readonly sequences: number;
  /** Digest of the chat template in use. */
  readonly template: string;
}

export function fingerprintOf(facts: FingerprintFacts): string {
  // Other processors round otherwise; their cells are right, but an answer to them may differ from a cold one.
  const all = { format: STATE_FORMAT, system: `${process.platform}-${process.arch}`, ...facts };
  return createHash('sha256')
    .update(JSON.stringify(all, Object.keys(all).toSorted()))
    .digest('hex')
    .slice(0, 32);
}

/** A file's size and times, by which it is known again: hashing a gigabyte takes a second. */
interface KnownDigest {
  readonly stamp: string;
  readonly sha256: string;
}

const KNOWN_DIGESTS = 'weights-digests.json';
const PIECE_BYTES = 1 << 20;

/** The digest of a weights file as it was noted when it was last computed; undefined when the file is another since. */
export async function knownWeightsDigest(file: string, folder: string): Promise<string | undefined> {
  const known = (await readKnown(folder))[path.resolve(file)];
  return known?.stamp === (await stampOf(file)) ? known.sha256 : undefined;
}

/** Computes the digest of a weights file and notes it in the folder. */
export async function computeWeightsDigest(file: string, folder: string): Promise<string> {
  const stamp = await stampOf(file);
  const hash = createHash('sha256');
  for await (const piece of createReadStream(file, { highWaterMark: PIECE_BYTES })) hash.update(piece as Buffer);
  const sha256 = hash.digest('hex');
  // Written to in the meantime: then it is no digest of anything that was loaded.
  if ((await stampOf(file)) !== stamp) throw new Error('the weights file is being changed');
  const known = { ...(await readKnown(folder)), [path.resolve(file)]: { stamp, sha256 } };
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const temporary = path.join(folder, `${KNOWN_DIGESTS}.${process.pid}`);
  await writeFile(temporary, JSON.stringify(known), { mode: 0o600 });
  await rename(temporary, path.join(folder, KNOWN_DIGESTS));
  return sha256;
}

async function readKnown(folder: string): Promise<Record<string, KnownDigest>> {
  try {
    return JSON.parse(await readFile(path.join(folder, KNOWN_DIGESTS), 'utf8')) as Record<string, KnownDigest>;
  } catch {
    return {};
  }
}

async function stampOf(file: string): Promise<string> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
}
