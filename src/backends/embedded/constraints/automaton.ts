/**
 * Languages of texts as deterministic automata over code points: the common form of `pattern`, `format`, lengths and
 * lists of names, because they can be intersected and subtracted exactly, which grammars cannot.
 */
import type { CodePointRanges } from './grammar-expression.ts';

export interface Edge {
  readonly low: number;
  readonly high: number;
  readonly to: number;
}

export interface AutomatonState {
  readonly accepts: boolean;
  /** Sorted by `low` and apart; a character on no edge leads nowhere. */
  readonly edges: readonly Edge[];
}

/** State 0 is the first. Every state is reachable and can reach an accepting one, except a lone state 0. */
export interface Automaton {
  readonly states: readonly AutomatonState[];
}

/** Every character there is; surrogates are no characters. */
export const ANY_CHARACTER: CodePointRanges = [
  [0, 0xd7ff],
  [0xe000, 0x10ffff],
];

/** Enough for any sensible pattern; beyond it the grammar would be too large to decode with. */
export const MAX_STATES = 2_000;

/** The language needs more states than a grammar can hold. */
export class AutomatonTooLarge extends Error {}

const DEAD = -1;

/** All texts. */
export const ALL_TEXTS: Automaton = {
  states: [{ accepts: true, edges: ANY_CHARACTER.map(([low, high]) => ({ low, high, to: 0 })) }],
};

export function isEmptyLanguage(automaton: Automaton): boolean {
  return !automaton.states.some((state) => state.accepts);
}

export function accepts(automaton: Automaton, text: string): boolean {
  let at = 0;
  for (const character of text) {
    at = next(automaton, at, character.codePointAt(0) ?? 0);
    if (at === DEAD) return false;
  }
  return automaton.states[at]?.accepts === true;
}

function next(automaton: Automaton, state: number, codePoint: number): number {
  return automaton.states[state]?.edges.find((edge) => edge.low <= codePoint && codePoint <= edge.high)?.to ?? DEAD;
}

/** Texts of `minimum` to `maximum` characters. */
export function lengthsBetween(minimum: number, maximum: number): Automaton {
  const isBounded = maximum !== Number.POSITIVE_INFINITY;
  const last = isBounded ? maximum : minimum;
  if (last >= MAX_STATES) throw new AutomatonTooLarge();
  const states: AutomatonState[] = [];
  for (let length = 0; length <= last; length += 1) {
    const to = length < last ? length + 1 : length;
    const isEnd = length === last && isBounded;
    states.push({
      accepts: length >= minimum,
      edges: isEnd ? [] : ANY_CHARACTER.map(([low, high]) => ({ low, high, to })),
    });
  }
  return { states };
}

/** Exactly these texts. */
export function exactTexts(texts: Iterable<string>): Automaton {
  const states: { accepts: boolean; targets: Map<number, number> }[] = [{ accepts: false, targets: new Map() }];
  for (const text of texts) {
    let state = states[0];
    for (const character of text) {
      const codePoint = character.codePointAt(0) ?? 0;
      const to = state?.targets.get(codePoint) ?? states.length;
      if (to === states.length) states.push({ accepts: false, targets: new Map() });
      state?.targets.set(codePoint, to);
      state = states[to];
    }
    if (state !== undefined) state.accepts = true;
  }
  return {
    states: states.map((state) => ({
      accepts: state.accepts,
      edges: [...state.targets]
        .sort(([a], [b]) => a - b)
        .map(([codePoint, to]) => ({ low: codePoint, high: codePoint, to })),
    })),
  };
}

/** Texts in both. */
export function intersect(first: Automaton, second: Automaton): Automaton {
  return combine(first, second, (inFirst, inSecond) => inFirst && inSecond, false);
}

/** Texts in `first` that are not in `second`. */
export function subtract(first: Automaton, second: Automaton): Automaton {
  return combine(first, second, (inFirst, inSecond) => inFirst && !inSecond, true);
}

/** Texts in either. */
export function union(first: Automaton, second: Automaton): Automaton {
  return subtract(ALL_TEXTS, subtract(subtract(ALL_TEXTS, first), second));
}

function combine(
  first: Automaton,
  second: Automaton,
  isAccepted: (a: boolean, b: boolean) => boolean,
  outlivesSecond: boolean,
): Automaton {
  return explore<readonly [number, number]>({
    start: [0, 0],
    key: ([a, b]) => a * (second.states.length + 1) + b + 1,
    accepts: ([a, b]) => isAccepted(first.states[a]?.accepts === true, second.states[b]?.accepts === true),
    edges: ([a, b]) => {
      const edges: { low: number; high: number; to: readonly [number, number] }[] = [];
      for (const edge of first.states[a]?.edges ?? []) {
        for (const piece of covering(edge, second.states[b]?.edges ?? [])) {
          if (piece.to !== DEAD || outlivesSecond) edges.push({ ...piece, to: [edge.to, piece.to] });
        }
      }
      return edges;
    },
  });
}

/** `range` cut along `edges`, with the stretches between them leading nowhere. */
function covering(range: Edge, edges: readonly Edge[]): readonly Edge[] {
  const pieces: Edge[] = [];
  let from = range.low;
  for (const edge of edges) {
    if (edge.high < from) continue;
    if (edge.low > range.high) break;
    if (edge.low > from) pieces.push({ low: from, high: edge.low - 1, to: DEAD });
    const low = Math.max(edge.low, from);
    const high = Math.min(edge.high, range.high);
    pieces.push({ low, high, to: edge.to });
    from = high + 1;
  }
  if (from <= range.high) pieces.push({ low: from, high: range.high, to: DEAD });
  return pieces;
}

