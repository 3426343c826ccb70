/** JSON values as grammar: how we spell them, and sets of them as a tree of shared beginnings. */
import type { Json } from '../../../core/generation.ts';
import { characterClass, choice, EMPTY, type Expression, literal, sequence } from './grammar-expression.ts';
import { isJsonObject } from './schema-part.ts';

/** Our one spelling of a value: a space after each colon and comma, as models write it, and no other blanks. */
export function spellJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(spellJson).join(', ')}]`;
  if (!isJsonObject(value)) return JSON.stringify(value);
  const members = Object.entries(value).map(([name, member]) => `${JSON.stringify(name)}: ${spellJson(member)}`);
  return `{${members.join(', ')}}`;
}

/** Equal as JSON: numbers by value, objects whatever the order of their members. */
export function isSameJson(first: Json, second: Json): boolean {
  if (first === second) return true;
  return typeof first === 'object' && typeof second === 'object' && canonicalText(first) === canonicalText(second);
}

/** One text for equal values. */
export function canonicalText(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonicalText).join()}]`;
  if (!isJsonObject(value)) return JSON.stringify(value === 0 ? 0 : value);
  const members = Object.keys(value).sort();
  return `{${members.map((name) => `${JSON.stringify(name)}:${canonicalText(value[name] ?? null)}`).join()}}`;
}

/**
 * Exactly these texts. Shared beginnings are written once, so that the engine follows as few readings as it can: every
 * open alternative is checked against the whole vocabulary for every token.
 */
export function oneOfTexts(texts: readonly string[]): Expression {
  return textsFrom(
    [...new Set(texts)].map((text) => [...text]),
    0,
  );
}

function textsFrom(texts: readonly (readonly string[])[], start: number): Expression {
  let shared = start;
  const [first] = texts;
  if (first === undefined) return choice();
  while (shared < first.length && texts.every((text) => text[shared] === first[shared])) shared += 1;
  const prefix = literal(first.slice(start, shared).join(''));
  const groups = new Map<string | undefined, (readonly string[])[]>();
  for (const text of texts) {
    const group = groups.get(text[shared]);
    if (group === undefined) groups.set(text[shared], [text]);
    else group.push(text);
  }
  const options = [...groups].map(([next, group]) => (next === undefined ? EMPTY : textsFrom(group, shared)));
  return texts.length === 1
    ? literal(first.slice(start).join(''))
    : sequence(prefix, choice(...joinedCharacters(options)));
}

/** Options of one character each as one class, which is one reading for the engine instead of many. */
function joinedCharacters(options: readonly Expression[]): readonly Expression[] {
  const isCharacter = (option: Expression) => option.type === 'literal' && [...option.text].length === 1;
  const characters = options.flatMap((option) =>
    option.type === 'literal' && isCharacter(option) ? [option.text] : [],
  );
  if (characters.length < 2) return options;
  const ranges: (readonly [number, number])[] = [];
  for (const codePoint of characters.map((character) => character.codePointAt(0) ?? 0).sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] + 1 === codePoint) ranges[ranges.length - 1] = [last[0], codePoint];
    else ranges.push([codePoint, codePoint]);
  }
  return [characterClass(ranges), ...options.filter((option) => !isCharacter(option))];
}
