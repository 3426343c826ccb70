/**
 * Refuses, before anything is spent, what the model cannot do or the service does not take, in the vendor's words.
 *
 * Types and the form of the conversation are the wire's business; here a request is well formed and the question is
 * whether its values and features fit together and fit the model. Each check is one function, tried in the order of `CHECKS`; its section
 * names are those of the vendor's pages ("Error messages", "Chat Completions", "Function calling"…). Texts the vendor
 * does not print anywhere are marked *own words*.
 */
import { StudioError } from '../../core/errors.ts';
import {
  type ContentPart,
  functionTools,
  type GenerationRequest,
  type Role,
  type TextPart,
} from '../../core/generation.ts';
import type { ModelCard } from '../../core/models.ts';
import type { CallContext } from '../../core/ports.ts';
import type { Feature } from '../feature.ts';
import { isOpenQwen3Hybrid, isQwen38, resolveEffort, resolveThinkingSwitch } from '../thinking-rules.ts';

export type Check = (request: GenerationRequest, card: ModelCard, context: CallContext) => void;

/** What recorded bodies put before texts that the model layer raises ("Error messages"). */
const MODEL_LAYER_PREFIX = '<400> InternalError.Algo.InvalidParameter: ';

/** Limits of the Chat Completions parameter list; 2^31-1 is also what an unbounded limit counts as. */
const MAX_SEED = 2 ** 31 - 1;
const MAX_CHOICES = 4;
const MAX_TOP_LOGPROBS = 5;

export const validation: Feature = {
  name: 'validation',
  apply(request, context, next) {
    const card = context.card;
    if (!card) throw new StudioError('internal', undefined, { cause: new Error('no card was resolved') });
    const checks = request.rawPrompt ? RAW_PROMPT_CHECKS : CHECKS;
    for (const check of checks) check(request, card, context);
    return next(request, context);
  },
};

const VALUE_CHECKS: readonly Check[] = [
  temperatureInRange,
  topPInRange,
  topKInRange,
  minPInRange,
  presencePenaltyInRange,
  repetitionPenaltyInRange,
  choicesInRange,
  seedInRange,
  maxTokensInRange,
  maxCompletionTokensInRange,
  topLogprobsInRange,
  stopIsUsable,
];

/** In this order: the messages, what is not built, single values, then what does not go together or with the model. */
export const CHECKS: readonly Check[] = [
  hasMessages,
  hasUserMessage,
  hasOnlyRolesOfTranslation,
  hasOnlyReadableParts,
  hasNoDocuments,
  hasNoUnbuiltFeature,
  ...VALUE_CHECKS,
  thinkingIsPossible,
  thinkingBudgetInRange,
  effortOrBudget,
  streamsWhereRequired,
  toolsAreSupported,
  toolChoiceIsDeclared,
  toolChoiceFitsThinking,
  choicesFitToolsAndThinking,
  jsonIsMentioned,
  jsonFitsThinking,
  partialIsPossible,
];

/** A raw prompt has no messages, and nothing that is done with messages. */
export const RAW_PROMPT_CHECKS: readonly Check[] = [rawPromptIsPossible, rawPromptStandsAlone, ...VALUE_CHECKS];

function refuse(message: string): never {
  throw new StudioError('invalid-parameter', message);
}

function refuseInModelLayer(message: string): never {
  refuse(MODEL_LAYER_PREFIX + message);
}

/** Also false for NaN. */
function isBetween(value: number, low: number, high: number): boolean {
  return value >= low && value <= high;
}

// Raw prompts ("OpenAI compatible - Completions")

/** The page lists the models that fill in the middle. That one of them has a server behind it that cannot is own words. */
function rawPromptIsPossible(_request: GenerationRequest, card: ModelCard, context: CallContext): void {
  if (!card.abilities.fim) throw new StudioError('model-not-supported', `Unsupported model \`${card.id}\``);
  if (!context.route?.backend.abilities.rawPrompts)
    refuse(`The server that answers for ${card.id} here does not take raw prompts.`);
}

/** The first text is the vendor's; the others, own words, are for what no wire asks of a raw prompt. */
function rawPromptStandsAlone(request: GenerationRequest): void {
  if (request.turns.length > 0 || request.instructions.length > 0)
    refuse('Only one of the parameters "prompt" and "messages" can be present');
  const refuseBeside = (name: string): never =>
    refuse(`The ${name} parameter is not supported together with "prompt".`);
  if (request.tools.length > 0) refuseBeside('tools');
  if (request.output.type !== 'text') refuseBeside('response_format');
  if (request.thinking.switch === 'on') refuseBeside('enable_thinking');
  if (request.continuation) refuseBeside('previous_response_id');
  const [extension] = Object.entries(request.extensions).find(([, options]) => options !== undefined) ?? [];
  if (extension !== undefined) refuseBeside(extension);
}

