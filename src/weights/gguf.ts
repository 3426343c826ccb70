/** What can be told of a GGUF file without loading it. */
import { open } from 'node:fs/promises';

const MAGIC = 'GGUF';

/** True when the file begins as a GGUF file does. */
export async function isGguf(file: string): Promise<boolean> {
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(MAGIC.length), 0, MAGIC.length, 0);
    return bytesRead === MAGIC.length && buffer.toString('latin1') === MAGIC;
  } finally {
    await handle.close();
  }
}
