/**
 * Regular expressions of `pattern` and `patternProperties`: the part of ECMA-262 (with the `u` flag, as JSON Schema Core,
 * 6.4 recommends) that describes a regular language. What looks around or back is refused, except look-aheads at the very
 * start, which are intersections: `^(?=.*[0-9])(?!.* ).{8,}$`.
 */
import {
  ALL_TEXTS,
  ANY_CHARACTER,
  type Automaton,
  AutomatonTooLarge,
  explore,
  intersect,
  subtract,
} from './automaton.ts';
import type { CodePointRanges } from './grammar-expression.ts';
import { type PatternNode, PatternReader } from './pattern-reader.ts';

interface NfaState {
  readonly free: number[];
  /** Followed only before the first character. */
  readonly atStart: number[];
  /** Followed only after the last character. */
  readonly atEnd: number[];
  readonly edges: { readonly ranges: CodePointRanges; readonly to: number }[];
}

const MAX_NFA_STATES = 10_000;
/** States in all sets together: what making a pattern deterministic may cost. */
const MAX_SET_STATES = 600_000;
const MAX_CACHED = 200;
const cache = new Map<string, Automaton>();

/** The texts that `pattern` finds a match in. Throws `PatternError` or `AutomatonTooLarge`. */
export function automatonOfPattern(pattern: string): Automaton {
  const known = cache.get(pattern);
  if (known !== undefined) return known;
  const { node, lookaheads } = new PatternReader(pattern).pattern();
  let automaton = search(node);
  for (const { isNegative, node: ahead } of lookaheads) {
    const found = search({ type: 'sequence', parts: [{ type: 'start' }, ahead] });
    automaton = isNegative ? subtract(automaton, found) : intersect(automaton, found);
  }
  const [oldest] = cache.keys();
  if (cache.size >= MAX_CACHED && oldest !== undefined) cache.delete(oldest);
  cache.set(pattern, automaton);
  return automaton;
}

/** Texts with a match of `node` anywhere. */
function search(node: PatternNode): Automaton {
  if (node.type === 'sequence' && node.parts.length === 0) return ALL_TEXTS;
  const nfa = new Nfa();
  const before = nfa.add();
  const after = nfa.add();
  nfa.edge(before, ANY_CHARACTER, before);
  nfa.edge(after, ANY_CHARACTER, after);
  nfa.build(node, before, after);
  return nfa.determinized(before, after);
}

/** Thompson's construction, with edges that hold only at an end of the text. */
class Nfa {
  readonly #states: NfaState[] = [];
  #setStatesLeft = MAX_SET_STATES;

  add(): number {
    if (this.#states.length >= MAX_NFA_STATES) throw new AutomatonTooLarge();
    this.#states.push({ free: [], atStart: [], atEnd: [], edges: [] });
    return this.#states.length - 1;
  }

  edge(from: number, ranges: CodePointRanges, to: number): void {
    this.#states[from]?.edges.push({ ranges, to });
  }

  build(node: PatternNode, from: number, to: number): void {
    switch (node.type) {
      case 'set':
        this.edge(from, node.ranges, to);
        return;
      case 'start':
        this.#states[from]?.atStart.push(to);
        return;
      case 'end':
        this.#states[from]?.atEnd.push(to);
        return;
      case 'either':
        for (const option of node.options) this.build(option, from, to);
        return;
      case 'sequence': {
        let at = from;
        for (const part of node.parts) {
          const then = this.add();
          this.build(part, at, then);
          at = then;
        }
        this.#states[at]?.free.push(to);
        return;
      }
      case 'repeat':
        this.#repeat(node.part, node.minimum, node.maximum, from, to);
    }
  }

  #repeat(part: PatternNode, minimum: number, maximum: number, from: number, to: number): void {
    let at = this.add();
    this.#states[from]?.free.push(at);
    const copies = maximum === Number.POSITIVE_INFINITY ? minimum : maximum;
    for (let count = 0; count < copies; count += 1) {
      if (count >= minimum) this.#states[at]?.free.push(to);
      const then = this.add();
      this.build(part, at, then);
      at = then;
    }
    if (maximum === Number.POSITIVE_INFINITY) {
      const again = this.add();
      this.build(part, at, again);
      this.#states[again]?.free.push(at);
    }
    this.#states[at]?.free.push(to);
  }

  determinized(start: number, final: number): Automaton {
    return explore<{ readonly states: readonly number[]; readonly isStart: boolean }>({
      start: { states: this.#closure([start], final, true), isStart: true },
      key: ({ states, isStart }) => `${isStart} ${states.join()}`,
      // In the empty text both ends are at the same place.
      accepts: ({ states, isStart }) =>
        this.#follow(states, (state) => [...state.free, ...state.atEnd, ...(isStart ? state.atStart : [])]).has(final),
      edges: ({ states }) =>
        this.#steps(states).map(({ low, high, to }) => ({
          low,
          high,
          to: { states: this.#closure(to, final, false), isStart: false },
        })),
    });
  }

  #closure(states: Iterable<number>, final: number, isStart: boolean): readonly number[] {
    const closed = this.#follow(states, (state) => (isStart ? [...state.free, ...state.atStart] : state.free));
    this.#setStatesLeft -= closed.size;
    if (this.#setStatesLeft < 0) throw new AutomatonTooLarge();
    // A match has been found: nothing that follows can undo it.
    return closed.has(final) ? [final] : [...closed].sort((a, b) => a - b);
  }

  #follow(states: Iterable<number>, onward: (state: NfaState) => readonly number[]): ReadonlySet<number> {
    const reached = new Set(states);
    for (const index of reached) {
      const state = this.#states[index];
      if (state !== undefined) for (const to of onward(state)) reached.add(to);
    }
    return reached;
  }

  /** Where a set of states leads, on stretches of characters that all lead to the same set. */
  #steps(
    set: readonly number[],
  ): readonly { readonly low: number; readonly high: number; readonly to: readonly number[] }[] {
    const edges = set.flatMap((index) =>
      (this.#states[index]?.edges ?? []).flatMap(({ ranges, to }) => ranges.map(([low, high]) => ({ low, high, to }))),
    );
    const cuts = [...new Set(edges.flatMap(({ low, high }) => [low, high + 1]))].sort((a, b) => a - b);
    const steps: { low: number; high: number; to: readonly number[] }[] = [];
    cuts.forEach((low, index) => {
      const high = (cuts[index + 1] ?? low) - 1;
      const to = new Set(edges.filter((edge) => edge.low <= low && high <= edge.high).map((edge) => edge.to));
      if (to.size > 0 && high >= low) steps.push({ low, high, to: [...to] });
    });
    return steps;
  }
}
