/**
 * Items of a list that are one of several texts: small weights that begin such a list with what was asked for go on with
 * all there is (`["Patio", "Wi-Fi", "Happy Hour"]` for "a restaurant with a patio"). Where a request says one of the texts, the
 * list holds those that it speaks of, each once, and no others: with fewer texts to choose from the same weights say them over and over.
 * Where they stand in one list ("organic fruits and vegetables") it holds all of them.
 */
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import { choicesOf } from './asked-arguments.ts';
import { isPlainList } from './described-values.ts';
import { Conversation } from './supported-values.ts';
import { areAmong, placesOf, wordsOf } from './words.ts';

/** Then more may be meant than what is said. */
const WHOLE = /\b(?:all|any|anything|each|every|everything|whatever)\b/i;

/** More cannot be kept apart by every grammar. */
const MAX_KEPT = 20;

/** `parameters` with the items of lists that `request` speaks of: whatever it allows, the schema itself allows. */
export function withSpokenItems(parameters: JsonSchema, request: string): JsonSchema {
  const { properties } = parameters;
  if (!isJsonObject(properties) || WHOLE.test(request)) return parameters;
  const spoken = wordsOf(request);
  const conversation = new Conversation(request);
  /** 24 hours are not meant by 12. */
  const hasNumbersOf = (choice: string): boolean =>
    wordsOf(choice).every((word) => !/^\p{N}/u.test(word) || spoken.includes(word));
  const isSaid = (choice: string): boolean => {
    const words = wordsOf(choice);
    return words.length > 0 && areAmong(words, spoken);
  };
  const narrow = (schema: Json): Json => {
    if (!isJsonObject(schema) || !isPlainList(schema) || !isJsonObject(schema.items)) return schema;
    const choices = choicesOf(schema).filter(hasNumbersOf);
    if (!choices.some(isSaid)) return schema;
    const kept = choices.filter((choice) => conversation.supports(choice) && isMeant(choice, choices, request));
    if (kept.length > MAX_KEPT) return schema;
    const held = { ...schema, items: { ...schema.items, enum: kept }, uniqueItems: true };
    return areInOneList(kept, request) ? { ...held, minItems: kept.length } : held;
  };
  const narrowed = Object.entries(properties).map(([name, schema]) => [name, narrow(schema)] as const);
  return { ...parameters, properties: Object.fromEntries(narrowed) };
}

const BETWEEN = /^(?:[\s,&'"“”]|\band\b|\bor\b)*$/i;

/** Each is said in all its words, and nothing else stands between them. */
function areInOneList(choices: readonly string[], request: string): boolean {
  const places = choices
    .flatMap((choice) => placesOf(choice, request).slice(0, 1))
    .toSorted((a, b) => a.start - b.start);
  if (choices.length < 2 || places.length < choices.length) return false;
  return places.slice(1).every(({ start }, index) => BETWEEN.test(request.slice(places[index]?.end, start)));
}

const JOINING = new Set(['and', 'both', 'n', 'or', 'plus']);

/**
 * Not so where its words stand apart and some of them are another choice's: of "a guitar shop with violin lessons" `Guitar Lessons`
 * are not, of "guitar and violin lessons" they are.
 */
function isMeant(choice: string, choices: readonly string[], request: string): boolean {
  if (placesOf(choice, request).length > 0) return true;
  const beside = choices.filter((other) => areSharing(choice, other)).flatMap((other) => placesOf(other, request));
  if (beside.length === 0) return true;
  const listed = choices.flatMap(wordsOf);
  const own = wordsOf(choice).filter(
    (word) => !choices.some((other) => other !== choice && areAmong([word], wordsOf(other))),
  );
  return own
    .flatMap((word) => placesOf(word, request))
    .some(({ end }) => beside.some(({ start }) => end <= start && isList(request.slice(end, start), listed)));
}

function areSharing(choice: string, other: string): boolean {
  return choice !== other && wordsOf(choice).some((word) => areAmong([word], wordsOf(other)));
}

/** Nothing but other items and what joins them. */
function isList(between: string, listed: readonly string[]): boolean {
  return wordsOf(between).every((word) => JOINING.has(word) || areAmong([word], listed));
}
