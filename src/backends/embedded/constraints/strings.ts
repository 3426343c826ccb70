/** Strings as they are spelt in JSON: characters, escapes, lengths. */
import { type Automaton, type Edge, isEmptyLanguage } from './automaton.ts';
import {
  type CodePointRanges,
  characterClass,
  choice,
  EMPTY,
  type Expression,
  literal,
  NEVER,
  reference,
  sequence,
} from './grammar-expression.ts';
import type { GrammarWriter } from './grammar-writer.ts';
import { type Conjunction, keywordOf } from './schema-part.ts';
import { lengthBounds, shapeOf, withLengths } from './string-language.ts';

/**
 * Characters that may stand for themselves between quotes. Positive ranges, because the engine refuses a negated class
 * as soon as the first bytes of a character *could* still become an excluded one.
 */
const PLAIN_CHARACTERS: CodePointRanges = [
  [0x20, 0x21],
  [0x23, 0x5b],
  [0x5d, 0xd7ff],
  [0xe000, 0x10ffff],
];

/** Characters that are written with a backslash and one letter. */
const SHORT_ESCAPES: ReadonlyMap<number, string> = new Map([
  [0x22, '"'],
  [0x5c, '\\'],
  [0x08, 'b'],
  [0x0c, 'f'],
  [0x0a, 'n'],
  [0x0d, 'r'],
  [0x09, 't'],
]);

const HEXADECIMAL: CodePointRanges = [
  [0x30, 0x39],
  [0x41, 0x46],
  [0x61, 0x66],
];

function rangesOf(text: string): CodePointRanges {
  return [...text].map((character) => [character.codePointAt(0) ?? 0, character.codePointAt(0) ?? 0] as const);
}

/** One character of a string, in any spelling JSON has for it; a surrogate only as half of a pair. */
export function anyCharacter(writer: GrammarWriter): Expression {
  const hexadecimal = characterClass(HEXADECIMAL);
  const outsideSurrogates = choice(
    sequence(
      characterClass([...HEXADECIMAL.slice(0, 1), [0x41, 0x43], [0x45, 0x46], [0x61, 0x63], [0x65, 0x66]]),
      hexadecimal,
      hexadecimal,
      hexadecimal,
    ),
    sequence(characterClass(rangesOf('Dd')), characterClass([[0x30, 0x37]]), hexadecimal, hexadecimal),
  );
  const pair = sequence(
    characterClass(rangesOf('Dd')),
    characterClass([
      [0x38, 0x39],
      [0x41, 0x42],
      [0x61, 0x62],
    ]),
    hexadecimal,
    hexadecimal,
    literal('\\u'),
    characterClass(rangesOf('Dd')),
    characterClass([
      [0x43, 0x46],
      [0x63, 0x66],
    ]),
    hexadecimal,
    hexadecimal,
  );
  const escaped = choice(
    characterClass(rangesOf('"/\\bfnrt')),
    sequence(literal('u'), choice(outsideSurrogates, pair)),
  );
  return writer.rule(
    'character',
    choice(characterClass(PLAIN_CHARACTERS), sequence(literal('\\'), writer.rule('escape', escaped))),
  );
}

/** What stands between the quotes of a string of `minimum` to `maximum` characters (code points). */
export function freeText(writer: GrammarWriter, minimum = 0, maximum = Number.POSITIVE_INFINITY): Expression {
  return writer.repeat('characters', anyCharacter(writer), minimum, maximum);
}

export function quoted(content: Expression): Expression {
  return sequence(literal('"'), content, literal('"'));
}

/** A string with its quotes. */
export function stringExpression(parts: Conjunction, writer: GrammarWriter): Expression {
  const lengths = lengthBounds(parts);
  const shape = shapeOf(parts);
  if (shape === undefined) return quoted(freeText(writer, lengths.minimum, lengths.maximum));
  const at = parts.find((part) => keywordOf(part, 'maxLength') !== undefined) ?? parts[0];
  return quoted(automatonText(withLengths(shape, lengths, at), writer, 'text'));
}

/** A chain of states is written in one rule as far as this, then goes on in another. */
const MAX_CHAIN = 24;

