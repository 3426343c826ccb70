/**
 * Objects: members in the order of their declaration, optional ones may be left out.
 *
 * The form is linear in the number of members and follows one reading wherever it can. For members a, b (optional), c:
 *
 *   object ::= "{\"a\": " A ", \"" b-or-c          b-or-c ::= "b\": " B ", \"c\": " C "}" | "c\": " C "}"
 */
import type { SchemaCompiler } from './compiler.ts';
import { evaluate, memberSchemas } from './evaluate.ts';
import { freeMember } from './free-members.ts';
import { choice, type Expression, isNever, literal, NEVER, sequence } from './grammar-expression.ts';
import type { GrammarWriter } from './grammar-writer.ts';
import { type Conjunction, countOf, keywordOf, objectOf, refuse, subschema, textListOf } from './schema-part.ts';
import { isClosedMark } from './unevaluated.ts';

/** Above it neither the grammar nor a model has a use for the schema. */
const MAX_MEMBERS = 2_000;

interface Member {
  readonly name: string;
  readonly isRequired: boolean;
  readonly value: Expression;
}

export function objectExpression(parts: Conjunction, compiler: SchemaCompiler): Expression {
  refuseUnheld(parts);
  const declared = new Set(parts.flatMap((part) => Object.keys(objectOf(part, 'properties') ?? {})));
  const required = new Set(parts.flatMap((part) => textListOf(part, 'required') ?? []));
  if (declared.size + required.size > MAX_MEMBERS) {
    refuse('properties', parts[0]?.pointer ?? '#', `it has more than ${MAX_MEMBERS} members`);
  }
  const members: Member[] = [];
  for (const name of new Set([...declared, ...required])) {
    const value = isNameAllowed(name, parts, compiler)
      ? compiler.inside(
          parts.flatMap((part) => memberSchemas(part, name)),
          name,
        )
      : NEVER;
    if (!isNever(value)) members.push({ name, isRequired: required.has(name), value });
    else if (required.has(name)) return NEVER;
  }
  const minimum = Math.max(0, ...parts.map((part) => countOf(part, 'minProperties') ?? 0));
  const maximum = Math.min(...parts.map((part) => countOf(part, 'maxProperties') ?? Number.POSITIVE_INFINITY));
  const free = maximum > required.size ? freeMember(parts, [...declared, ...required], compiler) : NEVER;
  if (!isNever(free) && minimum > members.length + 1) {
    const at = parts.find((part) => countOf(part, 'minProperties') === minimum);
    refuse('minProperties', at?.pointer ?? '#', 'names that are not declared cannot be kept apart');
  }
  return new MemberList(members, free, minimum, maximum, compiler.writer).expression();
}

function isNameAllowed(name: string, parts: Conjunction, compiler: SchemaCompiler): boolean {
  const isClosed = parts.some(isClosedMark);
  if (isClosed && !parts.some((part) => !part.isMade && memberSchemas(part, name).length > 0)) return false;
  const rules = parts.filter((part) => keywordOf(part, 'propertyNames') !== undefined);
  return rules.every((part) => evaluate(name, [subschema(part, 'propertyNames')], compiler.document) === true);
}

/** Which members, and how many, are still to come: one rule a state, shared by all ways that lead to it. */
class MemberList {
  readonly #members: readonly Member[];
  readonly #free: Expression;
  readonly #minimum: number;
  readonly #maximum: number;
  readonly #writer: GrammarWriter;
  readonly #lastRequired: number;
  readonly #states = new Map<string, Expression>();

  constructor(members: readonly Member[], free: Expression, minimum: number, maximum: number, writer: GrammarWriter) {
    this.#members = members;
    this.#lastRequired = members.findLastIndex((member) => member.isRequired);
    this.#free = free;
    this.#writer = writer;
    this.#minimum = minimum <= members.filter((member) => member.isRequired).length ? 0 : minimum;
    this.#maximum = isNever(free) && maximum >= members.length ? Number.POSITIVE_INFINITY : maximum;
  }

  expression(): Expression {
    const some = this.#maximum > 0 ? sequence(literal('{"'), this.#name(0, 0)) : NEVER;
    return choice(some, this.#mayEnd(0, 0) ? literal('{}') : NEVER);
  }

  /** No member from `index` on is required, and `count` of them are enough. */
  #mayEnd(index: number, count: number): boolean {
    return count >= this.#minimum && index > this.#lastRequired;
  }

  /** Everything after the value of a member. */
  #rest(index: number, count: number): Expression {
    const more = count < this.#maximum ? sequence(literal(', "'), this.#name(index, count)) : NEVER;
    return choice(more, this.#mayEnd(index, count) ? literal('}') : NEVER);
  }

  /** Everything after the quote that opens the name of the next member, which is `index` or a later one. */
  #name(index: number, count: number): Expression {
    const isCounted = this.#minimum > 0 || this.#maximum !== Number.POSITIVE_INFINITY;
    const state = isCounted ? `${index} ${count}` : String(index);
    const known = this.#states.get(state);
    if (known !== undefined) return known;
    const member = this.#members[index];
    if (member === undefined) return this.#freeMembers(count);
    const name = literal(`${JSON.stringify(member.name).slice(1)}: `);
    const here = sequence(name, member.value, this.#rest(index + 1, count + 1));
    const later = member.isRequired ? NEVER : this.#name(index + 1, count);
    const isShared = isCounted || (index > 0 && this.#members[index - 1]?.isRequired === false);
    const body = choice(here, later);
    const expression = isShared ? this.#writer.rule(`${member.name}-on`, body) : body;
    this.#states.set(state, expression);
    return expression;
  }

  /** Members of free names to the end of the object. They may share a name, so they count as one at least. */
  #freeMembers(count: number): Expression {
    if (isNever(this.#free) || count + 1 < this.#minimum) return NEVER;
    const more = this.#writer.repeat(
      'more-members',
      sequence(literal(', "'), this.#free),
      0,
      this.#maximum - count - 1,
    );
    return sequence(this.#free, more, literal('}'));
  }
}

function refuseUnheld(parts: Conjunction): void {
  for (const part of parts) {
    if (isClosedMark(part) || keywordOf(part, 'unevaluatedProperties') === undefined) continue;
    refuse('unevaluatedProperties', part.pointer, 'it depends on how schemas beside it matched');
  }
}
