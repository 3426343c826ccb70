/** A body of `POST …/v1/messages` → canonical request and reply plan (anthropic-messages reference §2–§7). */
import { StudioError } from '../../core/errors.ts';
import type {
  CacheMark,
  ContentPart,
  GenerationRequest,
  Limits,
  OutputFormat,
  Sampling,
  Thinking,
  Turn,
} from '../../core/generation.ts';
import type { ModelCard } from '../../core/models.ts';
import type { Decoded, ReplyPlan } from '../protocol.ts';
import { cacheMarkOf } from './blocks.ts';
import { decodeInstructions, decodeTurns } from './messages.ts';
import { AT_LEAST_ONE, bodySchema, FIELD_REQUIRED, type MessagesBody, parseWire, refuseAt } from './schema.ts';
import { allowsParallelCalls, decodeToolChoice, decodeTools } from './tools.ts';

/** What is known of a model: some members mean another thing on another model. */
export type FindCard = (model: string) => ModelCard | undefined;

/** Throws a StudioError that names the place of what is wrong. */
export function decodeMessagesRequest(body: unknown, findCard: FindCard): Decoded<ReplyPlan> {
  const parsed = parseWire(bodySchema, body);
  if (typeof parsed.max_tokens !== 'number') refuseAt(['max_tokens'], FIELD_REQUIRED);
  return { request: requestOf(parsed, findCard), plan: { isStreaming: parsed.stream ?? false } };
}

/** The request whose input `count_tokens` counts: the same, but that nothing needs to bound its answer. */
export function decodeCountRequest(body: unknown, findCard: FindCard): GenerationRequest {
  return requestOf(parseWire(bodySchema, body), findCard);
}

/** The SDK's tool runner asks for a thread first, and goes on without one when it reads this with its code (`errors.ts`). */
const THREADS_UNSUPPORTED = '`thread` is not supported here: send the full conversation without it.';

function requestOf(body: MessagesBody, findCard: FindCard): GenerationRequest {
  if (body.thread) throw new StudioError('unsupported-operation', THREADS_UNSUPPORTED, { param: 'thread' });
  // Each of its servers would be a tool; to leave one out in silence would change the answer.
  if (body.mcp_servers && body.mcp_servers.length > 0) refuseAt(['mcp_servers'], 'MCP servers are not supported here.');
  const card = findCard(body.model);
  const turns = withPrefix(decodeTurns(body.messages));
  return {
    model: body.model,
    instructions: decodeInstructions(body),
    turns: withMarkAtEnd(turns, cacheMarkOf(body.cache_control)),
    tools: decodeTools(body),
    toolChoice: decodeToolChoice(body),
    allowsParallelCalls: allowsParallelCalls(body),
    output: decodeOutput(body),
    sampling: decodeSampling(body),
    limits: decodeLimits(body, card),
    thinking: decodeThinking(body, turns, card),
    extensions: {},
    storage: { user: body.metadata?.user_id },
  };
}

/** An assistant's message at the end is the beginning of the answer. */
function withPrefix(turns: readonly Turn[]): readonly Turn[] {
  const last = turns.at(-1);
  if (last?.role !== 'assistant' || !last.parts.some(({ type }) => type === 'text')) return turns;
  return [...turns.slice(0, -1), { ...last, isPartial: true }];
}

/** Whatever the model, the answer is held to the schema; that the word "json" be said is not asked for (§5). */
function decodeOutput({ output_config: config, output_format: earlier }: MessagesBody): OutputFormat {
  const format = config?.format ?? earlier;
  if (!format) return { type: 'text' };
  return { type: 'json-schema', name: 'response', schema: format.schema, isStrict: true };
}

function decodeSampling(body: MessagesBody): Sampling {
  const stopTexts = body.stop_sequences ?? [];
  return {
    temperature: body.temperature ?? undefined,
    topP: body.top_p ?? undefined,
    topK: body.top_k ?? undefined,
    stopTexts: stopTexts.length > 0 ? stopTexts : undefined,
  };
}

// ---- Limits and thinking ----

/** Models whose `max_tokens` counts the thinking on this wire, whatever it does on others ("max_tokens", §4.1). */
const COUNTS_THINKING = /^(?:deepseek-v4-|qwen3\.8-(?:max|flash)|glm-5\.3)/;