// Messages

/** "Error messages", messages. */
function hasMessages(request: GenerationRequest): void {
  if (request.turns.length === 0) refuse('[] is too short');
}

/** "Error messages", messages. */
function hasUserMessage(request: GenerationRequest): void {
  if (!request.turns.some((turn) => turn.role === 'user'))
    refuseInModelLayer('The input messages do not contain elements with the role of user.');
}

/** "Machine translation": the translation models take no system message. */
function hasOnlyRolesOfTranslation(request: GenerationRequest, card: ModelCard): void {
  if (!card.kinds.includes('translation')) return;
  const hasSystem = request.instructions.length > 0 || request.turns.some((turn) => turn.role === 'system');
  if (hasSystem) refuse('Role must be in [user, assistant].');
}

/** "Vision": a picture for a text model; and, own words, a picture for a vision model that text weights stand in for. */
function hasOnlyReadableParts(request: GenerationRequest, card: ModelCard, context: CallContext): void {
  for (const kind of mediaKinds(request)) {
    if (!canRead(card, kind))
      refuseInModelLayer(
        'The provided messages input is invalid. The error info is [Unexpected item type in content.]',
      );
    if (kind !== 'file' && !context.route?.backend.abilities.images)
      refuseInModelLayer(
        `The provided messages input is invalid. The error info is [The weights that answer for ${card.id} here read text only: no ${kind} in content.]`,
      );
  }
}

type MediaKind = 'image' | 'video' | 'audio' | 'file';

function mediaKinds(request: GenerationRequest): Set<MediaKind> {
  const kinds = new Set<MediaKind>();
  const collect = (parts: readonly ContentPart[]): void => {
    for (const part of parts) {
      if (part.type === 'tool-result') collect(part.parts);
      else if (part.type === 'image' || part.type === 'video' || part.type === 'audio' || part.type === 'file')
        kinds.add(part.type);
    }
  };
  for (const turn of request.turns) collect(turn.parts);
  return kinds;
}

function canRead(card: ModelCard, kind: MediaKind): boolean {
  switch (kind) {
    case 'image':
      return card.abilities.vision;
    case 'video':
      return card.abilities.video;
    case 'audio':
      return card.inputModalities.includes('audio');
    case 'file':
      return false; // stored documents are not built yet
    default:
      return kind satisfies never;
  }
}

/** "Long context": a `fileid://` names a stored document, and there is none here yet. */
function hasNoDocuments(request: GenerationRequest, card: ModelCard): void {
  if (!card.kinds.includes('long-document')) return;
  for (const part of textParts(request, ['system'])) {
    const fileId = /^\s*fileid:\/\/([^\s,]*)/.exec(part.text)?.[1];
    if (fileId !== undefined) refuse(`Invalid file [id:${fileId}].`);
  }
}

// Single values ("Chat Completions", parameters; "Error messages", parameter texts)

/** Xiaomi's models take a narrower range. */
function temperatureInRange({ sampling }: GenerationRequest, card: ModelCard): void {
  const { temperature } = sampling;
  if (temperature === undefined) return;
  if (card.entryId.startsWith('xiaomi/')) {
    if (!isBetween(temperature, 0, 1.5)) refuse('Temperature should be in [0.0, 1.5]');
  } else if (!(temperature >= 0 && temperature < 2)) refuse('Temperature should be in [0.0, 2.0)');
}

function topPInRange({ sampling }: GenerationRequest): void {
  if (sampling.topP !== undefined && !(sampling.topP > 0 && sampling.topP <= 1))
    refuse('Range of top_p should be (0.0, 1.0]');
}

function topKInRange({ sampling }: GenerationRequest): void {
  if (sampling.topK !== undefined && !(sampling.topK >= 0)) refuse('Parameter top_k be greater than or equal to 0'); // sic
}

/** Own words: the vendor has no min_p. */
function minPInRange({ sampling }: GenerationRequest): void {
  if (sampling.minP !== undefined && !isBetween(sampling.minP, 0, 1)) refuse('Range of min_p should be [0.0, 1.0]');
}

function presencePenaltyInRange({ sampling }: GenerationRequest): void {
  if (sampling.presencePenalty !== undefined && !isBetween(sampling.presencePenalty, -2, 2))
    refuse('Presence_penalty should be in [-2.0, 2.0]');
}

function repetitionPenaltyInRange({ sampling }: GenerationRequest): void {
  const { repetitionPenalty } = sampling;
  if (repetitionPenalty !== undefined && !(repetitionPenalty > 0 && Number.isFinite(repetitionPenalty)))
    refuse('Repetition_penalty should be greater than 0.0');
}

