/**
 * Canonical events → `text_completion` chunks, and an assembled answer → one body (openai-chat reference §19).
 *
 * No body of this wire was ever recorded: members and their meaning are the page's, their order and the framing are
 * Chat Completions'. Only text shows: a raw prompt has neither reasoning nor calls.
 */
import type { AssembledChoice, GenerationResult } from '../../core/assemble.ts';
import type {
  ChoiceEndEvent,
  ChoiceEndReason,
  ErrorEvent,
  FinishEvent,
  GenerationEvent,
  StartEvent,
  TextDeltaEvent,
  TokenLogprob,
} from '../../core/events.ts';
import type { Usage } from '../../core/usage.ts';
import type { Encoder } from '../protocol.ts';
import { dataFrame, lineJson } from '../sse.ts';
import type { CompletionReplyPlan } from './decode.ts';
import { completionErrorFrame, ID_PREFIX } from './errors.ts';
import { encodeLogprobs } from './logprobs.ts';

const DONE_FRAME = dataFrame('[DONE]');

// ---- State ----

interface ChoiceState {
  /** The echo goes out once, in front of everything. */
  hasEchoed: boolean;
  /** Characters of tokens shown with their log probabilities. */
  textOffset: number;
}

/** One per streamed reply. */
export class CompletionEncoder implements Encoder {
  readonly #plan: CompletionReplyPlan;
  readonly #choices: ChoiceState[] = [];
  #requestId = '';
  /** What follows `usage` in every chunk. */
  #envelope = '';

  constructor(plan: CompletionReplyPlan) {
    this.#plan = plan;
  }

  push(event: GenerationEvent): string {
    switch (event.type) {
      case 'start':
        return this.#onStart(event);
      case 'text-delta':
        return this.#onTextDelta(event);
      case 'choice-end':
        return this.#onChoiceEnd(event);
      case 'finish':
        return this.#onFinish(event);
      case 'error':
        return this.#onError(event);
      case 'usage':
      case 'text-start':
      case 'text-end':
      case 'reasoning-start':
      case 'reasoning-delta':
      case 'reasoning-end':
      case 'tool-input-start':
      case 'tool-input-delta':
      case 'tool-input-end':
      case 'tool-result':
      case 'source':
      case 'citation':
      case 'progress':
        return '';
      default:
        return event satisfies never;
    }
  }

  // ---- Handlers, in stream order ----

  #onStart(event: StartEvent): string {
    const { created, model, id } = envelopeOf(event);
    this.#requestId = event.generationId;
    this.#envelope = `,"created":${created},"system_fingerprint":null,"model":${JSON.stringify(model)},"id":${JSON.stringify(id)}}`;
    return '';
  }

  #onTextDelta({ choice: index, text, logprobs }: TextDeltaEvent): string {
    const choice = this.#choice(index);
    let tokens = 'null';
    if (logprobs) {
      const encoded = encodeLogprobs(logprobs, choice.textOffset);
      choice.textOffset = encoded.nextOffset;
      tokens = lineJson(encoded.logprobs);
    }
    return this.#echo(index) + this.#textChunk(index, text, tokens);
  }

  #onChoiceEnd({ choice: index, reason }: ChoiceEndEvent): string {
    const ending = `{"text":"","finish_reason":"${finishReason(reason)}","index":${index},"logprobs":null}`;
    return this.#echo(index) + this.#chunk(ending);
  }

  // ---- Terminal frames ----

  #onFinish(event: FinishEvent): string {
    if (!this.#plan.includesUsage) return DONE_FRAME;
    const counts = JSON.stringify(encodeUsage(event.usage));
    return dataFrame(`{"choices":[],"object":"text_completion","usage":${counts}${this.#envelope}`) + DONE_FRAME;
  }

  #onError(event: ErrorEvent): string {
    return completionErrorFrame(event.error, this.#requestId);
  }

  // ---- Chunks ----

  #echo(index: number): string {
    const choice = this.#choice(index);
    if (choice.hasEchoed || this.#plan.echoedText === '') return '';
    choice.hasEchoed = true;
    return this.#textChunk(index, this.#plan.echoedText, 'null');
  }

  #textChunk(index: number, text: string, logprobs: string): string {
    return this.#chunk(`{"text":${lineJson(text)},"finish_reason":null,"index":${index},"logprobs":${logprobs}}`);
  }

  #chunk(choice: string): string {
    return dataFrame(`{"choices":[${choice}],"object":"text_completion","usage":null${this.#envelope}`);
  }

  #choice(index: number): ChoiceState {
    let choice = this.#choices[index];
    if (!choice) {
      choice = { hasEchoed: false, textOffset: 0 };
      this.#choices[index] = choice;
    }
    return choice;
  }
}

// ---- Whole body ----

/** The body of a plain reply: the same events, assembled. */
export function encodeCompletionResult(result: GenerationResult, plan: CompletionReplyPlan): object {
  const { created, model, id } = envelopeOf(result.start);
  // A call that was cut off before its first token still answers 200.
  const choices: readonly AssembledChoice[] = result.choices.length > 0 ? result.choices : [{ index: 0, blocks: [] }];
  return {
    choices: choices.map((choice) => encodeChoice(choice, plan)),
    object: 'text_completion',
    usage: encodeUsage(result.usage),
    created,
    system_fingerprint: null,
    model,
    id,
  };
}

function encodeChoice({ index, blocks, reason }: AssembledChoice, { echoedText }: CompletionReplyPlan): object {
  let text = echoedText;
  const tokens: TokenLogprob[] = [];
  for (const block of blocks) {
    if (block.type !== 'text') continue;
    text += block.text;
    if (block.logprobs) tokens.push(...block.logprobs);
  }
  return {
    text,
    finish_reason: reason === undefined ? null : finishReason(reason),
    index,
    logprobs: tokens.length === 0 ? null : encodeLogprobs(tokens, 0).logprobs,
  };
}

// ---- Shared by both forms ----

function envelopeOf({ createdAtMs, model, generationId }: StartEvent) {
  return { created: Math.floor(createdAtMs / 1000), model, id: `${ID_PREFIX}${generationId}` };
}

/** The page knows these three and no details. */
function encodeUsage({ input, output }: Usage): object {
  return {
    prompt_tokens: input.total,
    completion_tokens: output.total,
    total_tokens: input.total + output.total,
  };
}

function finishReason(reason: ChoiceEndReason): 'stop' | 'length' | 'content_filter' {
  switch (reason) {
    case 'stop':
    case 'stop-text':
    // There are no calls on this wire.
    case 'tool-calls':
      return 'stop';
    case 'length':
    case 'context-full':
      return 'length';
    case 'content-filter':
      return 'content_filter';
    default:
      return reason satisfies never;
  }
}
