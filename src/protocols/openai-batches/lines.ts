/** Lines of a text file as it is read. */

export interface FileLine {
  /** Counted from 1, blank lines too. */
  readonly number: number;
  /** Without its line break; undefined where it is longer than was asked for. */
  readonly text: string | undefined;
}

const LINE_FEED = 0x0a;

/** The lines that are not blank. No more than one line and one piece of the file is held in memory. */
export async function* linesOf(file: AsyncIterable<Uint8Array>, maxLineBytes: number): AsyncGenerator<FileLine> {
  const line = new PartialLine(maxLineBytes);
  for await (const piece of file) {
    let start = 0;
    for (let end = piece.indexOf(LINE_FEED); end >= 0; end = piece.indexOf(LINE_FEED, start)) {
      line.add(piece.subarray(start, end));
      start = end + 1;
      const whole = line.take();
      if (whole.text !== '') yield whole;
    }
    line.add(piece.subarray(start));
  }
  const last = line.take();
  if (last.text !== '') yield last;
}

class PartialLine {
  readonly #maxBytes: number;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #number = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  add(piece: Uint8Array): void {
    this.#bytes += piece.length;
    if (this.#bytes <= this.#maxBytes) this.#pieces.push(piece);
  }

  take(): FileLine {
    this.#number++;
    // `trim` also takes the mark that some editors put before the first line.
    const text = this.#bytes <= this.#maxBytes ? Buffer.concat(this.#pieces).toString().trim() : undefined;
    this.#pieces = [];
    this.#bytes = 0;
    return { number: this.#number, text };
  }
}