/** What a construction knows of its states, whatever they are. */
export interface Exploration<State> {
  readonly start: State;
  key(state: State): number | string;
  accepts(state: State): boolean;
  edges(state: State): readonly { readonly low: number; readonly high: number; readonly to: State }[];
}

/** Walks everything reachable from the start, then leaves out what cannot end and joins what is the same. */
export function explore<State>(exploration: Exploration<State>): Automaton {
  const indexes = new Map([[exploration.key(exploration.start), 0]]);
  const queue: State[] = [exploration.start];
  const states: AutomatonState[] = [];
  for (const state of queue) {
    const edges: Edge[] = [];
    for (const edge of exploration.edges(state)) {
      const key = exploration.key(edge.to);
      let to = indexes.get(key);
      if (to === undefined) {
        to = queue.length;
        if (to >= MAX_STATES * 4) throw new AutomatonTooLarge();
        indexes.set(key, to);
        queue.push(edge.to);
      }
      edges.push({ low: edge.low, high: edge.high, to });
    }
    states.push({ accepts: exploration.accepts(state), edges: edges.sort((a, b) => a.low - b.low) });
  }
  const result = minimized(trimmed({ states }));
  if (result.states.length > MAX_STATES) throw new AutomatonTooLarge();
  return result;
}

/** Without the states from which no text can end. */
function trimmed(automaton: Automaton): Automaton {
  const sources: number[][] = automaton.states.map(() => []);
  automaton.states.forEach((state, index) => {
    for (const edge of state.edges) sources[edge.to]?.push(index);
  });
  const live = new Set(automaton.states.flatMap((state, index) => (state.accepts ? [index] : [])));
  for (const index of live) for (const source of sources[index] ?? []) live.add(source);
  const kept = automaton.states.map((_, index) => index).filter((index) => index === 0 || live.has(index));
  return renumbered(automaton, kept, (target) => (live.has(target) ? target : DEAD));
}

/** Keeps `kept`, with edges led to the representative that `target` names, and neighbouring edges joined. */
function renumbered(automaton: Automaton, kept: readonly number[], target: (index: number) => number): Automaton {
  const numbers = new Map(kept.map((index, number) => [index, number]));
  const states = kept.map((index): AutomatonState => {
    const state = automaton.states[index];
    const edges: Edge[] = [];
    for (const edge of state?.edges ?? []) {
      const to = numbers.get(target(edge.to));
      const last = edges.at(-1);
      if (to === undefined) continue;
      if (last !== undefined && last.to === to && last.high + 1 === edge.low)
        edges[edges.length - 1] = { ...last, high: edge.high };
      else edges.push({ low: edge.low, high: edge.high, to });
    }
    return { accepts: state?.accepts === true, edges };
  });
  return { states };
}

/** Refining classes costs the square of the states in the worst case; long chains are left as they are. */
const MAX_MINIMIZED_STATES = 400;

/** Joins states that accept the same texts, by refining classes until they stay (Moore's algorithm). */
function minimized(automaton: Automaton): Automaton {
  const { states } = automaton;
  if (states.length > MAX_MINIMIZED_STATES) return automaton;
  let classes: readonly number[] = states.map((state) => (state.accepts ? 1 : 0));
  for (let count = new Set(classes).size; ; ) {
    const numbers = new Map<string, number>();
    const refined = states.map((state, index) => {
      const signature = `${classes[index]}:${signatureOf(state, classes)}`;
      const number = numbers.get(signature) ?? numbers.size;
      numbers.set(signature, number);
      return number;
    });
    classes = refined;
    if (numbers.size === count) break;
    count = numbers.size;
  }
  const representatives = new Map<number, number>();
  classes.forEach((number, index) => {
    if (!representatives.has(number)) representatives.set(number, index);
  });
  return renumbered(
    automaton,
    [...representatives.values()],
    (index) => representatives.get(classes[index] ?? 0) ?? DEAD,
  );
}

function signatureOf(state: AutomatonState, classes: readonly number[]): string {
  let signature = '';
  let before: { high: number; to: number | undefined } = { high: -2, to: undefined };
  for (const edge of state.edges) {
    const to = classes[edge.to];
    if (before.high + 1 === edge.low && before.to === to) signature = signature.slice(0, signature.lastIndexOf('-'));
    else signature += `${edge.low}`;
    signature += `-${edge.high}>${to};`;
    before = { high: edge.high, to };
  }
  return signature;
}

/** The length of the longest text, `Infinity` when there is none. */
export function longestLength(automaton: Automaton): number {
  const done = new Map<number, number>();
  const onPath = new Set<number>();
  const visit = (index: number): number => {
    if (onPath.has(index)) return Number.POSITIVE_INFINITY;
    const known = done.get(index);
    if (known !== undefined) return known;
    onPath.add(index);
    const lengths = (automaton.states[index]?.edges ?? []).map((edge) => 1 + visit(edge.to));
    onPath.delete(index);
    const length = Math.max(0, ...lengths);
    done.set(index, length);
    return length;
  };
  return visit(0);
}
