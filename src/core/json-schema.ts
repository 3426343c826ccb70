/**
 * JSON Schema, 2020-12: is a schema one, and does a value keep it.
 *
 * One validator instance serves all schemas (a new one costs ten times a compile); compiled schemas are kept by their
 * text, a bounded number of them. It is loaded when first needed: most processes start long before the first schema.
 */
import { createRequire } from 'node:module';
import { createContext, Script } from 'node:vm';
import type { ErrorObject, Options } from 'ajv/dist/2020.js';
import type { Json, JsonSchema } from './generation.ts';

/** Says what is wrong with a schema. */
export class JsonSchemaError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'JsonSchemaError';
  }
}

/** Where and how a value breaks its schema. */
export interface SchemaBreach {
  /** The keyword that failed, `minLength`. */
  readonly keyword: string;
  /** `/items/0/name must NOT have fewer than 1 characters`, for logs. */
  readonly message: string;
}

export interface CompiledSchema {
  /** The first breach, or undefined when the value keeps the schema. */
  breachOf(value: unknown): SchemaBreach | undefined;
}

/** Callers write schemas: these bound what one can cost us. */
const MAX_SCHEMA_TEXT_LENGTH = 256 * 1024;
const MAX_SCHEMA_DEPTH = 64;
const MAX_KEPT_SCHEMAS = 200;
const MAX_PATTERN_MS = 100;

/** The part of the validator that is used here; its own types are behind a lazy load. */
interface SchemaEngine {
  compile(schema: object): { (value: unknown): boolean; errors?: ErrorObject[] | null };
  validateSchema(schema: object): unknown;
  removeSchema(schema: object): unknown;
  errorsText(errors?: ErrorObject[] | null): string;
  readonly errors?: ErrorObject[] | null;
}

let engine: SchemaEngine | undefined;
const kept = new Map<string, CompiledSchema & { readonly source: object }>();
const checked = new Set<string>();

/** A schema ready to check values against. Throws a JsonSchemaError for what is not a schema. */
export function compileSchema(schema: JsonSchema): CompiledSchema {
  const text = textOfSchema(schema);
  const found = kept.get(text);
  if (found) {
    // Oldest first: what is used again moves to the end.
    kept.delete(text);
    kept.set(text, found);
    return found;
  }
  const source = modernise(schema, 0);
  const ajv = schemaEngine();
  let validate: ReturnType<SchemaEngine['compile']>;
  try {
    validate = ajv.compile(source);
  } catch (thrown) {
    ajv.removeSchema(source);
    throw new JsonSchemaError(thrown instanceof Error ? thrown.message : String(thrown));
  }
  const compiled = { source, breachOf: (value: unknown) => (validate(value) ? undefined : breach(validate.errors)) };
  kept.set(text, compiled);
  for (const [oldest, { source: unused }] of kept) {
    if (kept.size <= MAX_KEPT_SCHEMAS) break;
    kept.delete(oldest);
    ajv.removeSchema(unused);
  }
  return compiled;
}

/**
 * Throws a JsonSchemaError for what is not a schema, without compiling it: a request may carry dozens of tools, and a
 * compile takes a millisecond each.
 */
export function assertSchema(schema: JsonSchema): void {
  const text = textOfSchema(schema);
  if (checked.has(text) || kept.has(text)) return;
  const ajv = schemaEngine();
  if (ajv.validateSchema(modernise(schema, 0)) !== true) throw new JsonSchemaError(ajv.errorsText(ajv.errors));
  if (checked.size >= MAX_KEPT_SCHEMAS) checked.clear();
  checked.add(text);
}

function textOfSchema(schema: JsonSchema): string {
  const text = JSON.stringify(schema);
  if (text.length > MAX_SCHEMA_TEXT_LENGTH) throw new JsonSchemaError('the schema is too large');
  return text;
}

function breach(errors: ErrorObject[] | null | undefined): SchemaBreach {
  const [first] = errors ?? [];
  return { keyword: first?.keyword ?? '', message: `${first?.instancePath ?? ''} ${first?.message ?? ''}`.trim() };
}

