/**
 * Writes a weights file of random numbers, a few hundred kilobytes: the real engine with all its native parts, at a
 * millisecond a step. What it says is gibberish, and depends on every token before it; that is what trials of the cache
 * need. The format is the GGUF specification's (version 3), the architecture plain llama, a token a byte.
 */
import { writeFileSync } from 'node:fs';
import { randomFrom } from '../../testing/random.ts';

const WIDTH = 64;
const HEADS = 4;
const LAYERS = 2;
const FEED_FORWARD = 128;
const CONTEXT = 4_096;
const ALIGNMENT = 32;

// Types of values in GGUF, and of tokens in llama.h.
const UINT32 = 4;
const INT32 = 5;
const FLOAT32 = 6;
const STRING = 8;
const ARRAY = 9;
const TOKEN_UNKNOWN = 2;
const TOKEN_CONTROL = 3;
const TOKEN_BYTE = 6;

export function writeTinyWeights(file: string, seed = 1): void {
  const tokens = ['<unk>', '<s>', '<|im_end|>', '<|im_start|>', ...bytes().map(byteSpelling)];
  const types = [TOKEN_UNKNOWN, TOKEN_CONTROL, TOKEN_CONTROL, TOKEN_CONTROL, ...bytes().map(() => TOKEN_BYTE)];
  const facts = [
    fact('general.architecture', STRING, text('llama')),
    fact('general.name', STRING, text('Tiny')),
    ...Object.entries({
      context_length: CONTEXT,
      embedding_length: WIDTH,
      block_count: LAYERS,
      feed_forward_length: FEED_FORWARD,
      'attention.head_count': HEADS,
      'attention.head_count_kv': HEADS,
      'rope.dimension_count': WIDTH / HEADS,
    }).map(([key, value]) => fact(`llama.${key}`, UINT32, uint32(value))),
    fact('llama.attention.layer_norm_rms_epsilon', FLOAT32, floats([1e-5])),
    fact('tokenizer.ggml.model', STRING, text('llama')),
    fact('tokenizer.ggml.tokens', ARRAY, array(STRING, tokens.map(text))),
    fact('tokenizer.ggml.scores', ARRAY, array(FLOAT32, [floats(tokens.map(() => 0))], tokens.length)),
    fact('tokenizer.ggml.token_type', ARRAY, array(INT32, types.map(uint32))),
    fact('tokenizer.ggml.bos_token_id', UINT32, uint32(1)),
    fact('tokenizer.ggml.eos_token_id', UINT32, uint32(2)),
    fact('tokenizer.ggml.unknown_token_id', UINT32, uint32(0)),
  ];
  const random = randomFrom(seed);
  const tensors = shapes(tokens.length).map(({ name, dimensions }) => ({
    name,
    dimensions,
    values: valuesOf(dimensions, random),
  }));
  let offset = 0;
  const infos = tensors.map(({ name, dimensions, values }) => {
    const info = [text(name), uint32(dimensions.length), ...dimensions.map(uint64), uint32(0), uint64(offset)];
    offset += aligned(values.byteLength);
    return Buffer.concat(info);
  });
  const head = Buffer.concat([
    Buffer.from('GGUF'),
    uint32(3),
    uint64(tensors.length),
    uint64(facts.length),
    ...facts,
    ...infos,
  ]);
  const data = tensors.map(({ values }) => padded(Buffer.from(values.buffer)));
  writeFileSync(file, Buffer.concat([padded(head), ...data]));
}

function shapes(vocabulary: number): { name: string; dimensions: number[] }[] {
  const layers = Array.from({ length: LAYERS }, (_, layer) =>
    Object.entries({
      attn_norm: [WIDTH],
      attn_q: [WIDTH, WIDTH],
      attn_k: [WIDTH, WIDTH],
      attn_v: [WIDTH, WIDTH],
      attn_output: [WIDTH, WIDTH],
      ffn_norm: [WIDTH],
      ffn_gate: [WIDTH, FEED_FORWARD],
      ffn_up: [WIDTH, FEED_FORWARD],
      ffn_down: [FEED_FORWARD, WIDTH],
    }).map(([name, dimensions]) => ({ name: `blk.${layer}.${name}.weight`, dimensions })),
  );
  return [
    { name: 'token_embd.weight', dimensions: [WIDTH, vocabulary] },
    { name: 'output_norm.weight', dimensions: [WIDTH] },
    { name: 'output.weight', dimensions: [WIDTH, vocabulary] },
    ...layers.flat(),
  ];
}

/** Norms are ones; the rest is wide enough that attention, and not the last token alone, decides. */
function valuesOf(dimensions: readonly number[], random: () => number): Float32Array<ArrayBuffer> {
  const values = new Float32Array(dimensions.reduce((product, length) => product * length, 1));
  const scale = 3 / Math.sqrt(dimensions[0] ?? 1);
  for (let i = 0; i < values.length; i++) values[i] = dimensions.length === 1 ? 1 : (random() * 2 - 1) * scale;
  return values;
}

function bytes(): number[] {
  return Array.from({ length: 256 }, (_, byte) => byte);
}

function byteSpelling(byte: number): string {
  return `<0x${byte.toString(16).padStart(2, '0').toUpperCase()}>`;
}

function fact(key: string, type: number, value: Buffer): Buffer {
  return Buffer.concat([text(key), uint32(type), value]);
}

function array(type: number, items: readonly Buffer[], length = items.length): Buffer {
  return Buffer.concat([uint32(type), uint64(length), ...items]);
}

function text(value: string): Buffer {
  const encoded = Buffer.from(value);
  return Buffer.concat([uint64(encoded.length), encoded]);
}

function uint32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer;
}

function uint64(value: number): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(BigInt(value));
  return buffer;
}

function floats(values: readonly number[]): Buffer {
  return Buffer.from(Float32Array.from(values).buffer);
}

function aligned(length: number): number {
  return Math.ceil(length / ALIGNMENT) * ALIGNMENT;
}

function padded(buffer: Buffer): Buffer {
  return Buffer.concat([buffer, Buffer.alloc(aligned(buffer.length) - buffer.length)]);
}