function countsThinking(card: ModelCard | undefined): boolean {
  return card !== undefined && COUNTS_THINKING.test(card.entryId);
}

/** Agents ask for 32k to 128k of any model, so what is above a model's cap is cut to it. */
function decodeLimits({ max_tokens: asked }: MessagesBody, card: ModelCard | undefined): Limits {
  if (typeof asked !== 'number') return {};
  const tokens = Math.min(asked, card?.maxOutput ?? asked);
  return countsThinking(card) ? { maxTotalOutputTokens: tokens } : { maxOutputTokens: tokens };
}

/**
 * `adaptive` leaves it to the model and the effort. What a model cannot do is not refused here: `disabled` means
 * nothing to one that always thinks, `enabled` nothing to one that never does (§4.2, §15.2).
 */
function decodeThinking(body: MessagesBody, turns: readonly Turn[], card: ModelCard | undefined): Thinking {
  const hasReasoning = turns.some(({ parts }) => parts.some(({ type }) => type === 'reasoning'));
  const keepsLoop = hasReasoning ? true : undefined;
  const effort = body.output_config?.effort ?? undefined;
  const type = body.thinking?.type ?? 'adaptive';
  switch (type) {
    case 'enabled': {
      if (card?.thinking === 'none') return { switch: 'default', keepsLoop };
      const budgetTokens = decodeBudget(body, card);
      // A number says more than a word, and together some models refuse them.
      return { switch: 'on', budgetTokens, effort: budgetTokens === undefined ? effort : undefined, keepsLoop };
    }
    case 'disabled':
      return { switch: card?.thinking === 'always' ? 'default' : 'off', keepsLoop };
    case 'adaptive':
    case 'between_tools':
      if (card && wouldThink(card, effort) && mustNotThink(body, turns, card)) return { switch: 'off', keepsLoop };
      return { switch: 'default', effort, keepsLoop };
    default:
      return type satisfies never;
  }
}

function wouldThink({ thinking }: ModelCard, effort: string | undefined): boolean {
  return thinking === 'hybrid-default-on' || (thinking === 'hybrid-default-off' && effort !== undefined);
}

/**
 * What a thinking model would refuse, asked by a caller who never mentioned thinking: a call that must be made, a
 * beginning to go on from; and of the models that think only when streamed, a plain reply and JSON.
 */
function mustNotThink(body: MessagesBody, turns: readonly Turn[], card: ModelCard): boolean {
  const toolChoice = decodeToolChoice(body);
  const isForced = toolChoice === 'required' || typeof toolChoice === 'object';
  const isPlain = !body.stream || decodeOutput(body).type !== 'text';
  return isForced || turns.at(-1)?.isPartial === true || (card.streamRequired === 'thinking' && isPlain);
}

/** Bounded by what the model may think at all, and by `max_tokens` where that counts the thinking. */
function decodeBudget(
  { thinking, max_tokens: maxTokens }: MessagesBody,
  card: ModelCard | undefined,
): number | undefined {
  const asked = thinking?.budget_tokens ?? undefined;
  if (asked === undefined) return undefined;
  if (asked < 1) refuseAt(['thinking', 'enabled', 'budget_tokens'], AT_LEAST_ONE);
  const budget = Math.min(asked, card?.thinkingBudgetMax ?? asked);
  if (!countsThinking(card) || typeof maxTokens !== 'number') return budget;
  if (asked >= maxTokens) refuseAt([], '`max_tokens` must be greater than `thinking.budget_tokens`.');
  return Math.max(1, Math.min(budget, (card?.maxOutput ?? maxTokens) - 1));
}

// ---- Cache marks ----

/** The mark of the body itself stands on the last piece that can carry one ("Prompt caching", automatic). */
function withMarkAtEnd(turns: readonly Turn[], cacheMark: CacheMark | undefined): readonly Turn[] {
  const isMarkable = ({ type }: ContentPart): boolean => type !== 'reasoning' && type !== 'audio';
  const at = turns.findLastIndex(({ parts }) => parts.some(isMarkable));
  const turn = turns[at];
  if (!cacheMark || !turn) return turns;
  const last = turn.parts.findLastIndex(isMarkable);
  const parts = turn.parts.map((part, index) => (index === last ? { ...part, cacheMark } : part));
  return turns.with(at, { ...turn, parts });
}
