/**
 * A grammar and how far a text has come in it. It can write what is left as a grammar of its own, because llama-server
 * holds a completion to a grammar only from its first token: where one completion takes over from another in the middle
 * of a JSON text (to steer it to a close, to change a bias), the new one is held to what is left.
 *
 * The place in the grammar is a set of continuations: what has to come, as a list that ends with the end of the text.
 * Reading a character keeps those whose first class takes it.
 */
import type { Grammar, GrammarState } from '../child/binding.ts';
import { type GrammarNode, type GrammarRules, readGrammar } from './grammar-rules.ts';

/** What has to come, then `next`; undefined is the end of the text. Equal ones are one object. */
interface Continuation {
  readonly id: number;
  readonly node: GrammarNode;
  readonly next: Continuation | undefined;
}

/** Past this many alternatives at one place the grammar is not followed any further. */
const MAX_PLACES = 2_000;

/** Bytes of UTF-8. */
const LONGEST_CHARACTER = 4;

/** Rules by their text: the same schema comes with every call of an application. */
const MAX_KNOWN = 128;
const known = new Map<string, GrammarRules>();

/** Throws on a malformed grammar. */
export function rulesOf(gbnf: string): GrammarRules {
  const rules = known.get(gbnf) ?? readGrammar(gbnf);
  known.delete(gbnf);
  known.set(gbnf, rules);
  const [oldest] = known.keys();
  if (known.size > MAX_KNOWN && oldest !== undefined) known.delete(oldest);
  return rules;
}

export class HeldGrammar implements GrammarState {
  /** The decoder only hands states on; this is their mark. */
  readonly __opaque = 'grammar-state';
  readonly #rules: GrammarRules;
  readonly #interned = new Map<string, Continuation>();
  readonly #nodeIds = new Map<GrammarNode, number>();
  readonly #rests = new Map<GrammarNode, GrammarNode>();
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  /** The last bytes that came: what an unfinished character may begin in. */
  #tail: readonly number[] = [];
  #unread = '';
  /** Each begins with a class. */
  #places: ReadonlySet<Continuation> = new Set();
  #mayEnd = false;
  #isLost = false;

  constructor({ gbnf, root }: Grammar) {
    this.#rules = rulesOf(gbnf);
    const node = this.#rules.get(root);
    if (node === undefined) throw new Error(`malformed grammar: no rule ${root}`);
    this.#stand([{ node, next: undefined }]);
  }

  /** Notes what a token said. It is looked at only when somebody asks for what is left. */
  push(bytes: Uint8Array): void {
    this.#unread += this.#decoder.decode(bytes, { stream: true });
    this.#tail = [...this.#tail, ...bytes].slice(-LONGEST_CHARACTER);
  }

  /** False in the middle of a character, and where the text is not of this grammar. */
  get canBeWritten(): boolean {
    this.#read();
    return !endsInsideCharacter(this.#tail) && !this.#isLost;
  }

  /** Nothing but the end can follow. */
  get isWhole(): boolean {
    return this.canBeWritten && this.#mayEnd && this.#places.size === 0;
  }

  /** What is left, as a grammar whose root is `root`. */
  write(): string {
    this.#read();
    return new GrammarWriter(this.#rules).write(this.#places, this.#mayEnd);
  }

  #read(): void {
    const text = this.#unread;
    this.#unread = '';
    for (const character of text) {
      const codePoint = character.codePointAt(0) ?? 0;
      const taken = [...this.#places].filter(({ node }) => takes(node, codePoint));
      this.#isLost ||= taken.length === 0 || this.#places.size > MAX_PLACES;
      if (this.#isLost) return;
      const ends = taken.some(({ next }) => next === undefined);
      this.#stand(
        taken.flatMap(({ next }) => (next === undefined ? [] : [next])),
        ends,
      );
    }
  }

  #stand(from: readonly Pick<Continuation, 'node' | 'next'>[], mayEnd = false): void {
    const places = new Set<Continuation>();
    const seen = new Set<number>();
    let ends = mayEnd;
    const goOn = (next: Continuation | undefined): void => {
      if (next === undefined) ends = true;
      else visit(next.node, next.next);
    };
    const visit = (node: GrammarNode, next: Continuation | undefined): void => {
      const here = this.#intern(node, next);
      if (seen.has(here.id)) return;
      seen.add(here.id);
      switch (node.type) {
        case 'class':
          places.add(here);
          return;
        case 'rule':
          visit(this.#rule(node.name), next);
          return;
        case 'choice':
          for (const option of node.options) visit(option, next);
          return;
        case 'sequence': {
          const [first, ...rest] = node.parts;
          if (first === undefined) goOn(next);
          else visit(first, rest.length === 0 ? next : this.#intern(this.#rest(node, rest), next));
          return;
        }
        case 'repeat': {
          if (node.minimum === 0) goOn(next);
          if (node.maximum === 0) return;
          const again = this.#again(node);
          visit(node.part, again === undefined ? next : this.#intern(again, next));
        }
      }
    };
    for (const { node, next } of from) visit(node, next);
    this.#places = places;
    this.#mayEnd = ends;
  }

  /** One object for the rest of one sequence, so that equal continuations are found to be equal. */
  #rest(node: GrammarNode, parts: readonly GrammarNode[]): GrammarNode {
    const rest = this.#rests.get(node) ?? { type: 'sequence' as const, parts };
    this.#rests.set(node, rest);
    return rest;
  }

  /** What is left of a repetition after one of its parts. */
  #again(node: Extract<GrammarNode, { type: 'repeat' }>): GrammarNode | undefined {
    if (node.maximum === 1) return undefined;
    if (node.minimum === 0 && node.maximum === Number.POSITIVE_INFINITY) return node;
    const again = this.#rests.get(node) ?? {
      ...node,
      minimum: Math.max(0, node.minimum - 1),
      maximum: node.maximum - 1,
    };
    this.#rests.set(node, again);
    return again;
  }

  #rule(name: string): GrammarNode {
    const node = this.#rules.get(name);
    if (node === undefined) throw new Error(`malformed grammar: no rule ${name}`);
    return node;
  }

