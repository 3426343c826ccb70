/** Arrays: items by position, items for the rest, and how many there may be. */
import type { SchemaCompiler } from './compiler.ts';
import { itemSchema, tupleKeyword } from './evaluate.ts';
import { choice, type Expression, isNever, literal, sequence } from './grammar-expression.ts';
import { type Conjunction, countOf, keywordOf, listOf, refuse, type SchemaPart } from './schema-part.ts';

export function arrayExpression(parts: Conjunction, compiler: SchemaCompiler): Expression {
  for (const part of parts) refuseUnheld(part, parts);
  const minimum = Math.max(0, ...parts.map((part) => countOf(part, 'minItems') ?? 0));
  const positions = Math.max(0, ...parts.map(tupleLength));
  let maximum = Math.min(
    ...parts.map((part) => countOf(part, 'maxItems') ?? Number.POSITIVE_INFINITY),
    Number.POSITIVE_INFINITY,
  );
  const items: Expression[] = [];
  for (let index = 0; index < Math.min(positions, maximum); index += 1) {
    const item = itemAt(parts, index, compiler);
    if (isNever(item)) maximum = index;
    else items.push(item);
  }
  const rest = maximum > items.length ? itemAt(parts, positions, compiler) : choice();
  if (isNever(rest)) maximum = Math.min(maximum, items.length);
  if (minimum > maximum) return choice();
  return sequence(literal('['), listed(items, rest, minimum, maximum, compiler));
}

function itemAt(parts: Conjunction, index: number, compiler: SchemaCompiler): Expression {
  const schemas = parts.map((part) => itemSchema(part, index)).filter((schema) => schema !== undefined);
  return compiler.inside(schemas, 'item');
}

function tupleLength(part: SchemaPart): number {
  const tuple = tupleKeyword(part);
  return tuple === undefined ? 0 : (listOf(part, tuple)?.length ?? 0);
}

/** Everything after `[`, built from the end: the rest's repetition, then the positions before it. */
function listed(
  items: readonly Expression[],
  rest: Expression,
  minimum: number,
  maximum: number,
  compiler: SchemaCompiler,
): Expression {
  const end = literal(']');
  const comma = literal(', ');
  const { writer } = compiler;
  const more = (least: number, most: number) =>
    writer.repeat('more-items', sequence(comma, rest), Math.max(0, least), most);
  const mayStop = (count: number) => (count >= minimum ? end : choice());
  if (items.length === 0) {
    const some = maximum === 0 ? choice() : sequence(rest, more(minimum - 1, maximum - 1), end);
    return choice(some, mayStop(0));
  }
  let tail = maximum > items.length ? sequence(more(minimum - items.length, maximum - items.length), end) : end;
  for (let count = items.length; count > 0; count -= 1) {
    const item = items[count - 1] ?? rest;
    const next = sequence(count === 1 ? item : sequence(comma, item), tail);
    tail = choice(next, mayStop(count - 1));
  }
  return tail;
}

function refuseUnheld(part: SchemaPart, parts: Conjunction): void {
  if (keywordOf(part, 'contains') !== undefined)
    refuse('contains', part.pointer, 'a grammar cannot ask for an item somewhere');
  if (keywordOf(part, 'unevaluatedItems') !== undefined)
    refuse('unevaluatedItems', part.pointer, 'it depends on how other keywords matched');
  const maximum = Math.min(...parts.map((other) => countOf(other, 'maxItems') ?? Number.POSITIVE_INFINITY));
  if (keywordOf(part, 'uniqueItems') === true && maximum > 1)
    refuse('uniqueItems', part.pointer, 'a grammar cannot remember earlier items');
}
