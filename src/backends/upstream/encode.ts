/**
 * Canonical request → Chat Completions request of one kind of server. Strict: what the caller did not say is not
 * written, and what the server has no word for is refused.
 */
import { StudioError } from '../../core/errors.ts';
import { type FunctionTool, functionTools, type GenerationRequest, type Sampling } from '../../core/generation.ts';
import type { CallContext } from '../../core/ports.ts';
import { encodeMessages, given, type WireObject } from './encode-messages.ts';
import type { UpstreamQuirks } from './quirks.ts';

export interface EncodedRequest {
  /** Below the base URL. */
  readonly path: '/chat/completions' | '/completions';
  /** JSON. */
  readonly body: string;
  readonly isStreaming: boolean;
}

/** Values that ask for nothing: they may stay out where the server has no word for them. */
const NEUTRAL_SAMPLING: Sampling = {
  presencePenalty: 0,
  frequencyPenalty: 0,
  repetitionPenalty: 1,
  minP: 0,
  choices: 1,
};

/** What of a call the request depends on. */
export type EncodeContext = Pick<CallContext, 'isStreaming' | 'card' | 'route'>;

/** The request for this server. Throws a StudioError for what it cannot do. */
export function encodeRequest(
  request: GenerationRequest,
  context: EncodeContext,
  quirks: UpstreamQuirks,
): EncodedRequest {
  const isStreaming = mustStream(request, context, quirks);
  const body = encodeBody(request, context, quirks, isStreaming);
  return { path: '/chat/completions', body: JSON.stringify(body), isStreaming };
}

/** Its body, not written out yet. */
export function encodeBody(
  request: GenerationRequest,
  context: EncodeContext,
  quirks: UpstreamQuirks,
  isStreaming: boolean,
): WireObject {
  const body: WireObject = {
    model: context.route?.target ?? request.model,
    messages: encodeMessages(request, quirks),
    stream: isStreaming,
  };
  if (isStreaming) body.stream_options = streamOptions(quirks);
  addSampling(request.sampling, body, quirks);
  addLimits(request, body, quirks);
  addThinking(request, context, body, quirks);
  addTools(request, body, quirks);
  addOutput(request, body, quirks);
  addPrefix(request, body, quirks);
  if (request.storage.user !== undefined) body.user = request.storage.user;
  return body;
}

/** A plain reply is asked for as one, which is cheaper on both sides, unless the model only streams. */
function mustStream(request: GenerationRequest, context: EncodeContext, quirks: UpstreamQuirks): boolean {
  if (context.isStreaming) return true;
  const demand = quirks.demandsStreamByCard ? context.card?.streamRequired : 'no';
  return demand === 'always' || (demand === 'thinking' && request.thinking.switch !== 'off');
}

/** Usage is always asked for: the receipt needs it. */
export function streamOptions(quirks: UpstreamQuirks): WireObject {
  return quirks.continuousUsage ? { include_usage: true, continuous_usage_stats: true } : { include_usage: true };
}

export function addSampling(sampling: Sampling, body: WireObject, quirks: UpstreamQuirks): void {
  for (const key of Object.keys(sampling) as (keyof Sampling)[]) {
    const value = sampling[key];
    if (value === undefined) continue;
    const field = quirks.sampling[key];
    if (field === undefined) {
      if (value !== NEUTRAL_SAMPLING[key]) refuse(REFUSED_NAMES[key]);
    } else if (key === 'logprobs') addLogprobs(sampling, body);
    else if (key === 'stopTokens') addStopTokens(sampling, field, body);
    else body[field] = value;
  }
}

/** What a caller calls a control, for the refusal. */
const REFUSED_NAMES: { readonly [Key in keyof Required<Sampling>]: string } = {
  temperature: 'temperature',
  topP: 'top_p',
  topK: 'top_k',
  minP: 'min_p',
  presencePenalty: 'presence_penalty',
  frequencyPenalty: 'frequency_penalty',
  repetitionPenalty: 'repetition_penalty',
  seed: 'seed',
  logitBias: 'logit_bias',
  stopTexts: 'stop',
  stopTokens: 'stop (token ids)',
  choices: 'n',
  logprobs: 'logprobs',
};

function addLogprobs({ logprobs }: Sampling, body: WireObject): void {
  body.logprobs = true;
  if (logprobs && logprobs.top > 0) body.top_logprobs = logprobs.top;
}

/** `stop` takes sequences of token ids, `stop_token_ids` single ones. */
function addStopTokens({ stopTokens = [], stopTexts = [] }: Sampling, field: string, body: WireObject): void {
  if (stopTokens.length === 0) return;
  if (field === 'stop') {
    if (stopTexts.length > 0) refuse('stop (texts and token ids together)');
    body.stop = stopTokens;
    return;
  }
  if (stopTokens.some((sequence) => sequence.length !== 1)) refuse('stop (sequences of token ids)');
  body[field] = stopTokens.flat();
}

