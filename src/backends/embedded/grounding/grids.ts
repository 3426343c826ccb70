/**
 * Calls of a grid: where one thing is asked both ways, each of them is. Small weights stop before the last one, or go on with
 * the next thing.
 *
 *     f(x, by: "simpson"), f(x, by: "trapezoid"), f(y, by: "simpson")       → f(y, by: "trapezoid")
 */
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import type { ListedArguments } from '../engine-protocol.ts';
import { choicesOf } from './asked-arguments.ts';
import { argumentOf, type NextValues } from './listed-arguments.ts';

/** Then any argument may be meant, unless calls differ in a flag ("a description of each"). */
const OF_EACH = /\b(?:all of|both|each|respective)\b/i;

/**
 * The first call that is missing of a grid over an argument that is one of a few texts, or any where the request says so ("for
 * both of them"); undefined where none is.
 */
export function leftOfGrid(
  { parameters, isDeed }: ListedArguments,
  inputs: readonly Json[],
  request: string,
): NextValues | undefined {
  if (isDeed) return undefined;
  const calls = inputs.filter(isJsonObject);
  const names = Object.keys(calls.at(-1) ?? {});
  const differInFlag = names.some((name) => [true, false].every((is) => calls.some((call) => call[name] === is)));
  const mayBeAny = OF_EACH.test(request) && !differInFlag;
  for (const name of names) {
    if (choicesOf(argumentOf(parameters, name)).length === 0 && !mayBeAny) continue;
    const left = leftOver(name, calls);
    if (left !== undefined) return Object.fromEntries(Object.entries(left).map(([each, is]) => [each, { is }]));
  }
  return undefined;
}

/** The first call that is missing of those with all values of an argument. */
function leftOver(name: string, calls: readonly JsonSchema[]): JsonSchema | undefined {
  const all = new Set(calls.map((call) => call[name]));
  const rows = [...Map.groupBy(calls, (call) => JSON.stringify({ ...call, [name]: null })).values()];
  const isWhole = (row: readonly JsonSchema[]): boolean => new Set(row.map((call) => call[name])).size === all.size;
  const lacking = rows.find((row) => !isWhole(row));
  if (all.size < 2 || lacking?.[0] === undefined || !rows.some(isWhole)) return undefined;
  const missing = [...all].find((value) => !lacking.some((call) => call[name] === value));
  return missing === undefined ? undefined : { ...lacking[0], [name]: missing };
}
