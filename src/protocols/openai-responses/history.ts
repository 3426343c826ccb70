/**
 * What a response continues, and what it leaves behind (responses-and-tools reference §13, §19.11, §19.12): stored
 * responses, conversations, and on a socket the responses that only its connection remembers.
 */
import type { GenerationResult } from '../../core/assemble.ts';
import type { ConversationStore } from '../../core/conversations.ts';
import { StudioError } from '../../core/errors.ts';
import type { Clock, Owner } from '../../core/ports.ts';
import type { Region } from '../../core/regions.ts';
import type { ResponseBody, ResponseStore, StoredItem, StoredResponse } from '../../core/responses.ts';
import type { Decoded } from '../protocol.ts';
import { lineJson } from '../sse.ts';
import { needsLookUp, RESPONSE_ID_PREFIX } from './decode.ts';
import { encodeResponse, type Seal, terminalType } from './encode.ts';
import type { LiveResponses } from './live.ts';
import type { CallState, History, ResponsePlan } from './plan.ts';
import { responseIdOfItem, responseOf } from './response.ts';
import * as texts from './texts.ts';
import type { TurnLocks } from './turn-locks.ts';
import { turnsOf } from './turns.ts';

export interface HistoryPorts {
  readonly responses: ResponseStore;
  readonly conversations: ConversationStore;
  readonly live: LiveResponses;
  readonly locks: TurnLocks;
  /** How long a response can be read and continued. */
  readonly clock: Clock;
  readonly retentionMs: number;
  readonly seal: Seal;
  open(owner: Owner, sealed: string): string | undefined;
  /** Whether somebody answers for the model there. */
  hasModel(id: string, region: Region): boolean;
}

/** Responses that are remembered besides the stored ones. */
export interface Memory {
  /** Its history, input and output. */
  find(responseId: string): readonly StoredItem[] | undefined;
  remember(responseId: string, items: readonly StoredItem[]): void;
  /** What a failed turn continued cannot be continued again. */
  forget(responseId: string): void;
}

// ---- Before the call ----

/**
 * The request with the turns of all it continues. Waits for the turns of its conversation that came before it; a
 * background response is stored as queued, so that it can be asked for.
 */
export async function prepareResponse(
  decoded: Decoded<ResponsePlan>,
  ports: HistoryPorts,
  memory: Memory | undefined,
  signal: AbortSignal,
): Promise<Decoded<ResponsePlan>> {
  const { conversationId } = decoded.plan;
  if (conversationId === undefined) return begin(await continued(decoded, ports, memory), undefined, ports);
  await findConversation(decoded.plan, conversationId, ports);
  const release = await ports.locks.acquire(conversationId, decoded.plan.responseId, signal);
  try {
    return await begin(await continued(decoded, ports, memory), release, ports);
  } catch (thrown) {
    await release();
    throw thrown;
  }
}

/** The request with the turns of all it continues, and a model that somebody answers for; nothing is taken or stored. */
export async function continued(
  { request, plan }: Decoded<ResponsePlan>,
  ports: HistoryPorts,
  memory: Memory | undefined,
): Promise<Decoded<ResponsePlan>> {
  if (!ports.hasModel(request.model, plan.region))
    throw new StudioError('model-not-found', texts.unsupportedModel(request.model), { param: 'model' });
  if (!needsLookUp(plan)) return { request, plan: { ...plan, state: { history: NOTHING_BEFORE } } };
  const history = await lookUp(plan, ports, memory);
  const isReference = ({ type }: StoredItem): boolean => type === 'item_reference';
  const input: StoredItem[] = [];
  for (const [index, item] of plan.input.entries()) {
    // An item may be referred to twice: an earlier reference has its id and is not it.
    const before = plan.input.slice(0, index).filter((each) => !isReference(each));
    input.push(isReference(item) ? await resolve(item.id, [...history.items, ...before], plan, ports) : item);
  }
  const turns = turnsOf([...history.items, ...input], (sealed) => ports.open(plan, sealed));
  return { request: { ...request, turns, continuation: undefined }, plan: { ...plan, input, state: { history } } };
}

