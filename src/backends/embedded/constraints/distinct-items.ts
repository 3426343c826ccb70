/** `uniqueItems` over a short list of values: each is written once at most. */
import type { Json } from '../../../core/generation.ts';
import type { ItemCounts } from './arrays.ts';
import { choice, type Expression, literal, NEVER, sequence } from './grammar-expression.ts';
import type { GrammarWriter } from './grammar-writer.ts';
import { refuse, type SchemaPart } from './schema-part.ts';
import { spellJson } from './values.ts';

/** So few values may come in any order: a rule for every set of values that is left. Others keep the order of the list. */
const MAX_FREELY_ORDERED = 5;
const MAX_STATES = 2_000;

export function distinctItems(
  values: readonly Json[],
  counts: ItemCounts,
  at: SchemaPart,
  writer: GrammarWriter,
): Expression {
  const isFree = values.length <= MAX_FREELY_ORDERED;
  const minimum = counts.minimum;
  const maximum = Math.min(counts.maximum, values.length);
  if (minimum > maximum) return NEVER;
  if (!isFree && values.length * (maximum + 1) > MAX_STATES) {
    refuse('uniqueItems', at.pointer, `${values.length} values are too many to keep apart`);
  }
  const texts = values.map(spellJson);
  const states = new Map<string, Expression>();

  const after = (left: readonly number[], count: number): Expression => {
    const more = count < maximum && left.length > 0 ? sequence(literal(', '), item(left, count)) : NEVER;
    return choice(more, count >= minimum ? literal(']') : NEVER);
  };
  const item = (left: readonly number[], count: number): Expression => {
    const state = `${left.join()}/${count}`;
    const known = states.get(state);
    if (known !== undefined) return known;
    const [first, ...later] = left;
    const written = (index: number, rest: readonly number[]) =>
      sequence(literal(texts[index] ?? ''), after(rest, count + 1));
    const options = isFree
      ? left.map((index) =>
          written(
            index,
            left.filter((other) => other !== index),
          ),
        )
      : [first === undefined ? NEVER : written(first, later), later.length === 0 ? NEVER : item(later, count)];
    const rule = writer.rule('unique', choice(...options));
    states.set(state, rule);
    return rule;
  };

  const all = values.map((_, index) => index);
  const some = maximum > 0 ? sequence(literal('['), item(all, 0)) : NEVER;
  return choice(some, minimum === 0 ? literal('[]') : NEVER);
}
