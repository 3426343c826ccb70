/** Real stores for tests of wires: a database in memory, blobs in a folder of their own. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../src/core/ports.ts';
import type { WirePorts } from '../../src/protocols/protocol.ts';
import { openBlobStore } from '../../src/stores/blobs.ts';
import { createBatchStore } from '../../src/stores/sql/batches.ts';
import { type Database, openDatabase } from '../../src/stores/sql/database.ts';
import { createFileStore } from '../../src/stores/sql/files.ts';
import { fixedClock } from './context.ts';

export interface TestStores {
  readonly ports: Pick<WirePorts, 'files' | 'blobs' | 'batches' | 'fileQuota'>;
  readonly database: Database;
  /** Blobs there are, whole and half ones. */
  blobNames(): string[];
  close(): Promise<void>;
}

export async function openTestStores(clock: Clock = fixedClock()): Promise<TestStores> {
  const folder = mkdtempSync(join(tmpdir(), 'atelier-stores-'));
  const database = await openDatabase(':memory:');
  return {
    ports: {
      files: createFileStore(database),
      blobs: await openBlobStore(folder),
      batches: createBatchStore(database, { id: 'test', clock }),
      fileQuota: { maxFiles: 10_000, maxBytes: 100 * 1024 ** 3 },
    },
    database,
    blobNames: () => readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name !== 'incoming'),
    close: async () => {
      await database.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export async function readText(stream: AsyncIterable<Uint8Array | string> | undefined): Promise<string> {
  if (!stream) throw new Error('there is no stream');
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces).toString();
}

/** A part of a multipart body that holds a file. */
export function filePart(name: string, fileName: string, ...pieces: (string | Error)[]) {
  async function* bytes(): AsyncGenerator<Uint8Array> {
    for (const piece of pieces) {
      if (piece instanceof Error) throw piece;
      yield Buffer.from(piece);
    }
  }
  return { type: 'file', name, fileName, contentType: 'application/octet-stream', bytes: bytes() } as const;
}

export function fieldPart(name: string, value: string) {
  return { type: 'field', name, value } as const;
}
