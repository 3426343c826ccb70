/** How vocabularies spell the bytes of their tokens. */

/** A blank, as vocabularies of the SentencePiece family spell it. */
export const SENTENCE_PIECE_BLANK = '\u2581';

/** `<0xE4>` is how SentencePiece vocabularies spell a byte. */
export function byteOfSpelling(spelling: string): Uint8Array | undefined {
  const match = /^<0x([0-9A-Fa-f]{2})>$/.exec(spelling);
  return match?.[1] === undefined ? undefined : Uint8Array.of(Number.parseInt(match[1], 16));
}

/**
 * Byte-pair vocabularies of the GPT-2 family spell each byte by one character: printable ones by themselves, the rest,
 * in order, by the characters from U+0100. A spelling with any other character was added by name and is text as it is.
 */
export function bytesOfBytePairSpelling(spelling: string): Uint8Array | undefined {
  const bytes = new Uint8Array(spelling.length);
  for (let i = 0; i < spelling.length; i++) {
    const byte = BYTE_OF_CHARACTER.get(spelling.charCodeAt(i));
    if (byte === undefined) return undefined;
    bytes[i] = byte;
  }
  return bytes;
}

const BYTE_OF_CHARACTER: ReadonlyMap<number, number> = (() => {
  const isPrintable = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
  const map = new Map<number, number>();
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) map.set(isPrintable(byte) ? byte : next++, byte);
  return map;
})();

/**
 * The texts of the tokens that a server spelt in the manner of its vocabulary, which it does not name. The text that they
 * are the tokens of tells: the manner is the one that gives it back. The spellings themselves where none does.
 */
export function textsOfSpellings(text: string, spellings: readonly string[]): readonly string[] {
  for (const read of [bytesOfBytePairSpelling, bytesOfSentencePieceSpelling]) {
    const pieces = spellings.map((spelling) => read(spelling) ?? Buffer.from(spelling));
    const whole = Buffer.concat(pieces).toString();
    // SentencePiece puts a blank in front of a text.
    if (whole === text || whole === ` ${text}`) return pieces.map((piece) => new TextDecoder().decode(piece));
  }
  return spellings;
}

function bytesOfSentencePieceSpelling(spelling: string): Uint8Array {
  return byteOfSpelling(spelling) ?? Buffer.from(spelling.replaceAll(SENTENCE_PIECE_BLANK, ' '));
}