const NOTHING_BEFORE: History = { items: [] };

async function begin(
  { request, plan }: Decoded<ResponsePlan>,
  release: CallState['release'],
  ports: HistoryPorts,
): Promise<Decoded<ResponsePlan>> {
  const state: CallState = { history: plan.state?.history ?? NOTHING_BEFORE, release };
  if (!plan.isBackground) return { request, plan: { ...plan, state } };
  // Live before it is stored: one that is stored and not live is taken for one that a killed process has left behind.
  const live = ports.live.begin(plan.responseId, plan.isStreaming);
  try {
    await ports.responses.create(storedResponse(plan, acceptedResponse(plan), ports));
    live.isStored = true;
  } catch (thrown) {
    ports.live.forget(plan.responseId);
    throw thrown;
  }
  return { request, plan: { ...plan, state: { ...state, live } } };
}

/** What a background response is until it begins. */
export function acceptedResponse(plan: ResponsePlan): ResponseBody {
  return responseOf(plan, { status: 'queued', output: [] });
}

async function lookUp(plan: ResponsePlan, ports: HistoryPorts, memory: Memory | undefined): Promise<History> {
  const { previousResponseId, conversationId } = plan;
  if (conversationId !== undefined) {
    await findConversation(plan, conversationId, ports);
    const { items, lastSequence } = await ports.conversations.items(conversationId);
    return { items, upToSequence: lastSequence };
  }
  if (previousResponseId === undefined) return NOTHING_BEFORE;
  const stored = await storedItems(plan, previousResponseId, ports);
  if (stored) return { items: stored };
  const remembered = memory?.find(previousResponseId);
  if (remembered) return { items: remembered, isRemembered: true };
  throw new StudioError('previous-response-not-found', texts.previousNotFound(previousResponseId), {
    param: 'previous_response_id',
  });
}

async function findConversation(owner: Owner, conversationId: string, { conversations }: HistoryPorts): Promise<void> {
  if (!(await conversations.find(owner, conversationId)))
    throw new StudioError('not-found', texts.conversationNotFound(conversationId), { param: 'conversation' });
}

async function storedItems(owner: Owner, responseId: string, ports: HistoryPorts): Promise<StoredItem[] | undefined> {
  const chain = await ports.responses.chain(owner, responseId);
  const last = chain.at(-1);
  if (!last) return undefined;
  if (last.body.status === 'queued' || last.body.status === 'in_progress')
    throw new StudioError('unsupported-operation', texts.previousUnfinished(responseId), {
      param: 'previous_response_id',
    });
  return itemsOf(chain, ports);
}

/** The items of a chain of responses, what the first of them read in its conversation included. */
export async function itemsOf(
  chain: readonly StoredResponse[],
  { conversations }: Pick<HistoryPorts, 'conversations'>,
): Promise<StoredItem[]> {
  const conversation = chain[0]?.conversation;
  const before = conversation && (await conversations.items(conversation.conversationId, conversation.upToSequence));
  return [...(before?.items ?? []), ...chain.flatMap(({ input, body }) => [...input, ...body.output])];
}

/** An item that was shown before: in the conversation so far, or with the response that its id tells of. */
async function resolve(
  itemId: string,
  before: readonly StoredItem[],
  owner: Owner,
  { responses }: HistoryPorts,
): Promise<StoredItem> {
  const responseId = responseIdOfItem(itemId);
  const response = responseId === undefined ? undefined : await responses.find(owner, responseId);
  const found = [...before, ...(response?.body.output ?? [])].find(({ id }) => id === itemId);
  if (!found) throw new StudioError('invalid-parameter', texts.itemNotFound(itemId), { param: 'input' });
  return found;
}

// ---- After it ----

