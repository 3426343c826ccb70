/**
 * A body of `POST …/generation` → canonical request and reply plan (dashscope-native reference §2, §3). The two services
 * are decoded alike; they differ in the form of content that goes back.
 *
 * Checks run in this order: body, headers, `model` and whether this service takes it, `input`, `parameters`, then what
 * the form of the reply has no room for. Ranges and what depends on the model otherwise are checked in the pipeline.
 */
import { StudioError } from '../../core/errors.ts';
import type {
  Extensions,
  FunctionTool,
  Limits,
  OutputFormat,
  Sampling,
  Thinking,
  ToolChoice,
} from '../../core/generation.ts';
import type { ModelCard, NativeService } from '../../core/models.ts';
import { sessionKeyWish } from '../cache-headers.ts';
import { badType, decodeStop, isObject, type JsonObject, TOP_K_OFF } from '../parameters.ts';
import type { Decoded, DecodeInfo, ReplyPlan } from '../protocol.ts';
import { missingFormat } from '../response-format.ts';
import type { PayloadCipher, PayloadKeys } from './encryption.ts';
import { decideForm, type ResultForm } from './forms.ts';
import { asksForStream } from './frames.ts';
import { decodeInput } from './input.ts';
import { type DashScopeParameters, parametersSchema } from './schema.ts';
import * as texts from './texts.ts';

/** The form of a reply on this wire. */
export interface DashScopeReplyPlan extends ReplyPlan {
  readonly service: NativeService;
  readonly form: ResultForm;
  /** Each event holds what is new, else all so far. */
  readonly isIncremental: boolean;
  /** More than one choice: each tells its index. */
  readonly hasChoices: boolean;
  /** `tool_choice` named a function: such a reply ends with `stop` (recorded). */
  readonly isCallForced: boolean;
  /** Usage tells of cached tokens, as recorded of every model that has a cache and of no other. */
  readonly tellsCache: boolean;
  /** How the web is searched, where it is: told beside the count of searches. */
  readonly searchStrategy?: string | undefined;
  /** Translation models say their name in whole replies (recorded). */
  readonly modelName?: string | undefined;
  /** Seals `output`, where the client asked so. */
  readonly cipher?: PayloadCipher | undefined;
}

/** What decoding asks besides the body. */
export interface DecodePorts {
  /** What is known of a model; undefined when nothing is. */
  findCard(model: string): ModelCard | undefined;
  readonly keys: PayloadKeys;
}

/** Throws a StudioError with the service's words for what its front validator refuses. */
export function decodeGeneration(
  service: NativeService,
  body: unknown,
  info: DecodeInfo,
  ports: DecodePorts,
): Decoded<DashScopeReplyPlan> {
  if (!isObject(body)) throw new StudioError('malformed-body');
  const { headers } = info;
  if (headers['x-dashscope-async']?.toLowerCase() === 'enable')
    throw new StudioError('access-denied', texts.NO_ASYNCHRONOUS_CALLS);
  const model = decodeModel(body);
  const card = ports.findCard(model);
  const taker = card?.surfaces.native;
  if (taker !== undefined && taker !== service) throw new StudioError('invalid-parameter', texts.WRONG_URL);
  const encryption = headers['x-dashscope-encryptionkey'];
  const cipher = encryption === undefined ? undefined : ports.keys.open(encryption);
  const turns = decodeInput(cipher && body.input != null ? cipher.open(body.input) : body.input);
  const parameters = decodeParameters(body.parameters);
  const output = decodeOutput(parameters);
  const missing = missingFormat(output, card);
  if (missing !== undefined) throw new StudioError('invalid-parameter', texts.badResponseFormat(missing));
  const isStreaming = asksForStream(headers);
  const wish = sessionKeyWish(headers);
  return {
    request: {
      model,
      instructions: [],
      turns,
      tools: decodeTools(parameters),
      toolChoice: decodeToolChoice(parameters),
      allowsParallelCalls: parameters.parallel_tool_calls ?? false,
      output,
      sampling: decodeSampling(parameters),
      limits: decodeLimits(parameters),
      thinking: decodeThinking(parameters),
      extensions: decodeExtensions(parameters),
      storage: {},
      ...(wish && { cacheWish: wish }),
    },
    plan: {
      isStreaming,
      service,
      ...decideForm(parameters, service, card, isStreaming),
      hasChoices: (parameters.n ?? 1) > 1,
      isCallForced: typeof parameters.tool_choice === 'object' && parameters.tool_choice !== null,
      searchStrategy: searchStrategyOf(parameters),
      tellsCache: card?.hasContextCache ?? true,
      modelName: card?.kinds.includes('translation') ? model : undefined,
      cipher,
    },
  };
}

