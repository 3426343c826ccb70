/**
 * Names as a whole: of "a Gibson Les Paul" the `model` is no "Les Paul", nor is of "the Louvre Museum" the `name` "Louvre".
 * Of 290 arguments of BFCL that are told a part of such a name or all of it, 270 are told all.
 */
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import type { Grounding } from '../engine-protocol.ts';
import { isOpenText, withoutTexts } from './described-values.ts';
import { descriptionOf } from './descriptions.ts';
import { literalPattern, wordsOf } from './words.ts';

/** Arguments that hold a name, by the last word of theirs. A brand, a finish or a platform is one word of a longer name. */
const NAMED = new Set(
  (
    'actor artist author composer director event landmark model museum musician name painter person player scientist sculptor ' +
    'singer team title writer'
  ).split(' '),
);
/** An argument beside it that may hold the other part. */
const PARTS = new Set('brand company family first given last maker make manufacturer surname'.split(' '));
/** What leads a person's name may be told with it or not. */
const TITLES = new Set(
  'captain chief coach colonel doctor dr emperor general judge justice king lord mr mrs ms pope president prince prof professor queen senator sir'.split(
    ' ',
  ),
);
/** What is behind a name says what it is, and is no part of it, unless it is one of these. */
const BUILDINGS = new Set(
  'bridge castle cathedral church college gallery garden hall library museum palace park stadium theater theatre tower university zoo'.split(
    ' ',
  ),
);

/** A shorter word begins others, too. */
const MIN_LETTERS = 3;

/** `parameters` whose names are not cut short. */
export function withWholeNames(
  parameters: JsonSchema,
  { values, request }: Pick<Grounding, 'values' | 'request'>,
): JsonSchema {
  const { properties } = parameters;
  if (!isJsonObject(properties)) return parameters;
  const names = values.filter(({ isNumber, choice }) => !isNumber && choice === undefined);
  const runs = names.filter((name) => !isCut(name.end, request)).map(({ start, end }) => request.slice(start, end));
  const isParted = Object.keys(properties).some((name) => wordsOf(name).some((word) => PARTS.has(word)));
  if (isParted) return parameters;
  const held = Object.entries(properties).map(([name, schema]): readonly [string, Json] => {
    if (!isJsonObject(schema) || !isOpenText(schema) || !NAMED.has(wordsOf(name).at(-1) ?? '')) return [name, schema];
    const told = wordsOf(`${name} ${descriptionOf(schema)}`);
    const cuts = runs.filter((run) => isOneName(run, told)).flatMap((run) => cutsOf(run, request));
    return [name, withoutTexts(schema, cuts)];
  });
  return { ...parameters, properties: Object.fromEntries(held) };
}

/** Of "Apple Inc." only "Apple Inc" is found. */
function isCut(end: number, request: string): boolean {
  return /^(?:\.\p{L}|['’]\p{L}+\s\p{Lu})/u.test(request.slice(end)) || /\binc$/i.test(request.slice(0, end));
}

/** "Lawyer John Doe" is not, of a lawyer: what leads a name says what he is. */
function isOneName(run: string, told: readonly string[]): boolean {
  const words = wordsOf(run);
  const isTold = (word: string | undefined): boolean => word !== undefined && told.includes(word);
  if (words.length < 2 || !/^[\p{L}\p{N}' ’-]+$/u.test(run) || isTold(words[0])) return false;
  if (TITLES.has(words[0] ?? '')) return false;
  return !isTold(words.at(-1)) || BUILDINGS.has(words.at(-1) ?? '');
}

/**
 * What begins with another word of a name than its first, or ends before it: a model that may not write "Les Paul" writes
 * "LesPaul". Where the part is said by itself, too, either may be meant.
 */
function cutsOf(run: string, request: string): readonly string[] {
  const words = run.split(' ');
  const rest = request.replaceAll(run, ' ');
  const parts = words.slice(1).map((word, index) => {
    const end = words.slice(index + 1).join(' ');
    const start = words.slice(0, index + 1).join(' ');
    const begins = `^${literalPattern(word.length < MIN_LETTERS ? end : word)}`;
    return [
      ...(rest.includes(end) ? [] : [begins]),
      ...(rest.includes(start) ? [] : [`^([Tt]he )?${literalPattern(start)}$`]),
    ];
  });
  return parts.flat();
}
