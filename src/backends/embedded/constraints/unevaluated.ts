/**
 * `unevaluatedProperties` and `unevaluatedItems`. What they forbid depends on every schema that stands beside them for the
 * same value, so they are held where all of those come out of the very schema that states them. Members that nobody
 * declared are then simply not written.
 */
import { COMBINATORS, isAssertion } from './keywords.ts';
import type { SchemaDocument } from './schema-document.ts';
import { type Conjunction, keywordOf, madePart, type SchemaPart, without } from './schema-part.ts';

const MAX_REFERENCES = 50;

/** The conjunction with these keywords put in a form that the grammar holds, where it can. */
export function settleUnevaluated(conjunction: Conjunction, document: SchemaDocument): Conjunction {
  const own = conjunction.filter((part) => !part.isMade);
  const [origin] = own;
  if (origin === undefined || own.length > 1) return conjunction;
  let part = origin;
  for (let count = 0; count < MAX_REFERENCES && isOnlyReference(part); count += 1) part = document.resolve(part);
  const hasItems = keywordOf(part, 'unevaluatedItems') !== undefined;
  const hasProperties = keywordOf(part, 'unevaluatedProperties') !== undefined;
  if (!hasItems && !hasProperties) return conjunction;
  const settled = hasItems ? settledItems(part) : part;
  const closed = hasProperties ? [madePart({ unevaluatedProperties: false, properties: {} }, part, 'closed')] : [];
  const rest = hasProperties ? without(settled, 'unevaluatedProperties') : settled;
  return [...conjunction.map((each) => (each === origin ? rest : each)), ...closed];
}

function isOnlyReference(part: SchemaPart): boolean {
  return keywordOf(part, '$ref') !== undefined && Object.keys(part.schema).filter(isAssertion).length === 1;
}

/** Where no schema is combined in, the unevaluated items are those that `items` would speak of. */
function settledItems(part: SchemaPart): SchemaPart {
  const unevaluated = keywordOf(part, 'unevaluatedItems') ?? true;
  const isSimple =
    keywordOf(part, 'contains') === undefined && !COMBINATORS.some((keyword) => keywordOf(part, keyword) !== undefined);
  const stripped = without(part, 'unevaluatedItems');
  if (unevaluated === true) return stripped;
  if (!isSimple || typeof stripped.schema === 'boolean' || Array.isArray(keywordOf(part, 'items'))) return part;
  return keywordOf(part, 'items') === undefined
    ? { ...stripped, schema: { ...stripped.schema, items: unevaluated } }
    : stripped;
}