/** The model a body names. */
export function decodeModel({ model }: JsonObject): string {
  if (model === undefined || model === null || model === '')
    throw new StudioError('missing-parameter', texts.EMPTY_MODEL, { param: 'model' });
  if (typeof model !== 'string') throw new StudioError('invalid-parameter', texts.MODEL_NOT_A_NAME);
  return model;
}

/** May be absent: the Java SDK leaves it out when it is empty. The first issue's words are the client's. */
function decodeParameters(parameters: unknown): DashScopeParameters {
  const parsed = parametersSchema.safeParse(parameters ?? {});
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const message = issue?.path.length === 0 ? badType('parameters', 'Object') : issue?.message;
  throw new StudioError('invalid-parameter', message);
}

function decodeTools({ tools }: DashScopeParameters): FunctionTool[] {
  return (tools ?? []).map(({ function: tool }) => ({
    type: 'function',
    name: tool.name,
    description: tool.description ?? undefined,
    inputSchema: tool.parameters ?? {},
    isStrict: tool.strict,
  }));
}

function decodeToolChoice({ tool_choice: choice }: DashScopeParameters): ToolChoice {
  if (choice === undefined || choice === null) return 'auto';
  return typeof choice === 'object' ? { name: choice.function.name } : choice;
}

/** A name that the caller may leave out. */
const UNNAMED_SCHEMA = 'response';

function decodeOutput({ response_format: format }: DashScopeParameters): OutputFormat {
  switch (format?.type) {
    case undefined:
    case 'text':
      return { type: 'text' };
    case 'json_object':
      return { type: 'json-object' };
    case 'json_schema': {
      const { name, schema, strict } = format.json_schema;
      return { type: 'json-schema', name: name ?? UNNAMED_SCHEMA, schema, isStrict: strict ?? false };
    }
    default:
      return format satisfies never;
  }
}

/** Seeds may be larger than the pipeline takes; the same seed stays the same. */
const SEEDS = 2 ** 31;

function decodeSampling(parameters: DashScopeParameters): Sampling {
  const { seed } = parameters;
  return {
    temperature: parameters.temperature ?? undefined,
    topP: parameters.top_p ?? undefined,
    topK: decodeTopK(parameters.top_k),
    presencePenalty: parameters.presence_penalty ?? undefined,
    repetitionPenalty: parameters.repetition_penalty ?? undefined,
    seed: seed === undefined || seed === null ? undefined : seed % SEEDS,
    logitBias: parameters.logit_bias ?? undefined,
    ...decodeStop(parameters.stop),
    choices: parameters.n ?? undefined,
    logprobs: parameters.logprobs ? { top: parameters.top_logprobs ?? 0 } : undefined,
  };
}

/** Anything above is top-k off, as `null` is (§3.2). */
const HIGHEST_TOP_K = 100;

function decodeTopK(topK: number | null | undefined): number | undefined {
  return topK === null || (topK !== undefined && topK > HIGHEST_TOP_K) ? TOP_K_OFF : topK;
}

/** The two do not mean the same: the first leaves reasoning uncounted (§3.2). */
function decodeLimits(parameters: DashScopeParameters): Limits {
  return {
    maxOutputTokens: parameters.max_tokens ?? parameters.max_length ?? undefined,
    maxTotalOutputTokens: parameters.max_completion_tokens ?? undefined,
  };
}

function decodeThinking(parameters: DashScopeParameters): Thinking {
  const { enable_thinking: isEnabled } = parameters;
  return {
    switch: isEnabled === undefined || isEnabled === null ? 'default' : isEnabled ? 'on' : 'off',
    budgetTokens: parameters.thinking_budget ?? undefined,
    effort: parameters.reasoning_effort ?? undefined,
    // `clear_thinking: false` is GLM's default and says nothing to the others.
    keepsHistory: parameters.preserve_thinking ?? (parameters.clear_thinking ? false : undefined),
  };
}

/** The documented default ("Web search", search_strategy). */
const DEFAULT_SEARCH_STRATEGY = 'turbo';

function searchStrategyOf({ enable_search: isOn, search_options: options }: DashScopeParameters): string | undefined {
  if (!isOn) return undefined;
  const asked = options?.search_strategy;
  return typeof asked === 'string' ? asked : DEFAULT_SEARCH_STRATEGY;
}

/** What another feature must serve or refuse: nothing that changes the answer is dropped here. */
function decodeExtensions(parameters: DashScopeParameters): Extensions {
  const speaks = parameters.modalities?.includes('audio') ?? false;
  return {
    search: parameters.enable_search ? (parameters.search_options ?? {}) : undefined,
    codeInterpreter: parameters.enable_code_interpreter ? {} : undefined,
    translation: parameters.translation_options ?? undefined,
    character: parameters.character_options ?? undefined,
    ocr: parameters.ocr_options ?? undefined,
    skills: parameters.skill && parameters.skill.length > 0 ? { skills: parameters.skill } : undefined,
    speech: speaks ? (parameters.audio ?? {}) : undefined,
  };
}
