/**
 * One choice on llama-server, from its first token to its end: a row of completions on one slot.
 *
 * `ChoiceDecoder` judges every token, as it does in the other engine, so stages, stop texts, calls, limits and counts
 * are the same. While it asks for nothing but the token that was sampled, a completion goes on. Where it wants anything
 * else (forced text, half of a token, another grammar, another bias), the completion is left and the next one begins
 * with the tokens as they should be: the slot has all but the last few of them, so that costs one or two tokens.
 */
import type { TokenLogprob } from '../../../core/events.ts';
import type { ChoiceDecoder, Move, SampledFacts, SamplingWishes } from '../child/choice-decoder.ts';
import type { ModelVocabulary } from '../child/vocabulary.ts';
import {
  type CompletionBody,
  type CompletionClient,
  type CompletionEvent,
  type CompletionPrompt,
  LlamaServerError,
} from './completions.ts';
import { HeldGrammar } from './held-grammar.ts';
import type { PartTokens } from './part-tokens.ts';
import type { CompletionSampling } from './sampling.ts';

export interface ChoiceRunOptions {
  readonly client: Pick<CompletionClient, 'complete' | 'completeOne'>;
  readonly vocabulary: ModelVocabulary;
  readonly partTokens: PartTokens;
  readonly decoder: ChoiceDecoder;
  readonly sampling: CompletionSampling;
  readonly slot: number;
  /** What the slot holds may be gone on from. */
  readonly mayReuse: boolean;
  /** What the slot is to hold before the next token is sampled; what is fed is added. */
  readonly tokens: number[];
  /** How that is told to llama-server. */
  readonly promptOf: (tokens: readonly number[]) => CompletionPrompt;
  readonly signal: AbortSignal;
  readonly onBegun: (event: Extract<CompletionEvent, { type: 'begun' }>) => void;
  /** Something was said, or counted. */
  readonly onStep: () => void;
}

/** Tokens of a completion that only has to end a character that was begun; no character has more. */
const CHARACTER_TOKENS = 4;

/** Runs to the end. Rejects with a LlamaServerError, and when the signal aborts. */
export async function runChoice(options: ChoiceRunOptions, first: Move): Promise<Extract<Move, { kind: 'end' }>> {
  let move = first;
  let mayReuse = options.mayReuse;
  while (move.kind === 'feed') {
    options.tokens.push(...move.tokens);
    move = await new Stretch(options, mayReuse).run();
    mayReuse = true;
  }
  return move;
}

/** One completion. */
class Stretch {
  readonly #options: ChoiceRunOptions;
  readonly #mayReuse: boolean;
  readonly #wishes: SamplingWishes;
  readonly #grammar: HeldGrammar | undefined;
  readonly #isStep: boolean;

  constructor(options: ChoiceRunOptions, mayReuse: boolean) {
    this.#options = options;
    this.#mayReuse = mayReuse;
    this.#wishes = options.decoder.wishes;
    this.#grammar = this.#wishes.grammar instanceof HeldGrammar ? this.#wishes.grammar : undefined;
    this.#isStep = options.sampling.needsSteps(this.#wishes);
  }