/** Stores the response and adds it to its conversation, gives the turn back and ends what others follow. */
export async function settleResponse(
  plan: ResponsePlan,
  result: GenerationResult | undefined,
  ports: HistoryPorts,
  memory: Memory | undefined,
): Promise<void> {
  const body = result ? encodeResponse(result, plan, ports.seal) : failedBeforeItBegan(plan);
  if (plan.state?.live) plan.state.live.isStored = false;
  try {
    if (body.status === 'failed' && plan.previousResponseId !== undefined) memory?.forget(plan.previousResponseId);
    if (plan.isBackground)
      await ports.responses.update(plan.responseId, {
        body,
        events: plan.isStreaming ? plan.state?.live?.events : undefined,
      });
    else if (result && plan.isStored && isShown(plan, body))
      await ports.responses.create(storedResponse(plan, body, ports));
    if (body.status !== 'completed' && body.status !== 'incomplete') return;
    if (plan.conversationId !== undefined)
      await ports.conversations.append(plan.conversationId, [...plan.input, ...body.output], ports.clock.now());
    memory?.remember(plan.responseId, [...(plan.state?.history.items ?? []), ...plan.input, ...body.output]);
  } finally {
    await plan.state?.release?.();
    endLive(plan, body);
  }
}

/** Whoever waits for a plain reply is told of a failure by its status, and never learns an id. */
function isShown(plan: ResponsePlan, { status }: ResponseBody): boolean {
  return plan.isStreaming || status !== 'failed';
}

function failedBeforeItBegan(plan: ResponsePlan): ResponseBody {
  return responseOf(plan, { status: 'failed', output: [], error: new StudioError('internal') });
}

function endLive(plan: ResponsePlan, body: ResponseBody): void {
  const live = plan.state?.live;
  live?.end(body, lastEvent(body, live.events.length));
}

/** The event that says how a response ended. */
export function lastEvent(response: ResponseBody, sequence: number): string {
  return lineJson({ type: terminalType(response), sequence_number: sequence, response });
}

/** What is kept of a response. */
export function storedResponse(plan: ResponsePlan, body: ResponseBody, { retentionMs }: HistoryPorts): StoredResponse {
  const { responseId, workspaceId, region, previousResponseId, conversationId, createdAtMs, input } = plan;
  const { items, upToSequence = 0, isRemembered } = plan.state?.history ?? NOTHING_BEFORE;
  return {
    responseId,
    workspaceId,
    region,
    // What only a connection remembers will not be found again: it is kept with what continues it.
    previousResponseId: isRemembered ? undefined : previousResponseId,
    input: isRemembered ? [...items, ...input] : input,
    conversation: conversationId === undefined ? undefined : { conversationId, upToSequence },
    createdAtMs,
    expiresAtMs: createdAtMs + retentionMs,
    body,
  };
}

/**
 * Brings what runs here and what is stored together: responses that the last process or a server that is gone left
 * unfinished have failed; those that another server has cancelled or deleted are cancelled here. Returns how many have failed.
 */
export async function compareWithStored(
  { responses, live }: HistoryPorts,
  cancel: (responseId: string) => void,
): Promise<number> {
  const running = live.stored();
  const unfinished = await responses.unfinished();
  const unfinishedIds = new Set(unfinished.map(({ responseId }) => responseId));
  for (const [responseId, { isStored }] of running) if (isStored && !unfinishedIds.has(responseId)) cancel(responseId);
  let failed = 0;
  for (const { responseId, body } of unfinished) {
    if (live.find(responseId)) continue;
    const error = { code: 'server_error', message: texts.INTERRUPTED };
    // One that has ended since the list was read stays as it ended.
    if (await responses.update(responseId, { body: { ...body, status: 'failed', error } })) failed++;
  }
  return failed;
}

/** The request id that a response's call runs under. */
export function requestIdOf(responseId: string): string {
  return responseId.startsWith(RESPONSE_ID_PREFIX) ? responseId.slice(RESPONSE_ID_PREFIX.length) : responseId;
}
