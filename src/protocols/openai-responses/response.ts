/** A response as its client reads it (responses-and-tools reference §3.1, §19.3): whole wherever it is shown. */
import type { AssembledBlock } from '../../core/assemble.ts';
import type { StudioError } from '../../core/errors.ts';
import type { ChoiceEndReason, FinishEvent, TokenLogprob } from '../../core/events.ts';
import type { ResponseBody, ResponseStatus, StoredItem } from '../../core/responses.ts';
import type { Usage } from '../../core/usage.ts';
import { nestedError } from '../openai-combined-errors.ts';
import { itemIdPrefix } from '../openai-items.ts';
import type { JsonObject } from '../parameters.ts';
import { RESPONSE_ID_PREFIX } from './decode.ts';
import type { ResponsePlan } from './plan.ts';
import { CUSTOM_INPUT } from './tools.ts';
import { encodeUsage } from './usage.ts';

// ---- The resource ----

export interface ResponseState {
  readonly status: ResponseStatus;
  readonly output: readonly StoredItem[];
  readonly usage?: Usage | undefined;
  readonly error?: StudioError | undefined;
  readonly reason?: ChoiceEndReason | undefined;
  readonly completedAtMs?: number | undefined;
}

export function responseOf(plan: ResponsePlan, state: ResponseState): ResponseBody {
  const { status, output, usage, error, reason, completedAtMs } = state;
  const { model, ...asked } = plan.echo;
  return {
    id: plan.responseId,
    object: 'response',
    created_at: Math.floor(plan.createdAtMs / 1000),
    completed_at: completedAtMs === undefined ? null : Math.floor(completedAtMs / 1000),
    status,
    model: model ?? null,
    error: error ? failureOf(error) : null,
    incomplete_details: status === 'incomplete' ? { reason: incompleteReason(reason) } : null,
    output,
    ...asked,
    background: plan.isBackground,
    conversation: plan.conversationId === undefined ? null : { id: plan.conversationId },
    previous_response_id: plan.previousResponseId ?? null,
    prompt: null,
    store: plan.isStored,
    usage: usage ? encodeUsage(usage) : null,
  };
}

function failureOf(error: StudioError): JsonObject {
  const { code, message } = nestedError(error);
  return { code, message };
}

function incompleteReason(reason: ChoiceEndReason | undefined): string {
  return reason === 'content-filter' ? 'content_filter' : 'max_output_tokens';
}

/** How a call that ended without an error ended. */
export function statusOf(ending: FinishEvent['ending'], reason: ChoiceEndReason | undefined): ResponseStatus {
  if (ending !== 'completed') return 'cancelled';
  return isCutShort(reason) ? 'incomplete' : 'completed';
}

/** A last message that ends so is not whole; undefined is the reason of an answer that was broken off. */
export function isCutShort(reason: ChoiceEndReason | undefined): boolean {
  switch (reason) {
    case undefined:
    case 'length':
    case 'context-full':
    case 'content-filter':
      return true;
    case 'stop':
    case 'stop-text':
    case 'tool-calls':
      return false;
    default:
      return reason satisfies never;
  }
}

// ---- Output items ----

/**
 * The id of an output item, made of its response's: the same in the stream, in the body and in the store, and enough to
 * find the item again by (`responseIdOfItem`).
 */
export function outputItemId(plan: ResponsePlan, type: string, index: number): string {
  const hex = plan.responseId.slice(RESPONSE_ID_PREFIX.length).replaceAll('-', '');
  return `${itemIdPrefix(type)}_${hex}${index.toString(16).padStart(2, '0')}`;
}

const OUTPUT_ITEM_ID = /^[a-z]+_([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})[0-9a-f]{2,}$/;

/** The response that an output item came with; undefined for other ids. */
export function responseIdOfItem(itemId: string): string | undefined {
  const groups = OUTPUT_ITEM_ID.exec(itemId)?.slice(1);
  return groups && RESPONSE_ID_PREFIX + groups.join('-');
}

export function messageItem(id: string, text: string, logprobs: readonly TokenLogprob[], isWhole: boolean): StoredItem {
  return {
    id,
    type: 'message',
    status: isWhole ? 'completed' : 'incomplete',
    role: 'assistant',
    content: [textPart(text, logprobs)],
  };
}

export function textPart(text: string, logprobs: readonly TokenLogprob[]): JsonObject {
  return { type: 'output_text', text, annotations: [], logprobs: encodeLogprobs(logprobs) };
}

export function reasoningItem(id: string, text: string, sealed: string | undefined): StoredItem {
  return {
    id,
    type: 'reasoning',
    summary: [summaryPart(text)],
    ...(sealed === undefined ? {} : { encrypted_content: sealed }),
  };
}

export function summaryPart(text: string): JsonObject {
  return { type: 'summary_text', text };
}

/** What is known of a call when it begins. */
export type CallStart = Pick<Extract<AssembledBlock, { type: 'tool-call' }>, 'callId' | 'name'>;

/** `function_call` or, for a tool that takes plain text, `custom_tool_call`. */
export function callType(name: string, plan: ResponsePlan): 'function_call' | 'custom_tool_call' {
  return plan.toolNames[name]?.kind === 'custom' ? 'custom_tool_call' : 'function_call';
}

export function callItem(
  plan: ResponsePlan,
  id: string,
  { callId, name }: CallStart,
  input: string,
  status: 'in_progress' | 'completed' | 'incomplete',
): StoredItem {
  const outside = plan.toolNames[name] ?? { kind: 'function', name };
  const type = callType(name, plan);
  return {
    id,
    type,
    status,
    call_id: callId,
    ...(outside.namespace === undefined ? {} : { namespace: outside.namespace }),
    name: outside.name,
    ...(type === 'custom_tool_call' ? { input } : { arguments: input }),
  };
}

/** The whole input as the client reads it: text for a custom tool, else JSON text, `{}` where the model wrote nothing. */
export function callInput(plan: ResponsePlan, name: string, inputText: string): string {
  if (callType(name, plan) === 'function_call') return inputText === '' ? '{}' : inputText;
  try {
    const parsed: unknown = JSON.parse(inputText);
    const input = (parsed as { readonly [CUSTOM_INPUT]?: unknown } | null)?.[CUSTOM_INPUT];
    return typeof input === 'string' ? input : inputText;
  } catch {
    // Broken off, or a model that wrote the text itself.
    return inputText;
  }
}

export function encodeLogprobs(tokens: readonly TokenLogprob[]): JsonObject[] {
  return tokens.map(({ token, bytes, logprob, top }) => ({
    token,
    bytes,
    logprob,
    top_logprobs: top.map((each) => ({ token: each.token, bytes: each.bytes, logprob: each.logprob })),
  }));
}
