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
/** What is done, and the doing of it. */
const MIN_VERB = 6;
const OF_VERB = /^(?:e|es|ed|ing|s)?$/;
const OF_NOUN = /^(?:at|t)?ions?$|^ments?$/;

/** `rating` and `ratings`, `religion` and `religious`, `condensing` and `condensation`; not `state` and `start`, nor `stock` and `stockings`. */
export function isSameWord(one: string, other: string): boolean {
  if (one === other) return true;
  const shared = sharedStart(one, other);
  const [shorter, longer] = [one.length - shared, other.length - shared].toSorted((a, b) => a - b) as [number, number];
  if (shared >= MIN_STEM && shorter <= MAX_ENDING && longer <= MAX_LONGER_ENDING) return true;
  const [end, otherEnd] = [one.slice(shared), other.slice(shared)];
  const isDone = (OF_VERB.test(end) && OF_NOUN.test(otherEnd)) || (OF_NOUN.test(end) && OF_VERB.test(otherEnd));
  return shared >= MIN_VERB && isDone;
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

/** Where the words of `text` stand one behind the other, in UTF-16 units. Of one letter its case counts: "a" is no 'A'. */
export function placesOf(text: string, within: string): readonly { readonly start: number; readonly end: number }[] {
  if (text.length === 1) {
    const letter = new RegExp(`(?<![\\p{L}\\p{N}])${literalPattern(text)}(?![\\p{L}\\p{N}])`, 'gu');
    return [...within.matchAll(letter)].map(({ index }) => ({ start: index, end: index + 1 }));
  }
  const wanted = wordsOf(text);
  const words = [...within.matchAll(/\p{L}+|\p{N}+/gu)].map(({ 0: word, index }) => ({
    word: word.toLowerCase(),
    index,
  }));
  if (wanted.length === 0) return [];
  return words.flatMap(({ index: start }, at) => {
    const here = words.slice(at, at + wanted.length);
    const last = here.at(-1);
    const isThere =
      last !== undefined &&
      here.length === wanted.length &&
      here.every(({ word }, i) => isSameWord(word, wanted[i] ?? ''));
    return isThere ? [{ start, end: last.index + last.word.length }] : [];
  });
}

/** A regular expression that is this text and no other. */
export function literalPattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}
