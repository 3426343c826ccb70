/** The words of a text, and when two of them are the same but for their endings. */

/** Lower case, `camelCase` and `snake_case` apart. */
export function wordsOf(text: string): readonly string[] {
  const parted = text.replace(/(\p{Ll})(\p{Lu})/gu, '$1 $2').toLowerCase();
  return parted.match(/\p{L}+|\p{N}+/gu) ?? [];
}

/** Of shorter words every letter counts. */
const MIN_STEM = 4;
const MAX_ENDING = 2;
const MAX_LONGER_ENDING = 3;

/** `rating` and `ratings`, `religion` and `religious`; not `state` and `start`, nor `stock` and `stockings`. */
export function isSameWord(one: string, other: string): boolean {
  if (one === other) return true;
  const shared = sharedStart(one, other);
  const [shorter, longer] = [one.length - shared, other.length - shared].toSorted((a, b) => a - b) as [number, number];
  return shared >= MIN_STEM && shorter <= MAX_ENDING && longer <= MAX_LONGER_ENDING;
}

/** How many characters two texts begin with alike. */
export function sharedStart(one: string, other: string): number {
  let length = 0;
  while (length < one.length && one[length] === other[length]) length++;
  return length;
}

/** Whether each of `words` is one of `others`. */
export function areAmong(words: readonly string[], others: readonly string[]): boolean {
  return words.every((word) => others.some((other) => isSameWord(word, other)));
}

/** A regular expression that is this text and no other. */
export function literalPattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}
