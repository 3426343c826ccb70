import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { countingIds, fixedClock, testOwner } from '../../../test/support/context.ts';
import { goldenInfo } from '../../../test/support/goldens.ts';
import { textAnswer } from '../../../test/support/streams.ts';
import { callResource, testWirePorts } from '../../../test/support/wires.ts';
import { Assembler, type GenerationResult } from '../../core/assemble.ts';
import type { GenerationEvent } from '../../core/events.ts';
import type { ModelCard } from '../../core/models.ts';
import { permissiveCard } from '../../core/models.ts';
import type { Owner } from '../../core/ports.ts';
import type { StoredResponse } from '../../core/responses.ts';
import { createConversationStore } from '../../stores/sql/conversations.ts';
import { type Database, openDatabase } from '../../stores/sql/database.ts';
import { createResponseStore } from '../../stores/sql/responses.ts';
import { createOpenAiConversationsWire } from '../openai-conversations/index.ts';
import type { DecodeInfo, GenerationProtocol, SocketCall, Wire, WirePorts, WireSocket } from '../protocol.ts';
import { createOpenAiResponsesWire } from './index.ts';
import type { ResponsePlan } from './plan.ts';

let database: Database;
let ports: WirePorts;
let wire: Wire;
let protocol: GenerationProtocol<ResponsePlan>;
const clock = fixedClock();

beforeEach(async () => {
  database = await openDatabase(':memory:');
  const card = permissiveCard('qwen-plus');
  ports = testWirePorts({
    clock,
    ids: countingIds(),
    responses: createResponseStore(database, { id: 'server-1', clock }),
    conversations: createConversationStore(database),
    findModel: (id) => (id === 'qwen-plus' ? { card, servedBy: 'test/test', isStandIn: false } : undefined),
  });
  wire = createOpenAiResponsesWire(ports);
  protocol = wire.generations[0] as GenerationProtocol<ResponsePlan>;
});
afterEach(async () => {
  vi.useRealTimers();
  await database.close();
});

const waiting = new AbortController().signal;
let requests = 0;

function infoOf(owner = testOwner()): DecodeInfo {
  const requestId = `00000000-0000-9000-8000-${(++requests).toString(16).padStart(12, '0')}`;
  const account = { keyId: 'k', name: 'k', ...owner };
  return { ...goldenInfo(), requestId, account, ids: ports.ids, receivedAtMs: clock.now() };
}

async function prepare(members: object, owner?: Owner) {
  const info = infoOf(owner);
  const decoded = protocol.decodeRequest({ model: 'qwen-plus', input: 'Hi', ...members }, info);
  const prepared = await protocol.prepare?.(decoded, info, waiting);
  if (!prepared) throw new Error('the wire prepares its calls');
  return prepared;
}

function resultOf(events: readonly GenerationEvent[]): GenerationResult {
  const assembler = new Assembler();
  for (const event of events) assembler.push(event);
  return assembler.result();
}

/** One whole call; the plan of it. */
async function answer(members: object, events = textAnswer(['Hello', ' there'])): Promise<ResponsePlan> {
  const { plan } = await prepare(members);
  await protocol.settle?.(plan, resultOf(events));
  return plan;
}

const stored = (responseId: string) => ports.responses.find(testOwner(), responseId);

describe('what is kept', () => {
  it('is the body that the client reads', async () => {
    const { plan } = await prepare({});
    const result = resultOf(textAnswer(['Hello'], { reasoning: ['hmm'] }));
    await protocol.settle?.(plan, result);
    expect((await stored(plan.responseId))?.body).toEqual(protocol.encodeResult(result, plan));
  });

  it('is nothing where nothing was asked to be kept, or nobody learnt the id', async () => {
    const unstored = await answer({ store: false });
    expect(await stored(unstored.responseId)).toBeUndefined();
    const { plan } = await prepare({});
    await protocol.settle?.(plan, undefined);
    expect(await stored(plan.responseId)).toBeUndefined();
  });

  it('expires', async () => {
    const { responseId } = await answer({});
    const { createdAtMs, expiresAtMs } = (await stored(responseId)) as StoredResponse;
    expect(expiresAtMs - createdAtMs).toBe(7 * 86_400_000);
  });

  it.each([
    ['workspace', testOwner({ workspaceId: 'other' })],
    ['region', testOwner({ region: 'singapore' })],
  ])('belongs to a %s', async (_what, owner) => {
    const { responseId } = await answer({});
    const account = { keyId: 'k', name: 'k', ...owner };
    const params = { responseId };
    const one = '/v1/responses/:responseId';
    for (const [method, path] of [
      ['GET', one],
      ['DELETE', one],
      ['POST', `${one}/cancel`],
      ['GET', `${one}/input_items`],
    ] as const)
      await expect(async () => callResource(wire, method, path, { params, account })).rejects.toThrow('not found');
    await expect(prepare({ previous_response_id: responseId }, owner)).rejects.toThrow('Not found');
    const conversations = createOpenAiConversationsWire(ports);
    const made = await callResource(conversations, 'POST', '/v1/conversations');
    const { id } = made.body as { id: string };
    const find = { params: { conversationId: id }, account };
    await expect(async () =>
      callResource(conversations, 'GET', '/v1/conversations/:conversationId', find),
    ).rejects.toThrow('not found');
    await expect(prepare({ conversation: id }, owner)).rejects.toThrow('not found');
  });
});

