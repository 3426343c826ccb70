/** What can be told of a GGUF file without loading it ("GGUF", `docs/gguf.md` of ggml). */
import { open } from 'node:fs/promises';
import type { ContextShape } from '../core/context-memory.ts';

const MAGIC = 'GGUF';

/** True when the file begins as a GGUF file does. */
export async function isGguf(file: string): Promise<boolean> {
  return (await beginningOf(file, MAGIC.length)).toString('latin1') === MAGIC;
}

/** Sizes of a model, from the head of its file. */
export interface WeightsShape extends ContextShape {
  readonly architecture: string;
  readonly fileBytes: number;
}

/** The facts about the model stand before the vocabulary, which may be some megabytes. */
const READ_BYTES = [1 << 18, 1 << 26] as const;

/** Undefined for a file that is no GGUF, or of which the sizes cannot be told. */
export async function readWeightsShape(file: string): Promise<WeightsShape | undefined> {
  const handle = await open(file, 'r');
  const { size: fileBytes } = await handle.stat().finally(() => handle.close());
  for (const bytes of READ_BYTES) {
    const facts = factsIn(await beginningOf(file, bytes));
    const shape = facts && shapeOf(facts, fileBytes);
    if (shape) return shape;
  }
  return undefined;
}

type Facts = ReadonlyMap<string, string | number | readonly number[]>;

function shapeOf(facts: Facts, fileBytes: number): WeightsShape | undefined {
  const architecture = facts.get('general.architecture');
  if (typeof architecture !== 'string') return undefined;
  const number = (name: string): number | undefined => {
    const value = facts.get(`${architecture}.${name}`);
    // Some files give one number, some one a layer; the dearest layer is the safe guess.
    return typeof value === 'object' ? Math.max(...value) : typeof value === 'number' ? value : undefined;
  };
  const layers = number('block_count');
  const trainContextTokens = number('context_length');
  const heads = number('attention.head_count');
  const embedding = number('embedding_length');
  const headDimension =
    number('attention.key_length') ?? (heads && embedding ? Math.ceil(embedding / heads) : undefined);
  if (layers === undefined || trainContextTokens === undefined || headDimension === undefined) return undefined;
  const keyValueHeads = number('attention.head_count_kv') ?? heads ?? 1;
  return { architecture, fileBytes, trainContextTokens, layers, keyValueHeads, headDimension };
}

/** Numbers, texts and short lists of numbers, as far as the bytes reach; undefined where it is no GGUF. */
function factsIn(bytes: Buffer): Facts | undefined {
  if (bytes.subarray(0, MAGIC.length).toString('latin1') !== MAGIC) return undefined;
  const facts = new Map<string, string | number | readonly number[]>();
  const reader = new GgufReader(bytes);
  try {
    const count = reader.header();
    for (let i = 0; i < count; i++) {
      const name = reader.text();
      const value = reader.value();
      if (value !== undefined) facts.set(name, value);
    }
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown;
    // The bytes end here; what was read may be enough.
  }
  return facts;
}

/** Value types of the format. */
const TEXT = 8;
const LIST = 9;
/** A longer list is a vocabulary. */
const LONGEST_LIST = 1_024;

class GgufReader {
  readonly #bytes: Buffer;
  #at = MAGIC.length;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** How many facts follow. */
  header(): number {
    this.#at += 4 + 8;
    return this.#count();
  }

  text(): string {
    const length = this.#count();
    const text = this.#bytes.subarray(this.#at, this.#take(length) + length).toString('utf8');
    return text;
  }

  value(type = this.#bytes.readUInt32LE(this.#take(4))): string | number | readonly number[] | undefined {
    if (type === TEXT) return this.text();
    if (type === LIST) return this.#list();
    const bytes = this.#bytes;
    switch (type) {
      case 0:
      case 7:
        return bytes.readUInt8(this.#take(1));
      case 1:
        return bytes.readInt8(this.#take(1));
      case 2:
        return bytes.readUInt16LE(this.#take(2));
      case 3:
        return bytes.readInt16LE(this.#take(2));
      case 4:
        return bytes.readUInt32LE(this.#take(4));
      case 5:
        return bytes.readInt32LE(this.#take(4));
      case 6:
        return bytes.readFloatLE(this.#take(4));
      case 10:
        return Number(bytes.readBigUInt64LE(this.#take(8)));
      case 11:
        return Number(bytes.readBigInt64LE(this.#take(8)));
      case 12:
        return bytes.readDoubleLE(this.#take(8));
      default:
        throw new RangeError(`unknown type of value: ${type}`);
    }
  }

  #list(): readonly number[] | undefined {
    const type = this.#bytes.readUInt32LE(this.#take(4));
    const length = this.#count();
    const numbers: number[] = [];
    for (let i = 0; i < length; i++) {
      const value = this.value(type);
      if (typeof value === 'number' && length <= LONGEST_LIST) numbers.push(value);
    }
    return numbers.length > 0 ? numbers : undefined;
  }

  #count(): number {
    return Number(this.#bytes.readBigUInt64LE(this.#take(8)));
  }

  /** Where the next bytes lie. */
  #take(length: number): number {
    const at = this.#at;
    this.#at += length;
    if (this.#at > this.#bytes.length) throw new RangeError('the bytes end here');
    return at;
  }
}

async function beginningOf(file: string, length: number): Promise<Buffer> {
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}
