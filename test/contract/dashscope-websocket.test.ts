/** The native WebSocket, driven over real sockets: modes, several tasks, bad frames, leaving, limits. */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
const clients: TaskClient[] = [];
beforeAll(async () => {
  server = await startTestServer();
});
afterEach(() => {
  vi.useRealTimers();
  for (const client of clients.splice(0)) client.socket.terminate();
});
afterAll(() => server.close());

interface ServerFrame {
  readonly header: {
    readonly task_id: string;
    readonly event: string;
    readonly error_code?: string;
    readonly error_message?: string;
    readonly attributes: { readonly request_uuid?: string };
  };
  readonly payload: { readonly output?: Output; readonly usage?: { readonly [name: string]: number } };
}
interface Output {
  readonly text?: string;
  readonly finish_reason?: string;
  readonly choices?: readonly { readonly finish_reason: string; readonly message: { readonly content: unknown } }[];
}

/** Frames in the order of their coming. */
class TaskClient {
  readonly socket: WebSocket;
  readonly closed: Promise<number>;
  readonly #frames: ServerFrame[] = [];
  #wake = (): void => {};

  constructor(socket: WebSocket) {
    this.socket = socket;
    this.closed = once(socket, 'close').then(([code]) => code);
    socket.on('message', (data) => {
      this.#frames.push(JSON.parse(String(data)));
      this.#wake();
    });
  }

  static async open(path = '/api-ws/v1/inference', on = server, headers = {}): Promise<TaskClient> {
    const url = `${on.running.baseUrl.replace('http', 'ws')}${path}`;
    const client = new TaskClient(new WebSocket(url, { headers: { authorization: `bearer ${on.key}`, ...headers } }));
    clients.push(client);
    await once(client.socket, 'open');
    return client;
  }

