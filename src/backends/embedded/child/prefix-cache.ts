/**
 * Prefixes that outlive their sequences: writes the cells of sequences to disk, and brings them back.
 *
 * The scheduler owns the sequences and calls `save` and `load` between two batches; everything else here (digests,
 * deleting, books on disk) goes on while batches are computed. Nothing here may fail a job: what goes wrong is a miss, or
 * a prefix that is not kept.
 */
import type { CacheTotals, PromptCacheReport } from '../../../core/context-cache.ts';
import { type EntryFiles, infoOf, removeEntryFiles, type StateRecord } from '../cache-folder.ts';
import type { DecodingEngine } from './binding.ts';
import type { CacheBlocks } from './cache-blocks.ts';
import { type FoundPrefix, PrefixStore, type StoredPrefix } from './prefix-store.ts';
import { readSequenceBooks, Sequence } from './sequences.ts';
import type { StateFiles } from './state-files.ts';

/** A shorter one is computed about as soon as it is fetched. The service's implicit cache begins there, too. */
const MIN_STORED_TOKENS = 256;
/** Restoring has to spare at least so many tokens, and one in so many of those in the file. */
const MIN_RESTORE_GAIN = 64;
const FILE_TOKENS_PER_GAIN = 64;
/** A sequence is written again when this part of it is new. Twenty turns then write five times what the last one holds. */
const NEW_PART = 8;
/** Room for the JSON and the blocks of an entry. */
const ENTRY_BYTES = 4_096;
/** No prefix may push out everything else. */
const MAX_SHARE = 0.5;
/** The disk is not ours alone. */
const MIN_FREE_BYTES = 256 * 2 ** 20;
/** After a write that failed (a full disk), before the next is tried. */
const PAUSE_MS = 60_000;
/** What other engines keep in the folder is looked at so often. */
const FOREIGN_INTERVAL_MS = 30_000;
/** Weight of the newest speed in the running mean. */
const SPEED_SMOOTHING = 0.3;
const FIRST_GUESS_BYTES_PER_MS = 500_000;
/** The cap of 'auto': so much, or this share of what the disk has left for us. */
const MAX_AUTO_BYTES = 4 * 2 ** 30;
const AUTO_SHARE = 0.1;

export interface PrefixCacheOptions {
  readonly engine: Pick<DecodingEngine, 'saveState' | 'loadState' | 'contextTokens'>;
  readonly blocks: CacheBlocks;
  /** Of all files in the folder; see `EngineCacheOptions`. */
  readonly maxBytes: number | 'auto';
  readonly maxAgeMs: number;
  /** What the cells of a token take, until it has been seen. */
  readonly bytesPerToken: number;
  readonly minTokens?: number | undefined;
  readonly now: () => number;
  readonly newId: () => string;
  readonly complain: (complaint: string) => void;
}

/** How much it matters that a sequence is written. */
export type SaveNeed = 'none' | 'some' | 'much';

export class PrefixCache {
  readonly #options: PrefixCacheOptions;
  readonly #store: PrefixStore;
  /** A shorter prefix is not worth a file. */
  readonly minTokens: number;
  /** Digests of the cells of those that are written. */
  readonly #digests = new Map<string, string>();
  /** Those whose cells are on disk and whose entry is not yet. */
  readonly #commits = new Map<string, Promise<void>>();
  /** Those of them whose entry must be written again as soon as it is there. */
  readonly #changed = new Set<string>();
  /** Those that a job waits for. */
  readonly #awaited = new Map<string, number>();
  /** Undefined until it is known what the states on disk are of: so long nothing is stored and nothing found. */
  #files: StateFiles | undefined;
  #maxBytes = 0;
  /** Taken out of the books and still on disk. */
  #leavingBytes = 0;
  #foreign: readonly EntryFiles[] = [];
  #foreignSeenMs = Number.NEGATIVE_INFINITY;
  #bytesPerToken: number;
  #bytesPerMs = FIRST_GUESS_BYTES_PER_MS;
  #pausedUntilMs = Number.NEGATIVE_INFINITY;
  #isWindowed = false;
  #hits = 0;
  #savedMs = 0;

  constructor(options: PrefixCacheOptions) {
    this.#options = options;
    this.#store = new PrefixStore({ maxAgeMs: options.maxAgeMs });
    this.minTokens = options.minTokens ?? MIN_STORED_TOKENS;
    this.#bytesPerToken = options.bytesPerToken;
  }

