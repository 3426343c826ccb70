/**
 * `contains`: at least so many items match; which ones is left to whoever writes. Where no more than so many may match
 * (`maxContains`), the others are held to the opposite.
 */
import type { ItemCounts } from './arrays.ts';
import type { SchemaCompiler } from './compiler.ts';
import { choice, type Expression, literal, NEVER, sequence } from './grammar-expression.ts';
import { NoOpposite } from './negate.ts';
import { type Conjunction, countOf, madePart, refuse, type SchemaPart, subschema } from './schema-part.ts';

/** Items and matches are counted by rules. */
const MAX_STATES = 1_000;

export function containedItems(
  part: SchemaPart,
  items: Conjunction,
  counts: ItemCounts,
  compiler: SchemaCompiler,
): Expression {
  const needed = countOf(part, 'minContains') ?? 1;
  const allowed = countOf(part, 'maxContains') ?? Number.POSITIVE_INFINITY;
  if (needed > counts.maximum || needed > allowed) return NEVER;
  const isLimited = allowed < counts.maximum;
  const isBounded = counts.maximum !== Number.POSITIVE_INFINITY;
  // Without an upper bound, counting ends where nothing depends on it any more.
  const counted = isBounded ? counts.maximum : Math.max(counts.minimum, needed);
  const most = isLimited ? allowed : needed;
  if ((counted + 1) * (most + 1) > MAX_STATES) refuse('contains', part.pointer, 'there are too many items to count');
  const match = compiler.inside([...items, subschema(part, 'contains')], 'match');
  const other = isLimited ? unmatched(part, items, compiler) : compiler.inside(items, 'item');
  const states = new Map<string, Expression>();
  const { writer } = compiler;

  const after = (count: number, matched: number): Expression => {
    const isEnough = matched >= needed && count >= counts.minimum;
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
    const matching = matched < most ? sequence(match, after(next, matched + 1)) : NEVER;
    return writer.define(name, choice(matching, sequence(other, after(next, matched))));
  };
  const some = counts.maximum > 0 ? sequence(literal('['), item(0, 0)) : NEVER;
  return choice(some, needed === 0 && counts.minimum === 0 ? literal('[]') : NEVER);
}

function unmatched(part: SchemaPart, items: Conjunction, compiler: SchemaCompiler): Expression {
  const contained = subschema(part, 'contains');
  try {
    return compiler.inside([...items, madePart({ not: contained.schema }, contained, 'unmatched')], 'other');
  } catch (thrown) {
    if (!(thrown instanceof NoOpposite)) throw thrown;
    return refuse('maxContains', part.pointer, `items that must not match cannot be told apart (${thrown.message})`);
  }
}
