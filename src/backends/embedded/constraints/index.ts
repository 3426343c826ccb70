/**
 * The constraint compiler: JSON Schema to GBNF, so that decoding held to the grammar can only give valid JSON.
 *
 * The grammar's language is a subset of what the schema allows and never more: a keyword is held exactly, or held by
 * generating less (members nobody declared, numbers of more than 15 digits), or refused by name. `docs/json-schema.md`
 * lists which is which.
 */
import { StudioError } from '../../../core/errors.ts';
import type { JsonSchema } from '../../../core/generation.ts';
import type { TaggedSpelling } from '../../parsers/tool-formats.ts';
import { SchemaCompiler } from './compiler.ts';
import { ALL_KINDS } from './keywords.ts';
import { NoOpposite } from './negate.ts';
import { SchemaDocument } from './schema-document.ts';
import { type Conjunction, refuse, schemaPart } from './schema-part.ts';
import { type TaggedGrammar, taggedArguments } from './tagged-arguments.ts';

export interface CompiledSchema {
  /** GBNF; the rule `root` is one JSON value. */
  readonly grammar: string;
}

const MAX_CACHED = 256;
/** The engine reads the grammar anew for every call. */
const MAX_GRAMMAR_CHARACTERS = 1_000_000;
/** By kind and JSON text of the schema; the least recently used goes first. */
const cache = new Map<string, unknown>();

/** A grammar for the values of `schema`. Throws `invalid-parameter` naming the keyword that cannot be held. */
export function compileJsonSchema(schema: JsonSchema): CompiledSchema {
  return cached('value', schema, () => compile(schema, []));
}

/** A grammar for the arguments of a function: the objects among the values of `schema`. */
export function compileArgumentsSchema(schema: JsonSchema): CompiledSchema {
  const isObject = schemaPart({ type: 'object' }, '#', 'an object', true);
  return cached('object', schema, () => compile(schema, [isObject]));
}

/** The same as GBNF; undefined where it cannot be held. For a schema that was narrowed by us. */
export function argumentsGrammarIfHeld(schema: JsonSchema): string | undefined {
  try {
    return compileArgumentsSchema(schema).grammar;
  } catch (thrown) {
    if (thrown instanceof StudioError) return undefined;
    throw thrown;
  }
}

/**
 * A grammar for arguments that stand between tags, with `end` behind the last of them; undefined where the schema says
 * more than such a spelling can hold.
 */
export function compileTaggedArguments(
  schema: JsonSchema,
  spelling: TaggedSpelling,
  end: string,
): TaggedGrammar | undefined {
  return cached(`tagged ${JSON.stringify(spelling)}`, schema, () => taggedArguments(schema, spelling, end));
}

/** A grammar for any JSON object. */
export function jsonObjectGrammar(): string {
  return compileJsonSchema({ type: 'object' }).grammar;
}

function compile(schema: JsonSchema, also: Conjunction): CompiledSchema {
  const document = new SchemaDocument(schema);
  // Where nothing of the kinds that a schema speaks of satisfies it, those it says nothing of still do.
  const ofAnyKind = schemaPart({ type: [...ALL_KINDS] }, '#', 'a value of any kind', true);
  const grammar = compiledText(document, also) ?? compiledText(document, [...also, ofAnyKind]);
  if (grammar === undefined) {
    throw new StudioError('invalid-parameter', 'Invalid JSON Schema: no JSON value of finite size satisfies it.');
  }
  if (grammar.length > MAX_GRAMMAR_CHARACTERS) {
    throw new StudioError('invalid-parameter', 'The JSON Schema is too large to be enforced.');
  }
  return { grammar };
}

function compiledText(document: SchemaDocument, also: Conjunction): string | undefined {
  const compiler = new SchemaCompiler(document);
  try {
    return compiler.writer.print(compiler.compile([document.root, ...also], 'value'));
  } catch (thrown) {
    // Whoever asks for an opposite refuses by itself; this is for schemas that reach one on a way nobody thought of.
    if (thrown instanceof NoOpposite) {
      return refuse(thrown.keyword, thrown.pointer, 'its opposite is needed and not known');
    }
    throw thrown;
  }
}

/** One kind is always made of one type. */
function cached<Compiled>(kind: string, schema: JsonSchema, make: () => Compiled): Compiled {
  try {
    const key = `${kind} ${JSON.stringify(schema)}`;
    const known = cache.get(key);
    const isKnown = cache.has(key);
    const compiled = isKnown ? (known as Compiled) : make();
    if (isKnown) cache.delete(key);
    cache.set(key, compiled);
    const [oldest] = cache.keys();
    if (cache.size > MAX_CACHED && oldest !== undefined) cache.delete(oldest);
    return compiled;
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown;
    // The stack of calls has ended: constants and names may be nested in ways that no counter watches.
    throw new StudioError('invalid-parameter', 'The JSON Schema is nested too deeply to be enforced.', {
      cause: thrown,
    });
  }
}
