/**
 * Shows that what one conjunction generates never satisfies another: how the branches of `oneOf` are kept apart. It only
 * ever answers "yes" when that is certain, and then the grammar needs nothing more.
 */
import type { Json } from '../../../core/generation.ts';
import { AutomatonTooLarge, intersect, isEmptyLanguage } from './automaton.ts';
import { evaluate, itemSchema, memberSchemas } from './evaluate.ts';
import { branchesOf, joined } from './expand.ts';
import { possibleValues } from './finite-values.ts';
import { generatedKinds, hasFreeMembers } from './generated.ts';
import { COMBINATORS, type Kind } from './keywords.ts';
import { exclusionOf, NoOpposite } from './negate.ts';
import { isRangeEmpty, isWholeExcluded, numberBounds } from './numbers.ts';
import { automatonOfPattern } from './pattern.ts';
import { PatternError } from './pattern-reader.ts';
import { kindFacts, listedValues } from './plain-facts.ts';
import type { SchemaDocument } from './schema-document.ts';
import { type Conjunction, countOf, keywordOf, objectOf, type SchemaPart, textListOf } from './schema-part.ts';
import { canonicalText } from './values.ts';

/** Steps until we say "not certain". */
const MAX_STEPS = 400;
/** Steps of all comparisons of one schema, until it has too many branches to compare. */
const MAX_TOTAL_STEPS = 60_000;
const MAX_DEPTH = 6;

/** Compares the branches of one document; its patience is bounded. */
export class ApartnessProver {
  readonly #document: SchemaDocument;
  #stepsLeft = 0;
  #totalStepsLeft = MAX_TOTAL_STEPS;

  constructor(document: SchemaDocument) {
    this.#document = document;
  }

  /** No comparison can be made any more. */
  get isExhausted(): boolean {
    return this.#totalStepsLeft <= 0;
  }

