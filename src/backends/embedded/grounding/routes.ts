/**
 * Where a way begins and ends, as the request says it: of "from the Eiffel Tower to the Louvre" small weights make a way that begins
 * in "Paris, France".
 */
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import type { Grounding } from '../engine-protocol.ts';
import { isPlainText } from './described-values.ts';
import { descriptionOf } from './descriptions.ts';
import type { NamedValue } from './named-values.ts';
import { literalPattern, wordsOf } from './words.ts';

const BEGINNINGS = new Set(['departure', 'from', 'origin', 'source', 'start', 'starting']);
const ENDS = new Set(['arrival', 'destination', 'end', 'ending', 'target', 'to']);
/** With one of these it is no time. */
const PLACES = new Set('airport city location place point port position station stop town'.split(' '));
/** Whatever its name, it is told of a place: mails and currencies have a `from` and a `to`, too. */
const OF_PLACE =
  /\b(?:airport|arriv\w+|city|depart\w*|destination|direction|drive|fly\w*|flight|journey|leav\w+|location|place|ride|route|station|stop|town|travel\w*|trip)\b/i;
const OF_NO_PLACE = /\b(?:account|e-?mail|currency|language|recipient|sender|units?|user)\b/i;
const FROM = /\bfrom (?:the )?$/i;
/** Ways that go on begin or end elsewhere, too. */
const GOES_ON = /\bfrom\b.*\bfrom\b|\b(?:back|return|round[ -]trip|then|via)\b/is;
const BETWEEN = /\bbetween (?:the )?$/i;
const AND = /^,? and (?:the )?$/i;
const TO = /^(?:, [^,]+?,?)? to (?:the )?$/i;
/** A code is no name, and may be that of what the name means. */
const OF_CODE = /\b(?:codes?|iata|icao|ids?|zip)\b|['"‘“(]\p{Lu}{2,4}['"’”)]|\be\.g\./iu;

/** `parameters` whose only beginning and end are those of the only way that `request` tells of. */
export function withRoute(
  parameters: JsonSchema,
  { values, request }: Pick<Grounding, 'values' | 'request'>,
): JsonSchema {
  const { properties } = parameters;
  if (!isJsonObject(properties) || GOES_ON.test(request)) return parameters;
  const names = values.filter(({ isNumber }) => !isNumber);
  const ways = names.flatMap((from, index) => {
    const to = names[index + 1];
    const [before, gap] = [request.slice(0, from.start), request.slice(from.end, to?.start)];
    const isWay = (FROM.test(before) && TO.test(gap)) || (BETWEEN.test(before) && AND.test(gap));
    return to && isWay && !isCut(from, request) && !isCut(to, request)
      ? [{ from: wholeOf(from, request), to: wholeOf(to, request) }]
      : [];
  });
  const [way, ...others] = ways;
  if (way === undefined || others.length > 0) return parameters;
  const entries = Object.entries(properties);
  const [from, ...otherBeginnings] = entries.filter(([name, schema]) => isEndOf(name, schema, BEGINNINGS));
  const [to, ...otherEnds] = entries.filter(([name, schema]) => isEndOf(name, schema, ENDS));
  if (!from || !to || otherBeginnings.length + otherEnds.length > 0) return parameters;
  const held = [
    [from[0], named(way.from, from[1])],
    [to[0], named(way.to, to[1])],
  ] as const;
  return { ...parameters, properties: { ...properties, ...Object.fromEntries(held) } };
}

function isEndOf(name: string, schema: Json, ends: ReadonlySet<string>): boolean {
  const words = wordsOf(name);
  if (!isJsonObject(schema) || !isPlainText(schema) || OF_CODE.test(descriptionOf(schema))) return false;
  const told = `${words.join(' ')} ${descriptionOf(schema)}`;
  if (!OF_PLACE.test(told) || OF_NO_PLACE.test(told)) return false;
  return words.some((word) => ends.has(word)) && words.every((word) => ends.has(word) || PLACES.has(word));
}

/** "Washington D" is, of "Washington D.C.". */
function isCut({ end }: NamedValue, request: string): boolean {
  return /^\.\p{L}/u.test(request.slice(end));
}

interface Place {
  readonly name: string;
  /** What it lies in, as far as that is said, from the comma on. */
  readonly within: string;
}

function wholeOf({ start, end }: NamedValue, request: string): Place {
  const [name = '', ...within] = request.slice(start, end).split(/(?=,)/);
  return { name, within: within.join('') };
}

/** As it is said. */
function named({ name, within }: Place, schema: Json): Json {
  const end = within === '' ? '' : `(${literalPattern(within)})?`;
  return { ...(schema as JsonSchema), pattern: `^([Tt]he )?${literalPattern(name)}${end}$` };
}
