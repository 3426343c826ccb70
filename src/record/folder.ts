/** The folder that recordings are written to: numbered, so that their names are in the order of the calls. */
import { mkdirSync, readdirSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RecordedExchange } from '../core/recordings.ts';

const DIGITS = 4;
/** Parts of paths that every path has, and ids. */
const SILENT_SEGMENT = /^(|api|v\d+|compatible-mode|services|aigc|apps)$|\d{4}|[0-9a-f]{16}/i;

export class RecordingFolder {
  readonly #folder: string;
  #last: number;

  /** Makes the folder; numbers go on after those that are there. */
  constructor(folder: string) {
    mkdirSync(folder, { recursive: true });
    this.#folder = folder;
    this.#last = Math.max(0, ...readdirSync(folder).map((file) => Number(/^(\d+)-.*\.json$/.exec(file)?.[1] ?? 0)));
  }

  /** A number for an exchange that begins now. */
  nextNumber(): number {
    return ++this.#last;
  }

  /** Writes one file, whole or not at all; gives its name. */
  async write(number: number, exchange: Omit<RecordedExchange, 'name'>): Promise<string> {
    const name = nameOf(number, exchange);
    const file = join(this.#folder, `${name}.json`);
    const part = `${file}.part`;
    await writeFile(part, `${JSON.stringify({ name, ...exchange }, undefined, 1)}\n`);
    await rename(part, file);
    return name;
  }
}

/** `0007-chat-completions-sse` */
function nameOf(number: number, { request, response }: Omit<RecordedExchange, 'name'>): string {
  const path = /^\S+ ([^\s?]*)/.exec(request.line)?.[1] ?? '';
  const words = path
    .split('/')
    .filter((segment) => !SILENT_SEGMENT.test(segment))
    .map((segment) => segment.toLowerCase().replace(/[^a-z0-9-]+/g, '-'));
  const isStream = /event-stream/.test(response.headers['content-type'] ?? '');
  return [String(number).padStart(DIGITS, '0'), ...words, isStream ? 'sse' : 'nosse'].join('-').slice(0, 120);
}
