/** Strings as they are spelt in JSON: characters, escapes, lengths. */
import {
  type CodePointRanges,
  characterClass,
  choice,
  type Expression,
  literal,
  sequence,
} from './grammar-expression.ts';
import type { GrammarWriter } from './grammar-writer.ts';
import { type Conjunction, countOf, keywordOf, refuse } from './schema-part.ts';

/**
 * Characters that may stand for themselves between quotes. Positive ranges, because the engine refuses a negated class
 * as soon as the first bytes of a character *could* still become an excluded one.
 */
const PLAIN_CHARACTERS: CodePointRanges = [
  [0x20, 0x21],
  [0x23, 0x5b],
  [0x5d, 0x7e],
  [0x80, 0xd7ff],
  [0xe000, 0x10ffff],
];

const HEXADECIMAL: CodePointRanges = [
  [0x30, 0x39],
  [0x41, 0x46],
  [0x61, 0x66],
];

function ranges(text: string): CodePointRanges {
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
    sequence(characterClass(ranges('Dd')), characterClass([[0x30, 0x37]]), hexadecimal, hexadecimal),
  );
  const pair = sequence(
    characterClass(ranges('Dd')),
    characterClass([
      [0x38, 0x39],
      [0x41, 0x42],
      [0x61, 0x62],
    ]),
    hexadecimal,
    hexadecimal,
    literal('\\u'),
    characterClass(ranges('Dd')),
    characterClass([
      [0x43, 0x46],
      [0x63, 0x66],
    ]),
    hexadecimal,
    hexadecimal,
  );
  const escaped = choice(characterClass(ranges('"/\\bfnrt')), sequence(literal('u'), choice(outsideSurrogates, pair)));
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
  const minimum = Math.max(0, ...parts.map((part) => countOf(part, 'minLength') ?? 0));
  const maximum = Math.min(...parts.map((part) => countOf(part, 'maxLength') ?? Number.POSITIVE_INFINITY));
  for (const part of parts) {
    for (const keyword of ['pattern', 'format']) {
      if (keywordOf(part, keyword) !== undefined) refuse(keyword, part.pointer, 'it is not supported yet');
    }
  }
  return quoted(freeText(writer, minimum, maximum));
}