describe('a turn of a conversation', () => {
  let conversation: string;
  beforeEach(async () => {
    conversation = 'conv_1';
    await ports.conversations.create(
      { conversationId: conversation, ...testOwner(), createdAtMs: 0, metadata: {} },
      [],
    );
  });

  it('is given back however the call ends', async () => {
    const failing: GenerationEvent[] = [...textAnswer(['Hi']).slice(0, -1)];
    for (const events of [textAnswer(['Hi']), failing]) await answer({ conversation }, events);
    const { plan } = await prepare({ conversation });
    await protocol.settle?.(plan, undefined);
    const refused = prepare({
      conversation,
      input: [{ type: 'function_call_output', call_id: 'x', output: '' }],
    });
    await expect(refused).rejects.toThrow('No tool call found');
    await answer({ conversation });
    expect((await ports.conversations.items(conversation)).items).toHaveLength(4);
  });

  it('is given back when the store fails', async () => {
    const { plan } = await prepare({ conversation });
    vi.spyOn(ports.responses, 'create').mockImplementationOnce(() => {
      throw new Error('disk full');
    });
    await expect(protocol.settle?.(plan, resultOf(textAnswer(['Hi'])))).rejects.toThrow('disk full');
    await answer({ conversation });
  });

  it('adds nothing to a conversation that was deleted meanwhile', async () => {
    const { plan } = await prepare({ conversation });
    await ports.conversations.delete(testOwner(), conversation);
    await protocol.settle?.(plan, resultOf(textAnswer(['Hi'])));
    expect((await stored(plan.responseId))?.body.status).toBe('completed');
  });
});

describe('a background response', () => {
  it('has failed when the process that worked on it is gone', async () => {
    const { plan } = await prepare({ background: true });
    expect((await stored(plan.responseId))?.body.status).toBe('queued');
    const next = createOpenAiResponsesWire(ports);
    next.work?.start();
    await next.work?.stop();
    expect((await stored(plan.responseId))?.body).toMatchObject({
      status: 'failed',
      error: { code: 'server_error', message: 'The response was interrupted by a restart of the server.' },
    });
  });

  it('is left alone by the process that works on it', async () => {
    const { plan } = await prepare({ background: true });
    wire.work?.start();
    await wire.work?.stop();
    expect((await stored(plan.responseId))?.body.status).toBe('queued');
  });

  it('tells how far it is while it runs, and cannot be continued yet', async () => {
    const { plan } = await prepare({ background: true });
    const read = async () => {
      const params = { responseId: plan.responseId };
      return (await callResource(wire, 'GET', '/v1/responses/:responseId', { params })).body;
    };
    const encoder = protocol.createEncoder(plan);
    expect(await read()).toMatchObject({ status: 'queued', output: [] });
    const events = textAnswer(['Hello'], { reasoning: ['hmm'] });
    for (const event of events.slice(0, -3)) encoder.push(event);
    expect(await read()).toMatchObject({ status: 'in_progress', output: [{ type: 'reasoning' }] });
    await expect(prepare({ previous_response_id: plan.responseId })).rejects.toThrow('has not ended yet');
    await protocol.settle?.(plan, resultOf(events));
    expect(await read()).toMatchObject({ status: 'completed', output: [{ type: 'reasoning' }, { type: 'message' }] });
  });

  it('keeps the events that were streamed, and its last one is the stored body', async () => {
    const { plan } = await prepare({ background: true, stream: true });
    const events = textAnswer(['Hello']);
    const encoder = protocol.createEncoder(plan);
    let frames = '';
    for (const event of events) {
      if (event.type === 'finish') await protocol.settle?.(plan, resultOf(events));
      frames += encoder.push(event);
    }
    const params = { responseId: plan.responseId };
    const query = new URLSearchParams('stream=true');
    const path = '/compatible-mode/v1/responses/:responseId';
    const { stream } = await callResource(wire, 'GET', path, { params, query });
    let replayed = '';
    for await (const piece of stream ?? []) replayed += String(piece);
    expect(replayed).toBe(frames);
  });

  it('is deleted for good while it runs', async () => {
    const { plan } = await prepare({ background: true });
    await callResource(wire, 'DELETE', '/v1/responses/:responseId', { params: { responseId: plan.responseId } });
    await protocol.settle?.(plan, resultOf(textAnswer(['Hi'])));
    expect(await stored(plan.responseId)).toBeUndefined();
  });
});