  #intern(node: GrammarNode, next: Continuation | undefined): Continuation {
    const nodeId = this.#nodeIds.get(node) ?? this.#nodeIds.size;
    this.#nodeIds.set(node, nodeId);
    const key = `${nodeId} ${next?.id ?? ''}`;
    const found = this.#interned.get(key) ?? { id: this.#interned.size, node, next };
    this.#interned.set(key, found);
    return found;
  }
}

function takes(node: GrammarNode, codePoint: number): boolean {
  if (node.type !== 'class') return false;
  const isNamed = node.ranges.some(([low, high]) => low <= codePoint && codePoint <= high);
  return isNamed !== node.isNegated;
}

function endsInsideCharacter(tail: readonly number[]): boolean {
  for (let back = 1; back <= tail.length; back++) {
    const byte = tail[tail.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back;
  }
  return false;
}

/** Writes rules under names of its own, so that the new `root` meets no old one. */
class GrammarWriter {
  readonly #rules: GrammarRules;
  readonly #lines: string[] = [];
  readonly #written = new Set<string>();
  readonly #partNames = new Map<GrammarNode, string>();

  constructor(rules: GrammarRules) {
    this.#rules = rules;
  }

  write(places: ReadonlySet<Continuation>, mayEnd: boolean): string {
    const options = [...places].map((place) => this.#continuation(place));
    if (mayEnd) options.push('""');
    return [`root ::= ${options.join(' | ')}`, ...this.#lines, ''].join('\n');
  }

  /** One rule for each continuation, so that what several places share is written once. */
  #continuation(place: Continuation): string {
    for (let at: Continuation | undefined = place; at !== undefined; at = at.next) {
      const name = `then-${at.id}`;
      if (this.#written.has(name)) break;
      this.#written.add(name);
      const next = at.next === undefined ? '' : ` then-${at.next.id}`;
      this.#lines.push(`${name} ::= ${this.#node(at.node)}${next}`);
    }
    return `then-${place.id}`;
  }

  #rule(name: string): string {
    const written = `rule-${name}`;
    if (this.#written.has(written)) return written;
    this.#written.add(written);
    const node = this.#rules.get(name);
    const place = this.#lines.push('') - 1;
    this.#lines[place] = `${written} ::= ${node === undefined ? '""' : this.#options(node)}`;
    return written;
  }

  #options(node: GrammarNode): string {
    return node.type === 'choice' ? node.options.map((option) => this.#node(option)).join(' | ') : this.#node(node);
  }

  #node(node: GrammarNode): string {
    switch (node.type) {
      case 'class':
        return classText(node);
      case 'rule':
        return this.#rule(node.name);
      case 'choice':
        return `(${this.#options(node)})`;
      case 'sequence':
        return node.parts.length === 0 ? '""' : node.parts.map((part) => this.#node(part)).join(' ');
      case 'repeat':
        return `${this.#repeated(node.part)}${quantifier(node.minimum, node.maximum)}`;
    }
  }

  /** What is repeated gets a name: llama.cpp unrolls a repeated group with all the rules it makes of it. */
  #repeated(part: GrammarNode): string {
    if (part.type === 'class' || part.type === 'rule') return this.#node(part);
    const known = this.#partNames.get(part);
    if (known !== undefined) return known;
    const name = `part-${this.#partNames.size}`;
    this.#partNames.set(part, name);
    this.#lines.push(`${name} ::= ${this.#options(part)}`);
    return name;
  }
}

function quantifier(minimum: number, maximum: number): string {
  if (maximum === Number.POSITIVE_INFINITY) return minimum === 0 ? '*' : minimum === 1 ? '+' : `{${minimum},}`;
  return minimum === 0 && maximum === 1 ? '?' : `{${minimum},${maximum}}`;
}

function classText({ isNegated, ranges }: Extract<GrammarNode, { type: 'class' }>): string {
  const [only] = ranges;
  if (!isNegated && ranges.length === 1 && only && only[0] === only[1]) return `"${escaped(only[0], '"\\')}"`;
  const text = ranges.map(([low, high]) =>
    low === high ? escaped(low, '[]\\^-') : `${escaped(low, '[]\\^-')}-${escaped(high, '[]\\^-')}`,
  );
  // A class that excludes nothing has no other spelling that every version reads.
  return isNegated && ranges.length === 0 ? '[\\x00-\\U0010FFFF]' : `[${isNegated ? '^' : ''}${text.join('')}]`;
}

function escaped(codePoint: number, special: string): string {
  const character = String.fromCodePoint(codePoint);
  if (codePoint > 0x1f && codePoint < 0x7f && !special.includes(character)) return character;
  if (codePoint <= 0xff) return `\\x${codePoint.toString(16).padStart(2, '0').toUpperCase()}`;
  return codePoint <= 0xffff
    ? `\\u${codePoint.toString(16).padStart(4, '0').toUpperCase()}`
    : `\\U${codePoint.toString(16).padStart(8, '0').toUpperCase()}`;
}
