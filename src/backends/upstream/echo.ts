/**
 * Takes out of an upstream's words what they repeat of the request: some servers quote the prompt in their errors, and it
 * must not stand in a log. Letters and digits alone are compared, so that it does not matter how a quote is escaped.
 */

/** Of a long request the beginning and the end are compared: what is quoted is mostly one of them. */
const MAX_CHARACTERS_OF_END = 256 * 1024;
/** As many letters in a row that stand in the request are no chance; fewer say little. In scripts that write words in one or two, less. */
const RUN = 12;
const SHORT_RUN = 6;
const SHORT_SCRIPTS = /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]+$/u;
const LETTER = /[\p{L}\p{N}]/u;
/** What follows the backslash. */
const ESCAPE = /(?<=^\\)(?:u[0-9a-f]{4}|.)/i;

/** `sent` is the JSON that was sent. A run that stands in it becomes `…`. */
export function withoutEcho(message: string, sent: string): string {
  const places: number[] = [];
  let letters = '';
  for (let at = 0; at < message.length; at++) {
    const character = message[at] ?? '';
    if (character === '\\') at += ESCAPE.exec(message.slice(at, at + 6))?.[0].length ?? 0;
    if (!LETTER.test(character)) continue;
    places.push(at);
    letters += character.toLowerCase();
  }
  if (letters.length < SHORT_RUN) return message;
  const asked = lettersOf(sent);
  let kept = '';
  let next = 0;
  for (let at = 0; at < letters.length; ) {
    const length = runAt(letters, at, asked);
    if (length === 0) {
      at++;
      continue;
    }
    kept += `${message.slice(next, places[at])}…`;
    at += length;
    next = (places[at - 1] ?? 0) + 1;
  }
  return kept + message.slice(next);
}

/** How long a run begins here. */
function runAt(letters: string, at: number, asked: string): number {
  const start = letters.slice(at, at + SHORT_RUN);
  const least = SHORT_SCRIPTS.test(start) ? SHORT_RUN : RUN;
  if (at + least > letters.length) return 0;
  let found = asked.indexOf(letters.slice(at, at + least));
  if (found < 0) return 0;
  let length = least;
  // The longest: what is left over of a quote may be too short to be found by itself.
  while (at + length < letters.length) {
    const longer = asked.indexOf(letters.slice(at, at + length + 1), found);
    if (longer < 0) break;
    found = longer;
    length++;
  }
  return length;
}

function lettersOf(sent: string): string {
  const ends =
    sent.length <= 2 * MAX_CHARACTERS_OF_END
      ? sent
      : `${sent.slice(0, MAX_CHARACTERS_OF_END)} ${sent.slice(-MAX_CHARACTERS_OF_END)}`;
  return ends
    .replace(/"model":"[^"]*"/, '')
    .replace(/\\u[0-9a-f]{4}|\\./g, '')
    .replace(/[^\p{L}\p{N}]+/gu, '')
    .toLowerCase();
}
