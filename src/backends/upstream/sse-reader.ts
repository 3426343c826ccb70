/**
 * Server-sent events from the bytes of a response, as cheaply as can be: only `data` matters here.
 *
 * A line feed is never part of a longer UTF-8 character, so bytes are decoded up to the last one, whole, without a
 * stateful decoder; the rest waits. Comments, other fields and both line endings are read past.
 *
 * Why not eventsource-parser: 200 chunks of 160 bytes, one at a time, cost 58 µs here and 82 µs there (with a streaming
 * TextDecoder before it; in one piece both cost 8 µs), and it drops what sloppy servers leave out.
 */
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;

export class SseReader {
  readonly #onData: (data: string) => void;
  /** The bytes after the last line feed. */
  #rest: Buffer | undefined;
  /** The data lines of the event that is being read. */
  #data: string | undefined;

  constructor(onData: (data: string) => void) {
    this.#onData = onData;
  }

  push(bytes: Buffer): void {
    const end = bytes.lastIndexOf(LINE_FEED) + 1;
    const whole = this.#rest ? Buffer.concat([this.#rest, bytes]) : bytes;
    const wholeEnd = end === 0 ? 0 : whole.length - (bytes.length - end);
    this.#rest = wholeEnd === whole.length ? undefined : whole.subarray(wholeEnd);
    if (wholeEnd > 0) this.#readLines(whole.toString('utf8', 0, wholeEnd));
  }

  /** The response is over: servers forget the last empty line, or even the last line feed. */
  end(): void {
    if (this.#rest) this.#readLines(`${this.#rest.toString('utf8')}\n`);
    this.#rest = undefined;
    this.#dispatch();
  }

  #readLines(text: string): void {
    let from = 0;
    for (let feed = text.indexOf('\n'); feed >= 0; feed = text.indexOf('\n', from)) {
      const end = text.charCodeAt(feed - 1) === CARRIAGE_RETURN && feed > from ? feed - 1 : feed;
      if (end === from) this.#dispatch();
      else if (text.startsWith('data:', from)) this.#addData(text, from + 5, end);
      // Older llama-server: a field of its own for errors, with the error as it would be in a chunk.
      else if (text.startsWith('error:', from)) this.#addData(`{"error":${text.slice(from + 6, end)}}`);
      from = feed + 1;
    }
  }

  #addData(text: string, from = 0, end = text.length): void {
    const data = text.slice(text.charCodeAt(from) === SPACE ? from + 1 : from, end);
    this.#data = this.#data === undefined ? data : `${this.#data}\n${data}`;
  }

  #dispatch(): void {
    const data = this.#data;
    if (data === undefined) return;
    this.#data = undefined;
    if (data !== '') this.#onData(data);
  }
}
