/**
 * A body of `POST …/chat/completions` → canonical request and reply plan (openai-chat reference §2–§8, §10–§13).
 *
 * Checks run in the order that reference §18.3 ends with: body, `model`, `messages`, types, structures, then what holds
 * between messages. Ranges, what members ask of each other and what depends on the model are checked in the pipeline.
 */
import type { z } from 'zod';
import { type ErrorCode, StudioError } from '../../core/errors.ts';
import type {
  CacheWish,
  Extensions,
  FunctionTool,
  GenerationRequest,
  Limits,
  OutputFormat,
  Sampling,
  Storage,
  Thinking,
  ToolChoice,
} from '../../core/generation.ts';
import { decodeStop, TOP_K_OFF } from '../parameters.ts';
import type { Decoded, ReplyPlan } from '../protocol.ts';
import { checkToolResults } from '../tool-history.ts';
import { cacheMarkOf, decodeMessages } from './messages.ts';
import {
  type ChatParameters,
  type ChatStructures,
  messagesSchema,
  parametersSchema,
  structuresSchema,
} from './schema.ts';
import * as texts from './texts.ts';

/** The form of a reply on this wire. */
export interface ChatReplyPlan extends ReplyPlan {
  /** A last chunk with the usage and no choices (`stream_options.include_usage`). */
  readonly includesUsage: boolean;
}

/** Throws a StudioError with the service's words for what its front validator refuses. */
export function decodeChatRequest(body: unknown, cacheWish?: CacheWish): Decoded<ChatReplyPlan> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw new StudioError('malformed-body');
  const { model, messages } = body as { readonly model?: unknown; readonly messages?: unknown };
  checkModel(model);
  if (messages === undefined || messages === null) {
    // `param` is "message", singular, in every recording.
    throw new StudioError('missing-parameter', texts.MISSING_MESSAGES, { param: 'message' });
  }
  if (!Array.isArray(messages)) throw new StudioError('invalid-parameter', texts.missingOrInvalid('messages'));
  if (messages.length === 0) throw new StudioError('invalid-parameter', texts.tooShort('messages'));
  const turns = decodeMessages(parse(messagesSchema, messages, 'invalid-parameter'));
  const parameters = parse(parametersSchema, body, 'invalid-value');
  const structures = parse(structuresSchema, body, 'invalid-parameter');
  checkToolResults(turns, { toolWithoutCall: texts.TOOL_WITHOUT_CALL, unansweredCalls: texts.unansweredCalls });
  const request: GenerationRequest = {
    model,
    instructions: [],
    turns,
    tools: decodeTools(structures),
    toolChoice: decodeToolChoice(structures),
    allowsParallelCalls: parameters.parallel_tool_calls ?? false,
    output: decodeOutput(structures),
    sampling: decodeSampling(parameters, structures),
    limits: decodeLimits(parameters),
    thinking: decodeThinking(parameters),
    extensions: decodeExtensions(parameters),
    storage: decodeStorage(parameters),
    ...(cacheWish && { cacheWish }),
  };
  return { request, plan: decodePlan(parameters) };
}

function checkModel(model: unknown): asserts model is string {
  if (model === undefined || model === null || model === '') {
    throw new StudioError('missing-parameter', texts.MISSING_MODEL, { param: 'model' });
  }
  if (typeof model !== 'string') throw new StudioError('invalid-parameter', texts.MODEL_NOT_A_NAME);
}

/** The first issue's words are the client's; the schemas hold them. */
function parse<Schema extends z.ZodType>(schema: Schema, value: unknown, code: ErrorCode): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new StudioError(code, parsed.error.issues[0]?.message);
}

/** `stream` decides; `stream_options` without it is not an error here (docs/decisions/0006). */
function decodePlan({ stream, stream_options: options }: ChatParameters): ChatReplyPlan {
  const isStreaming = stream ?? false;
  return { isStreaming, includesUsage: isStreaming && (options?.include_usage ?? false) };
}

