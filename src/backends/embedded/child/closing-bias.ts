/**
 * A JSON text that nears a limit is closed in time: tokens that close get so strong a bias that the model takes one as
 * soon as the grammar lets it. Required keys are still written, because the grammar lets nothing close before them.
 */
import type { ModelVocabulary } from './vocabulary.ts';

/** Added to logits by token. */
export type TokenBias = ReadonlyMap<number, number>;

export interface ClosingBias {
  /** Inside a string: its closing quote, with or without brackets after it. */
  readonly string: TokenBias;
  /** Outside: brackets first; then what ends a value or begins a short one. */
  readonly value: TokenBias;
}

/** Far above any difference between logits, so that it decides; not infinite, so that closers still compete by logit. */
const CLOSE = 60;
/** Ends a number or a key where nothing can close yet; below CLOSE, so that it never wins against a bracket. */
const SEPARATE = 30;
/** Leads on where a format lets no quote close yet: past the name of a mail box. */
const GO_ON = 45;
/** Begins a key or a value rather than one more blank. */
const BEGIN = 15;

/** Reads the vocabulary once. */
export function closingBiasOf(vocabulary: ModelVocabulary): ClosingBias {
  const string = new Map<number, number>();
  const value = new Map<number, number>();
  const tokens = vocabulary.tokensWhere((text) => CANDIDATE.test(text));
  const decoder = new TextDecoder();
  for (const token of tokens) {
    const text = decoder.decode(vocabulary.bytes(token));
    if (/^"[\]}]*$/.test(text)) string.set(token, CLOSE);
    else if (text === '@') string.set(token, GO_ON);
    else if (text === '.') string.set(token, SEPARATE);
    if (/^[ \n]?[\]}]+$/.test(text)) value.set(token, CLOSE);
    else if (/^[,:]$/.test(text)) value.set(token, SEPARATE);
    else if (/^ ?(?:"|""|\{\}|\[\])$/.test(text)) value.set(token, BEGIN);
  }
  return { string, value };
}

const CANDIDATE = /^(?:[ \n]?["[\]{},:]+|[@.])$/;
