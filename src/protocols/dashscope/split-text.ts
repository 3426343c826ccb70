/**
 * Some clients refuse a line of 128 KiB and more, so lines stay below 64 KiB (dashscope-native reference §7); base64 of an
 * encrypted payload takes a third more than the payload, and something stands around the text.
 */
const MAX_BYTES = 45_000;

/** What surely fits: a UTF-16 unit takes up to six bytes of JSON. */
const PIECE_LENGTH = MAX_BYTES / 6;

/** A text in pieces that fit a line, no character split. */
export function splitText(text: string): string[] {
  if (text.length <= PIECE_LENGTH || Buffer.byteLength(JSON.stringify(text)) <= MAX_BYTES) return [text];
  const pieces: string[] = [];
  let start = 0;
  while (start < text.length) {
    let end = Math.min(start + PIECE_LENGTH, text.length);
    if (end < text.length && isLowSurrogate(text.charCodeAt(end))) end--;
    pieces.push(text.slice(start, end));
    start = end;
  }
  return pieces;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
