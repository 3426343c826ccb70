/** `contains`: at least so many items match; which ones is left to whoever writes. */
import type { ItemCounts } from './arrays.ts';
import type { SchemaCompiler } from './compiler.ts';
import { choice, type Expression, literal, NEVER, sequence } from './grammar-expression.ts';
import { type Conjunction, countOf, refuse, type SchemaPart, subschema } from './schema-part.ts';

/** Items and matches are counted by rules. */
const MAX_STATES = 1_000;

export function containedItems(
  part: SchemaPart,
  items: Conjunction,
  counts: ItemCounts,
  compiler: SchemaCompiler,
): Expression {
  const needed = countOf(part, 'minContains') ?? 1;
  const isBounded = counts.maximum !== Number.POSITIVE_INFINITY;
  // Without an upper bound, counting ends where nothing depends on it any more.
  const counted = isBounded ? counts.maximum : Math.max(counts.minimum, needed);
  if (counted * (needed + 1) > MAX_STATES) refuse('contains', part.pointer, 'there are too many items to count');
  if (needed > counts.maximum) return NEVER;
  const match = compiler.inside([...items, subschema(part, 'contains')], 'match');
  const any = compiler.inside(items, 'item');
  const states = new Map<string, Expression>();
  const { writer } = compiler;

  const after = (count: number, matched: number): Expression => {
    const isEnough = matched === needed && count >= counts.minimum;
    const more = count < counts.maximum ? sequence(literal(', '), item(count, matched)) : NEVER;
    return choice(more, isEnough ? literal(']') : NEVER);
  };
  const item = (count: number, matched: number): Expression => {
    const state = `${Math.min(count, counted)} ${matched}`;
    const known = states.get(state);
    if (known !== undefined) return known;
    const name = writer.reserve('items');
    states.set(state, { type: 'reference', name });
    const next = Math.min(count + 1, counted);
    const matching = matched < needed ? sequence(match, after(next, matched + 1)) : NEVER;
    return writer.define(name, choice(matching, sequence(any, after(next, matched))));
  };
  return sequence(literal('['), item(0, 0));
}
