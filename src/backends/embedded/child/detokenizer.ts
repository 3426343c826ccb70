/**
 * Joins the bytes of tokens to text. A character whose bytes are not all there yet is held back, so that no piece of
 * text ever holds half of one.
 */
export class Detokenizer {
  // `stream` keeps the bytes of an unfinished character for the next call. No BOM is eaten: the model meant it.
  #decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  push(bytes: Uint8Array): string {
    return bytes.length === 0 ? '' : this.#decoder.decode(bytes, { stream: true });
  }

  /** Forgets an unfinished character: the text ends or goes on elsewhere, and half a character says nothing. */
  reset(): void {
    this.#decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  }
}
