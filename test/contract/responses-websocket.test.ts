/** Responses over a WebSocket: the OpenAI SDK's client, and a bare one for what the SDK does not send. */
import OpenAI from 'openai';
import type { ResponsesClientEvent } from 'openai/resources/responses/responses';
import { ResponsesWS } from 'openai/resources/responses/ws';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { readResponseStream } from '../support/response-stream.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

interface Message {
  readonly type: string;
  readonly status?: number;
  readonly stream_id?: string;
  readonly sequence_number?: number;
  readonly error?: { readonly code: string; readonly message: string };
  readonly response?: {
    readonly id: string;
    readonly status: string;
    readonly output: { content: { text: string }[] }[];
  };
}

const ENDS = new Set(['response.completed', 'response.incomplete', 'response.failed', 'error']);

/** A socket whose messages are taken turn by turn. */
class Client {
  readonly #socket: WebSocket;
  readonly #messages: Message[] = [];
  #wake: (() => void) | undefined;
  readonly closed: Promise<number>;

  constructor(path = '/v1/responses', key = server.key) {
    this.#socket = new WebSocket(server.running.baseUrl.replace('http', 'ws') + path, {
      headers: { authorization: `Bearer ${key}` },
    });
    this.#socket.on('message', (data) => {
      this.#messages.push(JSON.parse(String(data)));
      this.#wake?.();
    });
    this.closed = new Promise((resolve) => this.#socket.on('close', resolve));
  }

  async open(): Promise<this> {
    await new Promise((resolve, reject) => this.#socket.once('open', resolve).once('error', reject));
    return this;
  }

  send(frame: unknown): void {
    this.#socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  create(members: object): Promise<Message[]> {
    this.send({ type: 'response.create', model: 'scripted/echo', ...members });
    return this.turn();
  }

  /** The messages up to the end of a turn. */
  async turn(): Promise<Message[]> {
    const taken: Message[] = [];
    for (;;) {
      const message = this.#messages.shift();
      if (message) {
        taken.push(message);
        if (ENDS.has(message.type)) return taken;
      } else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }

  terminate(): void {
    this.#socket.terminate();
  }
}

const clients: Client[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.terminate();
});

async function connect(path?: string): Promise<Client> {
  const client = new Client(path);
  clients.push(client);
  return client.open();
}

const endOf = (turn: readonly Message[]) => turn.at(-1) as Message;
const idOf = (turn: readonly Message[]) => endOf(turn).response?.id ?? '';
const textOf = (turn: readonly Message[]) => endOf(turn).response?.output.at(-1)?.content[0]?.text;
const missing = { type: 'error', status: 400, error: { code: 'previous_response_not_found' } };

describe.each(['/v1', '/compatible-mode/v1', '/api/v2/apps/protocols/compatible-mode/v1'])(
  'the SDK below %s',
  (prefix) => {
    it('creates and continues', async () => {
      const baseURL = server.running.baseUrl + prefix;
      const socket = new ResponsesWS(new OpenAI({ apiKey: server.key, baseURL }));
      const ask = async (members: Partial<ResponsesClientEvent.ResponseCreate>) => {
        socket.send({ type: 'response.create', model: 'scripted/echo', store: false, ...members });
        for await (const each of socket)
          if (each.type === 'message' && each.message.type === 'response.completed') return each.message.response;
        throw new Error('closed');
      };
      const first = await ask({ input: 'one two' });
      const second = await ask({ input: 'three', previous_response_id: first.id });
      expect(second.usage?.input_tokens).toBe(5);
      socket.close();
    });
  },
);

describe('a turn', () => {
  it('is the events of a stream, one a frame', async () => {
    const socket = await connect();
    const turn = await socket.create({ model: 'scripted/reasoning', input: 'Hi' });
    const frames = turn.map((message) => ({ event: message.type, data: JSON.stringify(message) }));
    expect(readResponseStream(frames)).toMatchObject({ status: 'completed', store: true });
    const stored = await fetch(`${server.openAiBaseUrl}/responses/${idOf(turn)}`, {
      headers: { authorization: `Bearer ${server.key}` },
    });
    expect(await stored.json()).toEqual(endOf(turn).response);
  });

  it('takes no notice of what belongs to POST', async () => {
    const socket = await connect();
    const turn = await socket.create({ input: 'Hi', stream: false, background: true, stream_options: {} });
    expect(endOf(turn)).toMatchObject({ type: 'response.completed', response: { background: false } });
  });

  it('follows the one before it', async () => {
    const socket = await connect();
    socket.send({ type: 'response.create', model: 'scripted/echo', input: 'first' });
    socket.send({ type: 'response.create', model: 'scripted/echo', input: 'second' });
    expect(textOf(await socket.turn())).toBe('first');
    expect(textOf(await socket.turn())).toBe('second');
  });

  it('is cancelled when the client leaves, and settled once', async () => {
    const own = await startTestServer();
    const socket = new WebSocket(`${own.running.baseUrl.replace('http', 'ws')}/v1/responses`, {
      headers: { authorization: `Bearer ${own.key}` },
    });
    await new Promise((resolve) => socket.once('open', resolve));
    socket.send('{"type":"response.create","model":"scripted/text?tokens=100000&rate=100","input":"Hi"}');
    const created = await new Promise<Message>((resolve) =>
      socket.once('message', (data) => resolve(JSON.parse(String(data)))),
    );
    socket.terminate();
    const client = new OpenAI({ apiKey: own.key, baseURL: own.openAiBaseUrl, maxRetries: 0 });
    const find = () => client.responses.retrieve(created.response?.id ?? '').catch(() => undefined);
    let stored = await find();
    while (!stored) stored = await find();
    expect(stored.status).toBe('cancelled');
    expect(await own.receipts()).toMatchObject([{ ending: 'client-gone' }]);
    await own.close();
  });
});

