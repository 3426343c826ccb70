/** Which texts a plain conjunction allows as a string, as an automaton; and which names `propertyNames` allows. */
import {
  ALL_TEXTS,
  type Automaton,
  AutomatonTooLarge,
  exactTexts,
  intersect,
  isEmptyLanguage,
  lengthsBetween,
  longestLength,
  subtract,
  union,
} from './automaton.ts';
import { evaluate } from './evaluate.ts';
import { branchesOf, joined } from './expand.ts';
import { automatonOfFormat } from './formats.ts';
import { exclusionOf } from './negate.ts';
import { automatonOfPattern } from './pattern.ts';
import { PatternError } from './pattern-reader.ts';
import { kindFacts, listedValues } from './plain-facts.ts';
import type { SchemaDocument } from './schema-document.ts';
import { type Conjunction, countOf, keywordOf, refuse, type SchemaPart, textOf } from './schema-part.ts';

/** Beside a pattern, lengths are counted by states: a wider bound is narrowed to this, which still satisfies it. */
const MAX_COUNTED_LENGTH = 256;

export interface LengthBounds {
  readonly minimum: number;
  readonly maximum: number;
}

export function lengthBounds(parts: Conjunction): LengthBounds {
  return {
    minimum: Math.max(0, ...parts.map((part) => countOf(part, 'minLength') ?? 0)),
    maximum: Math.min(
      Number.POSITIVE_INFINITY,
      ...parts.map((part) => countOf(part, 'maxLength') ?? Number.POSITIVE_INFINITY),
    ),
  };
}

/** What patterns, formats and exclusions allow, without lengths; undefined when they allow any text. */
export function shapeOf(parts: Conjunction): Automaton | undefined {
  let shape: Automaton | undefined;
  const restrict = (language: Automaton) => {
    shape = shape === undefined ? language : intersect(shape, language);
  };
  for (const part of parts) {
    const pattern = textOf(part, 'pattern');
    if (pattern !== undefined) restrict(held(part, 'pattern', () => automatonOfPattern(pattern)));
    const format = textOf(part, 'format');
    const formatted = format === undefined ? undefined : automatonOfFormat(format);
    if (formatted !== undefined) restrict(formatted);
    const excluded = exclusionOf(part);
    if (excluded?.pattern !== undefined) {
      const { pattern: unwanted } = excluded;
      shape = held(part, 'not', () => subtract(shape ?? ALL_TEXTS, automatonOfPattern(unwanted)));
    }
    const texts = excluded?.values.filter((value) => typeof value === 'string') ?? [];
    if (texts.length > 0) shape = held(part, 'not', () => subtract(shape ?? ALL_TEXTS, exactTexts(texts)));
  }
  return shape;
}

/** A shape within lengths, as far as states can count. */
export function withLengths(
  shape: Automaton,
  { minimum, maximum }: LengthBounds,
  at: SchemaPart | undefined,
): Automaton {
  const isLongEnough = minimum === 0;
  const isShortEnough = maximum === Number.POSITIVE_INFINITY || longestLength(shape) <= maximum;
  if (isLongEnough && isShortEnough) return shape;
  const most = isShortEnough ? Number.POSITIVE_INFINITY : Math.min(maximum, Math.max(minimum, MAX_COUNTED_LENGTH));
  const keyword = isShortEnough ? 'minLength' : 'maxLength';
  return held(at, keyword, () => {
    const narrowed = intersect(shape, lengthsBetween(minimum, most));
    if (isEmptyLanguage(narrowed) && most !== maximum) throw new AutomatonTooLarge();
    return narrowed;
  });
}

/** Runs a construction and refuses the keyword when it cannot be made. */
export function held<Result>(part: SchemaPart | undefined, keyword: string, construct: () => Result): Result {
  try {
    return construct();
  } catch (thrown) {
    if (thrown instanceof PatternError) return refuse(keyword, part?.pointer ?? '#', thrown.message);
    if (thrown instanceof AutomatonTooLarge) return refuse(keyword, part?.pointer ?? '#', 'it takes too many states');
    throw thrown;
  }
}

/** The texts that a schema for names (`propertyNames`) allows. */
export function nameLanguage(conjunction: Conjunction, document: SchemaDocument): Automaton {
  const parts = joined(conjunction, document);
  if (parts === undefined) return exactTexts([]);
  const choice = branchesOf(parts, document);
  if (choice !== undefined) {
    if (choice.keyword === 'oneOf') return refuse('oneOf', choice.at.pointer, 'it stands within "propertyNames"');
    const branches = choice.branches.map((branch) => nameLanguage([...choice.rest, ...branch], document));
    return branches.reduce(union, exactTexts([]));
  }
  const values = listedValues(parts);
  if (values !== undefined) {
    return exactTexts(
      values.filter((value) => typeof value === 'string' && evaluate(value, parts, document) === true) as string[],
    );
  }
  if (!kindFacts(parts).kinds.includes('string')) return exactTexts([]);
  const at = parts.find((part) => keywordOf(part, 'maxLength') !== undefined) ?? parts[0];
  return withLengths(shapeOf(parts) ?? ALL_TEXTS, lengthBounds(parts), at);
}
