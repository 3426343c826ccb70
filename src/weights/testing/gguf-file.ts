/** The head of a GGUF file, for tests: facts and no tensors. */

export type GgufFact = string | number | readonly number[] | readonly string[];

export function ggufBytes(facts: Readonly<Record<string, GgufFact>>): Buffer {
  const entries = Object.entries(facts);
  const parts = [Buffer.from('GGUF'), uint32(3), uint64(0), uint64(entries.length)];
  for (const [name, value] of entries) parts.push(text(name), ...typed(value));
  return Buffer.concat(parts);
}

function typed(value: GgufFact): Buffer[] {
  if (typeof value === 'string') return [uint32(8), text(value)];
  if (typeof value === 'number') return [uint32(4), uint32(value)];
  const [first] = value;
  const items = value.map((item) => (typeof item === 'string' ? text(item) : uint32(item)));
  return [uint32(9), uint32(typeof first === 'string' ? 8 : 4), uint64(value.length), ...items];
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint64(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
