/**
 * Coordinates with the side of the equator and of Greenwich that they lie on: small weights copy the digits of "112.0740 W" and
 * lose the sign that stands for its letter. Where a request gives as many as a function takes, it takes those.
 */
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import { isPlainList, isPlainNumber } from './described-values.ts';
import { descriptionOf } from './descriptions.ts';
import { wordsOf } from './words.ts';

/** 33.4484 N, 112.0740° W, 40.7° south */
const SIDED =
  /(?<![\p{L}\p{N}.])(\d{1,3}(?:\.\d+)?)\s?°?\s?(N|S|E|W|[Nn]orth|[Ss]outh|[Ee]ast|[Ww]est)(?![\p{L}\p{N}'’])/gu;
const LATITUDES = new Set(['lat', 'latitude']);
const LONGITUDES = new Set(['lng', 'lon', 'long', 'longitude']);
const PAIR = /\b(?:coord\w*|gps|lat\w*)\b/i;
const LONGITUDE_FIRST = /\bl(?:on\w*|ng)\W+(?:and\W+)?lat/i;
/** `parameters` whose coordinates are those that `request` says with their sides. */
export function withCoordinates(parameters: JsonSchema, request: string): JsonSchema {
  const { properties } = parameters;
  if (!isJsonObject(properties)) return parameters;
  const said = coordinatesIn(request);
  if (![...said.latitude, ...said.longitude].some((number) => number < 0)) return parameters;
  const taking = Object.entries(properties).flatMap(([name, schema]) => {
    const slot = slotOf(name, schema);
    return slot === undefined || !isJsonObject(schema) ? [] : [{ name, schema, slot }];
  });
  const isEnough = taking.every(({ slot }) => said[slot].length >= taking.filter((each) => each.slot === slot).length);
  if (taking.length === 0 || !isEnough) return parameters;
  const held = taking.map(({ name, schema, slot }): readonly [string, Json] => {
    const isSwapped = LONGITUDE_FIRST.test(descriptionOf(schema));
    return [
      name,
      { ...schema, enum: slot === 'pair' && isSwapped ? said.pair.map(([lat, lon]) => [lon, lat]) : said[slot] },
    ];
  });
  return { ...parameters, properties: { ...properties, ...Object.fromEntries(held) } };
}

interface Coordinates {
  readonly latitude: readonly number[];
  readonly longitude: readonly number[];
  /** Latitude and longitude. */
  readonly pair: readonly (readonly [number, number])[];
}

function coordinatesIn(request: string): Coordinates {
  const found = [...request.matchAll(SIDED)].map(([, digits = '', side = '']) => {
    const letter = side.slice(0, 1).toUpperCase();
    const isLatitude = letter === 'N' || letter === 'S';
    return { isLatitude, number: letter === 'S' || letter === 'W' ? -Number(digits) : Number(digits) };
  });
  const axis = (isLatitude: boolean): readonly number[] => [
    ...new Set(found.filter((each) => each.isLatitude === isLatitude).map(({ number }) => number)),
  ];
  const pair = found.flatMap((each, index) => {
    const other = found[index + 1];
    return each.isLatitude && other?.isLatitude === false ? [[each.number, other.number] as const] : [];
  });
  return { latitude: axis(true), longitude: axis(false), pair };
}

/** What an argument takes of them, if anything. */
function slotOf(name: string, schema: Json): keyof Coordinates | undefined {
  if (!isJsonObject(schema)) return undefined;
  if (isPlainList(schema)) {
    const isOfNumbers = isJsonObject(schema.items) && isPlainNumber(schema.items) && schema.items.type === 'number';
    return isOfNumbers && PAIR.test(`${name} ${descriptionOf(schema)}`) ? 'pair' : undefined;
  }
  if (!isPlainNumber(schema) || schema.type !== 'number') return undefined;
  const last = wordsOf(name).findLast((word) => !/^\p{N}+$/u.test(word)) ?? '';
  if (LATITUDES.has(last)) return 'latitude';
  return LONGITUDES.has(last) ? 'longitude' : undefined;
}