  /** The first move that this completion cannot follow. */
  async run(): Promise<Move> {
    if (this.#grammar?.isWhole === true) return this.#push(this.#endToken);
    return this.#isStep ? this.#step() : this.#stream(UNLIMITED);
  }

  async #stream(most: number): Promise<Move> {
    const { client, decoder, signal, tokens } = this.#options;
    let predicted = 0;
    for await (const event of client.complete(this.#body(most), signal)) {
      if (event.type === 'begun') this.#options.onBegun(event);
      else if (event.type === 'end') return this.#ended(event.reason, predicted);
      else {
        const missing = event.predicted - predicted - 1;
        predicted = event.predicted;
        for (const part of this.#parts(event, missing)) {
          const move = this.#push(part);
          if (!isJust(move, part)) return move;
          tokens.push(part);
        }
        const move = this.#push(event.token, this.#facts(event));
        if (!isJust(move, event.token) || !this.#isStillWished(decoder.wishes)) return move;
        tokens.push(event.token);
      }
    }
    throw new LlamaServerError('llama-server broke off its answer');
  }

  /** A token that is only a part of a character is said again, together with the rest of it: alone it has no place in a grammar. */
  async #step(): Promise<Move> {
    const { client, signal, onBegun } = this.#options;
    for (const event of await client.completeOne(this.#body(1), signal)) {
      if (event.type === 'begun') onBegun(event);
      else if (event.type === 'end') return this.#ended(event.reason, 0);
      else if (this.#isPart(event)) return this.#stream(CHARACTER_TOKENS);
      else return this.#push(event.token, this.#facts(event));
    }
    throw new LlamaServerError('llama-server said nothing');
  }

  #isPart({ token, text }: TokenEvent): boolean {
    return this.#options.vocabulary.bytes(token).length > 0 && (text === '' || text.includes('\ufffd'));
  }

  #push(token: number, facts: SampledFacts = {}): Move {
    const { decoder, sampling, vocabulary, onStep } = this.#options;
    sampling.note(token);
    this.#grammar?.push(vocabulary.bytes(token));
    const move = decoder.push(token, facts);
    onStep();
    return move;
  }

  #parts({ token, text }: TokenEvent, missing: number): readonly number[] {
    return missing <= 0 ? [] : this.#options.partTokens.before(token, text, missing);
  }

  #facts({ token, probabilities }: TokenEvent): SampledFacts {
    const { closing, logprob } = this.#wishes;
    const best = probabilities?.top[0]?.token;
    return {
      wasSteered: this.#options.sampling.wasSteered(closing, token, best),
      logprob: logprob && probabilities ? this.#logprob(token, probabilities) : undefined,
    };
  }

  #logprob(token: number, { logprob, top }: NonNullable<TokenEvent['probabilities']>): TokenLogprob {
    const { topLogprobs } = this.#options.sampling;
    const { vocabulary } = this.#options;
    const entries = top
      .slice(0, topLogprobs)
      .map((entry) => ({ ...vocabulary.spell(entry.token), logprob: entry.logprob }));
    return { ...vocabulary.spell(token), logprob: Math.min(0, logprob), top: entries };
  }

  #isStillWished({ grammar, closing, logprob }: SamplingWishes): boolean {
    const held = this.#wishes;
    if (grammar !== held.grammar || logprob !== held.logprob) return false;
    // No other completion could take over here.
    if (this.#grammar?.canBeWritten === false) return true;
    return closing === held.closing && !this.#options.sampling.needsSteps({ closing });
  }

  /** llama-server ended the completion by itself. */
  #ended(reason: 'end-of-text' | 'limit' | 'context', predicted: number): Move {
    if (reason === 'end-of-text') return this.#push(this.#endToken);
    // Ours is nearer, but for prompts with pictures, whose length was a guess.
    if (reason === 'context') return { kind: 'end', reason: 'context-full' };
    // One that gives nothing would be asked again for ever.
    if (predicted === 0) throw new LlamaServerError(`llama-server gave no token (${reason})`);
    return { kind: 'feed', tokens: [] };
  }

  get #endToken(): number {
    return this.#options.vocabulary.endToken;
  }

  #body(most: number): CompletionBody {
    const { sampling, slot, tokens, promptOf } = this.#options;
    return {
      prompt: promptOf(tokens),
      id_slot: slot,
      cache_prompt: this.#mayReuse,
      stream: true,
      n_predict: most,
      ...sampling.fields(this.#wishes),
      ...(this.#grammar === undefined ? {} : { grammar: this.#grammar.write() }),
    };
  }
}

type TokenEvent = Extract<CompletionEvent, { type: 'token' }>;

function isJust(move: Move, token: number): boolean {
  return move.kind === 'feed' && move.tokens.length === 1 && move.tokens[0] === token;
}

/** `n_predict`: as many as the decoder lets through. */
const UNLIMITED = -1;
