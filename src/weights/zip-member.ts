/** Reads one member out of a zip file (a Python wheel) as a stream, without holding the file in memory. */
import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { pipeline, type Readable } from 'node:stream';
import { createInflateRaw } from 'node:zlib';

// Signatures and layout: PKWARE "APPNOTE.TXT", §4.3.7 (local header), §4.3.12 (central directory), §4.3.16 (its end).
const END_SIGNATURE = 0x06054b50;
const END_BYTES = 22;
const MAX_COMMENT_BYTES = 0xffff;
const ENTRY_SIGNATURE = 0x02014b50;
const ENTRY_BYTES = 46;
const LOCAL_SIGNATURE = 0x04034b50;
const LOCAL_BYTES = 30;
const STORED = 0;
const DEFLATED = 8;

interface Member {
  readonly method: number;
  readonly compressedBytes: number;
  readonly headerOffset: number;
}

/** The bytes of a member. Throws when the file is no zip, or lacks it. */
export async function readZipMember(file: string, name: string): Promise<Readable> {
  const handle = await open(file, 'r');
  try {
    const member = await findMember(handle, name);
    const local = await readAt(handle, member.headerOffset, LOCAL_BYTES);
    if (local.readUInt32LE(0) !== LOCAL_SIGNATURE) throw new Error('the zip file is damaged');
    const start = member.headerOffset + LOCAL_BYTES + local.readUInt16LE(26) + local.readUInt16LE(28);
    const raw = createReadStream(file, { start, end: start + member.compressedBytes - 1 });
    if (member.method === STORED) return raw;
    if (member.method !== DEFLATED) throw new Error(`${name} is compressed in an unknown way (${member.method})`);
    // An error of either end destroys the other; the reader of the returned stream sees it.
    return pipeline(raw, createInflateRaw(), () => {});
  } finally {
    await handle.close();
  }
}

async function findMember(handle: FileHandle, name: string): Promise<Member> {
  const { size } = await handle.stat();
  const tailBytes = Math.min(size, END_BYTES + MAX_COMMENT_BYTES);
  const tail = await readAt(handle, size - tailBytes, tailBytes);
  const end = lastIndexOfSignature(tail);
  if (end < 0) throw new Error('the file is not a zip file');
  const directory = await readAt(handle, tail.readUInt32LE(end + 16), tail.readUInt32LE(end + 12));
  for (let at = 0; at + ENTRY_BYTES <= directory.length && directory.readUInt32LE(at) === ENTRY_SIGNATURE; ) {
    const nameBytes = directory.readUInt16LE(at + 28);
    const found = directory.toString('utf8', at + ENTRY_BYTES, at + ENTRY_BYTES + nameBytes);
    if (found === name)
      return {
        method: directory.readUInt16LE(at + 10),
        compressedBytes: directory.readUInt32LE(at + 20),
        headerOffset: directory.readUInt32LE(at + 42),
      };
    at += ENTRY_BYTES + nameBytes + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
  }
  throw new Error(`the zip file holds no ${name}`);
}

function lastIndexOfSignature(tail: Buffer): number {
  for (let at = tail.length - END_BYTES; at >= 0; at--) if (tail.readUInt32LE(at) === END_SIGNATURE) return at;
  return -1;
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await handle.read(buffer, 0, length, position);
  if (bytesRead !== length) throw new Error('the zip file is cut off');
  return buffer;
}
