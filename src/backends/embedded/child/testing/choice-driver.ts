/** Drives one choice decoder with texts as its sampled tokens, for tests without an engine. */
import type { Piece, Stage } from '../../engine-protocol.ts';
import type { GrammarState } from '../binding.ts';
import {
  ChoiceDecoder,
  type ChoicePlan,
  type Move,
  type SampledFacts,
  type SamplingWishes,
} from '../choice-decoder.ts';
import { ModelVocabulary } from '../vocabulary.ts';
import { END_TOKEN, letterTokeniser } from './letter-model.ts';

export interface ChoiceRun {
  readonly pieces: readonly Piece[];
  /** What was fed, as text: sampled and forced. */
  readonly fed: string;
  readonly end: Extract<Move, { kind: 'end' }> | undefined;
  readonly counts: { readonly output: number; readonly reasoning: number };
  /** The wishes before each sampled token, and after the last. */
  readonly wishes: readonly SamplingWishes[];
  /** The grammars that were opened, in order. */
  readonly grammars: readonly string[];
}

export interface ChoiceSetting {
  readonly plan?: Partial<ChoicePlan>;
  readonly stages: readonly Stage[];
  readonly promptTokens?: number;
  readonly contextTokens?: number;
  readonly facts?: (text: string) => SampledFacts;
}

/** Samples these texts, each one token; null is the end of generation. Stops when the choice ends. */
export function runChoice(setting: ChoiceSetting, sampled: readonly (string | null | Uint8Array)[]): ChoiceRun {
  const words = sampled.filter((text) => typeof text === 'string' && text.length > 1) as string[];
  const tokeniser = letterTokeniser(words);
  const vocabulary = new ModelVocabulary(tokeniser);
  const grammars: string[] = [];
  const decoder = new ChoiceDecoder(
    { stages: setting.stages, stopTexts: [], stopTokens: [], ...setting.plan },
    {
      vocabulary,
      openGrammar: ({ gbnf }) => {
        grammars.push(gbnf);
        return { __opaque: 'grammar-state' } satisfies GrammarState;
      },
      promptTokens: setting.promptTokens ?? 10,
      contextTokens: setting.contextTokens ?? 10_000,
    },
  );
  const wishes: SamplingWishes[] = [];
  const fed: number[] = [];
  let end: ChoiceRun['end'];
  const follow = (move: Move): void => {
    if (move.kind === 'feed') fed.push(...move.tokens);
    else end = move;
  };
  follow(decoder.start());
  for (const text of sampled) {
    wishes.push(decoder.wishes);
    if (end !== undefined) break;
    const tokens = text === null ? [END_TOKEN] : typeof text === 'string' ? tokeniser.tokenise(text, true) : [...text];
    const [token] = tokens;
    if (token === undefined || tokens.length !== 1) throw new Error(`not one token: ${String(text)}`);
    follow(decoder.push(token, typeof text === 'string' ? setting.facts?.(text) : undefined));
  }
  wishes.push(decoder.wishes);
  return { pieces: decoder.takePieces(), fed: spell(vocabulary, fed), end, counts: decoder.counts, wishes, grammars };
}

function spell(vocabulary: ModelVocabulary, tokens: readonly number[]): string {
  const decoder = new TextDecoder();
  const text = (token: number): string =>
    vocabulary.controlText(token) ?? decoder.decode(vocabulary.bytes(token), { stream: true });
  return tokens.map(text).join('');
}