  send(frame: unknown): void {
    this.socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  async next(): Promise<ServerFrame> {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame) return frame;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** All frames up to the last one of a task. */
  async untilEnd(taskId: string): Promise<ServerFrame[]> {
    const frames: ServerFrame[] = [];
    for (;;) {
      const frame = await this.next();
      frames.push(frame);
      const { event, task_id } = frame.header;
      if (task_id === taskId && (event === 'task-finished' || event === 'task-failed')) return frames;
    }
  }
}

interface RunOptions {
  readonly model?: string | undefined;
  readonly text?: string;
  readonly task?: string;
  readonly input?: object;
  readonly parameters?: object | undefined;
}

const run = (taskId: string, streaming: string | undefined, options: RunOptions = {}) => ({
  header: { action: 'run-task', task_id: taskId, streaming },
  payload: {
    model: 'model' in options ? options.model : 'scripted/echo',
    task_group: 'aigc',
    task: options.task ?? 'text-generation',
    function: 'generation',
    input: options.input ?? { messages: [{ role: 'user', content: options.text ?? 'one two three' }] },
    parameters: 'parameters' in options ? options.parameters : { result_format: 'message', incremental_output: true },
  },
});
const more = (taskId: string, payload: object) => ({
  header: { action: 'continue-task', task_id: taskId },
  payload,
});
const finish = (taskId: string) => ({ header: { action: 'finish-task', task_id: taskId }, payload: { input: {} } });

const events = (frames: readonly ServerFrame[]) => frames.map(({ header }) => header.event);
const contents = (frames: readonly ServerFrame[]) =>
  frames.flatMap(({ payload }) => payload.output?.choices?.map(({ message }) => message.content) ?? []);
const textOf = (frames: readonly ServerFrame[]) => contents(frames).join('');

describe('modes', () => {
  it.each(['/api-ws/v1/inference', '/api-ws/v1/inference/'])('answers whole in mode none, at %s', async (path) => {
    const client = await TaskClient.open(path);
    client.send(run('t', 'none'));
    const frames = await client.untilEnd('t');
    expect(frames).toEqual([
      { header: { task_id: 't', event: 'task-started', attributes: {} }, payload: {} },
      {
        header: { task_id: 't', event: 'result-generated', attributes: { request_uuid: expect.any(String) } },
        payload: {
          output: { choices: [{ finish_reason: 'stop', message: { role: 'assistant', content: 'one two three' } }] },
          usage: expect.objectContaining({ input_tokens: 3, output_tokens: 3, total_tokens: 6 }),
        },
      },
      { header: { task_id: 't', event: 'task-finished', attributes: {} }, payload: {} },
    ]);
    const requestId = frames[1]?.header.attributes.request_uuid;
    expect((await server.receipts()).at(-1)).toMatchObject({ requestId, ending: 'completed' });
  });

  it('takes a task without mode for none, and without parameters', async () => {
    const client = await TaskClient.open();
    client.send(run('t', undefined, { model: 'qwen-turbo', parameters: undefined }));
    const [, result] = await client.untilEnd('t');
    expect(result?.payload.output).toEqual({ finish_reason: 'stop', text: 'one two three' });
  });

  it('streams in mode out: new pieces, or all so far', async () => {
    const client = await TaskClient.open();
    client.send(run('deltas', 'out'));
    const deltas = await client.untilEnd('deltas');
    expect(new Set(events(deltas).slice(1, -1))).toEqual(new Set(['result-generated']));
    expect(contents(deltas)).toEqual(['one', ' two', ' three', '']);
    expect(deltas.at(-2)?.payload.usage).toMatchObject({ input_tokens: 3, output_tokens: 3 });
    client.send(run('whole', 'out', { parameters: { result_format: 'message', incremental_output: false } }));
    expect(contents(await client.untilEnd('whole'))).toEqual(['one', 'one two', 'one two three', 'one two three']);
  });

  it.each([
    ['in', 1],
    ['duplex', 4],
  ])('collects pieces in mode %s until finish-task', async (mode, results) => {
    const client = await TaskClient.open();
    client.send(run('t', mode, { input: { messages: [{ role: 'system', content: 'Repeat.' }] } }));
    expect((await client.next()).header.event).toBe('task-started');
    client.send(more('t', { input: { messages: [{ role: 'user', content: 'zero' }] } }));
    client.send(more('t', { input: { messages: [{ role: 'user', content: 'one two three' }] } }));
    client.send(finish('t'));
    const frames = await client.untilEnd('t');
    expect(frames).toHaveLength(results + 1);
    expect(textOf(frames)).toBe('one two three');
    // Three turns went in.
    expect(frames.at(-2)?.payload.usage?.input_tokens).toBe(6);
  });

  it('joins a prompt that comes in pieces, as the Python SDK sends them', async () => {
    const client = await TaskClient.open();
    client.send(run('t', 'duplex', { input: { prompt: 'one' } }));
    client.send(more('t', { prompt: ' two' }));
    client.send(more('t', { prompt: ' three' }));
    client.send(finish('t'));
    expect(textOf(await client.untilEnd('t'))).toBe('one two three');
  });

  it('answers a prompt cut anywhere as it answers the whole', async () => {
    const client = await TaskClient.open();
    let tasks = 0;
    const prompt = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }).filter((text) => text.trim() !== '');
    await fc.assert(
      fc.asyncProperty(prompt, fc.array(fc.nat(40), { maxLength: 5 }), async (text, cuts) => {
        const id = `t${tasks++}`;
        const ends = [...cuts.filter((cut) => cut < text.length).sort((a, b) => a - b), text.length];
        client.send(run(id, 'in', { input: {} }));
        ends.forEach((end, index) => {
          client.send(more(id, { input: { prompt: text.slice(ends[index - 1] ?? 0, end) } }));
        });
        client.send(finish(id));
        const pieces = await client.untilEnd(id);
        client.send(run(id, 'none', { input: { prompt: text } }));
        expect(textOf(pieces)).toBe(textOf(await client.untilEnd(id)));
      }),
      { numRuns: 30 },
    );
  });

  it('answers multimodal tasks with content in parts', async () => {
    const client = await TaskClient.open();
    const input = {
      messages: [{ role: 'user', content: [{ image: 'data:image/png;base64,AAAA' }, { text: 'a cat' }] }],
    };
    client.send(run('t', 'none', { task: 'multimodal-generation', model: 'qwen-vl-plus', input }));
    expect(contents(await client.untilEnd('t'))).toEqual([[{ text: 'a cat' }]]);
  });
});

