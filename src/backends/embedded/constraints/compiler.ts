/**
 * From conjunctions of schemas to grammar expressions, each conjunction once: asking again for one that is known, or
 * still being made, gives a reference to its rule, which is how recursion ends.
 */
import type { Json } from '../../../core/generation.ts';
import { arrayExpression } from './arrays.ts';
import { ApartnessProver } from './disjoint.ts';
import { evaluate } from './evaluate.ts';
import { type Branches, branchesOf, joined } from './expand.ts';
import { generatedKinds } from './generated.ts';
import { choice, type Expression, NEVER, reference } from './grammar-expression.ts';
import { GrammarWriter } from './grammar-writer.ts';
import { ALL_KINDS, isAssertion, type Kind } from './keywords.ts';
import { exclusionOf, NoOpposite } from './negate.ts';
import { numberExpression } from './numbers.ts';
import { objectExpression } from './objects.ts';
import { type KindFacts, kindFacts, listedValues } from './plain-facts.ts';
import type { SchemaDocument } from './schema-document.ts';
import {
  type Conjunction,
  isJsonObject,
  madePart,
  refuse,
  type SchemaPart,
  schemaPart,
  without,
} from './schema-part.ts';
import { stringExpression } from './strings.ts';
import { closedMembers } from './unevaluated.ts';
import { oneOfTexts, spellJson } from './values.ts';

/** More than any schema written by hand; a product of unions would otherwise grow without end. */
const MAX_CONJUNCTIONS = 5_000;
const MAX_NESTING = 200;
const MAX_OPEN = 400;
/** Each branch that has to be left out may double what is left. */
const MAX_EXCLUSIONS = 10;

const ANY_VALUE: Conjunction = [schemaPart({ type: [...ALL_KINDS] }, '#', 'any value')];

interface OpenRule {
  readonly depth: number;
  name: string | undefined;
}

export class SchemaCompiler {
  readonly document: SchemaDocument;
  readonly writer = new GrammarWriter();
  readonly #done = new Map<string, Expression>();
  readonly #open = new Map<string, OpenRule>();
  readonly #prover: ApartnessProver;
  #depth = 0;

  constructor(document: SchemaDocument) {
    this.document = document;
    this.#prover = new ApartnessProver(document);
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
    const closed = closedMembers(conjunction, this.document, (part) => joined([part], this.document));
    const parts = joined(closed, this.document);
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
    if (this.#open.size > MAX_OPEN) {
      refuse('$ref', parts[0]?.pointer ?? '#', `it is one of more than ${MAX_OPEN} schemas within one another`);
    }
    const rule: OpenRule = { depth: this.#depth, name: undefined };
    this.#open.set(key, rule);
    const body = this.#body(parts, hint);
    this.#open.delete(key);
    const expression = this.#named(rule.name, body, hint);
    this.#done.set(key, expression);
    return expression;
  }

  #named(name: string | undefined, body: Expression, hint: string): Expression {
    if (name !== undefined) return this.writer.define(name, body);
    return body.type === 'literal' || body.type === 'class' ? body : this.writer.rule(hint, body);
  }

  #body(parts: Conjunction, hint: string): Expression {
    const choices = branchesOf(parts, this.document);
    if (choices === undefined) return this.#plain(parts);
    const { keyword, at, rest, branches } = choices;
    const isExclusive = keyword !== 'oneOf' || this.#prover.areToldApart(branches);
    const compileAll = () =>
      branches.map((branch, index) => {
        const others = isExclusive ? [] : this.#exclusions(choices, index);
        return this.compile([...rest, ...branch, ...others], hint);
      });
    // Only these keywords ask for opposites by themselves.
    const isAsking = keyword === 'oneOf' || keyword === 'not' || keyword === 'if';
    return choice(...(isAsking && !at.isMade ? withOpposites(keyword, at, compileAll) : compileAll()));
  }

  /** What keeps a branch of `oneOf` from satisfying the others as well: nothing where they are apart anyway. */
  #exclusions({ at, rest, branches }: Branches, index: number): Conjunction {
    const branch = branches[index] ?? [];
    const others = branches.flatMap((other, place) => (place === index ? [] : other));
    let exclusions: Conjunction = [];
    // An exclusion may bring members of its own, so what was apart is looked at again.
    for (;;) {
      const generated = [...rest, ...branch, ...exclusions];
      const open = others.filter(
        (other) =>
          !exclusions.some((part) => part.key === opposite(other).key) && !this.#prover.isApart(generated, [other]),
      );
      if (this.#prover.isExhausted) refuse('oneOf', at.pointer, 'its branches are too many to compare');
      if (exclusions.length + open.length > MAX_EXCLUSIONS)
        refuse('oneOf', at.pointer, 'too many of its branches overlap');
      if (open.length === 0) return exclusions;
      exclusions = [...exclusions, ...open.map(opposite)];
    }
  }

  #plain(parts: Conjunction): Expression {
    const values = listedValues(parts);
    if (values !== undefined) return this.#values(values, parts);
    const facts = kindFacts(parts);
    return choice(...generatedKinds(parts).map((kind) => this.#kind(kind, facts, parts)));
  }

  #values(values: readonly Json[], parts: Conjunction): Expression {
    // The lists have met already; what is left to check are the other keywords.
    const others = parts
      .map((part) => without(part, 'enum', 'const'))
      .filter((part) => Object.keys(part.schema).some(isAssertion));
    const allowed = values.filter((value) => evaluate(value, others, this.document) === true);
    return oneOfTexts(allowed.map(spellJson));
  }

  #kind(kind: Kind, facts: KindFacts, parts: Conjunction): Expression {
    switch (kind) {
      case 'null':
        return this.#values([null], parts);
      case 'boolean':
        return this.writer.rule('boolean', this.#values([true, false], parts));
      case 'number':
        return this.writer.rule(
          facts.isIntegerOnly ? 'integer' : 'number',
          numberExpression(parts, facts.isIntegerOnly, this.writer),
        );
      case 'string':
        return this.writer.rule('string', stringExpression(parts, this.writer));
      case 'array':
        refuseExcluded(parts, Array.isArray);
        return arrayExpression(parts, this);
      case 'object':
        refuseExcluded(parts, isJsonObject);
        return objectExpression(parts, this);
    }
  }
}

function opposite(part: SchemaPart): SchemaPart {
  return madePart({ not: part.schema }, part, 'not');
}

/** Compiles what needs opposites, and refuses the keyword that needed them where there are none. */
function withOpposites(
  keyword: string,
  at: SchemaPart,
  compileAll: () => readonly Expression[],
): readonly Expression[] {
  try {
    return compileAll();
  } catch (thrown) {
    if (!(thrown instanceof NoOpposite)) throw thrown;
    const { message } = thrown;
    return refuse(
      keyword,
      at.pointer,
      keyword === 'oneOf' ? `its branches cannot be kept apart (${message})` : message,
    );
  }
}

/** Single objects and arrays cannot be taken out of a grammar. */
function refuseExcluded(parts: Conjunction, isOfKind: (value: Json) => boolean): void {
  for (const part of parts) {
    if (exclusionOf(part)?.values.some(isOfKind) !== true) continue;
    if (part.isMade) throw new NoOpposite('enum', part.pointer);
    refuse('not', part.pointer, 'it excludes a single object or array');
  }
}
