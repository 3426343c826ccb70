/**
 * A body of `POST …/responses` → canonical request and reply plan (responses-and-tools reference §2, §10).
 *
 * Turns of a request that continues something are made when that was looked up (`history.ts`); until then the request
 * only names it. Checks that depend on the model beyond its way of thinking are the pipeline's.
 */
import type { z } from 'zod';
import { StudioError } from '../../core/errors.ts';
import type {
  GenerationRequest,
  OutputFormat,
  Sampling,
  Storage,
  Thinking,
  ToolChoice,
} from '../../core/generation.ts';
import type { ModelCard, ModelCatalogue } from '../../core/models.ts';
import type { Owner } from '../../core/ports.ts';
import type { StoredItem } from '../../core/responses.ts';
import { keptSessionWish } from '../cache-headers.ts';
import { decodeItem, kindOf, newItemId, refusal } from '../openai-items.ts';
import { decodeMetadata, type Metadata } from '../openai-metadata.ts';
import { isObject, type JsonObject } from '../parameters.ts';
import type { Decoded, DecodeInfo } from '../protocol.ts';
import type { Dialect, ResponsePlan } from './plan.ts';
import { echoSchema, parametersSchema, type ResponseParameters, type TextSettings, textSchema } from './schema.ts';
import * as texts from './texts.ts';
import { type DecodedTools, decodeTools } from './tools.ts';
import { type Open, turnsOf } from './turns.ts';

/** What decoding needs besides the body. */
export interface DecodePorts {
  readonly catalogue: Pick<ModelCatalogue, 'find'>;
  open(owner: Owner, sealed: string): string | undefined;
}

/** Every id of a response is this and a uuid. */
export const RESPONSE_ID_PREFIX = 'resp_';

/** Throws a StudioError with the service's words for what it refuses. */
export function decodeResponseRequest(
  body: unknown,
  info: DecodeInfo,
  dialect: Dialect,
  ports: DecodePorts,
): Decoded<ResponsePlan> {
  if (!isObject(body)) throw new StudioError('malformed-body');
  const model = decodeModel(body.model);
  const parameters = parse(parametersSchema, body);
  const text = parse(textSchema, body.text);
  const metadata = decodeMetadata(body.metadata);
  checkStates(parameters);
  const input = decodeInput(body.input, parameters, info);
  const tools = decodeTools(body.tools, body.tool_choice);
  const plan = planOf(body, { parameters, text, metadata, tools, input, model, dialect, info });
  const wish = keptSessionWish(info.headers);
  const open: Open = (sealed) => ports.open(info.account, sealed);
  const request: GenerationRequest = {
    model,
    instructions: parameters.instructions ? [{ type: 'text', text: parameters.instructions }] : [],
    turns: needsLookUp(plan) ? [] : turnsOf(input, open),
    tools: tools.tools,
    toolChoice: tools.choice,
    allowsParallelCalls: parameters.parallel_tool_calls ?? true,
    output: decodeOutput(text),
    sampling: decodeSampling(parameters, plan),
    limits: { maxOutputTokens: parameters.max_output_tokens ?? undefined },
    thinking: decodeThinking(parameters, tools.choice, ports.catalogue.find(model)),
    continuation: continuationOf(plan),
    extensions: { ocr: parameters.ocr_options ?? undefined },
    storage: decodeStorage(body, plan, metadata),
    ...(wish && { cacheWish: wish }),
  };
  return { request, plan };
}

function parse<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new StudioError('invalid-parameter', issue?.message, { param: issue?.path.join('.') || undefined });
}

function decodeModel(model: unknown): string {
  if (model === undefined || model === null || model === '')
    throw new StudioError('missing-parameter', texts.missingParameter('model'), { param: 'model' });
  if (typeof model !== 'string') throw refusal('model', `expected a string, but got ${kindOf(model)} instead`);
  return model;
}

function checkStates(parameters: ResponseParameters): void {
  if (parameters.previous_response_id && parameters.conversation)
    throw new StudioError('invalid-parameter', texts.BOTH_STATES, { param: 'previous_response_id' });
  if (parameters.background && parameters.store === false)
    throw new StudioError('invalid-parameter', texts.BACKGROUND_NEEDS_STORE, { param: 'background' });
}

// ---- Input ----

/** A continued conversation may go on without new input: the results of its last call may be in it already. */
function decodeInput(input: unknown, parameters: ResponseParameters, { ids }: DecodeInfo): StoredItem[] {
  if (input === undefined || input === null) {
    if (parameters.previous_response_id || parameters.conversation) return [];
    throw new StudioError('missing-parameter', texts.missingParameter('input'), { param: 'input' });
  }
  if (typeof input === 'string') {
    const content = [{ type: 'input_text', text: input }];
    return [{ id: newItemId('message', ids), type: 'message', status: 'completed', role: 'user', content }];
  }
  if (!Array.isArray(input))
    throw refusal('input', `expected one of a string or array of objects, but got ${kindOf(input)} instead`);
  return input.map((item, index) => decodeItem(item, `input[${index}]`, ids));
}

/** Whether the turns depend on what is stored. */
export function needsLookUp(plan: ResponsePlan): boolean {
  return (
    plan.previousResponseId !== undefined ||
    plan.conversationId !== undefined ||
    plan.input.some(({ type }) => type === 'item_reference')
  );
}

function continuationOf({ previousResponseId, conversationId }: ResponsePlan): GenerationRequest['continuation'] {
  if (previousResponseId !== undefined) return { previousResponseId };
  return conversationId === undefined ? undefined : { conversationId };
}

// ---- The answer ----

