/**
 * The folder of computed prefixes, as anybody may read it: what lies there, and how to be rid of it. The engine child
 * fills it (`child/state-files.ts`); the command line looks at it when no server runs.
 *
 *     <folder>/<fingerprint>/<id>.kv      the cells of a prefix, as the native side writes them
 *     <folder>/<fingerprint>/<id>.entry   a line of JSON, the tokens, and a digest over both
 */
import { createHash } from 'node:crypto';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { CacheEntryInfo, PromptCacheReport } from '../../core/context-cache.ts';

/** Grows when these files, or how prompts are cut into batches, change: what has another format is not used. */
export const STATE_FORMAT = 2;

const DIGEST = 'sha256';
const DIGEST_BYTES = 32;

/** A block of the explicit cache that lies in an entry. */
export interface StoredBlock {
  readonly tokens: number;
  readonly lifetimeMs: number;
  readonly expiresAtMs: number;
}

/** All that is known of an entry. */
export interface StateRecord {
  readonly id: string;
  readonly namespace: string;
  readonly tokens: Uint32Array;
  /** How the cells were computed; whoever computed them can read it. */
  readonly books: unknown;
  /** Of the cells. */
  readonly bytes: number;
  /** Of the cells, in hex. */
  readonly digest: string;
  readonly createdAtMs: number;
  readonly lastUseMs: number;
  readonly hits: number;
  readonly savedMs: number;
  readonly blocks: readonly StoredBlock[];
}

/** What an entry is bound to: weights, engine, settings, template. */
export interface EncodedFor {
  readonly fingerprint: string;
}

export function encodeEntry(record: StateRecord, { fingerprint }: EncodedFor): Buffer {
  const { id: _, tokens, ...facts } = record;
  const head = { format: STATE_FORMAT, fingerprint, count: tokens.length, ...facts };
  const body = Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), littleEndian(tokens)]);
  return Buffer.concat([body, createHash(DIGEST).update(body).digest()]);
}

/** Undefined for a file that is damaged, of another format, or bound to something else. */
export function decodeEntry(id: string, file: Buffer, { fingerprint }: EncodedFor): StateRecord | undefined {
  const body = file.subarray(0, -DIGEST_BYTES);
  if (!createHash(DIGEST).update(body).digest().equals(file.subarray(-DIGEST_BYTES))) return undefined;
  const lineEnd = body.indexOf('\n');
  // Written by us, since the digest is right; but perhaps by another version.
  const head = JSON.parse(body.toString('utf8', 0, lineEnd)) as StateRecord & Record<string, unknown>;
  const rest = body.subarray(lineEnd + 1);
  if (head.format !== STATE_FORMAT || head.fingerprint !== fingerprint || rest.length !== Number(head.count) * 4)
    return undefined;
  const tokens = new Uint32Array(rest.length / 4);
  for (let i = 0; i < tokens.length; i++) tokens[i] = rest.readUInt32LE(i * 4);
  const { namespace, books, bytes, digest, createdAtMs, lastUseMs, hits, savedMs, blocks } = head;
  return { id, namespace, tokens, books, bytes, digest, createdAtMs, lastUseMs, hits, savedMs, blocks };
}

/** What an administrator may know of an entry. */
export function infoOf(record: StateRecord, nowMs: number): CacheEntryInfo {
  const { id, namespace, tokens, bytes, hits, savedMs, createdAtMs, lastUseMs, blocks } = record;
  const lives = blocks.filter(({ expiresAtMs }) => expiresAtMs > nowMs).map(({ expiresAtMs }) => expiresAtMs);
  const life = lives.length > 0 ? { expiresAtMs: Math.max(...lives) } : {};
  const kind = lives.length > 0 ? 'explicit' : 'implicit';
  return { id, kind, namespace, tokens: tokens.length, bytes, hits, savedMs, createdAtMs, lastUseMs, ...life };
}

/** The files of one entry, whole or not, whichever engine writes it. */
export interface EntryFiles {
  readonly fingerprint: string;
  readonly id: string;
  /** The `.entry` first: without it the cells are nobody's. */
  readonly paths: readonly string[];
  readonly bytes: number;
  readonly lastUseMs: number;
}

/** What lies in a cache folder. Leftovers of killed processes count: they take room. */
export async function entryFilesIn(folder: string): Promise<EntryFiles[]> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const entries = new Map<string, { paths: string[]; bytes: number; lastUseMs: number }>();
  for (const name of names.toSorted()) {
    const match = /^([^/\\]+)[/\\]([^/\\.]+)\.(?:kv|entry)(?:\.\d+)?$/.exec(name);
    const facts = match && (await stat(path.join(folder, name)).catch(() => undefined));
    if (!match || !facts?.isFile()) continue;
    const key = `${match[1]}/${match[2]}`;
    const { paths, bytes, lastUseMs } = entries.get(key) ?? { paths: [], bytes: 0, lastUseMs: 0 };
    entries.set(key, {
      paths: [...paths, path.join(folder, name)],
      bytes: bytes + facts.size,
      lastUseMs: Math.max(lastUseMs, facts.mtimeMs),
    });
  }
  return [...entries].map(([key, files]) => {
    const [fingerprint = '', id = ''] = key.split('/');
    return { fingerprint, id, ...files };
  });
}

export async function removeEntryFiles({ paths }: Pick<EntryFiles, 'paths'>): Promise<void> {
  for (const file of paths) await rm(file, { force: true });
}

/** The entries of all engines, for when none of them runs. Files that are no entry are in the bytes only. */
export async function readCacheFolder(folder: string, nowMs: number): Promise<PromptCacheReport> {
  const found = await entryFilesIn(folder);
  const entries: CacheEntryInfo[] = [];
  for (const { fingerprint, id, paths } of found) {
    const file = paths.find((name) => name.endsWith('.entry'));
    const record = file && (await readEntry(id, file, fingerprint));
    if (record) entries.push(infoOf(record, nowMs));
  }
  const sum = (of: (entry: CacheEntryInfo) => number): number => entries.reduce((total, entry) => total + of(entry), 0);
  const totals = {
    entries: entries.length,
    bytes: found.reduce((total, { bytes }) => total + bytes, 0),
    hits: sum(({ hits }) => hits),
    savedMs: sum(({ savedMs }) => savedMs),
  };
  return { entries, totals };
}

/** Removes every entry, for when no engine runs; a running one would have misses. */
export async function clearCacheFolder(folder: string): Promise<{ entries: number; bytes: number }> {
  const found = await entryFilesIn(folder);
  for (const files of found) await removeEntryFiles(files);
  return { entries: found.length, bytes: found.reduce((total, { bytes }) => total + bytes, 0) };
}

async function readEntry(id: string, file: string, fingerprint: string): Promise<StateRecord | undefined> {
  try {
    return decodeEntry(id, await readFile(file), { fingerprint });
  } catch {
    return undefined;
  }
}

function littleEndian(tokens: Uint32Array): Buffer {
  const bytes = Buffer.alloc(tokens.length * 4);
  for (const [i, token] of tokens.entries()) bytes.writeUInt32LE(token, i * 4);
  return bytes;
}