  /**
   * Whether all branches exclude each other by what they list: constants, or objects told apart by one constant member.
   * This is how most unions are written, and it takes one look at each branch.
   */
  areToldApart(branches: readonly Conjunction[]): boolean {
    if (areDistinct(branches.map((branch) => possibleValues(branch, this.#document)))) return true;
    const objects = branches.map((branch) => this.#plainObject(branch));
    const [first] = objects;
    if (first === undefined || objects.includes(undefined)) return false;
    return requiredNames(first).some((name) =>
      areDistinct(
        objects.map((parts) => {
          if (parts === undefined || !requiredNames(parts).includes(name)) return undefined;
          return possibleValues(
            parts.flatMap((part) => memberSchemas(part, name)),
            this.#document,
          );
        }),
      ),
    );
  }

  /** The parts of a conjunction that only objects satisfy and that makes no choice. */
  #plainObject(conjunction: Conjunction): Conjunction | undefined {
    const parts = joined(conjunction, this.#document);
    if (parts === undefined || parts.some(hasChoice)) return undefined;
    const { kinds } = kindFacts(parts);
    return kinds.length === 1 && kinds[0] === 'object' ? parts : undefined;
  }

  /** Whether no value that `generated` lets us write satisfies `other`. */
  isApart(generated: Conjunction, other: Conjunction): boolean {
    this.#stepsLeft = MAX_STEPS;
    const isApart = this.#plainOnes(generated, 0).every(({ parts, isWhole }) =>
      this.#isEmpty([...parts, ...other], 0, isWhole ? parts : undefined),
    );
    this.#totalStepsLeft -= MAX_STEPS - this.#stepsLeft;
    return isApart;
  }

  /** The conjunctions without choices that `conjunction` is made of; `isWhole` is false where more may hold for them. */
  #plainOnes(
    conjunction: Conjunction,
    depth: number,
  ): readonly { readonly parts: Conjunction; readonly isWhole: boolean }[] {
    this.#stepsLeft -= 1;
    const parts = joined(conjunction, this.#document);
    if (parts === undefined) return [];
    if (depth > MAX_DEPTH || this.#stepsLeft < 0) return [{ parts, isWhole: false }];
    const choice = this.#branchesOf(parts);
    if (choice === undefined) return [{ parts, isWhole: !parts.some(hasChoice) }];
    const ones = choice.branches.flatMap((branch) => this.#plainOnes([...choice.rest, ...branch], depth + 1));
    // What keeps such branches apart is added when they are written, and may bring kinds and members of its own.
    return choice.keyword === 'oneOf' ? ones.map((one) => ({ ...one, isWhole: false })) : ones;
  }

  #branchesOf(parts: Conjunction): ReturnType<typeof branchesOf> {
    try {
      return branchesOf(parts, this.#document);
    } catch (thrown) {
      if (thrown instanceof NoOpposite) return undefined;
      throw thrown;
    }
  }

  /** `writer` is the plain conjunction that writes the value, where it is known: it bounds what can be there at all. */
  #isEmpty(conjunction: Conjunction, depth: number, writer?: Conjunction): boolean {
    this.#stepsLeft -= 1;
    if (this.#stepsLeft < 0 || depth > MAX_DEPTH) return false;
    const parts = joined(conjunction, this.#document);
    if (parts === undefined) return true;
    const choice = this.#branchesOf(parts);
    if (choice !== undefined) {
      return choice.branches.every((branch) => this.#isEmpty([...choice.rest, ...branch], depth + 1, writer));
    }
    const values = listedValues(parts);
    if (values !== undefined) return values.every((value) => evaluate(value, parts, this.#document) === false);
    const allowed = kindFacts(parts).kinds;
    const written = writer === undefined ? allowed : generatedKinds(writer);
    return allowed
      .filter((kind) => written.includes(kind))
      .every((kind) => this.#isKindEmpty(kind, parts, depth, writer));
  }

  #isKindEmpty(kind: Kind, parts: Conjunction, depth: number, writer: Conjunction | undefined): boolean {
    switch (kind) {
      case 'null':
      case 'boolean':
        return false;
      case 'number':
        return (
          isRangeEmpty(numberBounds(parts), kindFacts(parts).isIntegerOnly) ||
          (kindFacts(parts).isIntegerOnly && isWholeExcluded(parts))
        );
      case 'string':
        return isBetweenEmpty(parts, 'minLength', 'maxLength') || isPatternEmpty(parts);
      case 'array':
        return isBetweenEmpty(parts, 'minItems', 'maxItems') || this.#isItemEmpty(parts, depth);
      case 'object':
        return isBetweenEmpty(parts, 'minProperties', 'maxProperties') || this.#isMemberEmpty(parts, depth, writer);
    }
  }

  #isItemEmpty(parts: Conjunction, depth: number): boolean {
    const certain = Math.max(0, ...parts.map((part) => countOf(part, 'minItems') ?? 0));
    for (let index = 0; index < Math.min(certain, MAX_DEPTH); index += 1) {
      const schemas = parts.map((part) => itemSchema(part, index)).filter((schema) => schema !== undefined);
      if (this.#isEmpty(schemas, depth + 1)) return true;
    }
    return false;
  }

  #isMemberEmpty(parts: Conjunction, depth: number, writer: Conjunction | undefined): boolean {
    const required = new Set(requiredNames(parts));
    const isClosed = writer !== undefined && !hasFreeMembers(writer);
    const written = new Set(
      (writer ?? []).flatMap((part) => [
        ...Object.keys(objectOf(part, 'properties') ?? {}),
        ...(textListOf(part, 'required') ?? []),
      ]),
    );
    for (const name of required) {
      if (isClosed && !written.has(name)) return true;
      if (
        this.#isEmpty(
          parts.flatMap((part) => memberSchemas(part, name)),
          depth + 1,
        )
      )
        return true;
    }
    return false;
  }
}

function requiredNames(parts: Conjunction): readonly string[] {
  return parts.flatMap((part) => textListOf(part, 'required') ?? []);
}

/** Every list is known and no value is in two of them. */
function areDistinct(lists: readonly (readonly Json[] | undefined)[]): boolean {
  const seen = new Set<string>();
  for (const list of lists) {
    if (list === undefined) return false;
    const texts = list.map(canonicalText);
    if (texts.some((text) => seen.has(text))) return false;
    for (const text of texts) seen.add(text);
  }
  return true;
}

/** A combining keyword is left that could not be taken apart. */
function hasChoice(part: SchemaPart): boolean {
  return COMBINATORS.some((keyword) => keywordOf(part, keyword) !== undefined) && exclusionOf(part) === undefined;
}

function isBetweenEmpty(parts: Conjunction, low: string, high: string): boolean {
  const minimum = Math.max(0, ...parts.map((part) => countOf(part, low) ?? 0));
  const maximum = Math.min(...parts.map((part) => countOf(part, high) ?? Number.POSITIVE_INFINITY));
  return minimum > maximum;
}

function isPatternEmpty(parts: Conjunction): boolean {
  const patterns = parts.map((part) => keywordOf(part, 'pattern')).filter((pattern) => typeof pattern === 'string');
  const [first, ...others] = patterns;
  if (first === undefined || others.length === 0) return false;
  try {
    return isEmptyLanguage(
      others.reduce((all, pattern) => intersect(all, automatonOfPattern(pattern)), automatonOfPattern(first)),
    );
  } catch (thrown) {
    if (thrown instanceof PatternError || thrown instanceof AutomatonTooLarge) return false;
    throw thrown;
  }
}