describe('what is not stored', () => {
  it('is remembered by its connection until the next turn', async () => {
    const socket = await connect();
    const first = await socket.create({ input: 'one', store: false });
    const second = await socket.create({ input: 'two', store: false, previous_response_id: idOf(first) });
    expect(endOf(second).response).toMatchObject({ usage: { input_tokens: 3 } });
    expect(endOf(await socket.create({ input: 'x', previous_response_id: idOf(first) }))).toMatchObject(missing);
  });

  it('is kept with what continues it, when that is to be stored', async () => {
    const socket = await connect();
    const first = await socket.create({ input: 'one', store: false });
    const second = await socket.create({ input: 'two', previous_response_id: idOf(first) });
    const other = await connect();
    const third = await other.create({ input: 'three', previous_response_id: idOf(second) });
    expect(endOf(third).response).toMatchObject({ usage: { input_tokens: 5 } });
  });

  it('is not there on another connection', async () => {
    const first = await (await connect()).create({ input: 'one', store: false });
    const other = await connect();
    expect(endOf(await other.create({ input: 'x', previous_response_id: idOf(first) }))).toMatchObject(missing);
    expect(textOf(await other.create({ input: 'anew' }))).toBe('anew');
  });

  it.each([
    ['a refusal', { input: [{ type: 'function_call_output', call_id: 'call_x', output: '' }] }],
    ['a failure', { input: 'Hi', model: 'scripted/error-mid-stream' }],
  ])('is forgotten after %s of what continues it', async (_, members) => {
    const socket = await connect();
    const first = await socket.create({ input: 'one', store: false });
    const failed = endOf(await socket.create({ ...members, store: false, previous_response_id: idOf(first) }));
    expect([failed.type, failed.response?.status]).not.toContain('completed');
    expect(endOf(await socket.create({ input: 'x', previous_response_id: idOf(first) }))).toMatchObject(missing);
  });
});

describe('a warm-up', () => {
  it('is taken up without an answer, and continued', async () => {
    const socket = await connect();
    const warm = await socket.create({ input: 'one two', store: false, generate: false });
    expect(warm.map(({ type }) => type)).toEqual(['response.created', 'response.completed']);
    expect(endOf(warm).response?.output).toEqual([]);
    const next = await socket.create({ input: 'three', store: false, previous_response_id: idOf(warm) });
    expect(endOf(next).response).toMatchObject({ usage: { input_tokens: 3 } });
  });

  it('is refused as a turn would be', async () => {
    const socket = await connect();
    expect(endOf(await socket.create({ input: 'x', generate: false, model: 'gpt-9' }))).toMatchObject({
      status: 400,
      error: { code: 'model_not_found' },
    });
  });
});

describe('lanes', () => {
  it('run side by side, and may go on from each other', async () => {
    const socket = await connect();
    const frame = { type: 'response.create', model: 'scripted/echo', store: false };
    socket.send({ ...frame, model: 'scripted/text?tokens=100000&rate=100', input: 'long', stream_id: 'slow' });
    socket.send({ ...frame, input: 'quick', stream_id: 'fast' });
    const seen = await socket.turn();
    expect(endOf(seen)).toMatchObject({ type: 'response.completed', stream_id: 'fast' });
    expect(seen.every(({ stream_id }) => stream_id === 'fast' || stream_id === 'slow')).toBe(true);
    socket.send({ ...frame, input: 'more', stream_id: 'third', previous_response_id: idOf(seen) });
    let ended = endOf(await socket.turn());
    while (ended.stream_id !== 'third') ended = endOf(await socket.turn());
    expect(ended.response).toMatchObject({ usage: { input_tokens: 3 } });
  });

  it('are limited', async () => {
    const socket = await connect();
    for (let lane = 0; lane < 17; lane++)
      socket.send({
        type: 'response.create',
        model: 'scripted/text?tokens=100000&rate=1',
        input: 'x',
        stream_id: `lane-${lane}`,
      });
    expect(endOf(await socket.turn())).toMatchObject({
      stream_id: 'lane-16',
      error: { code: 'websocket_stream_limit_reached' },
    });
  });
});

describe('refusals', () => {
  it.each([
    ['not JSON', 'invalid_parameter_error'],
    ['[]', 'invalid_parameter_error'],
    ['{"type":"response.steer"}', 'invalid_parameter_error'],
    ['{"type":"response.create"}', 'missing_required_parameter'],
    ['{"type":"response.create","model":"gpt-9","input":"x"}', 'model_not_found'],
    ['{"type":"response.create","model":"scripted/error-500","input":"x"}', 'server_error'],
    ['{"type":"response.create","stream_id":5}', 'invalid_parameter_error'],
  ])('%s', async (frame, code) => {
    const socket = await connect();
    socket.send(frame);
    expect(endOf(await socket.turn())).toMatchObject({ type: 'error', status: expect.any(Number), error: { code } });
    expect(textOf(await socket.create({ input: 'still here' }))).toBe('still here');
  });

  it('of a wrong key comes with the handshake', async () => {
    await expect(new Client('/v1/responses', 'sk-wrong').open()).rejects.toThrow('401');
  });
});
