/**
 * The beginnings of calls that a family marks by texts of its own (`tool-formats.ts`), up to where the arguments begin.
 * All families are looked for at once; white space between marks is free, and the marks around all calls may be missing.
 */
import { TOOL_FORMATS, type ToolFormat } from './tool-formats.ts';

export interface MarkedOpening {
  readonly format: ToolFormat;
  readonly name: string;
}

export type MarkedStep =
  | { readonly kind: 'held' | 'failed' }
  /** `isBefore`: the character itself belongs to what follows. */
  | { readonly kind: 'opened'; readonly opening: MarkedOpening; readonly isBefore: boolean };

type Piece =
  | { readonly type: 'character'; readonly character: string }
  | { readonly type: 'space' }
  | { readonly type: 'digits' }
  | { readonly type: 'name' }
  /** White space, or the `<` of what follows. */
  | { readonly type: 'name-end' };

interface Pattern {
  readonly format: ToolFormat;
  readonly pieces: readonly Piece[];
}

const HELD: MarkedStep = { kind: 'held' };
const FAILED: MarkedStep = { kind: 'failed' };

/** Families whose calls are JSON from their name on are the business of the detector of JSON. */
function isMarked(format: ToolFormat): boolean {
  return !format.before.endsWith('{"name": "');
}

function patternsOf(format: ToolFormat): readonly Pattern[] {
  const marks = format.opening + format.before;
  const after = piecesOf(format.afterName.trimEnd());
  const tail: readonly Piece[] = after.length > 0 ? after : [{ type: 'name-end' }];
  const starts = [...marks.matchAll(/[<[]/g)].map(({ index }) => index);
  return starts.map((start) => ({
    format,
    pieces: [...piecesOf(marks.slice(start)), { type: 'name' }, ...tail],
  }));
}

function piecesOf(text: string): Piece[] {
  const pieces: Piece[] = [];
  for (const part of text.split(/(\{index\}|\s+|(?<=>)(?=<))/)) {
    if (part === '{index}') pieces.push({ type: 'digits' });
    else if (part.trim() === '') pieces.push({ type: 'space' });
    else for (const character of part) pieces.push({ type: 'character', character });
  }
  return pieces[0]?.type === 'space' && text.trimStart() === text ? pieces.slice(1) : pieces;
}

const PATTERNS = TOOL_FORMATS.filter(isMarked).flatMap(patternsOf);

interface Candidate {
  readonly pattern: Pattern;
  at: number;
  word: string;
}

/** Reads one candidate from its first character on. */
export class MarkedOpenings {
  readonly #names: readonly string[];
  readonly #spellings: readonly string[];
  readonly #patterns: readonly Pattern[];
  #candidates: Candidate[] = [];

  constructor(names: readonly string[], isWanted: (format: ToolFormat) => boolean) {
    this.#names = names;
    this.#spellings = names.map(comparable);
    this.#patterns = PATTERNS.filter(({ format }) => isWanted(format));
  }

  begin(): void {
    this.#candidates = this.#patterns.map((pattern) => ({ pattern, at: 0, word: '' }));
  }

  step(character: string): MarkedStep {
    if (this.#candidates.length === 0) return FAILED;
    const left: Candidate[] = [];
    for (const candidate of this.#candidates) {
      const step = this.#stepOf(candidate, character);
      if (step.kind === 'opened') return step;
      if (step.kind === 'held') left.push(candidate);
    }
    this.#candidates = left;
    return left.length > 0 ? HELD : FAILED;
  }

  #stepOf(candidate: Candidate, character: string): MarkedStep {
    const { pieces } = candidate.pattern;
    for (;;) {
      const piece = pieces[candidate.at];
      switch (piece?.type) {
        case 'character':
          if (piece.character !== character) return FAILED;
          candidate.at++;
          return candidate.at === pieces.length ? this.#opened(candidate, false) : HELD;
        case 'space':
          if (isSpace(character)) return HELD;
          candidate.at++;
          break;
        case 'digits':
          if (/\d/.test(character)) return HELD;
          candidate.at++;
          break;
        case 'name':
          if (this.#continuesName(candidate.word + character)) {
            candidate.word += character;
            return HELD;
          }
          if (this.#nameOf(candidate.word) === undefined) return FAILED;
          candidate.at++;
          break;
        case 'name-end':
          if (isSpace(character)) return this.#opened(candidate, false);
          return character === '<' ? this.#opened(candidate, true) : FAILED;
        default:
          return FAILED;
      }
    }
  }

  #opened({ pattern, word }: Candidate, isBefore: boolean): MarkedStep {
    return { kind: 'opened', opening: { format: pattern.format, name: this.#nameOf(word) ?? word }, isBefore };
  }

  #continuesName(word: string): boolean {
    const spelt = comparable(word);
    return this.#spellings.some((name) => name.startsWith(spelt));
  }

  /** The declared name: the very same, else the same with dots as underscores. */
  #nameOf(word: string): string | undefined {
    if (this.#names.includes(word)) return word;
    const index = this.#spellings.indexOf(comparable(word));
    return index < 0 ? undefined : this.#names[index];
  }
}

function comparable(name: string): string {
  return name.replaceAll('.', '_');
}

function isSpace(character: string): boolean {
  return character === ' ' || character === '\n' || character === '\r' || character === '\t';
}