/** How characters of these ranges are written. */
type Speller = (ranges: CodePointRanges, writer: GrammarWriter) => Expression;

/** The texts of an automaton, each character in its shortest JSON spelling. */
export function automatonText(automaton: Automaton, writer: GrammarWriter, hint: string): Expression {
  if (isEmptyLanguage(automaton)) return NEVER;
  return writer.once(automaton, () => writtenText(automaton, writer, hint, spelt));
}

/** The texts of an automaton as they are, without quotes and escapes. */
export function rawAutomatonText(automaton: Automaton, writer: GrammarWriter, hint: string): Expression {
  if (isEmptyLanguage(automaton)) return NEVER;
  return writtenText(automaton, writer, hint, characterClass);
}

function writtenText(automaton: Automaton, writer: GrammarWriter, hint: string, spell: Speller): Expression {
  const heads = ruleHeads(automaton);
  const names = new Map([...heads].map((state) => [state, writer.reserve(hint)]));
  const body = (index: number): Expression => {
    const state = automaton.states[index];
    const steps = groupedByTarget(state?.edges ?? []).map(([to, ranges]) => {
      const name = names.get(to);
      return sequence(spell(ranges, writer), name === undefined ? body(to) : reference(name));
    });
    return choice(...steps, state?.accepts === true ? EMPTY : NEVER);
  };
  for (const [state, name] of names) writer.define(name, body(state));
  return reference(names.get(0) ?? '');
}

/** The states that get a rule of their own: the first, those with several ways in, and every so many in a chain. */
function ruleHeads(automaton: Automaton): ReadonlySet<number> {
  const waysIn = automaton.states.map(() => 0);
  for (const state of automaton.states)
    for (const [to] of groupedByTarget(state.edges)) waysIn[to] = (waysIn[to] ?? 0) + 1;
  const heads = new Set([0]);
  const chain = new Map([[0, 0]]);
  // A map may grow while it is walked: every state is met once, after one that leads to it.
  for (const [index, length] of chain) {
    for (const [to] of groupedByTarget(automaton.states[index]?.edges ?? [])) {
      if (chain.has(to)) continue;
      const isEnd = automaton.states[to]?.edges.length === 0;
      const isHead = !isEnd && ((waysIn[to] ?? 0) > 1 || length >= MAX_CHAIN);
      if (isHead) heads.add(to);
      chain.set(to, isHead ? 0 : length + 1);
    }
  }
  return heads;
}

function groupedByTarget(edges: readonly Edge[]): readonly (readonly [number, CodePointRanges])[] {
  const groups = new Map<number, (readonly [number, number])[]>();
  for (const { low, high, to } of edges) {
    const group = groups.get(to);
    if (group === undefined) groups.set(to, [[low, high]]);
    else group.push([low, high]);
  }
  return [...groups];
}

/** One character of these, as JSON spells it. Control characters without a short escape are written only if need be. */
function spelt(ranges: CodePointRanges, writer: GrammarWriter): Expression {
  const plain: (readonly [number, number])[] = [];
  for (const [low, high] of ranges) {
    for (const [from, to] of PLAIN_CHARACTERS) {
      if (low <= to && from <= high) plain.push([Math.max(low, from), Math.min(high, to)]);
    }
  }
  const contains = (codePoint: number) => ranges.some(([low, high]) => low <= codePoint && codePoint <= high);
  const letters = [...SHORT_ESCAPES].filter(([codePoint]) => contains(codePoint)).map(([, letter]) => letter);
  const controls =
    plain.length > 0 || letters.length > 0 ? [] : Array.from({ length: 32 }, (_, index) => index).filter(contains);
  const escaped = choice(
    characterClass(rangesOf(letters.join(''))),
    ...controls.map((codePoint) => literal(`u${codePoint.toString(16).padStart(4, '0')}`)),
  );
  const one = choice(characterClass(plain), sequence(literal('\\'), escaped));
  return one.type === 'literal' || (one.type === 'class' && one.ranges.length <= 3) ? one : writer.rule('symbol', one);
}
