/**
 * How likely a text is to the model, on llama-server: it tells log probabilities of what it samples alone, so each token is made
 * the only one that can be sampled, in a completion of its own.
 */
import type { TokenLogprob } from '../../../core/events.ts';
import type { ModelVocabulary } from '../child/vocabulary.ts';
import { type CompletionClient, type CompletionEvent, LlamaServerError } from './completions.ts';
import type { SamplingFields } from './sampling.ts';

export interface ForetoldText {
  readonly client: Pick<CompletionClient, 'completeOne'>;
  readonly vocabulary: ModelVocabulary;
  /** The prompt, and the text behind it. */
  readonly prompt: readonly number[];
  readonly text: readonly number[];
  readonly slot: number;
  /** What the slot holds may be gone on from. */
  readonly mayReuse: boolean;
  /** Greedy, with log probabilities. */
  readonly fields: SamplingFields;
  readonly signal: AbortSignal;
  readonly onBegun: (event: Extract<CompletionEvent, { type: 'begun' }>) => void;
}

/** No other token comes near; what is told of its probability is the model's own. */
const ONLY = 1_000;

/** The log probabilities of the tokens of a text, each behind those before it. Rejects with a LlamaServerError. */
export async function foretold({ client, vocabulary, ...rest }: ForetoldText): Promise<TokenLogprob[]> {
  const { prompt, text, slot, fields, signal, onBegun } = rest;
  const logprobs: TokenLogprob[] = [];
  for (const [index, token] of text.entries()) {
    const body = {
      ...fields,
      prompt: [...prompt, ...text.slice(0, index)],
      id_slot: slot,
      cache_prompt: rest.mayReuse || index > 0,
      stream: false,
      n_predict: 1,
      logit_bias: [[token, ONLY]] as const,
    };
    for (const event of await client.completeOne(body, signal)) {
      if (event.type === 'begun') onBegun(event);
      if (event.type === 'end' || (event.type === 'token' && event.token !== token))
        throw new LlamaServerError('llama-server made another token than the only one');
      if (event.type !== 'token' || !event.probabilities) continue;
      logprobs.push({ ...vocabulary.spell(token), logprob: Math.min(0, event.probabilities.logprob), top: [] });
    }
  }
  return logprobs;
}
