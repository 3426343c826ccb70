/**
 * A value that keeps a JSON Schema, always the same one for the same schema: what a scripted model answers or calls
 * with. Small on purpose: it builds the obvious value, the schema engine has the last word, and what it cannot build is
 * refused by the name of the keyword.
 */
import { StudioError } from '../../core/errors.ts';
import type { Json, JsonSchema } from '../../core/generation.ts';
import { compileSchema, JsonSchemaError, type SchemaBreach } from '../../core/json-schema.ts';

/** Ways to choose between alternatives that are tried before giving up. */
const MAX_ATTEMPTS = 12;
const MAX_DEPTH = 32;
const MAX_LENGTH = 10_000;
/** Objects, lists and plain values in one instance. */
const MAX_VALUES = 20_000;

/** The value; another `variant` gives another one where the schema leaves room. */
export function instanceOf(schema: JsonSchema, variant = 0): Json {
  let obstacle: string | undefined;
  try {
    const compiled = compileSchema(schema);
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      let breach: SchemaBreach | undefined;
      try {
        const value = new InstanceBuilder(schema, attempt, variant).build(schema, 0);
        breach = compiled.breachOf(value);
        if (!breach) return value;
      } catch (thrown) {
        if (!(thrown instanceof Obstacle)) throw thrown;
        obstacle ??= thrown.keyword;
      }
      obstacle ??= breach?.keyword;
    }
  } catch (thrown) {
    if (!(thrown instanceof JsonSchemaError)) throw thrown;
    throw new StudioError('invalid-parameter', `Invalid schema: ${thrown.message}`);
  }
  throw new StudioError(
    'invalid-parameter',
    `The scripted backend cannot satisfy the keyword '${obstacle}' of the schema.`,
  );
}

/** A keyword the builder cannot satisfy. */
class Obstacle extends Error {
  readonly keyword: string;

  constructor(keyword: string) {
    super(keyword);
    this.keyword = keyword;
  }
}

class InstanceBuilder {
  readonly #root: JsonSchema;
  readonly #attempt: number;
  #variant: number;
  #values = 0;

  constructor(root: JsonSchema, attempt: number, variant: number) {
    this.#root = root;
    this.#attempt = attempt;
    this.#variant = variant;
  }