describe('tasks', () => {
  it('runs one after another on a socket', async () => {
    const client = await TaskClient.open();
    for (const id of ['a', 'b', 'c']) {
      client.send(run(id, 'out', { text: id }));
      expect(textOf(await client.untilEnd(id))).toBe(id);
    }
  });

  it('runs several at a time, each under its id', async () => {
    const client = await TaskClient.open();
    client.send(run('slow', 'out', { model: 'scripted/text?tokens=100000&rate=200' }));
    await client.next();
    client.send(run('quick', 'none', { text: 'quick' }));
    const frames = await client.untilEnd('quick');
    expect(textOf(frames.filter(({ header }) => header.task_id === 'quick'))).toBe('quick');
    expect(frames.some(({ header }) => header.task_id === 'slow')).toBe(true);
  });

  it('gives the Java SDK time to listen before the first answer', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const agent = { 'user-agent': 'dashscope/2.22.13; java/17.0.15; platform/Linux; processor/amd64' };
    const client = await TaskClient.open(undefined, undefined, agent);
    client.send(run('t', 'none'));
    expect((await client.next()).header.event).toBe('task-started');
    client.send('');
    expect((await client.next()).header.task_id).toBe('');
    vi.advanceTimersByTime(20);
    expect(textOf(await client.untilEnd('t'))).toBe('one two three');
    client.send(run('left', 'none'));
    await client.next();
    const before = (await server.receipts()).length;
    client.socket.terminate();
    await client.closed;
    vi.advanceTimersByTime(20);
    expect(await server.receipts()).toHaveLength(before);
  });

  it('takes 16 at a time and refuses one more', async () => {
    const client = await TaskClient.open();
    for (let index = 0; index < 17; index++) client.send(run(`t${index}`, 'duplex'));
    expect(await client.untilEnd('t16')).toHaveLength(17);
    client.send(finish('t0'));
    await client.untilEnd('t0');
    client.send(run('next', 'none'));
    expect(events(await client.untilEnd('next'))).toContain('result-generated');
  });

  it('stops what runs when the client leaves, and settles it once', async () => {
    const before = (await server.receipts()).length;
    const client = await TaskClient.open();
    client.send(run('t', 'out', { model: 'scripted/text?tokens=100000&rate=200' }));
    await client.next();
    await client.next();
    client.socket.terminate();
    const receipt = await server.receiptAfter(before);
    expect(receipt).toMatchObject({ ending: 'client-gone' });
    expect(receipt.outputTokens).toBeLessThan(100_000);
    expect(await server.receipts()).toHaveLength(before + 1);
  });

  it('waits for a reader that is slow', async () => {
    const before = (await server.receipts()).length;
    const client = await TaskClient.open();
    client.socket.pause();
    client.send(run('t', 'out', { model: 'scripted/text?tokens=100000', parameters: { incremental_output: true } }));
    // The system's buffers take some megabytes; what goes beyond waits, however many turns the server gets.
    for (let turn = 0; turn < 5000; turn++) await new Promise(setImmediate);
    expect(await server.receipts()).toHaveLength(before);
    client.socket.resume();
    const frames = await client.untilEnd('t');
    expect(frames.length).toBeGreaterThan(100_000);
    expect((await server.receiptAfter(before)).outputTokens).toBe(100_000);
  });
});

/** name, frame, task id and code and text (exact, or a part when it starts with …) of the failure. */
const BAD_FRAMES: [name: string, frame: unknown, taskId: string, code: string, text: string][] = [
  ['text that is not JSON', 'hello', '', 'InvalidParameter', '…Required body invalid'],
  ['a list', '[]', '', 'InvalidParameter', '…Required body invalid'],
  [
    'no header',
    { payload: {} },
    '',
    'InvalidParameter',
    "Missing required parameter 'header'! Please follow the protocol!",
  ],
  ['no task id', { header: { action: 'run-task' } }, '', 'InvalidParameter', "…'header.task_id'"],
  ['an empty task id', { header: { action: 'run-task', task_id: '' } }, '', 'InvalidParameter', "…'header.task_id'"],
  [
    'a task id that is a number',
    { header: { action: 'run-task', task_id: 7 } },
    '',
    'InvalidParameter',
    "…'header.task_id'",
  ],
  [
    'a task id that is too long',
    { header: { action: 'run-task', task_id: 'x'.repeat(129) } },
    'x'.repeat(128),
    'InvalidParameter',
    '…Invalid task_id!',
  ],
  ['no action', { header: { task_id: 't' } }, 't', 'InvalidParameter', "…'header.action'"],
  [
    'an unknown action',
    { header: { task_id: 't', action: 'stop' } },
    't',
    'InvalidParameter',
    "Invalid action('stop')! Please follow the protocol!",
  ],
  ['no payload', { header: { task_id: 't', action: 'run-task' } }, 't', 'InvalidParameter', "…'payload'"],
  [
    'no model',
    run('t', 'none', { model: undefined }),
    't',
    'InvalidParameter',
    "Missing required parameter 'payload.model'! Please follow the protocol!",
  ],
  ['an unknown mode', run('t', 'both'), 't', 'InvalidParameter', '…Invalid streaming!'],
  ['a name of our own innards as mode', run('t', 'constructor'), 't', 'InvalidParameter', '…Invalid streaming!'],
  ['a task of speech', run('t', 'duplex', { task: 'tts' }), 't', 'InvalidParameter', "…Unsupported task('tts')"],
  ['a piece for no task', more('t', { input: {} }), 't', 'InvalidParameter', "…Invalid action('continue-task')"],
  ['the end of no task', finish('t'), 't', 'InvalidParameter', "…Invalid action('finish-task')"],
];

