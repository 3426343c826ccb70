/**
 * Arguments that a family spells one by one between tags, as a grammar: in the order of their declaration, optional ones
 * may be left out, texts without quotes, every other value as JSON.
 *
 * Such a spelling holds a flat list of members and no more. A schema that says more of the object as a whole (`anyOf`,
 * `minProperties`…) has no grammar here; its calls are spelt in JSON.
 */
import { StudioError } from '../../../core/errors.ts';
import type { JsonSchema } from '../../../core/generation.ts';
import type { TaggedSpelling } from '../../parsers/tool-formats.ts';
import { ALL_TEXTS, AutomatonTooLarge, subtract } from './automaton.ts';
import { SchemaCompiler } from './compiler.ts';
import { evaluate, memberSchemas } from './evaluate.ts';
import { branchesOf, joined } from './expand.ts';
import { choice, type Expression, isNever, literal, NEVER, optional, sequence } from './grammar-expression.ts';
import { automatonOfPattern } from './pattern.ts';
import { kindFacts, listedValues } from './plain-facts.ts';
import { SchemaDocument } from './schema-document.ts';
import { type Conjunction, keywordOf, objectOf, schemaPart, textListOf } from './schema-part.ts';
import { lengthBounds, shapeOf, withLengths } from './string-language.ts';
import { rawAutomatonText } from './strings.ts';

export interface TaggedGrammar {
  /** The rule `root` is all arguments and the text that ends them. */
  readonly grammar: string;
  /** Arguments whose values stand as texts. */
  readonly texts: readonly string[];
}

/** Keywords that say of an object what its members one by one do not. */
const WHOLE_OBJECT = ['minProperties', 'maxProperties', 'propertyNames', 'const', 'enum'];

/** Undefined where the schema needs more than a list of members. `end` follows the last argument. */
export function taggedArguments(schema: JsonSchema, spelling: TaggedSpelling, end: string): TaggedGrammar | undefined {
  try {
    return grammarOf(schema, spelling, end);
  } catch (thrown) {
    // A text without quotes may need more states than one with them. What cannot be held at all, JSON refuses by name.
    if (thrown instanceof AutomatonTooLarge || thrown instanceof StudioError) return undefined;
    throw thrown;
  }
}

function grammarOf(schema: JsonSchema, spelling: TaggedSpelling, end: string): TaggedGrammar | undefined {
  const document = new SchemaDocument(schema);
  const isObject = schemaPart({ type: 'object' }, '#', 'an object', true);
  const parts = joined([document.root, isObject], document);
  if (parts === undefined || branchesOf(parts, document) !== undefined) return undefined;
  if (parts.some((part) => WHOLE_OBJECT.some((keyword) => keywordOf(part, keyword) !== undefined))) return undefined;
  const compiler = new SchemaCompiler(document);
  const required = new Set(parts.flatMap((part) => textListOf(part, 'required') ?? []));
  const declared = parts.flatMap((part) => Object.keys(objectOf(part, 'properties') ?? {}));
  const texts: string[] = [];
  const members: Expression[] = [];
  for (const name of new Set([...declared, ...required])) {
    const member = new Member(name, parts, compiler, spelling);
    const value = member.value();
    if (isNever(value) || !member.canBeNamed) {
      if (required.has(name)) return undefined;
      continue;
    }
    if (member.isText) texts.push(name);
    const { beforeKey, afterKey, afterValue } = spelling;
    const whole = sequence(literal(beforeKey + name + afterKey), value, literal(afterValue));
    members.push(required.has(name) ? whole : optional(compiler.writer.rule(`${name}-argument`, whole)));
  }
  const grammar = compiler.writer.print(sequence(...members, literal(end)));
  return grammar === undefined ? undefined : { grammar, texts };
}

class Member {
  readonly #name: string;
  readonly #schemas: Conjunction;
  readonly #compiler: SchemaCompiler;
  readonly #spelling: TaggedSpelling;
  isText = false;

  constructor(name: string, parts: Conjunction, compiler: SchemaCompiler, spelling: TaggedSpelling) {
    this.#name = name;
    this.#schemas = parts.flatMap((part) => memberSchemas(part, name));
    this.#compiler = compiler;
    this.#spelling = spelling;
  }

  /** Between tags nothing can be escaped. */
  get canBeNamed(): boolean {
    return !/[<>"\n]/.test(this.#name) && this.#name.trim() === this.#name && this.#name !== '';
  }

  value(): Expression {
    const { document } = this.#compiler;
    const parts = joined(this.#schemas, document);
    if (parts === undefined) return NEVER;
    if (parts.length === 0 || branchesOf(parts, document) !== undefined) return this.#json();
    const values = listedValues(parts);
    if (values?.every((value) => typeof value === 'string')) {
      this.isText = true;
      const allowed = values.filter((value) => evaluate(value, parts, document) === true);
      return choice(...allowed.filter((value) => !value.includes(this.#endOfValue)).map(literal));
    }
    const { kinds, isTypeless } = kindFacts(parts);
    if (values !== undefined || isTypeless || kinds.join() !== 'string') return this.#json();
    this.isText = true;
    return this.#text(parts);
  }

  #json(): Expression {
    return this.#compiler.inside(this.#schemas, this.#name);
  }

  /** Any text that the schema allows and that does not hold what ends it. */
  #text(parts: Conjunction): Expression {
    const ending = automatonOfPattern(this.#endOfValue.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&'));
    const bounded = withLengths(shapeOf(parts) ?? ALL_TEXTS, lengthBounds(parts), parts[0]);
    return rawAutomatonText(subtract(bounded, ending), this.#compiler.writer, this.#name);
  }

  get #endOfValue(): string {
    return this.#spelling.afterValue.trim();
  }
}