  build(schema: Json | undefined, depth: number): Json {
    if (schema === false) throw new Obstacle('false');
    if (!isObject(schema)) return 'sample';
    if (depth > MAX_DEPTH) throw new Obstacle('$ref');
    if (++this.#values > MAX_VALUES) throw new Obstacle('minItems');
    const whole = this.#resolve(schema, depth);
    if (whole.const !== undefined) return whole.const;
    if (isList(whole.enum)) return this.#pick(whole.enum, 'enum');
    switch (this.#typeOf(whole)) {
      case 'object':
        return this.#buildObject(whole, depth);
      case 'array':
        return this.#buildArray(whole, depth);
      case 'string':
        return this.#buildString(whole);
      case 'integer':
        return this.#buildNumber(whole, true);
      case 'number':
        return this.#buildNumber(whole, false);
      case 'boolean':
        return this.#variant % 2 === 0;
      case 'null':
        return null;
      default:
        throw new Obstacle('type');
    }
  }

  /** The schema with its references, its `allOf` and one of its alternatives folded in. */
  #resolve(schema: JsonSchema, depth: number): JsonSchema {
    if (depth > MAX_DEPTH) throw new Obstacle('$ref');
    const { $ref, allOf, anyOf, oneOf, ...own } = schema;
    let whole: JsonSchema = own;
    const fold = (other: Json | undefined): void => {
      if (other === false) throw new Obstacle('false');
      if (isObject(other)) whole = merge(whole, this.#resolve(other, depth + 1));
    };
    if (typeof $ref === 'string') fold(this.#follow($ref));
    if (isList(allOf)) for (const each of allOf) fold(each);
    if (isList(anyOf)) fold(anyOf[this.#attempt % anyOf.length]);
    if (isList(oneOf)) fold(oneOf[this.#attempt % oneOf.length]);
    return whole;
  }

  #follow(reference: string): Json | undefined {
    if (!reference.startsWith('#')) throw new Obstacle('$ref');
    let target: Json | undefined = this.#root;
    for (const step of reference.slice(1).split('/').slice(1)) {
      const key = decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~');
      target =
        isObject(target) && Object.hasOwn(target, key) ? target[key] : isList(target) ? target[Number(key)] : undefined;
    }
    if (target === undefined) throw new Obstacle('$ref');
    return target;
  }

  #pick(values: readonly Json[], keyword: string): Json {
    const value = values[(this.#variant + this.#attempt) % values.length];
    if (value === undefined) throw new Obstacle(keyword);
    return value;
  }

  #typeOf(schema: JsonSchema): Json | undefined {
    const { type } = schema;
    if (isList(type)) return type[this.#attempt % type.length];
    if (type !== undefined) return type;
    if (has(schema, ['properties', 'required', 'additionalProperties', 'minProperties'])) return 'object';
    if (has(schema, ['items', 'prefixItems', 'minItems', 'contains'])) return 'array';
    if (has(schema, ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'])) return 'number';
    return 'string';
  }

  /** Required properties, and as many others as are asked for. */
  #buildObject(schema: JsonSchema, depth: number): Json {
    const properties = isObject(schema.properties) ? schema.properties : {};
    const names = new Set(isList(schema.required) ? schema.required.filter((name) => typeof name === 'string') : []);
    const fewest = numberOr(schema.minProperties, 0);
    for (const name of Object.keys(properties)) if (names.size < fewest) names.add(name);
    for (let extra = 1; names.size < Math.min(fewest, MAX_LENGTH); extra++) names.add(`property${extra}`);
    const entries = [...names].map((name): [string, Json] => {
      const described = Object.hasOwn(properties, name) ? properties[name] : schema.additionalProperties;
      if (described === false) throw new Obstacle('additionalProperties');
      return [name, this.build(described ?? {}, depth + 1)];
    });
    return Object.fromEntries(entries);
  }

  /** One item unless more or fewer are asked for; each is a variant, so that they differ where they must. */
  #buildArray(schema: JsonSchema, depth: number): Json {
    const tuple = isList(schema.prefixItems) ? schema.prefixItems : isList(schema.items) ? schema.items : [];
    const rest = isList(schema.items) ? schema.additionalItems : schema.items;
    const contained = schema.contains === undefined ? 0 : numberOr(schema.minContains, 1);
    const most = numberOr(schema.maxItems, MAX_LENGTH);
    const wanted = Math.max(numberOr(schema.minItems, Math.min(1, most)), tuple.length, contained);
    const items: Json[] = [];
    const before = this.#variant;
    for (let index = 0; index < Math.min(wanted, most, MAX_LENGTH); index++) {
      const isContained = index < contained && index >= tuple.length;
      const described = tuple[index] ?? (isContained ? mergeAny(rest, schema.contains) : rest);
      items.push(this.build(described ?? {}, depth + 1));
      this.#variant++;
    }
    this.#variant = before;
    return items;
  }

  #buildString(schema: JsonSchema): Json {
    const fewest = numberOr(schema.minLength, 0);
    const most = numberOr(schema.maxLength, MAX_LENGTH);
    if (fewest > MAX_LENGTH) throw new Obstacle('minLength');
    if (typeof schema.pattern === 'string') return this.#matching(schema, fewest, most);
    if (typeof schema.format === 'string' && Object.hasOwn(FORMATS, schema.format)) return FORMATS[schema.format] ?? '';
    return ofLength(this.#variant === 0 ? 'sample' : `sample ${this.#variant + 1}`, fewest, most);
  }

  /** Patterns are not solved: the schema's own examples and a few common forms are tried. */
  #matching(schema: JsonSchema, fewest: number, most: number): Json {
    const own = [schema.default, ...(isList(schema.examples) ? schema.examples : [])];
    const tried = [...own.filter((each) => typeof each === 'string'), ...COMMON_TEXTS];
    const isLong = (text: string) => text.length >= fewest && text.length <= most;
    const compiled = compileSchema({ type: 'string', pattern: schema.pattern ?? '' });
    const found = tried.filter((text) => isLong(text) && !compiled.breachOf(text));
    const text = found[this.#variant % Math.max(found.length, 1)];
    if (text === undefined) throw new Obstacle('pattern');
    return text;
  }

  /** The first number of a few near the bounds that keeps them; 1 where it may. */
  #buildNumber(schema: JsonSchema, isInteger: boolean): Json {
    const step = typeof schema.multipleOf === 'number' && schema.multipleOf > 0 ? schema.multipleOf : 1;
    const low = Math.max(numberOr(schema.minimum, -Infinity), numberOr(schema.exclusiveMinimum, -Infinity));
    const high = Math.min(numberOr(schema.maximum, Infinity), numberOr(schema.exclusiveMaximum, Infinity));
    const tried = [step];
    for (let index = 0; index < MAX_ATTEMPTS; index++) {
      if (Number.isFinite(low)) tried.push((Math.ceil(low / step) + index) * step);
      else tried.push((Math.floor((Number.isFinite(high) ? high : step) / step) - index) * step);
    }
    // Between two bounds closer than the step only a fraction fits.
    if (Number.isFinite(low) && Number.isFinite(high)) tried.push((low + high) / 2, low, high);
    const isAllowed = (value: number): boolean =>
      value >= low &&
      value <= high &&
      value !== schema.exclusiveMinimum &&
      value !== schema.exclusiveMaximum &&
      (!isInteger || Number.isInteger(value)) &&
      (schema.multipleOf === undefined || Math.abs(value / step - Math.round(value / step)) < 1e-9);
    const found = [...new Set(tried.filter(isAllowed))];
    if (found.length === 0) throw new Obstacle(Number.isFinite(high) ? 'maximum' : 'minimum');
    return this.#pick(found, 'minimum');
  }
}

const FORMATS: { readonly [format: string]: string } = {
  date: '2026-01-31',
  time: '12:30:00Z',
  'date-time': '2026-01-31T12:30:00Z',
  duration: 'P1D',
  email: 'someone@example.com',
  hostname: 'example.com',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  uri: 'https://example.com/',
  'uri-reference': '/sample',
  url: 'https://example.com/',
  uuid: '123e4567-e89b-42d3-a456-426614174000',
  regex: '^sample$',
  'json-pointer': '/sample',
};

const COMMON_TEXTS: readonly string[] = [
  'sample',
  'Sample',
  'SAMPLE',
  'a',
  'A',
  '1',
  '12',
  '123',
  '1234',
  '12345',
  '123456',
  'a1',
  'A1',
  'ab',
  'AB',
  'abc',
  'ABC',
  'AB12',
  'ABC-123',
  'ABC123',
  '1.0',
  '1.0.0',
  'a-b',
  'a_b',
  'en-US',
  '#a1b2c3',
  '#A1B2C3',
  '12:30',
  '+15550100',
  '+1-555-0100',
  '555-0100',
  '/sample',
  'sample.txt',
  ...Object.values(FORMATS),
];

function ofLength(text: string, fewest: number, most: number): string {
  return text.padEnd(fewest, 'x').slice(0, most);
}

/** Both schemas in one, as far as `allOf` means it. */
function merge(a: JsonSchema, b: JsonSchema): JsonSchema {
  const whole: Record<string, Json> = { ...a };
  for (const [keyword, value] of Object.entries(b)) {
    const own = whole[keyword];
    whole[keyword] = own === undefined ? value : mergeKeyword(keyword, own, value);
  }
  return whole;
}

function mergeKeyword(keyword: string, a: Json, b: Json): Json {
  if (keyword === 'properties' && isObject(a) && isObject(b)) {
    const names = new Set([...Object.keys(a), ...Object.keys(b)]);
    return Object.fromEntries([...names].map((name) => [name, mergeAny(a[name], b[name]) ?? true]));
  }
  if (keyword === 'required' && isList(a) && isList(b)) return [...new Set([...a, ...b])];
  if (keyword === 'enum' && isList(a) && isList(b)) return a.filter((value) => b.includes(value));
  if (keyword === 'type') {
    const types = listOf(a).filter((type) => listOf(b).includes(type));
    return types.length === 1 ? (types[0] ?? b) : types;
  }
  if (typeof a === 'number' && typeof b === 'number') {
    if (/^(min|exclusiveMin)/.test(keyword)) return Math.max(a, b);
    if (/^(max|exclusiveMax)/.test(keyword)) return Math.min(a, b);
  }
  return b;
}

function mergeAny(a: Json | undefined, b: Json | undefined): Json | undefined {
  if (a === undefined || a === true) return b ?? a;
  if (b === undefined || b === true) return a;
  if (isObject(a) && isObject(b)) return { allOf: [a, b] };
  return false;
}

function listOf(value: Json): readonly Json[] {
  return isList(value) ? value : [value];
}

function isObject(value: Json | undefined): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

function has(schema: JsonSchema, keywords: readonly string[]): boolean {
  return keywords.some((keyword) => schema[keyword] !== undefined);
}

function numberOr(value: Json | undefined, fallback: number): number {
  return typeof value === 'number' ? value : fallback;
}
