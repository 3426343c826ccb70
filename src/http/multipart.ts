/** Multipart bodies, part by part as they arrive: nothing of a file is kept in memory. */
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { Busboy, type BusboyHeaders } from '@fastify/busboy';
import { StudioError } from '../core/errors.ts';
import type { BodyPart } from '../protocols/protocol.ts';

/** Fields are short texts; what is longer has no meaning on any wire. */
const MAX_FIELD_BYTES = 64 * 1024;
const MAX_PARTS = 100;

/**
 * The parts of a request in their order. The next part comes when the bytes of the one before have been read; when the
 * consumer stops early, the rest is thrown away. Throws `malformed-body` for a body that is not multipart or ends
 * before its end.
 */
export async function* partsOf(request: IncomingMessage): AsyncGenerator<BodyPart> {
  const queue = new PartQueue();
  const parser = parserOf(request);
  const files = new Map<BodyPart, Readable>();
  parser.on('field', (name, value, isNameCut, isValueCut) => {
    if (isNameCut || isValueCut) queue.fail(new StudioError('body-too-large'));
    else queue.push({ type: 'field', name, value });
  });
  parser.on('file', (name, bytes, fileName, _encoding, contentType) => {
    // Without a listener an error of a part that nobody reads any more would end the process.
    bytes.on('error', (thrown) => queue.fail(malformed(thrown)));
    const file = bytes as Readable;
    const part: BodyPart = { type: 'file', name, fileName: fileName ?? '', contentType, bytes: bytesOf(file) };
    files.set(part, file);
    queue.push(part);
  });
  parser.on('partsLimit', () => queue.fail(new StudioError('body-too-large')));
  parser.on('error', (thrown) => queue.fail(malformed(thrown)));
  parser.on('finish', () => queue.end());
  request.on('close', () => {
    if (request.complete) return;
    const left = new Error('the client left');
    queue.fail(malformed(left));
    for (const file of files.values()) file.destroy(left);
  });
  request.pipe(parser);
  try {
    for (let part = await queue.take(); part !== undefined; part = await queue.take()) {
      yield part;
      // Only its own bytes: those of a file behind it may be here already, and somebody will want them.
      files.get(part)?.resume();
      files.delete(part);
    }
  } finally {
    request.unpipe(parser);
    request.resume();
  }
}

async function* bytesOf(file: Readable): AsyncGenerator<Uint8Array> {
  try {
    yield* file;
  } catch (thrown) {
    throw malformed(thrown);
  }
}

function parserOf(request: IncomingMessage): InstanceType<typeof Busboy> {
  try {
    return new Busboy({
      headers: request.headers as BusboyHeaders,
      limits: { fieldSize: MAX_FIELD_BYTES, parts: MAX_PARTS },
    });
  } catch (thrown) {
    throw malformed(thrown);
  }
}

function malformed(thrown: unknown): StudioError {
  return new StudioError('malformed-body', undefined, { cause: thrown });
}

/** Hands parts from the parser's events to one reader. */
class PartQueue {
  readonly #parts: BodyPart[] = [];
  #error: StudioError | undefined;
  #hasEnded = false;
  #wake: (() => void) | undefined;

  push(part: BodyPart): void {
    this.#parts.push(part);
    this.#wake?.();
  }

  fail(error: StudioError): void {
    this.#error ??= error;
    this.#wake?.();
  }

  end(): void {
    this.#hasEnded = true;
    this.#wake?.();
  }

  /** The next part; undefined at the end. */
  async take(): Promise<BodyPart | undefined> {
    for (;;) {
      if (this.#error) throw this.#error;
      const part = this.#parts.shift();
      if (part) return part;
      if (this.#hasEnded) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }
}
