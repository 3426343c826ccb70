/**
 * Calls of a grid: where one thing is asked both ways, each of them is. Small weights stop before the last one.
 *
 *     f(x, by: "simpson"), f(x, by: "trapezoid"), g(y, by: "simpson")       → y by "trapezoid"
 */
import type { Json } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import type { ListedArguments } from '../engine-protocol.ts';
import { choicesOf } from './asked-arguments.ts';
import { argumentOf, type NextValues } from './listed-arguments.ts';

/** The first call that is missing of a grid over an argument that is one of a few texts; undefined where none is. */
export function leftOfGrid(listed: ListedArguments, inputs: readonly Json[]): NextValues | undefined {
  const calls = inputs.filter(isJsonObject);
  const names = Object.keys(calls.at(-1) ?? {}).filter(
    (name) => choicesOf(argumentOf(listed.parameters, name)).length > 0,
  );
  for (const name of names) {
    const all = new Set(calls.map((call) => call[name]));
    const rows = Map.groupBy(calls, (call) => JSON.stringify({ ...call, [name]: null }));
    const held = [...rows.values()].map((row) => ({ rest: row[0], values: new Set(row.map((call) => call[name])) }));
    const isGrid = all.size > 1 && held.some(({ values }) => values.size === all.size);
    const lacking = held.find(({ values }) => values.size < all.size);
    if (!isGrid || lacking?.rest === undefined) continue;
    const missing = [...all].find((value) => !lacking.values.has(value));
    if (typeof missing !== 'string') continue;
    const rest = Object.entries(lacking.rest).filter(
      ([other]) => listed.numbers.includes(other) || listed.texts.includes(other),
    );
    return {
      ...Object.fromEntries(rest.map(([other, value]) => [other, [value as number | string]])),
      [name]: [missing],
    };
  }
  return undefined;
}
