/**
 * Every keyword of the JSON Schema vocabularies (drafts 4 to 2020-12) that says something about a value, and the kind
 * of value it speaks of. Whatever is not here is an annotation or unknown, and ignored as "JSON Schema Core", 6.5
 * (Keywords and Vocabularies: unknown keywords are annotations), asks.
 */

export type Kind = 'null' | 'boolean' | 'number' | 'string' | 'array' | 'object';

export const ALL_KINDS: readonly Kind[] = ['object', 'array', 'string', 'number', 'boolean', 'null'];

/** Keywords that only speak of one kind of value and say nothing of the others. */
export const KEYWORDS_OF_KIND: Readonly<Record<'number' | 'string' | 'array' | 'object', readonly string[]>> = {
  number: ['multipleOf', 'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
  string: ['minLength', 'maxLength', 'pattern', 'format'],
  array: [
    'items',
    'prefixItems',
    'additionalItems',
    'minItems',
    'maxItems',
    'uniqueItems',
    'contains',
    'minContains',
    'maxContains',
    'unevaluatedItems',
  ],
  object: [
    'properties',
    'patternProperties',
    'additionalProperties',
    'required',
    'propertyNames',
    'minProperties',
    'maxProperties',
    'dependentRequired',
    'dependentSchemas',
    'dependencies',
    'unevaluatedProperties',
  ],
};

/** Keywords that stand for a schema elsewhere in the document. */
export const REFERENCES = ['$ref', '$dynamicRef', '$recursiveRef'] as const;

export type ReferenceKeyword = (typeof REFERENCES)[number];

/** Keywords that combine schemas. */
export const COMBINATORS = [...REFERENCES, 'allOf', 'anyOf', 'oneOf', 'not', 'if', 'then', 'else'] as const;

/** Keywords under which schemas stand: one, a list of them, or one under each name. */
export const SCHEMA_PLACES: Readonly<Record<'single' | 'listed' | 'named', ReadonlySet<string>>> = {
  single: new Set([
    'items',
    'additionalItems',
    'unevaluatedItems',
    'contains',
    'additionalProperties',
    'unevaluatedProperties',
    'propertyNames',
    'not',
    'if',
    'then',
    'else',
    'contentSchema',
  ]),
  listed: new Set(['allOf', 'anyOf', 'oneOf', 'prefixItems', 'items']),
  named: new Set(['properties', 'patternProperties', 'dependentSchemas', 'dependencies', '$defs', 'definitions']),
};

const ASSERTIONS: ReadonlySet<string> = new Set<string>([
  'type',
  'enum',
  'const',
  ...COMBINATORS,
  ...Object.values(KEYWORDS_OF_KIND).flat(),
]);

/** Whether a keyword can rule a value out. */
export function isAssertion(keyword: string): boolean {
  return ASSERTIONS.has(keyword);
}

const KIND_BY_KEYWORD: ReadonlyMap<string, Kind> = new Map(
  (['number', 'string', 'array', 'object'] as const).flatMap((kind) =>
    KEYWORDS_OF_KIND[kind].map((keyword): [string, Kind] => [keyword, kind]),
  ),
);

/** The kind of value that `keyword` speaks of, or undefined for those that speak of any. */
export function kindOfKeyword(keyword: string): Kind | undefined {
  return KIND_BY_KEYWORD.get(keyword);
}