/**
 * Only Model Studio has a limit of the answer alone. Elsewhere the one limit counts reasoning too, so an answer after
 * long reasoning may end sooner than there; a limit that is too tight beats none.
 */
function addLimits({ limits }: GenerationRequest, body: WireObject, quirks: UpstreamQuirks): void {
  const { maxOutputTokens, maxTotalOutputTokens } = limits;
  if (quirks.limit === 'both') {
    Object.assign(body, given({ max_tokens: maxOutputTokens, max_completion_tokens: maxTotalOutputTokens }));
    return;
  }
  const limit = Math.min(maxOutputTokens ?? Infinity, maxTotalOutputTokens ?? Infinity);
  if (limit !== Infinity) body[quirks.limit] = limit;
}

function addThinking(
  { thinking }: GenerationRequest,
  context: EncodeContext,
  body: WireObject,
  quirks: UpstreamQuirks,
): void {
  const template: WireObject = {};
  addSwitch(thinking.switch, context, body, template, quirks);
  if (thinking.budgetTokens !== undefined) {
    if (quirks.thinkingBudget === undefined) refuse('thinking_budget');
    body[quirks.thinkingBudget] = thinking.budgetTokens;
  }
  if (thinking.effort !== undefined) {
    if (quirks.reasoningEffort === 'none') refuse('reasoning_effort');
    if (quirks.reasoningEffort === 'field') body.reasoning_effort = thinking.effort;
    else template.reasoning_effort = thinking.effort;
  }
  // Clients send it to every model and expect those without it to ignore it ("Deep thinking", history).
  if (thinking.keepsHistory !== undefined) {
    if (quirks.keepsHistory === 'preserve_thinking') body.preserve_thinking = thinking.keepsHistory;
    if (quirks.keepsHistory === 'chat-template') template.preserve_thinking = thinking.keepsHistory;
  }
  if (Object.keys(template).length > 0) body.chat_template_kwargs = template;
}

function addSwitch(
  wanted: 'default' | 'on' | 'off',
  context: EncodeContext,
  body: WireObject,
  template: WireObject,
  quirks: UpstreamQuirks,
): void {
  if (wanted === 'default') return;
  switch (quirks.thinkingSwitch) {
    case 'enable_thinking':
      // A model that never thinks answers the mere field with a 400.
      if (wanted === 'on' || context.card?.thinking !== 'none') body.enable_thinking = wanted === 'on';
      return;
    case 'chat-template':
      template.enable_thinking = wanted === 'on';
      return;
    case 'effort':
      body.reasoning_effort = wanted === 'on' ? 'medium' : 'none';
      return;
    case 'none':
      if (wanted === 'on' && context.card?.thinking !== 'always') refuse('enable_thinking');
      return;
    default:
      quirks.thinkingSwitch satisfies never;
  }
}

function addTools(request: GenerationRequest, body: WireObject, quirks: UpstreamQuirks): void {
  if (request.tools.some((tool) => tool.type === 'hosted')) refuse('tools (hosted by the server)');
  const { toolChoice } = request;
  // A server that cannot be told to leave tools alone is not shown any.
  const tools = toolChoice === 'none' && quirks.toolChoice === 'none' ? [] : functionTools(request);
  if (tools.length === 0) return;
  body.tools = tools.map(encodeTool);
  if (quirks.takesParallelSwitch) body.parallel_tool_calls = request.allowsParallelCalls;
  if (toolChoice === 'auto') return;
  if (quirks.toolChoice === 'none') refuse('tool_choice');
  if (typeof toolChoice === 'string') body.tool_choice = toolChoice;
  else if (quirks.toolChoice === 'all') body.tool_choice = { type: 'function', function: { name: toolChoice.name } };
  else {
    body.tools = tools.filter((tool) => tool.name === toolChoice.name).map(encodeTool);
    body.tool_choice = 'required';
  }
}

function encodeTool(tool: FunctionTool): WireObject {
  return {
    type: 'function',
    function: {
      name: tool.name,
      ...given({ description: tool.description, strict: tool.isStrict }),
      parameters: tool.inputSchema,
    },
  };
}

function addOutput({ output }: GenerationRequest, body: WireObject, quirks: UpstreamQuirks): void {
  if (output.type === 'text') return;
  if (!quirks.structuredOutput) refuse('response_format');
  body.response_format =
    output.type === 'json-object'
      ? { type: 'json_object' }
      : {
          type: 'json_schema',
          json_schema: { name: output.name, strict: output.isStrict, schema: output.schema },
        };
}

function addPrefix(request: GenerationRequest, body: WireObject, quirks: UpstreamQuirks): void {
  if (!request.turns.at(-1)?.isPartial) return;
  if (quirks.prefix === 'none') refuse('partial');
  if (quirks.prefix !== 'continue_final_message') return;
  body.continue_final_message = true;
  body.add_generation_prompt = false;
}

/** Own words: the server behind the model has no word for what the caller asked. */
export function refuse(field: string): never {
  throw new StudioError('invalid-parameter', `The server behind this model does not take the parameter ${field}.`, {
    param: field.split(' ')[0],
  });
}
