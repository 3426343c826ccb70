/**
 * A model of letters for tests without weights: every byte is a token, some words are tokens of their own, and a script
 * says which token follows. Its engine keeps cells as the native one does and fails a test that mixes them up: a copy's
 * books are there at once, its cells only with the next batch, and a file holds the cells.
 */
import { readFile, writeFile } from 'node:fs/promises';
import type { BatchEntry, DecodingEngine, Grammar, NativeSampler, Tokeniser } from '../binding.ts';

export const END_TOKEN = 256;
const START_TOKEN = 257;
const FIRST_WORD = 258;
const CONTROL_TEXTS = ['<|end|>', '<|start|>'];

/** Bytes, the two control tokens `<|end|>` and `<|start|>`, and the words. */
export function letterTokeniser(words: readonly string[] = []): Tokeniser {
  const spellings = [...CONTROL_TEXTS, ...words];
  const longestFirst = spellings
    .map((text, i) => ({ text, token: END_TOKEN + i }))
    .toSorted((a, b) => b.text.length - a.text.length);
  const isControl = (token: number): boolean => token === END_TOKEN || token === START_TOKEN;
  return {
    size: FIRST_WORD + words.length,
    kind: 'other',
    beginToken: START_TOKEN,
    endToken: END_TOKEN,
    prependsBeginToken: false,
    tokenise(text, controlTokens) {
      const tokens: number[] = [];
      for (let rest = text; rest !== ''; ) {
        const word = longestFirst.find(
          (entry) => rest.startsWith(entry.text) && (controlTokens || !isControl(entry.token)),
        );
        const [character = ''] = rest;
        tokens.push(...(word ? [word.token] : new TextEncoder().encode(character)));
        rest = rest.slice(word ? word.text.length : character.length);
      }
      return tokens;
    },
    detokenise: (token) => words[token - FIRST_WORD] ?? '',
    spelling: (token) =>
      token < END_TOKEN ? `<0x${token.toString(16).padStart(2, '0')}>` : (spellings[token - END_TOKEN] ?? ''),
    tokenKind: (token) => (token < END_TOKEN ? 'byte' : isControl(token) ? 'control' : 'text'),
    isNamed: isControl,
    isEndOfGeneration: (token) => token === END_TOKEN,
  };
}

/** Gives the token that follows these; it may depend on nothing else. */
export type Script = (tokens: readonly number[]) => number;

export interface ScriptedEngine extends DecodingEngine {
  /** Tokens of all batches so far. */
  readonly computed: { tokens: number };
  /** Samplers that were made and not disposed of. */
  readonly liveSamplers: { count: number };
  /** Files read and written. */
  readonly files: { loaded: number; saved: number };
  /** The next batch fails. */
  failNextBatch(): void;
}

export interface ScriptedEngineOptions {
  readonly sequences: number;
  readonly contextTokens: number;
  readonly script: Script;
  /** Files hold the cells of a window only. */
  readonly isWindowed?: boolean;
}

export function scriptedEngine(options: ScriptedEngineOptions): ScriptedEngine {
  const rows = (): number[][] => Array.from({ length: options.sequences }, () => []);
  /** What the books say that the sequences hold, and what they do hold, with remains behind it. */
  const [cells, contents] = [rows(), rows()];
  let copies: { readonly target: number; readonly source: number }[] = [];
  const makeCopies = (): void => {
    for (const { target, source } of copies) contents[target] = [...(contents[source] ?? [])];
    copies = [];
  };
  const checkedContents = (sequence: number): number[] => {
    const own = contents[sequence] ?? [];
    const said = cells[sequence] ?? [];
    own.length = Math.min(own.length, said.length);
    if (own.join() !== said.join()) throw new Error(`sequence ${sequence} holds other cells than its books say`);
    return own;
  };
  const files = { loaded: 0, saved: 0 };
  let places: number[][] = [];
  let isDecoding = false;
  let failsNext = false;
  const computed = { tokens: 0 };
  const liveSamplers = { count: 0 };
  const cellsOf = (sequence: number): number[] => {
    if (isDecoding) throw new Error('a sequence was touched while a batch was being computed');
    return cells[sequence] ?? [];
  };
  return {
    contextTokens: options.contextTokens,
    computed,
    liveSamplers,
    files,
    failNextBatch() {
      failsNext = true;
    },
    async decode(entries: readonly BatchEntry[]) {
      places = [];
      makeCopies();
      const found = entries.map(({ sequence, firstPosition, tokens, logitsAt }) => {
        const own = cellsOf(sequence);
        if (own.length !== firstPosition)
          throw new Error(`sequence ${sequence} holds ${own.length}, not ${firstPosition}`);
        checkedContents(sequence).push(...tokens);
        own.push(...tokens);
        if (own.length > options.contextTokens) throw new Error('the context is full');
        computed.tokens += tokens.length;
        return logitsAt.map((at) => places.push(own.slice(0, firstPosition + at + 1)) - 1);
      });
      isDecoding = true;
      await new Promise(setImmediate);
      isDecoding = false;
      if (failsNext) {
        failsNext = false;
        throw new Error('the batch failed');
      }
      return found;
    },
    newSampler() {
      liveSamplers.count++;
      return { applyConfig: () => {}, dispose: () => void liveSamplers.count-- } satisfies NativeSampler;
    },
    freeSampler: (sampler) => sampler.dispose(),
    async sample(place) {
      await new Promise(setImmediate);
      return options.script(places[place] ?? []);
    },
    topLogits: async (place) => new Map([[options.script(places[place] ?? []), 3]]),
    // The token that follows takes half of all there is.
    logitAndWeight: async (place, _sampler, token) => ({
      logit: options.script(places[place] ?? []) === token ? 3 : 1,
      weight: 2,
    }),
    trim(sequence, length) {
      const own = cellsOf(sequence);
      own.length = Math.min(own.length, length);
      return true;
    },
    clear(sequence) {
      cellsOf(sequence).length = 0;
    },
    async copy(target, source) {
      cells[target] = [...cellsOf(source)];
      copies.push({ target, source });
    },
    async saveState(file, sequence, tokens) {
      const own = (contents[sequence] ?? []).slice(0, cellsOf(sequence).length);
      const state = JSON.stringify({ tokens: [...tokens], cells: own });
      await writeFile(file, state);
      files.saved++;
      return state.length;
    },
    async loadState(file, sequence) {
      const state = JSON.parse(await readFile(file, 'utf8')) as { tokens: number[]; cells: number[] };
      files.loaded++;
      cells[sequence] = [...state.tokens];
      contents[sequence] = [...state.cells];
      const lastPosition = state.tokens.length - 1;
      return {
        tokens: Uint32Array.from(state.tokens),
        firstPosition: options.isWindowed ? Math.max(0, lastPosition - 8) : 0,
        lastPosition,
      };
    },
    compileGrammar(grammar: Grammar) {
      if (grammar.gbnf.includes('malformed')) throw new Error('Failed to parse grammar');
      return { __opaque: 'grammar' };
    },
    setThreads: () => {},
    openGrammar: () => ({ __opaque: 'grammar-state' }),
  };
}
