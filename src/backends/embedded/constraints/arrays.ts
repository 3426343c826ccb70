/** Arrays: items by position, items for the rest, and how many there may be. */
import type { SchemaCompiler } from './compiler.ts';
import { containedItems } from './contained-items.ts';
import { distinctItems } from './distinct-items.ts';
import { itemSchema, tupleKeyword } from './evaluate.ts';
import { finiteValues } from './finite-values.ts';
import { choice, type Expression, isNever, literal, NEVER, sequence } from './grammar-expression.ts';
import { NoOpposite } from './negate.ts';
import { type Conjunction, countOf, keywordOf, listOf, refuse, type SchemaPart } from './schema-part.ts';

export interface ItemCounts {
  readonly minimum: number;
  readonly maximum: number;
}

export function arrayExpression(parts: Conjunction, compiler: SchemaCompiler): Expression {
  const counts = itemCounts(parts);
  const positions = Math.max(0, ...parts.map(tupleLength));
  if (counts.minimum > counts.maximum) return NEVER;
  for (const part of parts) {
    if (keywordOf(part, 'unevaluatedItems') === undefined) continue;
    refuse('unevaluatedItems', part.pointer, 'it depends on how schemas beside it matched');
  }
  const unique = parts.find((part) => keywordOf(part, 'uniqueItems') === true);
  const contains = parts.filter((part) => isCountingMatches(part, counts));
  if (unique !== undefined && counts.maximum > 1)
    return uniqueArray(unique, parts, counts, positions, contains.length > 0, compiler);
  const [containing] = contains;
  if (containing !== undefined) {
    if (contains.length > 1 || positions > 0) {
      if (containing.isMade) throw new NoOpposite('items', containing.pointer);
      refuse(
        'contains',
        containing.pointer,
        'it stands beside another one, or beside items that have their own positions',
      );
    }
    return containedItems(containing, itemsAt(parts, 0), counts, compiler);
  }
  return listedArray(parts, counts, positions, compiler);
}

function listedArray(parts: Conjunction, counts: ItemCounts, positions: number, compiler: SchemaCompiler): Expression {
  let { maximum } = counts;
  const items: Expression[] = [];
  for (let index = 0; index < Math.min(positions, maximum); index += 1) {
    const item = compiler.inside(itemsAt(parts, index), 'item');
    if (isNever(item)) maximum = index;
    else items.push(item);
  }
  const rest = maximum > items.length ? compiler.inside(itemsAt(parts, positions), 'item') : NEVER;
  if (isNever(rest)) maximum = Math.min(maximum, items.length);
  if (counts.minimum > maximum) return NEVER;
  return sequence(literal('['), itemsInOrder(items, rest, counts.minimum, maximum, compiler));
}

function itemCounts(parts: Conjunction): ItemCounts {
  return {
    minimum: Math.max(0, ...parts.map((part) => countOf(part, 'minItems') ?? 0)),
    maximum: Math.min(...parts.map((part) => countOf(part, 'maxItems') ?? Number.POSITIVE_INFINITY)),
  };
}

function itemsAt(parts: Conjunction, index: number): Conjunction {
  return parts.map((part) => itemSchema(part, index)).filter((schema) => schema !== undefined);
}

function tupleLength(part: SchemaPart): number {
  const tuple = tupleKeyword(part);
  return tuple === undefined ? 0 : (listOf(part, tuple)?.length ?? 0);
}

/** Everything after `[`, built from the end: the rest's repetition, then the positions before it. */
function itemsInOrder(
  items: readonly Expression[],
  rest: Expression,
  minimum: number,
  maximum: number,
  { writer }: SchemaCompiler,
): Expression {
  const end = literal(']');
  const comma = literal(', ');
  const more = (least: number, most: number) =>
    writer.repeat('more-items', sequence(comma, rest), Math.max(0, least), most);
  const mayStop = (count: number) => (count >= minimum ? end : NEVER);
  if (items.length === 0) {
    const some = maximum === 0 ? NEVER : sequence(rest, more(minimum - 1, maximum - 1), end);
    return choice(some, mayStop(0));
  }
  let tail = maximum > items.length ? sequence(more(minimum - items.length, maximum - items.length), end) : end;
  for (let count = items.length; count > 0; count -= 1) {
    const item = items[count - 1] ?? rest;
    tail = choice(sequence(count === 1 ? item : sequence(comma, item), tail), mayStop(count - 1));
  }
  return tail;
}

/** `contains` asks for something here: matches to be there, or no more than so many. */
function isCountingMatches(part: SchemaPart, counts: ItemCounts): boolean {
  if (keywordOf(part, 'contains') === undefined) return false;
  return countOf(part, 'minContains') !== 0 || (countOf(part, 'maxContains') ?? counts.maximum) < counts.maximum;
}

function uniqueArray(
  unique: SchemaPart,
  parts: Conjunction,
  counts: ItemCounts,
  positions: number,
  isContaining: boolean,
  compiler: SchemaCompiler,
): Expression {
  const values = positions > 0 || isContaining ? undefined : finiteValues(itemsAt(parts, 0), compiler.document);
  if (values === undefined) {
    return refuse(
      'uniqueItems',
      unique.pointer,
      'a grammar cannot compare items, unless they are of a short list of values (enum)',
    );
  }
  return distinctItems(values, counts, unique, compiler.writer);
}
