/**
 * Puts computed prefixes on disk and finds them there again (`../cache-folder.ts` says in what form).
 *
 * An entry exists when its `.entry` file does: that one comes last and goes first, and both files have another name until
 * they are whole. So a process can be killed anywhere and leaves nothing but files that the next one removes. Nothing is
 * synced: what a power cut leaves of a file has another digest, and costs a miss. Cells are handed to the native loader
 * only when their digest is right, for wrong ones can crash it (docs/decisions/0017).
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import path from 'node:path';
import {
  decodeEntry,
  type EntryFiles,
  encodeEntry,
  entryFilesIn,
  removeEntryFiles,
  type StateRecord,
} from '../cache-folder.ts';

/** Small enough that hashing one holds nobody up for longer than a millisecond. */
const PIECE_BYTES = 1 << 20;
/** Entries that are read at the same time when the folder is opened. */
const READERS = 32;

export class StateFiles {
  readonly #root: string;
  readonly #folder: string;
  readonly #fingerprint: string;
  /** Changes of one entry happen one after the other. */
  readonly #turns = new Map<string, Promise<void>>();

  constructor(root: string, fingerprint: string) {
    this.#root = root;
    this.#folder = path.join(root, fingerprint);
    this.#fingerprint = fingerprint;
  }

  /** Makes the folder, removes what a killed process left, and tells the entries. Their cells are not read. */
  async open(): Promise<StateRecord[]> {
    // The tokens are somebody's text.
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const names = Map.groupBy(await readdir(this.#folder), (name) => name.split('.')[0] ?? '');
    const ids = [...names.keys()];
    const records: StateRecord[] = [];
    const next = async (): Promise<void> => {
      for (let id = ids.pop(); id !== undefined; id = ids.pop()) {
        const record = await this.#read(id);
        if (record) records.push(record);
        await this.#sweep((names.get(id) ?? []).filter((name) => record === undefined || isTemporary(name)));
      }
    };
    await Promise.all(Array.from({ length: READERS }, next));
    return records;
  }

  /** Where the native side is to write the cells of an entry that is being made. */
  temporaryCells(id: string): string {
    return path.join(this.#folder, `${id}.kv.${process.pid}`);
  }

  cells(id: string): string {
    return path.join(this.#folder, `${id}.kv`);
  }

  /** Makes an entry of the cells that were written. Gives their digest. */
  async commit(record: Omit<StateRecord, 'digest'>): Promise<string> {
    const temporary = this.temporaryCells(record.id);
    const digest = await digestOf(temporary);
    await rename(temporary, this.cells(record.id));
    await this.rewrite({ ...record, digest });
    return digest;
  }

  /** Writes anew what is known of an entry. */
  rewrite(record: StateRecord): Promise<void> {
    return this.#inTurn(record.id, async () => {
      const temporary = path.join(this.#folder, `${record.id}.entry.${process.pid}`);
      await writeFile(temporary, encodeEntry(record, { fingerprint: this.#fingerprint }), { mode: 0o600 });
      await rename(temporary, path.join(this.#folder, `${record.id}.entry`));
    });
  }

  /** Whether the cells are still what was written. */
  async isWhole({ id, bytes, digest }: Pick<StateRecord, 'id' | 'bytes' | 'digest'>): Promise<boolean> {
    try {
      const file = this.cells(id);
      return (await stat(file)).size === bytes && (await digestOf(file)) === digest;
    } catch {
      return false;
    }
  }

  /** Also what was only begun. */
  remove(id: string): Promise<void> {
    const paths = [path.join(this.#folder, `${id}.entry`), this.cells(id), this.temporaryCells(id)];
    return this.#inTurn(id, () => removeEntryFiles({ paths }));
  }

  /** What other engines, and earlier versions of this one, keep in the folder beside this one. */
  async foreign(): Promise<EntryFiles[]> {
    return (await entryFilesIn(this.#root)).filter(({ fingerprint }) => fingerprint !== this.#fingerprint);
  }

  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.#root);
    return bavail * bsize;
  }

  /** Resolves when no entry is being changed. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#turns.values());
  }

  #inTurn(id: string, change: () => Promise<void>): Promise<void> {
    const turn = (this.#turns.get(id) ?? Promise.resolve()).catch(() => {}).then(change);
    this.#turns.set(id, turn);
    const leave = (): void => {
      if (this.#turns.get(id) === turn) this.#turns.delete(id);
    };
    turn.then(leave, leave);
    return turn;
  }

  /** Undefined where a file is missing, damaged, or was written for something else. */
  async #read(id: string): Promise<StateRecord | undefined> {
    try {
      const entry = await readFile(path.join(this.#folder, `${id}.entry`));
      const record = decodeEntry(id, entry, { fingerprint: this.#fingerprint });
      return record?.bytes === (await stat(this.cells(id))).size ? record : undefined;
    } catch {
      return undefined;
    }
  }

  /** What a process that lives is writing is its own business. */
  async #sweep(names: readonly string[]): Promise<void> {
    for (const name of names) {
      if (isTemporary(name) && isAliveElsewhere(Number(name.split('.')[2]))) continue;
      await rm(path.join(this.#folder, name), { force: true, recursive: true });
    }
  }
}

/** The last part of a temporary name is the process that writes it. */
function isTemporary(name: string): boolean {
  return name.split('.').length > 2;
}

function isAliveElsewhere(processId: number): boolean {
  if (!(processId > 0) || processId === process.pid) return false;
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(file, { highWaterMark: PIECE_BYTES })) hash.update(piece as Buffer);
  return hash.digest('hex');
}
