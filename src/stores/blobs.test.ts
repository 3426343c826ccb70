import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StudioError } from '../core/errors.ts';
import { openBlobStore } from './blobs.ts';

let folder: string;
beforeEach(() => {
  folder = path.join(mkdtempSync(path.join(tmpdir(), 'atelier-blobs-')), 'blobs');
});
afterEach(() => rmSync(path.dirname(folder), { recursive: true, force: true }));

async function* pieces(...parts: (string | Uint8Array | Error)[]): AsyncGenerator<string | Uint8Array> {
  for (const part of parts) {
    if (part instanceof Error) throw part;
    yield part;
  }
}

async function textOf(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const piece of bytes) chunks.push(piece);
  return Buffer.concat(chunks).toString();
}

const names = () => readdirSync(folder, { recursive: true }).sort();

describe('a blob', () => {
  it('comes back as it was written, with its length and MD5', async () => {
    const blobs = await openBlobStore(folder);
    const { blobId, bytes, md5 } = await blobs.write(pieces('né', new Uint8Array([0, 10]), '文'), 100);
    expect(bytes).toBe(8);
    expect(md5).toBe(createHash('md5').update('né\0\n文').digest('base64'));
    expect(await textOf(blobs.read(blobId))).toBe('né\0\n文');
    if (process.platform !== 'win32') expect(statSync(path.join(folder, blobId)).mode & 0o077).toBe(0);
  });

  it('may be empty, and as long as the limit', async () => {
    const blobs = await openBlobStore(folder);
    const empty = await blobs.write(pieces(), 0);
    expect(await textOf(blobs.read(empty.blobId))).toBe('');
    expect(await blobs.write(pieces('abc'), 3)).toMatchObject({ bytes: 3 });
  });

  it('leaves nothing when it is too long, or when its source breaks', async () => {
    const blobs = await openBlobStore(folder);
    await expect(blobs.write(pieces('ab', 'cd'), 3)).rejects.toMatchObject({ code: 'body-too-large' });
    const left = new Error('the client left');
    await expect(blobs.write(pieces('ab', left), 10)).rejects.toBe(left);
    expect(names()).toEqual(['incoming']);
  });

  it('has no name of its own until it is whole', async () => {
    const blobs = await openBlobStore(folder);
    const seen: unknown[] = [];
    async function* source(): AsyncGenerator<string> {
      yield 'a';
      seen.push(...readdirSync(folder));
    }
    await blobs.write(source(), 10);
    expect(seen).toEqual(['incoming']);
  });

  it('can be copied, and each is deleted by itself', async () => {
    const blobs = await openBlobStore(folder);
    const { blobId } = await blobs.write(pieces('abc'), 10);
    const copyId = await blobs.copy(blobId);
    await blobs.delete(blobId);
    await blobs.delete(blobId);
    expect(await textOf(blobs.read(copyId))).toBe('abc');
    await expect(textOf(blobs.read(blobId))).rejects.toMatchObject({ code: 'not-found' });
    await expect(blobs.copy(blobId)).rejects.toBeInstanceOf(StudioError);
  });

  it('is never looked for outside the folder', async () => {
    const blobs = await openBlobStore(folder);
    writeFileSync(path.join(folder, '..', 'secret'), 'x');
    await expect(textOf(blobs.read('../secret'))).rejects.toMatchObject({ code: 'not-found' });
    await blobs.delete('../secret');
    expect(readdirSync(path.join(folder, '..'))).toContain('secret');
  });
});

describe('what a killed process left', () => {
  it('is gone after the next start: half a blob, and whole ones that nobody knows of', async () => {
    const { blobId: known } = await (await openBlobStore(folder)).write(pieces('known'), 10);
    await (await openBlobStore(folder)).write(pieces('unknown'), 10);
    mkdirSync(path.join(folder, 'incoming'), { recursive: true });
    writeFileSync(path.join(folder, 'incoming', 'half'), 'x');
    const blobs = await openBlobStore(folder);
    expect(await blobs.deleteAllBut(new Set([known]))).toBe(1);
    expect(names()).toEqual([known, 'incoming'].sort());
  });
});