  /** Learns what is on disk from earlier processes. Until then, and if it fails, nothing is kept and nothing found. */
  async open(files: StateFiles): Promise<void> {
    const { blocks } = this.#options;
    // The longer ones later: they make shorter ones superfluous, which a killed process may have left.
    const records = (await files.open()).toSorted((a, b) => a.tokens.length - b.tokens.length);
    this.#foreign = await files.foreign();
    this.#foreignSeenMs = this.#options.now();
    for (const record of records) {
      const books = readSequenceBooks(record.books, record.tokens.length);
      if (books === undefined) {
        await files.remove(record.id);
        continue;
      }
      const { id, namespace, tokens, createdAtMs, lastUseMs, hits, savedMs } = record;
      const bytes = record.bytes + entryBytes(tokens);
      this.#digests.set(id, record.digest);
      this.#hits += hits;
      this.#savedMs += savedMs;
      const prefix = { id, namespace, tokens, books, bytes, createdAtMs, lastUseMs, hits, savedMs };
      for (const other of this.#store.add(prefix)) await files.remove(other.id);
      for (const block of record.blocks) blocks.keep(namespace, tokens.slice(0, block.tokens), block);
    }
    this.#maxBytes = await this.#capFor(files);
    this.#files = files;
    await this.#makeRoom(0);
    await this.settled();
  }

  // Finding

  /** The stored prefix that spares a prompt most; undefined where fetching it spares too little beyond `keep`. */
  find(namespace: string, prompt: readonly number[], keep: number): FoundPrefix | undefined {
    const found = this.#nearest(namespace, prompt);
    if (found === undefined) return undefined;
    const gain = usableTokens(found.prefix, prompt) - keep;
    const least = Math.min(MIN_RESTORE_GAIN, this.minTokens);
    const perFile = found.prefix.tokens.length / FILE_TOKENS_PER_GAIN;
    return gain >= Math.max(least, perFile) ? found : undefined;
  }

  /** How many of a row's tokens some stored prefix has, whatever fetching it costs. */
  storedOf(namespace: string, row: readonly number[]): FoundPrefix | undefined {
    return this.#nearest(namespace, row);
  }

  /** Whether the files of a prefix are whole. It is not deleted to make room until `letGo`. */
  async isWhole({ id, tokens, bytes }: StoredPrefix): Promise<boolean> {
    this.#awaited.set(id, (this.#awaited.get(id) ?? 0) + 1);
    await this.#commits.get(id);
    const digest = this.#digests.get(id);
    if (this.#files === undefined || digest === undefined) return false;
    return this.#files.isWhole({ id, digest, bytes: bytes - entryBytes(tokens) });
  }

  letGo({ id }: StoredPrefix): void {
    const waiting = (this.#awaited.get(id) ?? 1) - 1;
    if (waiting > 0) this.#awaited.set(id, waiting);
    else this.#awaited.delete(id);
  }

  /** Fills a sequence, which must hold nothing, from files that are whole. False: it holds nothing that can be trusted. */
  async load(prefix: StoredPrefix, sequence: Sequence): Promise<boolean> {
    const { engine, complain } = this.#options;
    if (this.#files === undefined) return false;
    try {
      const file = this.#files.cells(prefix.id);
      const { tokens, firstPosition, lastPosition } = await engine.loadState(file, sequence.id);
      // The digests have vouched for both; this costs nothing and is the last place to see a mix-up.
      if (!isSameRow(tokens, prefix.tokens) || lastPosition !== tokens.length - 1)
        throw new Error('the cells are of other tokens');
      if (firstPosition > 0) this.#isWindowed = true;
      const floor = firstPosition > 0 ? tokens.length : prefix.books.floor;
      sequence.restore(tokens, { ...prefix.books, floor });
      sequence.namespace = prefix.namespace;
      return true;
    } catch (error) {
      complain(`a stored prefix could not be loaded: ${messageOf(error)}`);
      return false;
    }
  }

  /** A prefix that is of no use after all. */
  drop(prefix: StoredPrefix): void {
    this.#store.remove(prefix.id);
    void this.#delete(prefix);
  }

  /** Tokens of a prompt were not computed; the prefix that has them on disk, if one does, will be kept longer. */
  noteHit(found: FoundPrefix | undefined, savedMs: number): void {
    this.#hits++;
    this.#savedMs += Math.max(0, savedMs);
    if (found === undefined || !this.#store.has(found.prefix.id)) return;
    found.prefix.hits++;
    found.prefix.savedMs += Math.max(0, Math.round(savedMs));
    this.noteUse(found.prefix);
  }

  /** Its blocks or its last use have changed. */
  noteUse(prefix: StoredPrefix): void {
    prefix.lastUseMs = this.#options.now();
    const digest = this.#digests.get(prefix.id);
    if (digest === undefined) this.#changed.add(prefix.id);
    else void this.#rewrite({ ...this.#recordOf(prefix), digest });
  }

  // Keeping

  /** How much of a sequence would be lost with it. */
  needOf(sequence: Sequence): SaveNeed {
    const { tokens, namespace, mayBeStored, blockTokens } = sequence;
    if (this.#files === undefined || !mayBeStored || tokens.length < this.minTokens) return 'none';
    const stored = this.#nearest(namespace, tokens)?.common ?? 0;
    const unsaved = tokens.length - stored;
    if (unsaved >= Math.max(this.minTokens, tokens.length / NEW_PART)) return 'much';
    return unsaved >= this.minTokens || stored < blockTokens ? 'some' : 'none';
  }

  /** How long writing a sequence will hold up everybody. */
  stallMs(sequence: Sequence): number {
    return (sequence.tokens.length * this.#bytesPerToken) / this.#bytesPerMs;
  }

  /** Writes a sequence's cells. What it says of them is written behind the back of the loop. */
  async save(sequence: Sequence): Promise<void> {
    const { engine, now, newId } = this.#options;
    const { namespace, books } = sequence;
    const files = this.#files;
    if (files === undefined || now() < this.#pausedUntilMs) return;
    const tokens = Uint32Array.from(sequence.tokens);
    const id = newId();
    try {
      const room = Math.ceil(tokens.length * this.#bytesPerToken) + entryBytes(tokens);
      if (!(await this.#makeRoom(room))) return;
      const startedMs = performance.now();
      const cells = await engine.saveState(files.temporaryCells(id), sequence.id, tokens);
      this.#learn(cells, tokens.length, performance.now() - startedMs);
      const bytes = cells + entryBytes(tokens);
      const at = now();
      const prefix = { id, namespace, tokens, books, bytes, createdAtMs: at, lastUseMs: at, hits: 0, savedMs: 0 };
      this.#commits.set(id, this.#commit(files, prefix, this.#add(prefix)));
      // The size was a guess, the cap is not.
      await this.#makeRoom(0);
    } catch (error) {
      this.#pausedUntilMs = now() + PAUSE_MS;
      this.#options.complain(`prefixes are not stored for a while: ${messageOf(error)}`);
      await files.remove(id).catch(() => {});
    }
  }

  /** Resolves when nothing is being written or deleted. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#commits.values());
    await this.#files?.settled();
  }

  // For administrators

  totals(): CacheTotals {
    const { size, bytes } = this.#store;
    return {
      entries: size,
      bytes,
      maxBytes: this.#maxBytes,
      hits: this.#hits,
      savedMs: Math.round(this.#savedMs),
    };
  }

  report(): PromptCacheReport {
    const nowMs = this.#options.now();
    const entries = [...this.#store.all()].map((prefix) => ({
      ...infoOf({ ...this.#recordOf(prefix), digest: '' }, nowMs),
      bytes: prefix.bytes,
    }));
    return { entries, totals: this.totals() };
  }

  async clear(): Promise<{ entries: number; bytes: number }> {
    const { size: entries, bytes } = this.#store;
    for (const prefix of [...this.#store.all()]) this.drop(prefix);
    await this.settled();
    return { entries, bytes };
  }

  #nearest(namespace: string, row: readonly number[]): FoundPrefix | undefined {
    const { engine } = this.#options;
    // The context may have been larger once, and may be again.
    const found = this.#store.find(namespace, row, engine.contextTokens);
    if (found === undefined || (this.#isWindowed && found.common < found.prefix.tokens.length)) return undefined;
    return found.prefix.lastUseMs + this.#options.maxAgeMs > this.#options.now() ? found : undefined;
  }

  #recordOf(prefix: StoredPrefix): Omit<StateRecord, 'digest'> {
    const { id, namespace, tokens, books, createdAtMs, lastUseMs, hits, savedMs } = prefix;
    const blocks = this.#options.blocks.within(namespace, tokens, this.#options.now());
    const bytes = prefix.bytes - entryBytes(tokens);
    return { id, namespace, tokens, books, bytes, createdAtMs, lastUseMs, hits, savedMs, blocks };
  }

  /** Into the books. Gives what is not needed beside it any more and is still on disk. */
  #add(prefix: StoredPrefix): StoredPrefix[] {
    const superfluous = this.#store.add(prefix);
    for (const { bytes } of superfluous) this.#leavingBytes += bytes;
    return superfluous;
  }

  /** What the prefix makes superfluous goes once it is whole itself. */
  async #commit(files: StateFiles, prefix: StoredPrefix, superfluous: readonly StoredPrefix[]): Promise<void> {
    const { complain } = this.#options;
    try {
      this.#digests.set(prefix.id, await files.commit(this.#recordOf(prefix)));
    } catch (error) {
      // Deleted to make room while it was being written, which is nobody's fault.
      if (this.#store.has(prefix.id)) complain(`a prefix could not be stored: ${messageOf(error)}`);
      this.#store.remove(prefix.id);
    }
    this.#commits.delete(prefix.id);
    const hasChanged = this.#changed.delete(prefix.id);
    if (!this.#store.has(prefix.id)) await this.#delete(prefix);
    else if (hasChanged) this.noteUse(prefix);
    for (const other of superfluous) {
      this.#leavingBytes -= other.bytes;
      await this.#delete(other);
    }
  }

  async #delete({ id, bytes }: StoredPrefix): Promise<void> {
    this.#digests.delete(id);
    this.#leavingBytes += bytes;
    try {
      await this.#files?.remove(id);
    } catch (error) {
      this.#options.complain(`a stored prefix could not be deleted: ${messageOf(error)}`);
    } finally {
      this.#leavingBytes -= bytes;
    }
  }

  /** Deletes what is too old, and the least recently used until so many bytes fit under the cap. False: they cannot. */
  async #makeRoom(bytes: number): Promise<boolean> {
    const { blocks, now } = this.#options;
    const files = this.#files;
    if (files === undefined) return false;
    const maxBytes = this.#maxBytes;
    blocks.prune(now());
    for (const prefix of this.#store.expired(now())) await this.#evict(prefix);
    if (bytes > maxBytes * MAX_SHARE) return false;
    await this.#lookAround(files);
    for (const victim of this.#victims()) {
      if (this.#usedBytes() + bytes <= maxBytes) break;
      await victim.remove();
    }
    if (this.#usedBytes() + bytes > maxBytes) return false;
    return bytes === 0 || (await files.freeBytes()) - bytes >= MIN_FREE_BYTES;
  }

  async #capFor(files: StateFiles): Promise<number> {
    const { maxBytes } = this.#options;
    if (maxBytes !== 'auto') return maxBytes;
    return Math.min(MAX_AUTO_BYTES, Math.floor(((await files.freeBytes()) + this.#usedBytes()) * AUTO_SHARE));
  }

  async #rewrite(record: StateRecord): Promise<void> {
    try {
      await this.#files?.rewrite(record);
    } catch (error) {
      this.#options.complain(`a stored prefix could not be noted: ${messageOf(error)}`);
    }
    // Deleted in the meantime: an entry without cells would be left.
    if (!this.#store.has(record.id)) await this.#files?.remove(record.id).catch(() => {});
  }

  #usedBytes(): number {
    return this.#store.bytes + this.#leavingBytes + this.#foreign.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** What may go, the first first: ours and what others left, by last use; what a caller pays for at the end. */
  *#victims(): Generator<{ remove: () => Promise<void> }> {
    const { blocks, now } = this.#options;
    const isPaidFor = ({ namespace, tokens }: StoredPrefix): boolean =>
      blocks.within(namespace, tokens, now()).length > 0;
    const foreign = this.#foreign.toSorted((a, b) => a.lastUseMs - b.lastUseMs);
    const own = this.#store.byLastUse(isPaidFor).filter(({ id }) => !this.#awaited.has(id));
    for (const prefix of own) {
      for (let other = foreign[0]; other !== undefined; other = foreign[0]) {
        if (other.lastUseMs > prefix.lastUseMs) break;
        foreign.shift();
        yield this.#foreignVictim(other);
      }
      yield { remove: () => this.#evict(prefix) };
    }
    for (const other of foreign) yield this.#foreignVictim(other);
  }

  #foreignVictim(files: EntryFiles): { remove: () => Promise<void> } {
    return {
      remove: async () => {
        await removeEntryFiles(files);
        this.#foreign = this.#foreign.filter((other) => other !== files);
      },
    };
  }

  async #evict(prefix: StoredPrefix): Promise<void> {
    this.#store.remove(prefix.id);
    await this.#delete(prefix);
  }

  async #lookAround(files: StateFiles): Promise<void> {
    const { now } = this.#options;
    if (now() - this.#foreignSeenMs < FOREIGN_INTERVAL_MS) return;
    this.#foreignSeenMs = now();
    this.#foreign = await files.foreign();
  }

  #learn(bytes: number, tokens: number, tookMs: number): void {
    // The largest seen: room is made before a file is written.
    this.#bytesPerToken = Math.max(this.#bytesPerToken, bytes / tokens);
    const speed = bytes / Math.max(1, tookMs);
    this.#bytesPerMs += SPEED_SMOOTHING * (speed - this.#bytesPerMs);
  }
}

/** What a prompt would keep of a prefix once it is loaded. */
function usableTokens({ tokens, books }: StoredPrefix, prompt: readonly number[]): number {
  const sequence = new Sequence(-1);
  sequence.restore(tokens, books);
  return sequence.usableFor(prompt);
}

function entryBytes(tokens: Uint32Array): number {
  return tokens.byteLength + ENTRY_BYTES;
}

function isSameRow(a: Uint32Array, b: Uint32Array): boolean {
  return a.length === b.length && a.every((token, i) => token === b[i]);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
