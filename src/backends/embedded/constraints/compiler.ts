/**
 * From conjunctions of schemas to grammar expressions, each conjunction once: asking again for one that is known, or
 * still being made, gives a reference to its rule, which is how recursion ends.
 */
import type { Json } from '../../../core/generation.ts';
import { arrayExpression } from './arrays.ts';
import { evaluate } from './evaluate.ts';
import { type Branches, branchesOf, joined } from './expand.ts';
import { choice, type Expression, isNever, literal, NEVER, reference } from './grammar-expression.ts';
import { GrammarWriter } from './grammar-writer.ts';
import { ALL_KINDS, type Kind } from './keywords.ts';
import { numberExpression } from './numbers.ts';
import { objectExpression } from './objects.ts';
import { impliedKinds, type KindFacts, kindFacts, listedValues } from './plain-facts.ts';
import type { SchemaDocument } from './schema-document.ts';
import { type Conjunction, keywordOf, refuse } from './schema-part.ts';
import { stringExpression } from './strings.ts';
import { oneOfTexts, spellJson } from './values.ts';

/** More than any schema written by hand; a product of unions would otherwise grow without end. */
const MAX_CONJUNCTIONS = 5_000;
const MAX_NESTING = 200;

const ANY_VALUE: Conjunction = [{ schema: { type: [...ALL_KINDS] }, pointer: '#', key: 'any value' }];

interface OpenRule {
  readonly depth: number;
  name: string | undefined;
}

export class SchemaCompiler {
  readonly document: SchemaDocument;
  readonly writer = new GrammarWriter();
  readonly #done = new Map<string, Expression>();
  readonly #open = new Map<string, OpenRule>();
  #depth = 0;

  constructor(document: SchemaDocument) {
    this.document = document;
  }

  /** A value within another one: at least a bracket has been written since the schemas around it. */
  inside(conjunction: Conjunction, hint: string): Expression {
    if (this.#depth >= MAX_NESTING)
      refuse('properties', conjunction[0]?.pointer ?? '#', `it is nested more than ${MAX_NESTING} levels deep`);
    this.#depth += 1;
    try {
      return this.compile(conjunction, hint);
    } finally {
      this.#depth -= 1;
    }
  }

  compile(conjunction: Conjunction, hint: string): Expression {
    const parts = joined(conjunction, this.document);
    if (parts === undefined) return NEVER;
    if (parts.length === 0) return this.compile(ANY_VALUE, 'value');
    const key = parts.map((part) => part.key).join(' ');
    const known = this.#done.get(key);
    if (known !== undefined) return known;
    const open = this.#open.get(key);
    if (open !== undefined) {
      // Met again before anything was written: as an alternative of itself it adds nothing.
      if (open.depth === this.#depth) return NEVER;
      open.name ??= this.writer.reserve(hint);
      return reference(open.name);
    }
    if (this.#done.size + this.#open.size > MAX_CONJUNCTIONS) {
      refuse('anyOf', parts[0]?.pointer ?? '#', 'the schema has too many combinations');
    }
    const rule: OpenRule = { depth: this.#depth, name: undefined };
    this.#open.set(key, rule);
    const branches = branchesOf(parts);
    const body = branches === undefined ? this.#plain(parts) : this.#branches(branches, hint);
    this.#open.delete(key);
    const expression = this.#named(rule.name, body, hint);
    this.#done.set(key, expression);
    return expression;
  }

  #named(name: string | undefined, body: Expression, hint: string): Expression {
    if (name !== undefined) return this.writer.define(name, body);
    return body.type === 'literal' || body.type === 'class' ? body : this.writer.rule(hint, body);
  }

  #branches({ keyword, at, rest, branches }: Branches, hint: string): Expression {
    if (keyword === 'oneOf') refuse(keyword, at.pointer, 'it is not supported yet');
    return choice(...branches.map((branch) => this.compile([...rest, branch], hint)));
  }

  #plain(parts: Conjunction): Expression {
    for (const part of parts) {
      for (const keyword of ['not', 'if', '$dynamicRef', '$recursiveRef']) {
        if (keywordOf(part, keyword) !== undefined) refuse(keyword, part.pointer, 'it is not supported yet');
      }
    }
    const values = listedValues(parts);
    if (values !== undefined) return this.#values(values, parts);
    const facts = kindFacts(parts);
    if (!facts.isTypeless) return this.#kinds(facts.kinds, facts, parts);
    const implied = impliedKinds(parts);
    if (implied.length === 0) return this.#kinds(facts.kinds, facts, parts);
    const meant = this.#kinds(implied, facts, parts);
    if (!isNever(meant)) return meant;
    const others = facts.kinds.filter((kind) => !implied.includes(kind));
    return this.#kinds(others, facts, parts);
  }

  #values(values: readonly Json[], parts: Conjunction): Expression {
    const allowed = values.filter((value) => evaluate(value, parts, this.document) === true);
    return oneOfTexts(allowed.map(spellJson));
  }

  #kinds(kinds: readonly Kind[], facts: KindFacts, parts: Conjunction): Expression {
    return choice(...kinds.map((kind) => this.#kind(kind, facts, parts)));
  }

  #kind(kind: Kind, facts: KindFacts, parts: Conjunction): Expression {
    switch (kind) {
      case 'null':
        return literal('null');
      case 'boolean':
        return this.writer.rule('boolean', choice(literal('true'), literal('false')));
      case 'number':
        return this.writer.rule(
          facts.isIntegerOnly ? 'integer' : 'number',
          numberExpression(parts, facts.isIntegerOnly),
        );
      case 'string':
        return this.writer.rule('string', stringExpression(parts, this.writer));
      case 'array':
        return arrayExpression(parts, this);
      case 'object':
        return objectExpression(parts, this);
    }
  }
}
