/**
 * An append-only journal of calls in the home folder, so that a kill of this process loses no receipt: what was appended is
 * in the page cache, which outlives the process. There is no fsync: only a power cut may take the last moments.
 *
 * It is a row of files ("segments") of a few megabytes. When a new one begins, the calls that are open are written into it
 * again, so that an older one is of no use any more once the database has its receipts, and is deleted.
 *
 * A journal that cannot be written (a full disk) says so once and goes on trying; calls are in memory alone meanwhile.
 */
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger, OpenedCall } from '../core/ports.ts';
import type { SettledCall } from '../core/receipts.ts';
import { NO_USAGE, type Usage } from '../core/usage.ts';
import { closedLine, type FoundCall, JournalReader, openLine, progressLine, storedLine } from './journal-records.ts';

const SEGMENT_BYTES = 4 * 1024 * 1024;
const SEGMENT_NAME = /^(\d+)\.jsonl$/;

export interface JournalOptions {
  readonly folder: string;
  readonly log: Logger;
  readonly segmentBytes?: number | undefined;
  /** Appends text to an open file and tells how many bytes it took; tests put a full disk in its place. */
  readonly append?: ((file: number, text: string) => number) | undefined;
}

/** A file of the journal, or all that an earlier process left. */
interface Segment {
  readonly paths: readonly string[];
  /** Calls for which it is needed: open ones, and ended ones whose receipt the database has not. */
  needed: number;
}

/** A call, from its begin until the database has its receipt. */
export class JournalEntry {
  readonly number: number;
  /** Until it ends, as are `soFar` and `written`: all that a call was made of hangs on them, and receipts wait by the hundred. */
  call: OpenedCall | undefined;
  soFar: () => Usage;
  /** Where the newest that is known of it stands; undefined while it is in memory alone. */
  segment: Segment | undefined;
  written: Usage = NO_USAGE;
  /** At the last progress. */
  wasOpen = false;

  constructor(number: number, call: OpenedCall | undefined, soFar: () => Usage) {
    this.number = number;
    this.call = call;
    this.soFar = soFar;
  }

  /** It has ended. */
  release(): void {
    this.call = undefined;
    this.soFar = noUsage;
    this.written = NO_USAGE;
  }
}

const noUsage = (): Usage => NO_USAGE;

/** A call that an earlier process did not see through, and its entry in this journal. */
export interface RecoveredCall extends FoundCall {
  readonly entry: JournalEntry;
}

/** Opens the folder; `recovered` is what an earlier process left in it, oldest first. */
export function openJournal(options: JournalOptions): {
  readonly journal: Journal;
  readonly recovered: readonly RecoveredCall[];
  /** Until when the earlier process is known to have lived. */
  readonly lastAtMs: number;
} {
  mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  const names = readdirSync(options.folder).filter((name) => SEGMENT_NAME.test(name));
  const numbers = names.map((name) => Number(SEGMENT_NAME.exec(name)?.[1])).sort((a, b) => a - b);
  const paths = numbers.map((number) => pathOf(options.folder, number));
  const reader = new JournalReader();
  for (const path of paths) reader.read(readFileSync(path, 'utf8'));
  if (reader.brokenLines > 0)
    options.log.warn({ lines: reader.brokenLines }, 'lines of the journal were cut off and are left out');
  const left: Segment = { paths, needed: 0 };
  const recovered = reader.calls.map((found): RecoveredCall => {
    const entry = new JournalEntry(found.number, found.call, () => found.usage);
    entry.segment = left;
    left.needed++;
    return { ...found, entry };
  });
  const journal = new Journal(options, left, numbers.at(-1) ?? 0, reader.lastNumber);
  return { journal, recovered, lastAtMs: reader.lastAtMs };
}

export class Journal {
  readonly #folder: string;
  readonly #log: Logger;
  readonly #segmentBytes: number;
  readonly #appendTo: (file: number, text: string) => number;
  readonly #open = new Set<JournalEntry>();
  /** Oldest first, the one that is written last. */
  readonly #segments: Segment[];
  #file: number | undefined;
  #bytes = 0;
  #rotatesAtBytes: number;
  #lastSegment: number;
  #lastNumber: number;
  #lastAtMs = 0;
  /** The last append stopped within a line. */
  #isTorn = false;
  #isFailing = false;
  #isClosed = false;

  constructor(options: JournalOptions, left: Segment, lastSegment: number, lastNumber: number) {
    this.#folder = options.folder;
    this.#log = options.log;
    this.#segmentBytes = options.segmentBytes ?? SEGMENT_BYTES;
    this.#rotatesAtBytes = this.#segmentBytes;
    this.#appendTo = options.append ?? writeSync;
    this.#segments = [left];
    this.#lastSegment = lastSegment;
    this.#lastNumber = lastNumber;
    this.#forgetStored();
  }

  get openCalls(): number {
    return this.#open.size;
  }

