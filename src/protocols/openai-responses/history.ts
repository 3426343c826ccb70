/**
 * What a response continues, and what it leaves behind (responses-and-tools reference §13, §19.11, §19.12): stored
 * responses, conversations, and on a socket the responses that only its connection remembers.
 */
import type { GenerationResult } from '../../core/assemble.ts';
import type { ConversationStore } from '../../core/conversations.ts';
import { StudioError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports.ts';
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
  open(workspaceId: string, sealed: string): string | undefined;
  /** Whether somebody answers for the model. */
  hasModel(id: string): boolean;
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
  const { conversationId, workspaceId } = decoded.plan;
  if (conversationId === undefined) return begin(continued(decoded, ports, memory), undefined, ports);
  findConversation(workspaceId, conversationId, ports);
  const release = await ports.locks.acquire(conversationId, signal);
  try {
    return begin(continued(decoded, ports, memory), release, ports);
  } catch (thrown) {
    release();
    throw thrown;
  }
}

/** The request with the turns of all it continues, and a model that somebody answers for; nothing is taken or stored. */
export function continued(
  { request, plan }: Decoded<ResponsePlan>,
  ports: HistoryPorts,
  memory: Memory | undefined,
): Decoded<ResponsePlan> {
  if (!ports.hasModel(request.model))
    throw new StudioError('model-not-found', texts.unsupportedModel(request.model), { param: 'model' });
  if (!needsLookUp(plan)) return { request, plan: { ...plan, state: { history: NOTHING_BEFORE } } };
  const history = lookUp(plan, ports, memory);
  const isReference = ({ type }: StoredItem): boolean => type === 'item_reference';
  const input = plan.input.map((item, index) => {
    if (!isReference(item)) return item;
    // An item may be referred to twice: an earlier reference has its id and is not it.
    const before = plan.input.slice(0, index).filter((each) => !isReference(each));
    return resolve(item.id, [...history.items, ...before], plan, ports);
  });
  const turns = turnsOf([...history.items, ...input], (sealed) => ports.open(plan.workspaceId, sealed));
  return { request: { ...request, turns, continuation: undefined }, plan: { ...plan, input, state: { history } } };
}

const NOTHING_BEFORE: History = { items: [] };

function begin(
  { request, plan }: Decoded<ResponsePlan>,
  release: CallState['release'],
  ports: HistoryPorts,
): Decoded<ResponsePlan> {
  const state: CallState = { history: plan.state?.history ?? NOTHING_BEFORE, release };
  if (!plan.isBackground) return { request, plan: { ...plan, state } };
  ports.responses.create(storedResponse(plan, acceptedResponse(plan), ports));
  return { request, plan: { ...plan, state: { ...state, live: ports.live.begin(plan.responseId, plan.isStreaming) } } };
}

/** What a background response is until it begins. */
export function acceptedResponse(plan: ResponsePlan): ResponseBody {
  return responseOf(plan, { status: 'queued', output: [] });
}

function lookUp(plan: ResponsePlan, ports: HistoryPorts, memory: Memory | undefined): History {
  const { previousResponseId, conversationId, workspaceId } = plan;
  if (conversationId !== undefined) {
    findConversation(workspaceId, conversationId, ports);
    const { items, lastSequence } = ports.conversations.items(conversationId);
    return { items, upToSequence: lastSequence };
  }
  if (previousResponseId === undefined) return NOTHING_BEFORE;
  const stored = storedItems(previousResponseId, workspaceId, ports);
  if (stored) return { items: stored };
  const remembered = memory?.find(previousResponseId);
  if (remembered) return { items: remembered, isRemembered: true };
  throw new StudioError('previous-response-not-found', texts.previousNotFound(previousResponseId), {
    param: 'previous_response_id',
  });
}

function findConversation(workspaceId: string, conversationId: string, { conversations }: HistoryPorts): void {
  if (!conversations.find(workspaceId, conversationId))
    throw new StudioError('not-found', texts.conversationNotFound(conversationId), { param: 'conversation' });
}

