/**
 * A request or a reply as it may be kept for people to read: JSON without secrets, media cut to their length, and no longer
 * than a bound however long it was.
 */
import { scrub } from './recordings.ts';

/** Of one text in it, and of all together; what is longer says so. */
const MAX_TEXT_CHARACTERS = 32 * 1024;
const MAX_CHARACTERS = 256 * 1024;

/** Nobody writes a word like this. */
const MIN_BASE64_CHARACTERS = 512;
const BASE64_BEGINNING = /^[\w+/-]{256}/;
const EMBEDDED_MEDIA = /(data:[\w.+-]+\/[\w.+-]+;base64,)([\w+/=-]{64,})/g;
/** A key of which a cut has left the beginning. */
const CUT_KEY = /\b(?:sk|st)-[\w-]*$/;

export function redactedJson(value: unknown): string {
  let left = MAX_CHARACTERS;
  const json = JSON.stringify(value, (_name, each: unknown) => {
    if (typeof each !== 'string') return each;
    const kept = cut(withoutMedia(each), Math.min(MAX_TEXT_CHARACTERS, left));
    left -= kept.length;
    // Here and below: a text may be JSON itself, with a secret that only the names in it give away.
    return scrub(kept);
  });
  const clean = scrub(json ?? 'null');
  // So many numbers or names that the texts in it were not what is long.
  return clean.length <= 2 * MAX_CHARACTERS ? clean : JSON.stringify({ cut: cut(clean, MAX_CHARACTERS) });
}

function withoutMedia(text: string): string {
  const [uri, kind] = /^data:([\w.+/;=-]{0,100}),/.exec(text) ?? [];
  if (uri !== undefined) return `data:${kind},${leftOut(text.length - uri.length)}`;
  if (text.length >= MIN_BASE64_CHARACTERS && BASE64_BEGINNING.test(text)) return leftOut(text.length);
  if (!text.includes(';base64,')) return text;
  return text.replace(EMBEDDED_MEDIA, (_match, kept: string, media: string) => kept + leftOut(media.length));
}

function cut(text: string, characters: number): string {
  if (text.length <= characters) return text;
  const kept = text.slice(0, Math.max(0, characters)).toWellFormed().replace(CUT_KEY, '');
  return kept + leftOut(text.length - kept.length);
}

function leftOut(characters: number): string {
  return `(${characters} characters left out)`;
}