describe('a background response of another server', () => {
  /** The same database, looked at by a server that did not take the call. */
  function elsewhere(): { readonly wire: Wire; readonly responses: WirePorts['responses'] } {
    const responses = createResponseStore(database, { id: 'server-2', clock });
    return { wire: createOpenAiResponsesWire({ ...ports, responses }), responses };
  }
  beforeEach(async () => {
    const servers = ['server-1', 'server-2'].map((id) => ({ id, seen_at_ms: clock.now() }));
    await database.queries.insertInto('servers').values(servers).execute();
  });

  it('is none that was interrupted', async () => {
    const { plan } = await prepare({ background: true });
    const { wire: other } = elsewhere();
    other.work?.start();
    await other.work?.stop();
    expect((await stored(plan.responseId))?.body.status).toBe('queued');
  });

  it('has failed when that server is gone', async () => {
    const { plan } = await prepare({ background: true });
    await database.queries.deleteFrom('servers').where('id', '=', 'server-1').execute();
    const { wire: other } = elsewhere();
    other.work?.start();
    await other.work?.stop();
    expect((await stored(plan.responseId))?.body.status).toBe('failed');
  });

  it.each(['cancelled', 'deleted'])('ends where it runs when it is %s', async (how) => {
    const { plan } = await prepare({ background: true });
    const cancelled: string[] = [];
    ports.running.add(plan.responseId.slice('resp_'.length), () => cancelled.push(plan.responseId));
    const { wire: other } = elsewhere();
    const params = { responseId: plan.responseId };
    const one = '/v1/responses/:responseId';
    if (how === 'deleted') await callResource(other, 'DELETE', one, { params });
    else {
      const { body } = await callResource(other, 'POST', `${one}/cancel`, { params });
      expect(body).toMatchObject({ id: plan.responseId, status: 'cancelled' });
    }
    cancelled.length = 0;
    wire.work?.start();
    await wire.work?.stop();
    expect(cancelled).toEqual([plan.responseId]);
    await protocol.settle?.(plan, resultOf(textAnswer(['Hi'])));
    expect((await stored(plan.responseId))?.body.status).toBe(how === 'deleted' ? undefined : 'cancelled');
  });
});

describe('thinking', () => {
  const thinkingOf = (thinking: ModelCard['thinking'], members: object) => {
    const card = { ...permissiveCard('qwen-plus'), thinking };
    const own = createOpenAiResponsesWire({ ...ports, catalogue: { find: () => card, list: () => [] } });
    const body = { model: 'qwen-plus', input: 'Hi', tools: [{ type: 'function', name: 'f' }], ...members };
    return own.generations[0]?.decodeRequest(body, infoOf()).request.thinking.switch;
  };

  it.each([
    ['hybrid-default-off', { reasoning: { effort: 'low' } }, 'on'],
    ['hybrid-default-on', { reasoning: { effort: 'none' } }, 'off'],
    ['hybrid-default-on', { reasoning: { effort: 'none' }, enable_thinking: true }, 'off'],
    ['none', { reasoning: { effort: 'high' } }, 'default'],
    ['none', { enable_thinking: true }, 'on'],
    ['always', { reasoning: { effort: 'none' } }, 'default'],
    ['hybrid-default-on', { tool_choice: 'required' }, 'off'],
    ['hybrid-default-on', { tool_choice: 'required', reasoning: { effort: 'low' } }, 'on'],
    ['hybrid-default-on', { tool_choice: 'auto' }, 'default'],
    ['always', { tool_choice: 'required' }, 'default'],
  ] as const)('of a model that is %s, asked %j, is %s', (mode, members, expected) => {
    expect(thinkingOf(mode, members)).toBe(expected);
  });
});

describe('a socket', () => {
  it('is closed after an hour, when what runs on it has ended', async () => {
    vi.useFakeTimers();
    const sent: { error?: { code: string } }[] = [];
    const closed: number[] = [];
    let say: (message: string) => void = () => {};
    const socket: WireSocket = {
      send: (text) => void sent.push(JSON.parse(text)),
      close: (code) => void closed.push(code),
      isOpen: true,
      drained: () => undefined,
      onMessage: (listener) => {
        say = listener;
      },
      onClose() {},
    };
    const running = Promise.withResolvers<void>();
    const call: SocketCall = { ...infoOf(), serve: () => running.promise };
    wire.sockets[0]?.open(socket, call);
    say('{"type":"response.create","model":"qwen-plus","input":"Hi"}');
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(closed).toEqual([]);
    running.resolve();
    await vi.advanceTimersByTimeAsync(0);
    expect(sent.at(-1)?.error?.code).toBe('websocket_connection_limit_reached');
    expect(closed).toEqual([1000]);
  });
});