function storedItems(responseId: string, workspaceId: string, ports: HistoryPorts): StoredItem[] | undefined {
  const chain = ports.responses.chain(workspaceId, responseId);
  const last = chain.at(-1);
  if (!last) return undefined;
  if (last.body.status === 'queued' || last.body.status === 'in_progress')
    throw new StudioError('unsupported-operation', texts.previousUnfinished(responseId), {
      param: 'previous_response_id',
    });
  return itemsOf(chain, ports);
}

/** The items of a chain of responses, what the first of them read in its conversation included. */
export function itemsOf(
  chain: readonly StoredResponse[],
  { conversations }: Pick<HistoryPorts, 'conversations'>,
): StoredItem[] {
  const conversation = chain[0]?.conversation;
  const before = conversation && conversations.items(conversation.conversationId, conversation.upToSequence).items;
  return [...(before ?? []), ...chain.flatMap(({ input, body }) => [...input, ...body.output])];
}

/** An item that was shown before: in the conversation so far, or with the response that its id tells of. */
function resolve(
  itemId: string,
  before: readonly StoredItem[],
  { workspaceId }: ResponsePlan,
  { responses }: HistoryPorts,
): StoredItem {
  const responseId = responseIdOfItem(itemId);
  const response = responseId === undefined ? undefined : responses.find(workspaceId, responseId);
  const found = [...before, ...(response?.body.output ?? [])].find(({ id }) => id === itemId);
  if (!found) throw new StudioError('invalid-parameter', texts.itemNotFound(itemId), { param: 'input' });
  return found;
}

// ---- After it ----

/** Stores the response and adds it to its conversation, gives the turn back and ends what others follow. */
export function settleResponse(
  plan: ResponsePlan,
  result: GenerationResult | undefined,
  ports: HistoryPorts,
  memory: Memory | undefined,
): void {
  const body = result ? encodeResponse(result, plan, ports.seal) : failedBeforeItBegan(plan);
  try {
    if (body.status === 'failed' && plan.previousResponseId !== undefined) memory?.forget(plan.previousResponseId);
    if (plan.isBackground)
      ports.responses.update(plan.responseId, {
        body,
        events: plan.isStreaming ? plan.state?.live?.events : undefined,
      });
    else if (result && plan.isStored && isShown(plan, body)) ports.responses.create(storedResponse(plan, body, ports));
    if (body.status !== 'completed' && body.status !== 'incomplete') return;
    if (plan.conversationId !== undefined)
      ports.conversations.append(plan.conversationId, [...plan.input, ...body.output], ports.clock.now());
    memory?.remember(plan.responseId, [...(plan.state?.history.items ?? []), ...plan.input, ...body.output]);
  } finally {
    plan.state?.release?.();
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
  const { responseId, workspaceId, previousResponseId, conversationId, createdAtMs, input } = plan;
  const { items, upToSequence = 0, isRemembered } = plan.state?.history ?? NOTHING_BEFORE;
  return {
    responseId,
    workspaceId,
    // What only a connection remembers will not be found again: it is kept with what continues it.
    previousResponseId: isRemembered ? undefined : previousResponseId,
    input: isRemembered ? [...items, ...input] : input,
    conversation: conversationId === undefined ? undefined : { conversationId, upToSequence },
    createdAtMs,
    expiresAtMs: createdAtMs + retentionMs,
    body,
  };
}

/** Responses that the last process left unfinished: nobody works on them any more. */
export function failInterrupted({ responses, live }: HistoryPorts): number {
  let interrupted = 0;
  for (const { responseId, body } of responses.unfinished()) {
    if (live.find(responseId)) continue;
    const error = { code: 'server_error', message: texts.INTERRUPTED };
    responses.update(responseId, { body: { ...body, status: 'failed', error } });
    interrupted++;
  }
  return interrupted;
}

/** The request id that a response's call runs under. */
export function requestIdOf(responseId: string): string {
  return responseId.startsWith(RESPONSE_ID_PREFIX) ? responseId.slice(RESPONSE_ID_PREFIX.length) : responseId;
}
