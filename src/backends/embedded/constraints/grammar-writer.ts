/**
 * Collects the rules of one grammar: gives them names, shares equal ones, drops what can never end or is never reached,
 * and prints GBNF.
 */
import {
  childrenOf,
  choice,
  EMPTY,
  type Expression,
  isNever,
  NEVER,
  optional,
  printExpression,
  reference,
  repeat,
  sequence,
} from './grammar-expression.ts';
import { LONGEST_ANSWER } from './schema-part.ts';

/** The parser unrolls a repetition; above this many copies we build it of blocks. */
const MAX_UNROLLED_COPIES = 256;

export class GrammarWriter {
  readonly #bodies = new Map<string, Expression>();
  readonly #namesByText = new Map<string, string>();
  readonly #bySubject = new Map<object, Expression>();
  readonly #nextSuffix = new Map<string, number>();

  constructor() {
    this.#nextSuffix.set('root', 2);
  }

  /** A fresh name for a rule that is defined later, or for one that refers to itself. */
  reserve(hint: string): string {
    const base =
      hint
        .replace(/[^A-Za-z0-9]+/g, '-')
        .slice(0, 40)
        .replace(/^-+|-+$/g, '') || 'rule';
    const suffix = this.#nextSuffix.get(base);
    this.#nextSuffix.set(base, (suffix ?? 1) + 1);
    const name = suffix === undefined ? base : `${base}-${suffix}`;
    // A caller's own key may look like a numbered name: ask again until it is free.
    if (suffix !== undefined && this.#nextSuffix.has(name)) return this.reserve(hint);
    this.#nextSuffix.set(name, 2);
    return name;
  }

  define(name: string, body: Expression): Expression {
    this.#bodies.set(name, body);
    return reference(name);
  }

  /** What `make` writes for `subject`, once a grammar. */
  once(subject: object, make: () => Expression): Expression {
    const known = this.#bySubject.get(subject) ?? make();
    this.#bySubject.set(subject, known);
    return known;
  }

  /** A reference to a rule with this body: an old one where the text is the same, otherwise a new one. */
  rule(hint: string, body: Expression): Expression {
    if (isNever(body) || body.type === 'reference') return body;
    const text = printExpression(body);
    const known = this.#namesByText.get(text);
    if (known !== undefined) return reference(known);
    const name = this.reserve(hint);
    this.#namesByText.set(text, name);
    return this.define(name, body);
  }

  /** `part` between `minimum` and `maximum` times, within what the parser of llama.cpp can hold. */
  repeat(hint: string, part: Expression, minimum: number, maximum: number): Expression {
    if (isNever(part) || maximum <= 1) return repeat(part, minimum, maximum);
    const single = part.type === 'sequence' || part.type === 'choice' ? this.rule(hint, part) : part;
    if (maximum === Number.POSITIVE_INFINITY) {
      return sequence(this.#exactly(hint, single, minimum), repeat(single, 0, maximum));
    }
    // A bound that no answer reaches is as good as any above it.
    const bounded = Math.min(maximum, LONGEST_ANSWER);
    if (bounded <= MAX_UNROLLED_COPIES) return repeat(single, minimum, bounded);
    return sequence(this.#exactly(hint, single, minimum), this.#atMost(hint, single, bounded - minimum));
  }

  #exactly(hint: string, part: Expression, count: number): Expression {
    if (count <= MAX_UNROLLED_COPIES) return repeat(part, count, count);
    const size = Math.ceil(Math.sqrt(count));
    const block = this.rule(`${hint}-block`, repeat(part, size, size));
    return sequence(
      repeat(block, Math.floor(count / size), Math.floor(count / size)),
      repeat(part, count % size, count % size),
    );
  }

  /** Whole blocks, then less than a block: two readings are alive at any character, never more. */
  #atMost(hint: string, part: Expression, count: number): Expression {
    if (count <= MAX_UNROLLED_COPIES) return repeat(part, 0, count);
    const size = Math.ceil(Math.sqrt(count));
    const blocks = Math.floor(count / size);
    const block = this.rule(`${hint}-block`, repeat(part, size, size));
    const rest = repeat(part, 0, size - 1);
    const afterAll = repeat(part, 0, count % size);
    return choice(sequence(repeat(block, 0, blocks - 1), rest), sequence(repeat(block, blocks, blocks), afterAll));
  }

  /** The grammar's text, or undefined when nothing finite can match. */
  print(root: Expression): string | undefined {
    const bodies = new Map(this.#bodies).set('root', this.#opened(root));
    const pruned = pruneEndless(bodies);
    const body = pruned.get('root');
    if (body === undefined || isNever(body)) return undefined;
    const lines: string[] = [];
    for (const name of reachableFrom('root', pruned).names) {
      lines.push(`${name} ::= ${printExpression(pruned.get(name) ?? NEVER)}`);
    }
    return `${lines.join('\n')}\n`;
  }

  /** What stands in the root's rule, instead of a rule that only refers to another. */
  #opened(root: Expression): Expression {
    const body = root.type === 'reference' ? this.#bodies.get(root.name) : undefined;
    if (root.type !== 'reference' || body === undefined) return root;
    // A rule that is needed again would then stand there twice.
    return reachableFrom(root.name, this.#bodies).isRecursive ? root : body;
  }
}

/** Takes away every option that cannot come to an end, such as a required member that needs the object it is in. */
function pruneEndless(bodies: ReadonlyMap<string, Expression>): ReadonlyMap<string, Expression> {
  const ending = endingRules(bodies);
  if (ending.size === bodies.size) return bodies;
  const prune = (expression: Expression): Expression => {
    switch (expression.type) {
      case 'literal':
      case 'class':
        return expression;
      case 'reference':
        return ending.has(expression.name) ? expression : NEVER;
      case 'sequence':
        return sequence(...expression.parts.map(prune));
      case 'choice':
        return choice(...expression.options.map(prune));
      case 'repeat': {
        const part = prune(expression.part);
        if (isNever(part)) return expression.minimum === 0 ? EMPTY : NEVER;
        return expression.maximum === 1 ? optional(part) : repeat(part, expression.minimum, expression.maximum);
      }
    }
  };
  return new Map([...bodies].filter(([name]) => ending.has(name)).map(([name, body]) => [name, prune(body)]));
}

function endingRules(bodies: ReadonlyMap<string, Expression>): ReadonlySet<string> {
  const ending = new Set<string>();
  const ends = (expression: Expression): boolean => {
    if (expression.type === 'reference') return ending.has(expression.name);
    if (expression.type === 'choice') return expression.options.some(ends);
    if (expression.type === 'repeat' && expression.minimum === 0) return true;
    return childrenOf(expression).every(ends);
  };
  for (let before = -1; before !== ending.size; ) {
    before = ending.size;
    for (const [name, body] of bodies) if (!ending.has(name) && ends(body)) ending.add(name);
  }
  return ending;
}

/** Names in the order in which a reader meets them, and whether they lead back to the first. */
function reachableFrom(
  first: string,
  bodies: ReadonlyMap<string, Expression>,
): { readonly names: readonly string[]; readonly isRecursive: boolean } {
  const names = new Set([first]);
  let isRecursive = false;
  const visit = (expression: Expression): void => {
    if (expression.type === 'reference') {
      if (expression.name === first) isRecursive = true;
      names.add(expression.name);
    }
    for (const child of childrenOf(expression)) visit(child);
  };
  // A set may grow while it is walked: names met on the way are visited in their turn.
  for (const name of names) visit(bodies.get(name) ?? NEVER);
  return { names: [...names], isRecursive };
}
