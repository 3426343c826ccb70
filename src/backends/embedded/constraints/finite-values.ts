/** The values of a schema that has only a few. */
import type { Json } from '../../../core/generation.ts';
import { integerLimits } from './digits.ts';
import { evaluate, type Verdict } from './evaluate.ts';
import { branchesOf, joined } from './expand.ts';
import { numberBounds } from './numbers.ts';
import { kindFacts, listedValues } from './plain-facts.ts';
import type { SchemaDocument } from './schema-document.ts';
import type { Conjunction } from './schema-part.ts';
import { canonicalText } from './values.ts';

/** A range of whole numbers up to this size counts as a list. */
const MAX_RANGE = 32n;

/** The values that satisfy `conjunction`, each once, or undefined when they are many or unknown. */
export function finiteValues(conjunction: Conjunction, document: SchemaDocument): readonly Json[] | undefined {
  return listed(conjunction, document, (verdict) => verdict === true);
}

/** The same, with the values of which it cannot be told whether they satisfy it. */
export function possibleValues(conjunction: Conjunction, document: SchemaDocument): readonly Json[] | undefined {
  return listed(conjunction, document, (verdict) => verdict !== false);
}

function listed(
  conjunction: Conjunction,
  document: SchemaDocument,
  isKept: (verdict: Verdict) => boolean,
): readonly Json[] | undefined {
  const parts = joined(conjunction, document);
  if (parts === undefined) return [];
  const choice = branchesOf(parts, document);
  if (choice !== undefined) {
    if (choice.keyword !== 'anyOf') return undefined;
    const lists = choice.branches.map((branch) => listed([...choice.rest, ...branch], document, isKept));
    return lists.some((list) => list === undefined) ? undefined : distinct(lists.flatMap((list) => list ?? []));
  }
  const candidates = listedValues(parts) ?? valuesOfKinds(parts);
  if (candidates === undefined) return undefined;
  return distinct(candidates.filter((value) => isKept(evaluate(value, parts, document))));
}

function valuesOfKinds(parts: Conjunction): readonly Json[] | undefined {
  const { kinds, isIntegerOnly } = kindFacts(parts);
  const values: Json[] = [];
  for (const kind of kinds) {
    if (kind === 'null') values.push(null);
    else if (kind === 'boolean') values.push(true, false);
    else if (kind === 'number' && isIntegerOnly) {
      const { low, high } = integerLimits(numberBounds(parts));
      if (low === undefined || high === undefined || high - low > MAX_RANGE) return undefined;
      for (let value = low; value <= high; value += 1n) values.push(Number(value));
    } else return undefined;
  }
  return values;
}

function distinct(values: readonly Json[]): readonly Json[] {
  return [...new Map(values.map((value) => [canonicalText(value), value])).values()];
}