function decodeOutput(text: TextSettings): OutputFormat {
  const format = text?.format;
  switch (format?.type) {
    case undefined:
    case 'text':
      return { type: 'text' };
    case 'json_object':
      return { type: 'json-object' };
    case 'json_schema':
      return { type: 'json-schema', name: format.name, schema: format.schema, isStrict: format.strict ?? false };
    default:
      return format satisfies never;
  }
}

function decodeSampling(parameters: ResponseParameters, { includesLogprobs }: ResponsePlan): Sampling {
  return {
    temperature: parameters.temperature ?? undefined,
    topP: parameters.top_p ?? undefined,
    presencePenalty: parameters.presence_penalty ?? undefined,
    frequencyPenalty: parameters.frequency_penalty ?? undefined,
    logprobs: includesLogprobs ? { top: parameters.top_logprobs ?? 0 } : undefined,
  };
}

/**
 * `reasoning.effort` is the switch on this wire, and wins over `enable_thinking` ("Create a response"). It asks a hybrid
 * to think, also one that knows no degrees; models that never think ignore it. A forced call and thinking exclude each
 * other (the pipeline refuses them together): where only the model's default says that it thinks, the call wins.
 */
function decodeThinking(
  { reasoning, enable_thinking: isEnabled }: ResponseParameters,
  choice: ToolChoice,
  card: ModelCard | undefined,
): Thinking {
  const effort = reasoning?.effort ?? undefined;
  const isHybrid = card === undefined || card.thinking.startsWith('hybrid');
  const always = { effort, keepsLoop: true };
  if (effort !== undefined) {
    if (!isHybrid) return { switch: 'default', ...always };
    return { switch: effort === 'none' ? 'off' : 'on', ...always };
  }
  if (isEnabled !== undefined && isEnabled !== null) return { switch: isEnabled ? 'on' : 'off', ...always };
  const isForced = choice === 'required' || typeof choice === 'object';
  return { switch: isForced && card?.thinking === 'hybrid-default-on' ? 'off' : 'default', ...always };
}

function decodeStorage(body: JsonObject, plan: ResponsePlan, metadata: Metadata): Storage {
  return {
    isStored: plan.isStored,
    isBackground: plan.isBackground,
    user: typeof body.user === 'string' ? body.user : undefined,
    metadata: Object.keys(metadata).length > 0 ? metadata : undefined,
  };
}

// ---- The plan ----

interface DecodedParts {
  readonly parameters: ResponseParameters;
  readonly text: TextSettings;
  readonly metadata: Metadata;
  readonly tools: DecodedTools;
  readonly input: readonly StoredItem[];
  readonly model: string;
  readonly dialect: Dialect;
  readonly info: DecodeInfo;
}

const LOGPROBS = 'message.output_text.logprobs';
const SEALED_REASONING = 'reasoning.encrypted_content';

function planOf(body: JsonObject, parts: DecodedParts): ResponsePlan {
  const { parameters, tools, input, dialect, info } = parts;
  const { conversation, include } = parameters;
  const isBackground = parameters.background ?? false;
  const conversationId = typeof conversation === 'object' ? conversation?.id : conversation;
  return {
    isStreaming: parameters.stream ?? false,
    outlivesClient: isBackground,
    responseId: RESPONSE_ID_PREFIX + info.requestId,
    workspaceId: info.account.workspaceId,
    region: info.account.region,
    createdAtMs: info.receivedAtMs,
    dialect,
    echo: echoOf(body, parts),
    toolNames: tools.names,
    includesLogprobs: include?.includes(LOGPROBS) ?? false,
    sealsReasoning: include?.includes(SEALED_REASONING) ?? false,
    isStored: parameters.store ?? true,
    isBackground,
    previousResponseId: parameters.previous_response_id || undefined,
    conversationId: conversationId || undefined,
    input,
  };
}

/** Defaults instead of `null` where strict readers want a value (reference §15, §19.3). */
function echoOf(body: JsonObject, { parameters, text, metadata, tools, model }: DecodedParts): JsonObject {
  const echoed = parse(echoSchema, body);
  return {
    model,
    instructions: parameters.instructions ?? null,
    metadata,
    parallel_tool_calls: parameters.parallel_tool_calls ?? true,
    temperature: parameters.temperature ?? 1,
    top_p: parameters.top_p ?? 1,
    tool_choice: body.tool_choice ?? 'auto',
    tools: tools.echo,
    max_output_tokens: parameters.max_output_tokens ?? null,
    max_tool_calls: echoed.max_tool_calls ?? null,
    prompt_cache_key: echoed.prompt_cache_key ?? null,
    reasoning: { effort: parameters.reasoning?.effort ?? null, summary: parameters.reasoning?.summary ?? null },
    safety_identifier: echoed.safety_identifier ?? null,
    service_tier: 'default',
    text: echoedText(text),
    top_logprobs: parameters.top_logprobs ?? 0,
    truncation: parameters.truncation ?? 'disabled',
    user: echoed.user ?? null,
    frequency_penalty: parameters.frequency_penalty ?? 0,
    presence_penalty: parameters.presence_penalty ?? 0,
  };
}

function echoedText(text: TextSettings): JsonObject {
  const format = text?.format ?? { type: 'text' as const };
  const echoedFormat =
    format.type === 'json_schema'
      ? {
          type: format.type,
          name: format.name,
          description: format.description ?? null,
          schema: format.schema,
          strict: format.strict ?? false,
        }
      : format;
  return { format: echoedFormat, ...(text?.verbosity ? { verbosity: text.verbosity } : {}) };
}
