/**
 * Canonical events → chunks, and an assembled answer → one body, byte for byte as recorded (openai-chat reference §16).
 *
 * Chunks are joined from strings around the one text that changes: an envelope is the same in all chunks of a reply,
 * and a stream has hundreds of them. Key order differs between the kinds of chunk as it does in the recordings.
 */
import type { AssembledBlock, AssembledChoice, GenerationResult } from '../../core/assemble.ts';
import type {
  ChoiceEndEvent,
  ChoiceEndReason,
  ErrorEvent,
  FinishEvent,
  GenerationEvent,
  ReasoningDeltaEvent,
  StartEvent,
  TextDeltaEvent,
  TokenLogprob,
  ToolInputDeltaEvent,
  ToolInputStartEvent,
} from '../../core/events.ts';
import type { Usage } from '../../core/usage.ts';
import type { Encoder } from '../protocol.ts';
import { dataFrame, lineJson } from '../sse.ts';
import type { ChatReplyPlan } from './decode.ts';
import { chatErrorFrame, ID_PREFIX } from './errors.ts';
import { encodeUsage } from './usage.ts';

const DONE_FRAME = dataFrame('[DONE]');

// ---- State ----

interface ChoiceState {
  readonly index: number;
  /** The role goes out once, with the first chunk of the choice. */
  hasRole: boolean;
  /** The next delta is the first after the role chunk; its keys come in an order of their own. */
  isFirstDelta: boolean;
  /** From the first reasoning on, every delta names both members, the idle one null. */
  idleReasoning: '' | ',"reasoning_content":null';
  /** Calls shown so far; the last one's index is one less. */
  calls: number;
  /** The open block is a call that the client sees. */
  isInCall: boolean;
  lastBlock: 'text' | 'call';
}

/** One per streamed reply. */
export class ChatEncoder implements Encoder {
  readonly #plan: ChatReplyPlan;
  readonly #choices: ChoiceState[] = [];
  #requestId = '';
  /** What follows `usage` in every chunk. */
  #envelope = '';
  /** What follows the choice in every chunk but the usage chunk. */
  #tail = '';

  constructor(plan: ChatReplyPlan) {
    this.#plan = plan;
  }

  push(event: GenerationEvent): string {
    switch (event.type) {
      case 'start':
        return this.#onStart(event);
      case 'text-start':
        return this.#onTextStart(event.choice);
      case 'text-delta':
        return this.#onTextDelta(event);
      case 'reasoning-start':
        return this.#onReasoningStart(event.choice);
      case 'reasoning-delta':
        return this.#onReasoningDelta(event);
      case 'tool-input-start':
        return this.#onToolInputStart(event);
      case 'tool-input-delta':
        return this.#onToolInputDelta(event);
      case 'choice-end':
        return this.#onChoiceEnd(event);
      case 'finish':
        return this.#onFinish(event);
      case 'error':
        return this.#onError(event);
      case 'usage':
      case 'text-end':
      case 'reasoning-end':
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
    this.#tail = `],"object":"chat.completion.chunk","usage":null${this.#envelope}`;
    return '';
  }

  #onTextStart(index: number): string {
    const choice = this.#choice(index);
    choice.lastBlock = 'text';
    return choice.hasRole ? '' : this.#roleChunk(choice, '"content":"","role":"assistant"');
  }

