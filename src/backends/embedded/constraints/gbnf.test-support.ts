/**
 * For tests only: reads GBNF the way llama.cpp does, writes random texts of a grammar and tells whether a text belongs to
 * it. It is written against the grammar's text, so it also finds what our own printer gets wrong.
 */
import { randomFrom } from '../testing/random.ts';

type Node =
  | { readonly type: 'class'; readonly ranges: readonly (readonly [number, number])[] }
  | { readonly type: 'reference'; readonly name: string }
  | { readonly type: 'sequence'; readonly parts: readonly Node[] }
  | { readonly type: 'choice'; readonly options: readonly Node[] }
  | { readonly type: 'repeat'; readonly part: Node; readonly minimum: number; readonly maximum: number };

export interface Gbnf {
  readonly rules: ReadonlyMap<string, Node>;
}

/** llama.cpp refuses a repetition whose copies reach this. */
const MAX_REPETITION = 2_000;

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  grammar(): Gbnf {
    const rules = new Map<string, Node>();
    while (this.#at < this.#text.length) {
      const name = this.#take(/[A-Za-z0-9-]+/y, 'a rule name');
      if (rules.has(name)) throw new Error(`rule ${name} is defined twice`);
      this.#take(/ ::= /y, '::=');
      rules.set(name, this.#choice());
      this.#take(/\n/y, 'the end of the rule');
    }
    return { rules };
  }

  #take(expected: RegExp, what: string): string {
    expected.lastIndex = this.#at;
    const [found] = expected.exec(this.#text) ?? [];
    if (found === undefined) throw new Error(`expected ${what} at ${this.#text.slice(this.#at, this.#at + 40)}`);
    this.#at += found.length;
    return found;
  }

  #isNext(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #choice(): Node {
    const options = [this.#sequence()];
    while (this.#isNext(' | ')) options.push(this.#sequence());
    return { type: 'choice', options };
  }

  #sequence(): Node {
    const parts: Node[] = [];
    do parts.push(this.#repeated());
    while (!this.#text.startsWith(' |', this.#at) && this.#isNext(' '));
    return { type: 'sequence', parts };
  }

  #repeated(): Node {
    const part = this.#single();
    const next = this.#text[this.#at] ?? '';
    if ('*+?'.includes(next) && next !== '') {
      this.#at += 1;
      return {
        type: 'repeat',
        part,
        minimum: next === '+' ? 1 : 0,
        maximum: next === '?' ? 1 : Number.POSITIVE_INFINITY,
      };
    }
    if (next !== '{') return part;
    const [, least = '', comma, most] = /\{(\d+)(,?)(\d*)\}/.exec(this.#take(/\{\d+,?\d*\}/y, 'a repetition')) ?? [];
    const minimum = Number(least);
    const unbounded = most === '' ? Number.POSITIVE_INFINITY : Number(most);
    const maximum = comma === '' ? minimum : unbounded;
    if (Math.max(minimum, most === '' ? 0 : maximum) >= MAX_REPETITION) throw new Error('too many repetitions');
    if (part.type === 'choice') throw new Error('a repeated group is unrolled with all its rules: name it');
    return { type: 'repeat', part, minimum, maximum };
  }

  #single(): Node {
    if (this.#isNext('(')) {
      const inner = this.#choice();
      this.#take(/\)/y, ')');
      return inner;
    }
    if (this.#isNext('"')) {
      const parts: Node[] = [];
      while (!this.#isNext('"')) {
        const codePoint = this.#character();
        parts.push({ type: 'class', ranges: [[codePoint, codePoint]] });
      }
      return { type: 'sequence', parts };
    }
    if (this.#isNext('[')) {
      const ranges: (readonly [number, number])[] = [];
      while (!this.#isNext(']')) {
        const low = this.#character();
        ranges.push([low, this.#isNext('-') ? this.#character() : low]);
      }
      return { type: 'class', ranges };
    }
    return { type: 'reference', name: this.#take(/[A-Za-z0-9-]+/y, 'a symbol') };
  }

  #character(): number {
    if (!this.#isNext('\\')) return this.#take(/[^\x00-\x1f]/uy, 'a character').codePointAt(0) ?? 0;
    const escaped = this.#take(/x[0-9A-F]{2}|u[0-9A-F]{4}|U[0-9A-F]{8}|["\\]/y, 'an escape');
    return escaped.length === 1 ? (escaped.codePointAt(0) ?? 0) : Number.parseInt(escaped.slice(1), 16);
  }
}

export function parseGbnf(text: string): Gbnf {
  const grammar = new Reader(text).grammar();
  const check = (node: Node): void => {
    if (node.type === 'reference' && !grammar.rules.has(node.name)) throw new Error(`undefined rule ${node.name}`);
    for (const child of childrenOf(node)) check(child);
  };
  for (const rule of grammar.rules.values()) check(rule);
  return grammar;
}

function childrenOf(node: Node): readonly Node[] {
  switch (node.type) {
    case 'class':
    case 'reference':
      return [];
    case 'sequence':
      return node.parts;
    case 'choice':
      return node.options;
    case 'repeat':
      return [node.part];
  }
}

/** Whether the whole text belongs to the grammar. */
export function matchesGbnf(grammar: Gbnf, text: string): boolean {
  const characters = [...text].map((character) => character.codePointAt(0) ?? 0);
  const memo = new Map<Node, Map<number, ReadonlySet<number>>>();
  const ends = (node: Node, start: number): ReadonlySet<number> => {
    const byStart = memo.get(node) ?? new Map<number, ReadonlySet<number>>();
    memo.set(node, byStart);
    const known = byStart.get(start) ?? endsOf(node, start);
    byStart.set(start, known);
    return known;
  };
  const endsOf = (node: Node, start: number): ReadonlySet<number> => {
    const next = characters[start];
    switch (node.type) {
      case 'class':
        return new Set(
          next !== undefined && node.ranges.some(([low, high]) => low <= next && next <= high) ? [start + 1] : [],
        );
      case 'reference':
        return ends(ruleOf(grammar, node.name), start);
      case 'choice':
        return new Set(node.options.flatMap((option) => [...ends(option, start)]));
      case 'sequence':
        return node.parts.reduce<ReadonlySet<number>>((from, part) => step(part, from), new Set([start]));
      case 'repeat':
        return repeated(node, start);
    }
  };
  const step = (part: Node, from: ReadonlySet<number>) => new Set([...from].flatMap((start) => [...ends(part, start)]));
  const repeated = (node: Node & { type: 'repeat' }, start: number): ReadonlySet<number> => {
    let frontier: ReadonlySet<number> = new Set([start]);
    for (let count = 0; count < node.minimum; count += 1) frontier = step(node.part, frontier);
    const all = new Set(frontier);
    for (let count = node.minimum; count < node.maximum && frontier.size > 0; count += 1) {
      frontier = new Set([...step(node.part, frontier)].filter((end) => !all.has(end)));
      for (const end of frontier) all.add(end);
    }
    return all;
  };
  return ends(ruleOf(grammar, 'root'), 0).has(characters.length);
}

function ruleOf(grammar: Gbnf, name: string): Node {
  const rule = grammar.rules.get(name);
  if (rule === undefined) throw new Error(`undefined rule ${name}`);
  return rule;
}

/** Random texts of one grammar. Each walk takes free turns at first and heads for the nearest end after `steps`. */
export class GbnfWalker {
  readonly #grammar: Gbnf;
  readonly #costs = new Map<string, number>();

  constructor(grammar: Gbnf) {
    this.#grammar = grammar;
    for (let isChanged = true; isChanged; ) {
      isChanged = false;
      for (const [name, node] of grammar.rules) {
        const cost = this.#cost(node);
        if (cost < (this.#costs.get(name) ?? Number.POSITIVE_INFINITY)) {
          this.#costs.set(name, cost);
          isChanged = true;
        }
      }
    }
  }

  /** The length of the shortest text of a node. */
  #cost(node: Node): number {
    switch (node.type) {
      case 'class':
        return 1;
      case 'reference':
        return this.#costs.get(node.name) ?? Number.POSITIVE_INFINITY;
      case 'choice':
        return Math.min(...node.options.map((option) => this.#cost(option)));
      case 'sequence':
        return node.parts.reduce((sum, part) => sum + this.#cost(part), 0);
      case 'repeat':
        return node.minimum === 0 ? 0 : node.minimum * this.#cost(node.part);
    }
  }

  text(seed: number, steps = 120): string {
    const random = randomFrom(seed);
    let left = steps;
    let written = '';
    const pick = (count: number) => Math.floor(random() * count);
    const walk = (node: Node): void => {
      left -= 1;
      switch (node.type) {
        case 'class': {
          const [low, high] = node.ranges[pick(node.ranges.length)] ?? [0, 0];
          const offset = random() < 0.3 ? (high - low) * pick(2) : pick(high - low + 1);
          written += String.fromCodePoint(low + offset);
          return;
        }
        case 'reference':
          walk(ruleOf(this.#grammar, node.name));
          return;
        case 'sequence':
          node.parts.forEach(walk);
          return;
        case 'choice':
          walk(left > 0 ? this.#finite(node.options, pick) : this.#nearest(node.options));
          return;
        case 'repeat': {
          const extra = Math.min(node.maximum - node.minimum, random() < 0.1 ? 40 : 4);
          const count =
            left > 0 && this.#cost(node.part) < Number.POSITIVE_INFINITY
              ? node.minimum + pick(extra + 1)
              : node.minimum;
          for (let index = 0; index < count; index += 1) walk(node.part);
        }
      }
    };
    walk(ruleOf(this.#grammar, 'root'));
    return written;
  }

  #finite(options: readonly Node[], pick: (count: number) => number): Node {
    const finite = options.filter((option) => this.#cost(option) < Number.POSITIVE_INFINITY);
    return finite[pick(finite.length)] ?? this.#nearest(options);
  }

  #nearest(options: readonly Node[]): Node {
    const [first, ...others] = options;
    if (first === undefined) throw new Error('a choice of nothing');
    return others.reduce((best, option) => (this.#cost(option) < this.#cost(best) ? option : best), first);
  }
}