  /**
   * A call whose answer comes in one piece is not written before it is open at two progresses: until it ends, its client has
   * nothing and owes nothing, and most end before that.
   */
  begin(call: OpenedCall, soFar: () => Usage): JournalEntry {
    const entry = new JournalEntry(++this.#lastNumber, call, soFar);
    this.#open.add(entry);
    if (call.isStreaming && this.#append(openLine(entry.number, call))) this.#move(entry);
    return entry;
  }

  /** Writes what open calls have used by now, where it has changed. */
  writeProgress(atMs: number): void {
    const changed: [number, Usage][] = [];
    let late = '';
    const told: JournalEntry[] = [];
    for (const entry of this.#open) {
      const isNew = !entry.wasOpen;
      entry.wasOpen = true;
      if (isNew && entry.call?.isStreaming === false) continue;
      told.push(entry);
      const usage = entry.soFar();
      if (!entry.segment && entry.call) late += openLine(entry.number, entry.call);
      if (isSame(usage, entry.written)) continue;
      changed.push([entry.number, usage]);
    }
    if (changed.length === 0 && late === '') return;
    this.#lastAtMs = atMs;
    if (!this.#append(late + (changed.length > 0 ? progressLine(changed, atMs) : ''))) return;
    for (const entry of told) {
      entry.written = entry.soFar();
      if (!entry.segment) this.#move(entry);
    }
  }

  end(entry: JournalEntry, settled: SettledCall): void {
    this.#open.delete(entry);
    entry.release();
    if (this.#append(closedLine(entry.number, settled))) this.#move(entry);
  }

  /** The database has the receipts of these calls: a later process need not look at them, and files may go. */
  stored(entries: readonly JournalEntry[]): void {
    if (this.#isClosed) return;
    const numbers = entries.filter(({ segment }) => segment).map(({ number }) => number);
    if (numbers.length > 0) this.#append(storedLine(numbers));
    for (const entry of entries) {
      if (entry.segment) entry.segment.needed--;
      entry.segment = undefined;
    }
    this.#forgetStored();
  }

  /** What the database has not, stays for the next process. */
  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
    this.#forgetStored();
    this.#isClosed = true;
  }

  /** The newest of a call now stands in the file that is written. */
  #move(entry: JournalEntry): void {
    const current = this.#segments.at(-1);
    if (entry.segment) entry.segment.needed--;
    entry.segment = current;
    if (current) current.needed++;
  }

  /** False when the disk did not take it. */
  #append(text: string): boolean {
    if (this.#isClosed) return false;
    try {
      if (this.#file === undefined || this.#bytes >= this.#rotatesAtBytes) this.#rotate();
      this.#write(text);
    } catch (error) {
      if (!this.#isFailing)
        this.#log.error({ err: error }, 'the journal cannot be written; receipts are in memory alone meanwhile');
      this.#isFailing = true;
      return false;
    }
    if (this.#isFailing) this.#log.warn({}, 'the journal is written again');
    this.#isFailing = false;
    return true;
  }

  #write(text: string): void {
    // What was cut off must not swallow the line behind it.
    const line = this.#isTorn ? `\n${text}` : text;
    const length = Buffer.byteLength(line);
    this.#isTorn = true;
    const written = this.#file === undefined ? 0 : this.#appendTo(this.#file, line);
    this.#bytes += written;
    if (written < length) throw new Error(`the disk took ${written} of ${length} bytes`);
    this.#isTorn = false;
  }

  /** Begins the next file with the calls that are open. Where that fails, the one before goes on. */
  #rotate(): void {
    const before = this.#file;
    const path = pathOf(this.#folder, this.#lastSegment + 1);
    const carried = [...this.#open].filter(({ segment }) => segment);
    const text = linesOf(carried, this.#lastAtMs);
    // Not tried again at every line, should it fail.
    this.#rotatesAtBytes = this.#bytes + this.#segmentBytes;
    try {
      this.#file = this.#newFile(path, text);
    } catch (error) {
      if (before === undefined) throw error;
      return;
    }
    if (before !== undefined) closeSync(before);
    this.#lastSegment++;
    this.#isTorn = false;
    this.#bytes = Buffer.byteLength(text);
    this.#rotatesAtBytes = this.#bytes + this.#segmentBytes;
    this.#segments.push({ paths: [path], needed: 0 });
    for (const entry of carried) this.#move(entry);
    this.#forgetStored();
  }

  #newFile(path: string, text: string): number {
    const file = openSync(path, 'ax', 0o600);
    try {
      if (text !== '' && this.#appendTo(file, text) < Buffer.byteLength(text)) throw new Error('the disk is full');
      return file;
    } catch (error) {
      closeSync(file);
      rmSync(path, { force: true });
      throw error;
    }
  }

  /** Deletes files from the oldest on, as long as nothing in them is needed. */
  #forgetStored(): void {
    for (;;) {
      const [oldest] = this.#segments;
      const isWritten = this.#file !== undefined && this.#segments.length === 1;
      if (!oldest || oldest.needed > 0 || isWritten) return;
      try {
        for (const path of oldest.paths) rmSync(path, { force: true });
      } catch (error) {
        // It is in nobody's way; a later start takes it for what it is.
        this.#log.warn({ err: error }, 'a file of the journal cannot be deleted');
      }
      this.#segments.shift();
    }
  }
}

/** What is known of open calls, from the beginning. */
function linesOf(entries: readonly JournalEntry[], atMs: number): string {
  if (entries.length === 0) return '';
  const begins = entries.map(({ number, call }) => (call ? openLine(number, call) : ''));
  return (
    begins.join('') +
    progressLine(
      entries.map(({ number, written }) => [number, written] as const),
      atMs,
    )
  );
}

function isSame(a: Usage, b: Usage): boolean {
  return (
    a === b ||
    (a.output.total === b.output.total && a.input.total === b.input.total && a.output.reasoning === b.output.reasoning)
  );
}

function pathOf(folder: string, number: number): string {
  return join(folder, `${String(number).padStart(6, '0')}.jsonl`);
}