  #onTextDelta(event: TextDeltaEvent): string {
    const choice = this.#choice(event.choice);
    const delta = `{"content":${lineJson(event.text)}${choice.idleReasoning}}`;
    return this.#deltaChunk(choice, delta, event.logprobs);
  }

  #onReasoningStart(index: number): string {
    const choice = this.#choice(index);
    choice.lastBlock = 'text';
    choice.idleReasoning = ',"reasoning_content":null';
    return choice.hasRole ? '' : this.#roleChunk(choice, '"content":null,"role":"assistant","reasoning_content":""');
  }

  #onReasoningDelta(event: ReasoningDeltaEvent): string {
    const delta = `{"content":null,"reasoning_content":${lineJson(event.text)}}`;
    return this.#deltaChunk(this.#choice(event.choice), delta);
  }

  /** A call that opens the choice carries the role itself. Calls the server runs show nothing. */
  #onToolInputStart(event: ToolInputStartEvent): string {
    const choice = this.#choice(event.choice);
    choice.isInCall = event.executedBy === 'client';
    if (!choice.isInCall) return '';
    const called = `{"name":${JSON.stringify(event.name)},"arguments":""}`;
    const call = `{"index":${choice.calls},"id":${JSON.stringify(event.callId)},"type":"function","function":${called}}`;
    const role = choice.hasRole ? '' : ',"role":"assistant"';
    choice.hasRole = true;
    choice.isFirstDelta = false;
    choice.calls++;
    choice.lastBlock = 'call';
    return this.#deltaChunk(choice, `{"content":null${choice.idleReasoning},"tool_calls":[${call}]${role}}`);
  }

  /** The id is there in every chunk of a call, empty after the first. */
  #onToolInputDelta(event: ToolInputDeltaEvent): string {
    const choice = this.#choice(event.choice);
    if (!choice.isInCall) return '';
    const called = `{"arguments":${lineJson(event.text)}}`;
    const call = `{"index":${choice.calls - 1},"id":"","type":"function","function":${called}}`;
    return this.#deltaChunk(choice, `{"content":null${choice.idleReasoning},"tool_calls":[${call}]}`);
  }

  #onChoiceEnd(event: ChoiceEndEvent): string {
    const choice = this.#choice(event.choice);
    let frames = choice.hasRole ? '' : this.#onTextStart(event.choice);
    // The service ends calls with one more empty fragment, in a choice that lacks two of its keys.
    if (event.reason === 'tool-calls' && choice.calls > 0) {
      const call = `{"function":{"arguments":""},"index":${choice.calls - 1},"id":"","type":"function"}`;
      frames += this.#chunk(`{"delta":{"tool_calls":[${call}]},"index":${choice.index}}`);
    }
    const delta = choice.lastBlock === 'call' ? '{}' : `{"content":""${choice.idleReasoning}}`;
    const reason = finishReason(event.reason);
    return `${frames}${this.#chunk(`{"finish_reason":"${reason}","delta":${delta},"index":${choice.index},"logprobs":null}`)}`;
  }

  // ---- Terminal frames ----

  #onFinish(event: FinishEvent): string {
    return this.#plan.includesUsage ? this.#usageChunk(event.usage) + DONE_FRAME : DONE_FRAME;
  }

  #onError(event: ErrorEvent): string {
    return chatErrorFrame(event.error, this.#requestId);
  }

  // ---- Chunks ----

  #roleChunk(choice: ChoiceState, members: string): string {
    choice.hasRole = true;
    choice.isFirstDelta = true;
    return this.#chunk(`{"delta":{${members}},"index":${choice.index},"logprobs":null,"finish_reason":null}`);
  }

  #deltaChunk(choice: ChoiceState, delta: string, tokens?: readonly TokenLogprob[]): string {
    const logprobs = tokens ? lineJson(encodeLogprobs(tokens)) : 'null';
    if (!choice.isFirstDelta) {
      return this.#chunk(`{"delta":${delta},"finish_reason":null,"index":${choice.index},"logprobs":${logprobs}}`);
    }
    choice.isFirstDelta = false;
    return this.#chunk(`{"finish_reason":null,"logprobs":${logprobs},"delta":${delta},"index":${choice.index}}`);
  }

  #usageChunk(usage: Usage): string {
    const counts = JSON.stringify(encodeUsage(usage));
    return dataFrame(`{"choices":[],"object":"chat.completion.chunk","usage":${counts}${this.#envelope}`);
  }

  #chunk(choice: string): string {
    return dataFrame(`{"choices":[${choice}${this.#tail}`);
  }

  #choice(index: number): ChoiceState {
    let choice = this.#choices[index];
    if (!choice) {
      choice = {
        index,
        hasRole: false,
        isFirstDelta: false,
        idleReasoning: '',
        calls: 0,
        isInCall: false,
        lastBlock: 'text',
      };
      this.#choices[index] = choice;
    }
    return choice;
  }
}

// ---- Whole body ----

/** The body of a plain reply: the same events, assembled. */
export function encodeChatResult(result: GenerationResult): object {
  const { created, model, id } = envelopeOf(result.start);
  // A call that was cut off before its first token still answers 200 (reference §1, timeouts).
  const choices: readonly AssembledChoice[] = result.choices.length > 0 ? result.choices : [{ index: 0, blocks: [] }];
  return {
    choices: choices.map(encodeChoice),
    object: 'chat.completion',
    usage: encodeUsage(result.usage),
    created,
    system_fingerprint: null,
    model,
    id,
  };
}

/** `reasoning_content` and `tool_calls` appear only when there are any; `content` is '' beside calls. */
function encodeChoice({ index, blocks, reason }: AssembledChoice): object {
  let content = '';
  let reasoning = '';
  const calls: object[] = [];
  const tokens: TokenLogprob[] = [];
  for (const block of blocks) {
    switch (block.type) {
      case 'text':
        content += block.text;
        if (block.logprobs) tokens.push(...block.logprobs);
        break;
      case 'reasoning':
        reasoning += block.text;
        break;
      case 'tool-call':
        if (block.executedBy === 'client') calls.push(encodeCall(block, calls.length));
        break;
      default:
        block satisfies never;
    }
  }
  return {
    message: {
      content,
      ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
      role: 'assistant',
      ...(calls.length === 0 ? {} : { tool_calls: calls }),
    },
    finish_reason: reason === undefined ? null : finishReason(reason),
    index,
    logprobs: tokens.length === 0 ? null : encodeLogprobs(tokens),
  };
}

/** Arguments that are no valid JSON pass as they are: the client reads text. */
function encodeCall(call: Extract<AssembledBlock, { type: 'tool-call' }>, index: number): object {
  return { function: { arguments: call.inputText, name: call.name }, id: call.callId, index, type: 'function' };
}

// ---- Shared by both forms ----

function envelopeOf({ createdAtMs, model, generationId }: StartEvent) {
  return { created: Math.floor(createdAtMs / 1000), model, id: `${ID_PREFIX}${generationId}` };
}

function encodeLogprobs(tokens: readonly TokenLogprob[]): object {
  return {
    content: tokens.map(({ token, bytes, logprob, top }) => ({
      token,
      bytes,
      logprob,
      top_logprobs: top.map((each) => ({ token: each.token, bytes: each.bytes, logprob: each.logprob })),
    })),
  };
}

function finishReason(reason: ChoiceEndReason): string {
  switch (reason) {
    case 'stop':
    case 'stop-text':
      return 'stop';
    case 'length':
    case 'context-full':
      return 'length';
    case 'tool-calls':
      return 'tool_calls';
    case 'content-filter':
      return 'content_filter';
    default:
      return reason satisfies never;
  }
}