/** name, run-task, code and text of the failure that follows task-started. */
const BAD_TASKS: [name: string, frame: object, code: string, text: string][] = [
  [
    'no messages',
    run('t', 'none', { input: {} }),
    'InvalidParameter',
    'Either "prompt" or "messages" must exist and cannot both be none',
  ],
  ['an unknown model', run('t', 'out', { model: 'qwen-none' }), 'InvalidParameter', 'Model not exist.'],
  [
    'a temperature out of range',
    run('t', 'out', { parameters: { temperature: 2 } }),
    'InvalidParameter',
    'Temperature should be in [0.0, 2.0)',
  ],
  [
    'the wrong task for a model',
    run('t', 'none', { model: 'qwen-vl-plus' }),
    'InvalidParameter',
    'url error, please check url！',
  ],
  ['a throttled model', run('t', 'none', { model: 'scripted/error-429' }), 'Throttling.RateQuota', '…'],
  ['a throttled stream', run('t', 'out', { model: 'scripted/error-429' }), 'Throttling.RateQuota', '…'],
  ['a model that fails', run('t', 'out', { model: 'scripted/error-500' }), 'InternalError', '…'],
];

const expectText = (text: string) => (text.startsWith('…') ? expect.stringContaining(text.slice(1)) : text);

describe('failures', () => {
  it.each(BAD_FRAMES)('answers %s with task-failed', async (_name, frame, taskId, code, text) => {
    const client = await TaskClient.open();
    client.send(frame);
    expect(await client.next()).toEqual({
      header: {
        task_id: taskId,
        event: 'task-failed',
        error_code: code,
        error_message: expectText(text),
        attributes: {},
      },
      payload: {},
    });
    client.send(run('good', 'none'));
    expect(textOf(await client.untilEnd('good'))).toBe('one two three');
  });

  it.each(BAD_TASKS)('answers %s as the HTTP wire does', async (_name, frame, code, text) => {
    const client = await TaskClient.open();
    client.send(frame);
    const frames = await client.untilEnd('t');
    expect(events(frames)).toEqual(['task-started', 'task-failed']);
    expect(frames[1]?.header).toMatchObject({ error_code: code, error_message: expectText(text) });
    client.send(run('good', 'none'));
    expect(textOf(await client.untilEnd('good'))).toBe('one two three');
  });

  it('tells a failure in the middle of a stream, and does not call it finished', async () => {
    const client = await TaskClient.open();
    client.send(run('t', 'out', { model: 'scripted/error-mid-stream?after=2' }));
    const frames = await client.untilEnd('t');
    expect(events(frames)).toEqual(['task-started', 'result-generated', 'result-generated', 'task-failed']);
    expect(frames.at(-1)?.header).toMatchObject({ error_code: 'InternalError' });
    client.send(run('t', 'none'));
    expect(events(await client.untilEnd('t'))).toEqual(['task-started', 'result-generated', 'task-finished']);
  });

  it('takes no binary frames', async () => {
    const client = await TaskClient.open();
    client.socket.send(Buffer.from([1, 2, 3]));
    expect((await client.next()).header).toMatchObject({ event: 'task-failed', error_code: 'InvalidParameter' });
  });

  it('ends a task whose frames break the protocol, and no other', async () => {
    const before = (await server.receipts()).length;
    const client = await TaskClient.open();
    client.send(run('other', 'duplex', { text: 'other' }));
    client.send(run('t', 'out', { model: 'scripted/text?tokens=100000&rate=200' }));
    await client.next();
    await client.next();
    client.send(run('t', 'out'));
    const frames = await client.untilEnd('t');
    expect(frames.at(-1)?.header).toMatchObject({
      error_message: expect.stringContaining("Invalid action('run-task')"),
    });
    expect(await server.receiptAfter(before)).toMatchObject({ ending: 'client-gone' });
    client.send(finish('other'));
    const rest = await client.untilEnd('other');
    expect(rest.every(({ header }) => header.task_id === 'other')).toBe(true);
    expect(textOf(rest)).toBe('other');
  });

  it('ends a task whose pieces grow too large together', async () => {
    const client = await TaskClient.open();
    client.send(run('t', 'in', { input: {} }));
    await client.next();
    const piece = more('t', { input: { prompt: 'x'.repeat(6 * 1024 * 1024) } });
    client.send(piece);
    client.send(piece);
    client.send(piece);
    expect((await client.next()).header).toMatchObject({ event: 'task-failed', error_code: 'BadRequest.TooLarge' });
    client.send(run('next', 'in', { input: {} }));
    client.send(more('next', { input: { prompt: 'one' } }));
    client.send(finish('next'));
    expect(events(await client.untilEnd('next'))).toContain('task-finished');
  });

  it('ends a task whose next piece does not come for 23 seconds', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const client = await TaskClient.open();
    client.send(run('t', 'duplex'));
    await client.next();
    vi.advanceTimersByTime(22_999);
    client.send(more('t', { input: {} }));
    // Its answer tells that the frame before it was read.
    client.send('');
    await client.next();
    vi.advanceTimersByTime(22_999);
    client.send('');
    expect((await client.next()).header.task_id).toBe('');
    vi.advanceTimersByTime(1);
    expect((await client.next()).header).toMatchObject({
      task_id: 't',
      event: 'task-failed',
      error_code: 'CLIENT_ERROR',
      error_message: 'request timeout after 23 seconds.',
    });
  });
});