function choicesInRange({ sampling }: GenerationRequest): void {
  const { choices } = sampling;
  if (choices !== undefined && !(Number.isInteger(choices) && isBetween(choices, 1, MAX_CHOICES)))
    refuse('Range of n should be [1, 4]');
}

/** The text for too large a seed is own words, after the printed one. */
function seedInRange({ sampling }: GenerationRequest): void {
  const { seed } = sampling;
  if (seed === undefined) return;
  const refuseSeed = (message: string): never => {
    throw new StudioError('invalid-value', message);
  };
  if (!Number.isInteger(seed)) refuseSeed("'seed' must be Integer");
  if (seed < 0) refuseSeed(`${seed} is lesser than the minimum of 0 - 'seed'`);
  if (seed > MAX_SEED) refuseSeed(`${seed} is greater than the maximum of ${MAX_SEED} - 'seed'`);
}

function maxTokensInRange({ limits }: GenerationRequest, card: ModelCard): void {
  const highest = card.maxOutput ?? MAX_SEED;
  if (limits.maxOutputTokens !== undefined && !isCount(limits.maxOutputTokens, highest))
    refuse(`Range of max_tokens should be [1, ${highest}]`);
}

/** Models for which `max_completion_tokens` is documented; elsewhere the vendor ignores it, so its upper bound too. */
const TAKES_MAX_COMPLETION_TOKENS =
  /^(qwen3\.[78]-|qwen3\.[56]-(plus|flash)|kimi-k2\.[567]|glm-5|MiniMax-M2\.5|deepseek-(v3|v4|r1))/;

/** Own words, after max_tokens. */
function maxCompletionTokensInRange({ limits }: GenerationRequest, card: ModelCard): void {
  if (limits.maxTotalOutputTokens === undefined) return;
  const highest = (TAKES_MAX_COMPLETION_TOKENS.test(card.entryId) ? card.maxOutput : null) ?? MAX_SEED;
  if (!isCount(limits.maxTotalOutputTokens, highest))
    refuse(`Range of max_completion_tokens should be [1, ${highest}]`);
}

function isCount(value: number, highest: number): boolean {
  return Number.isInteger(value) && isBetween(value, 1, highest);
}

/** Recorded from the service. */
function topLogprobsInRange({ sampling }: GenerationRequest): void {
  const top = sampling.logprobs?.top;
  if (top !== undefined && !(Number.isInteger(top) && isBetween(top, 0, MAX_TOP_LOGPROBS)))
    refuse(`Invalid 'top_logprobs': ${top}. Expected an integer in range [0, 5]`);
}

/** Strings and token ids do not mix; an empty stop would end every answer before it began. */
function stopIsUsable({ sampling }: GenerationRequest): void {
  const texts = sampling.stopTexts ?? [];
  const tokens = sampling.stopTokens ?? [];
  const isMixed = texts.length > 0 && tokens.length > 0;
  const hasBadToken = tokens.some(
    (sequence) => sequence.length === 0 || !sequence.every((id) => isCount(id + 1, MAX_SEED)),
  );
  if (isMixed || hasBadToken || texts.includes(''))
    refuse(
      'The "stop" parameter must be of type "str", "list[str]", "list[int]", or "list[list[int]]", and all elements within the list must be of the same type.',
    );
}

// Thinking ("Deep thinking")

/** The switch errors, and efforts the model does not know. */
function thinkingIsPossible({ thinking }: GenerationRequest, card: ModelCard): void {
  resolveThinkingSwitch(thinking, card);
}

function thinkingBudgetInRange({ thinking }: GenerationRequest, card: ModelCard): void {
  const { budgetTokens } = thinking;
  // Models that never think ignore the parameter.
  if (budgetTokens === undefined || card.thinking === 'none') return;
  // The service wants 1 at least. Here 0 is a wish like any other: no reasoning, and the answer comes (docs/decisions/0020).
  if (budgetTokens !== 0 && !isCount(budgetTokens, card.thinkingBudgetMax))
    refuse(`The thinking_budget parameter must be a positive integer and not greater than ${card.thinkingBudgetMax}`);
}

/** Measured on qwen3.8: one wish, said twice. */
function effortOrBudget({ thinking }: GenerationRequest, card: ModelCard): void {
  if (isQwen38(card) && thinking.budgetTokens !== undefined && resolveEffort(thinking, card) !== undefined)
    refuse("'reasoning_effort' and 'thinking_budget' cannot be set simultaneously");
}

/** The blank at the end is in the recorded body. */
function streamsWhereRequired({ thinking }: GenerationRequest, card: ModelCard, context: CallContext): void {
  if (context.isStreaming) return;
  if (card.streamRequired === 'always')
    refuse('This model only support stream mode, please enable the stream parameter to access the model. ');
  if (card.streamRequired === 'thinking' && resolveThinkingSwitch(thinking, card) === 'on')
    refuse('parameter.enable_thinking must be set to false for non-streaming calls');
}