function decodeTools({ tools }: ChatStructures): FunctionTool[] {
  return (tools ?? []).map(({ function: tool, cache_control: control }) => ({
    type: 'function',
    name: tool.name,
    description: tool.description ?? undefined,
    inputSchema: tool.parameters ?? {},
    isStrict: tool.strict,
    cacheMark: cacheMarkOf(control, tool.cache_control),
  }));
}

function decodeToolChoice({ tool_choice: choice }: ChatStructures): ToolChoice {
  if (choice === undefined || choice === null) return 'auto';
  return typeof choice === 'object' ? { name: choice.function.name } : choice;
}

/** The SDKs demand a name of the caller, the service does not. */
const UNNAMED_SCHEMA = 'response';

function decodeOutput({ response_format: format }: ChatStructures): OutputFormat {
  switch (format?.type) {
    case undefined:
    case 'text':
      return { type: 'text' };
    case 'json_object':
      return { type: 'json-object' };
    case 'json_schema': {
      const { name, schema, strict } = format.json_schema;
      return {
        type: 'json-schema',
        name: name ?? UNNAMED_SCHEMA,
        schema,
        isStrict: strict ?? format.strict ?? false,
      };
    }
    default:
      return format satisfies never;
  }
}

function decodeSampling(parameters: ChatParameters, { stop }: ChatStructures): Sampling {
  return {
    temperature: parameters.temperature ?? undefined,
    topP: parameters.top_p ?? undefined,
    topK: parameters.top_k === null ? TOP_K_OFF : parameters.top_k,
    minP: parameters.min_p ?? undefined,
    presencePenalty: parameters.presence_penalty ?? undefined,
    repetitionPenalty: parameters.repetition_penalty ?? undefined,
    seed: parameters.seed ?? undefined,
    logitBias: parameters.logit_bias ?? undefined,
    ...decodeStop(stop),
    choices: parameters.n ?? undefined,
    logprobs: parameters.logprobs ? { top: parameters.top_logprobs ?? 0 } : undefined,
  };
}

/** The two do not mean the same: the first leaves reasoning uncounted (reference §3). */
function decodeLimits(parameters: ChatParameters): Limits {
  return {
    maxOutputTokens: parameters.max_tokens ?? undefined,
    maxTotalOutputTokens: parameters.max_completion_tokens ?? undefined,
  };
}

function decodeThinking(parameters: ChatParameters): Thinking {
  return {
    switch: decodeSwitch(parameters),
    budgetTokens: parameters.thinking_budget ?? undefined,
    effort: parameters.reasoning_effort ?? undefined,
    // `clear_thinking: false` is GLM's default and says nothing to the others.
    keepsHistory: parameters.preserve_thinking ?? (parameters.clear_thinking ? false : undefined),
  };
}

/** MiniMax-M3 listens to `thinking` only, the others to `enable_thinking` only; nobody sends both in earnest. */
function decodeSwitch({ enable_thinking: isEnabled, thinking }: ChatParameters): Thinking['switch'] {
  if (isEnabled !== undefined && isEnabled !== null) return isEnabled ? 'on' : 'off';
  switch (thinking?.type) {
    case 'enabled':
      return 'on';
    case 'disabled':
      return 'off';
    default:
      return 'default';
  }
}

/** What another feature must serve or refuse: nothing that changes the answer is dropped here. */
function decodeExtensions(parameters: ChatParameters): Extensions {
  const speaks = parameters.modalities?.includes('audio') ?? false;
  return {
    search: parameters.enable_search ? (parameters.search_options ?? {}) : undefined,
    codeInterpreter: parameters.enable_code_interpreter ? {} : undefined,
    translation: parameters.translation_options ?? undefined,
    character: parameters.character_options ?? undefined,
    skills: parameters.skill && parameters.skill.length > 0 ? { skills: parameters.skill } : undefined,
    speech: speaks ? (parameters.audio ?? {}) : undefined,
  };
}

function decodeStorage({ user, metadata }: ChatParameters): Storage {
  const texts = Object.entries(metadata ?? {}).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  return { user, metadata: texts.length > 0 ? Object.fromEntries(texts) : undefined };
}