describe('the socket', () => {
  it.each([
    [{}, 'No API-key provided.'],
    [{ authorization: 'Bearer sk-wrong' }, 'Invalid API-key provided.'],
  ])('refuses the handshake of %j with 401 in the native envelope', async (headers, message) => {
    const url = `${server.running.baseUrl.replace('http', 'ws')}/api-ws/v1/inference`;
    const socket = new WebSocket(url, { headers: headers as { [name: string]: string } });
    socket.on('error', () => {});
    const [, reply] = await once(socket, 'unexpected-response');
    expect(reply.statusCode).toBe(401);
    let text = '';
    for await (const piece of reply) text += piece;
    expect(JSON.parse(text)).toEqual({ code: 'InvalidApiKey', message, request_id: reply.headers['x-request-id'] });
  });

  it('closes on a frame over 16 MiB', async () => {
    const client = await TaskClient.open();
    client.send(run('t', 'none', { text: 'x'.repeat(16 * 1024 * 1024) }));
    expect(await client.closed).toBe(1009);
  });

  it('is closed when no task runs on it for a minute', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const client = await TaskClient.open();
    client.send(run('t', 'none'));
    await client.untilEnd('t');
    vi.advanceTimersByTime(60_000);
    expect(await client.closed).toBe(1001);
  });

  it('ends with the server: what runs fails, then 1001', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'atelier-config-'));
    writeFileSync(join(folder, 'atelier.yaml'), 'server: { shutdownSeconds: 0 }\n');
    const own = await startTestServer({ config: join(folder, 'atelier.yaml') });
    rmSync(folder, { recursive: true });
    const client = await TaskClient.open(undefined, own);
    client.send(run('t', 'out', { model: 'scripted/text?tokens=100000&rate=200' }));
    await client.next();
    await client.next();
    const ending = own.close();
    const frames = await client.untilEnd('t');
    expect(frames.at(-1)?.header).toMatchObject({ event: 'task-failed', error_code: 'ModelUnavailable' });
    expect(await client.closed).toBe(1001);
    await ending;
  });
});