// Tools ("Function calling")

function toolsAreSupported(request: GenerationRequest, card: ModelCard): void {
  if (!card.abilities.tools && functionTools(request).length > 0) refuseInModelLayer('The tool call is not supported.');
}

/** Recorded for a name; `required` without tools is own words. */
function toolChoiceIsDeclared(request: GenerationRequest): void {
  const { toolChoice } = request;
  const names = functionTools(request).map((tool) => tool.name);
  if (toolChoice === 'required' && request.tools.length === 0)
    refuseInModelLayer(
      'Invalid value for "tool_choice": "required" needs at least one function in the "tools" parameter.',
    );
  if (typeof toolChoice === 'object' && !names.includes(toolChoice.name))
    refuseInModelLayer(
      `Invalid value for "tool_choice": no function named "${toolChoice.name}" was specified in the "tools" parameter.`,
    );
}

function toolChoiceFitsThinking(request: GenerationRequest, card: ModelCard): void {
  const isForced = request.toolChoice === 'required' || typeof request.toolChoice === 'object';
  if (isForced && resolveThinkingSwitch(request.thinking, card) === 'on')
    refuse('The tool_choice parameter does not support being set to required or object in thinking mode');
}

/** "Chat Completions", n: 1 with tools, not while thinking. Own words. */
function choicesFitToolsAndThinking(request: GenerationRequest, card: ModelCard): void {
  if ((request.sampling.choices ?? 1) === 1) return;
  if (request.tools.length > 0) refuse('The n parameter must be 1 when tools is set.');
  if (resolveThinkingSwitch(request.thinking, card) === 'on')
    refuse('The n parameter must be 1 when enable_thinking is true.');
}

// Structured output

function jsonIsMentioned(request: GenerationRequest): void {
  if (request.output.type !== 'json-object') return;
  if (!textParts(request, ['system', 'user']).some((part) => /json/i.test(part.text)))
    refuseInModelLayer(
      "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
    );
}

/** Only the open-source Qwen3 hybrids still refuse this ("Structured output"). */
function jsonFitsThinking(request: GenerationRequest, card: ModelCard): void {
  if (request.output.type === 'text' || !isOpenQwen3Hybrid(card)) return;
  if (resolveThinkingSwitch(request.thinking, card) === 'on')
    refuseInModelLayer('Json mode response is not supported when enable_thinking is true');
}

function textParts(request: GenerationRequest, roles: readonly Role[]): TextPart[] {
  const parts = request.turns.filter((turn) => roles.includes(turn.role)).flatMap((turn) => turn.parts);
  const texts = parts.filter((part) => part.type === 'text');
  return roles.includes('system') ? [...request.instructions, ...texts] : texts;
}

// Partial mode ("Partial mode"; the texts are own words)

/** A mark on an earlier message is a leftover of an earlier call and means nothing. */
function partialIsPossible(request: GenerationRequest, card: ModelCard): void {
  const last = request.turns.at(-1);
  if (!last?.isPartial) return;
  if (last.role !== 'assistant') refuse('The partial parameter is only supported for messages with role "assistant".');
  if (last.parts.some((part) => part.type === 'tool-call'))
    refuse('The partial parameter is not supported together with "tool_calls".');
  if (!card.abilities.partialMode) refuse('This model does not support partial mode.');
  if (resolveThinkingSwitch(request.thinking, card) === 'on')
    refuse('Partial mode is not supported when enable_thinking is true');
}

// Features that are not built yet: refused, never ignored. The first text is the vendor's, the rest are shaped like it.

function hasNoUnbuiltFeature(request: GenerationRequest, card: ModelCard): void {
  const { extensions, continuation } = request;
  if (extensions.search) refuse('This model does not support enable_search.');
  if (extensions.codeInterpreter) refuse('This model does not support enable_code_interpreter.');
  if (extensions.translation) refuse('This model does not support translation_options.');
  if (extensions.character) refuse('This model does not support character_options.');
  if (extensions.skills) refuse('This model does not support skill.');
  if (extensions.speech) refuse('This model does not support audio output.');
  if (extensions.ocr) refuse('This model does not support ocr_options.');
  if (extensions.research || card.kinds.includes('research'))
    throw new StudioError('model-not-supported', `Unsupported model \`${card.id}\``);
  for (const tool of request.tools)
    if (tool.type === 'hosted') refuse(`This model does not support the ${tool.kind} tool.`);
  // A session key names a cache, which changes no answer; the other two name history that is not here.
  if (continuation && !('sessionKey' in continuation)) refuse('This model does not support stored conversations.');
}