function schemaEngine(): SchemaEngine {
  if (engine) return engine;
  const require = createRequire(import.meta.url);
  const { Ajv2020 } = require('ajv/dist/2020.js') as { Ajv2020: new (options: Options) => SchemaEngine };
  const { default: addFormats } = require('ajv-formats') as { default: (ajv: SchemaEngine) => void };
  // Not strict: keywords we do not know are notes for the reader, and draft-07 tools are everywhere.
  engine = new Ajv2020({ strict: false, logger: false, code: { regExp: boundedRegExp } });
  addFormats(engine);
  return engine;
}

/** A caller's pattern may backtrack for ever; it runs under a time limit and counts as not matching beyond it. */
const boundedRegExp = Object.assign(
  (pattern: string, flags: string) => {
    const expression = expressionOf(pattern, flags);
    // The engine tells compiled patterns apart by their toString.
    return { test: (text: string) => testWithinLimit(expression, text), toString: () => String(expression) };
  },
  { code: 'new RegExp' },
);

/** Many patterns in the wild are not valid under the unicode flag (`[\w-.]`). */
function expressionOf(pattern: string, flags: string): RegExp {
  try {
    return new RegExp(pattern, flags);
  } catch {
    return new RegExp(pattern, flags.replace('u', ''));
  }
}

const patternContext: { expression?: RegExp; text?: string } = {};
let runPattern: ((options: { timeout: number }) => unknown) | undefined;

function testWithinLimit(expression: RegExp, text: string): boolean {
  if (!runPattern) {
    const script = new Script('expression.test(text)');
    const context = createContext(patternContext);
    runPattern = (options) => script.runInContext(context, options);
  }
  patternContext.expression = expression;
  patternContext.text = text;
  try {
    return runPattern({ timeout: MAX_PATTERN_MS }) === true;
  } catch {
    return false;
  }
}

/** Keywords that hold one schema, a list of schemas, schemas by name. */
const SINGLE = new Set([
  'items',
  'additionalItems',
  'contains',
  'additionalProperties',
  'propertyNames',
  'not',
  'if',
  'then',
  'else',
  'unevaluatedItems',
  'unevaluatedProperties',
]);
const LISTS = new Set(['allOf', 'anyOf', 'oneOf', 'prefixItems']);
const NAMED = new Set(['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas']);

/**
 * The older drafts' spellings, as 2020-12 has them: a list of `items`, true `exclusiveMinimum`. `$schema` and `$id` go:
 * the first names a draft the engine may not know, the second would collide with another caller's in the one engine.
 */
function modernise(schema: JsonSchema, depth: number): JsonSchema {
  if (depth > MAX_SCHEMA_DEPTH) throw new JsonSchemaError('the schema is nested too deeply');
  const entries: [string, Json][] = [];
  for (const [keyword, value] of Object.entries(schema)) {
    if (keyword === '$schema' || keyword === '$id') continue;
    if (keyword === 'items' && Array.isArray(value)) {
      entries.push(['prefixItems', value.map((item) => moderniseAny(item, depth))]);
      if (schema.additionalItems !== undefined) entries.push(['items', moderniseAny(schema.additionalItems, depth)]);
    } else if (keyword === 'additionalItems' && Array.isArray(schema.items)) continue;
    else if (keyword === 'exclusiveMinimum' && typeof value === 'boolean') {
      if (value && schema.minimum !== undefined) entries.push([keyword, schema.minimum]);
    } else if (keyword === 'exclusiveMaximum' && typeof value === 'boolean') {
      if (value && schema.maximum !== undefined) entries.push([keyword, schema.maximum]);
    } else entries.push([keyword, moderniseKeyword(keyword, value, depth)]);
  }
  return Object.fromEntries(entries);
}

function moderniseKeyword(keyword: string, value: Json, depth: number): Json {
  if (SINGLE.has(keyword)) return moderniseAny(value, depth);
  if (LISTS.has(keyword) && Array.isArray(value)) return value.map((each: Json) => moderniseAny(each, depth));
  if (NAMED.has(keyword) && isObject(value))
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, moderniseAny(each, depth)]));
  return value;
}

function moderniseAny(value: Json, depth: number): Json {
  return isObject(value) ? modernise(value, depth + 1) : value;
}

function isObject(value: Json): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
