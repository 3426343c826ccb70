import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type ClientOptions, WebSocket } from 'ws';
import { createTestApp, type TestApp } from '../../test/support/app.ts';
import { fixedClock } from '../../test/support/context.ts';
import { StudioError } from '../core/errors.ts';
import { FrameWriter } from '../protocols/frame-writer.ts';
import type { GenerationProtocol, SocketCall, Wire, WireSocket } from '../protocols/protocol.ts';
import type { AppPorts } from './app.ts';

const PATH = '/talk';
const IDLE_MS = 60_000;
const MAX_FRAME_BYTES = 100_000;

let app: TestApp;
let port: number;
let admitSocket: NonNullable<AppPorts['admitSocket']>;
let opened: { readonly socket: WireSocket; readonly call: SocketCall }[];
let onMessage: (message: string | Uint8Array, socket: WireSocket, call: SocketCall) => void;
const clients: (WebSocket | Socket)[] = [];

const encodeError = (error: StudioError, requestId: string) => ({
  status: error.status,
  headers: { 'content-type': 'application/json' },
  body: { code: error.code, requestId },
});

const wire: Wire = {
  id: 'test',
  prefixes: ['/'],
  generations: [],
  resources: [{ method: 'POST', path: '/plain', handle: ({ body }) => ({ status: 200, body }) }],
  sockets: [
    {
      path: PATH,
      maxFrameBytes: MAX_FRAME_BYTES,
      idleMs: IDLE_MS,
      open: (socket, call) => {
        opened.push({ socket, call });
        socket.onMessage((message) => onMessage(message, socket, call));
      },
    },
  ],
  encodeError,
};

beforeEach(async () => {
  admitSocket = () => () => {};
  opened = [];
  onMessage = (message, socket) => socket.send(typeof message === 'string' ? message : `${message.length} bytes`);
  app = createTestApp([wire], { admitSocket: (account) => admitSocket(account) });
  ({ port } = await app.listen({ host: '127.0.0.1', port: 0, regionPorts: {} }));
});

afterEach(async () => {
  vi.useRealTimers();
  for (const client of clients.splice(0)) client instanceof WebSocket ? client.terminate() : client.destroy();
  await app.close();
});

function dial(path = PATH, options: ClientOptions = {}): WebSocket {
  const client = new WebSocket(`ws://127.0.0.1:${port}${path}`, {
    headers: { authorization: 'Bearer sk-good' },
    ...options,
  });
  client.on('error', () => {});
  clients.push(client);
  return client;
}

async function openClient(path?: string): Promise<WebSocket> {
  const client = dial(path);
  await once(client, 'open');
  return client;
}

async function nextText(client: WebSocket): Promise<string> {
  const [data] = await once(client, 'message');
  return String(data);
}

async function closeCodeOf(client: WebSocket): Promise<number> {
  const [code] = await once(client, 'close');
  return code;
}

/** Sends a request as it stands and gives back all that comes until the server closes, or until `until` is seen. */
async function rawExchange(lines: readonly string[], until?: string): Promise<string> {
  const stream = connect(port, '127.0.0.1');
  clients.push(stream);
  stream.write(`${lines.join('\r\n')}\r\n\r\n`);
  let text = '';
  for await (const piece of stream) {
    text += piece;
    if (until !== undefined && text.includes(until)) break;
  }
  return text;
}

const handshake = (...more: readonly string[]) => [
  `GET ${PATH} HTTP/1.1`,
  'Host: x',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
  ...more,
];

describe('handshake', () => {
  it('tells the wire who calls and with what', async () => {
    const client = await openClient(`${PATH}/?a=1`);
    expect(opened[0]?.call).toMatchObject({ account: { keyId: 'key-1' }, requestId: expect.any(String) });
    expect(opened[0]?.call.query.get('a')).toBe('1');
    expect(opened[0]?.call.account.region).toBe('beijing');
    expect(opened[0]?.call.headers.authorization).toBe('Bearer sk-good');
    client.send('hello');
    expect(await nextText(client)).toBe('hello');
    client.send(Buffer.alloc(3));
    expect(await nextText(client)).toBe('3 bytes');
  });

  it.each([
    ['no key', PATH, {}, 401, 'missing-api-key'],
    ['a wrong key', PATH, { authorization: 'Bearer sk-bad' }, 401, 'invalid-api-key'],
    ['an unknown path', '/elsewhere', { authorization: 'Bearer sk-good' }, 404, 'not-found'],
    ['a key of another region', `/singapore${PATH}`, { authorization: 'Bearer sk-good' }, 401, 'invalid-api-key'],
    ['an unknown path of a region', '/singapore/elsewhere', { authorization: 'Bearer sk-good' }, 404, 'not-found'],
  ])("refuses %s in the wire's envelope", async (_name, path, headers, status, code) => {
    const client = dial(path, { headers });
    const [, reply] = await once(client, 'unexpected-response');
    expect(reply.statusCode).toBe(status);
    expect(reply.headers['content-type']).toBe('application/json');
    let text = '';
    for await (const piece of reply) text += piece;
    expect(JSON.parse(text)).toEqual({ code, requestId: reply.headers['x-request-id'] });
  });

  it('refuses a handshake that is not one', async () => {
    const text = await rawExchange(handshake('Authorization: Bearer sk-good', 'Sec-WebSocket-Version: 7'));
    expect(text).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(text).toContain('"code":"invalid-parameter"');
  });

  it('refuses new sockets while the server is closing', async () => {
    app.gate.close();
    const [, reply] = await once(dial(), 'unexpected-response');
    expect(reply.statusCode).toBe(503);
  });

  it('answers a request that only offers HTTP/2', async () => {
    const text = await rawExchange(
      [
        'POST /plain HTTP/1.1',
        'Host: x',
        'Authorization: Bearer sk-good',
        'Connection: Upgrade, HTTP2-Settings',
        'Upgrade: h2c',
        'HTTP2-Settings: AAEAAEAA',
        'Content-Type: application/json',
        'Content-Length: 7',
        '',
        '{"a":1}',
      ],
      '{"a":1}',
    );
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  });
});

describe('places', () => {
  /** Places given back, and the last that was taken. */
  const counted = () => {
    let taken = 0;
    let gaveBack: () => void = () => {};
    const givenBack = new Promise<void>((resolve) => {
      gaveBack = resolve;
    });
    admitSocket = async () => {
      taken++;
      return () => {
        taken--;
        gaveBack();
      };
    };
    return { taken: () => taken, givenBack };
  };

  it('are kept for as long as a socket is open', async () => {
    const places = counted();
    const client = await openClient();
    expect(places.taken()).toBe(1);
    client.close();
    await places.givenBack;
    expect(places.taken()).toBe(0);
  });

  it('are given back by a handshake that fails afterwards', async () => {
    const places = counted();
    await rawExchange(handshake('Authorization: Bearer sk-good', 'Sec-WebSocket-Version: 7'));
    await places.givenBack;
    expect(places.taken()).toBe(0);
  });

  it('are given back by a client that has left before it got one', async () => {
    let leave: () => void = () => {};
    const left = new Promise<void>((resolve) => {
      leave = resolve;
    });
    const givenBack = new Promise<void>((resolve) => {
      admitSocket = async () => {
        client.destroy();
        await left;
        return resolve;
      };
    });
    const client = connect(port, '127.0.0.1');
    client.write(`${handshake('Authorization: Bearer sk-good', 'Sec-WebSocket-Version: 13').join('\r\n')}\r\n\r\n`);
    await once(client, 'close');
    leave();
    await givenBack;
  });

  it('are refused in the envelope of the wire', async () => {
    admitSocket = () => {
      throw new StudioError('concurrency-limited');
    };
    const [, reply] = await once(dial(), 'unexpected-response');
    expect(reply.statusCode).toBe(429);
  });

  it('may run out while the server begins to close', async () => {
    admitSocket = async () => {
      app.gate.close();
      return () => {};
    };
    const [, reply] = await once(dial(), 'unexpected-response');
    expect(reply.statusCode).toBe(503);
    expect(opened).toEqual([]);
  });
});

describe('limits', () => {
  it('closes on a frame over the limit, and takes one of its size', async () => {
    const client = await openClient();
    client.send('x'.repeat(MAX_FRAME_BYTES));
    expect(await nextText(client)).toHaveLength(MAX_FRAME_BYTES);
    client.send('x'.repeat(MAX_FRAME_BYTES + 1));
    expect(await closeCodeOf(client)).toBe(1009);
  });

  it('waits for a reader that is slow, without keeping more than its share in memory', async () => {
    const client = await openClient();
    const socket = opened[0]?.socket as WireSocket;
    client.pause();
    const frame = 'x'.repeat(64 * 1024);
    let sent = 0;
    let drained: Promise<void> | undefined;
    // What the system's own buffers take is not ours to bound.
    for (; drained === undefined; sent++) {
      socket.send(frame);
      drained = socket.drained();
      await new Promise(setImmediate);
    }
    let isDrained = false;
    const waiting = drained.then(() => {
      isDrained = true;
    });
    await new Promise(setImmediate);
    expect(isDrained).toBe(false);
    let received = 0;
    client.on('message', () => received++);
    client.resume();
    await waiting;
    socket.send('end');
    while (received <= sent) await once(client, 'message');
    expect(received).toBe(sent + 1);
  });

  it('lets go of whoever waits for a reader that leaves', async () => {
    const client = await openClient();
    const socket = opened[0]?.socket as WireSocket;
    client.pause();
    let drained: Promise<void> | undefined;
    while (drained === undefined) {
      socket.send('x'.repeat(64 * 1024));
      drained = socket.drained();
      await new Promise(setImmediate);
    }
    client.terminate();
    await drained;
    expect(socket.isOpen).toBe(false);
  });
});

describe('idle time', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  });

  it('closes a socket on which nothing happens, counted from its last frame', async () => {
    const client = await openClient();
    const closed = closeCodeOf(client);
    vi.advanceTimersByTime(IDLE_MS - 1);
    client.send('hello');
    await nextText(client);
    vi.advanceTimersByTime(IDLE_MS - 1);
    client.send('still here');
    expect(await nextText(client)).toBe('still here');
    vi.advanceTimersByTime(IDLE_MS);
    expect(await closed).toBe(1001);
  });

  it('keeps a socket open while a call runs on it, as long as its client is there', async () => {
    const call = holdCall();
    const client = await openClient();
    client.send('go');
    await call.started;
    for (let times = 0; times < 3; times++) {
      vi.advanceTimersByTime(IDLE_MS);
      await once(client, 'ping');
      client.send('are you there?');
      await nextText(client);
    }
    call.end();
    await call.ended;
    vi.advanceTimersByTime(IDLE_MS);
    expect(await closeCodeOf(client)).toBe(1001);
  });

  it('gives a client up that no longer answers', async () => {
    const call = holdCall();
    const client = dial(PATH, { autoPong: false });
    await once(client, 'open');
    client.send('go');
    await call.started;
    const gone = new Promise<void>((resolve) => opened[0]?.socket.onClose(resolve));
    vi.advanceTimersByTime(IDLE_MS);
    vi.advanceTimersByTime(IDLE_MS);
    await gone;
    call.end();
  });

  /** A call that runs until it is told to end; every other frame is echoed. */
  function holdCall() {
    let end = (): void => {};
    let onStart = (): void => {};
    let onEnd = (): void => {};
    const started = new Promise<void>((resolve) => {
      onStart = resolve;
    });
    const ended = new Promise<void>((resolve) => {
      onEnd = resolve;
    });
    const held = new Promise<never>((_resolve, reject) => {
      end = () => reject(new Error('told to end'));
    });
    const protocol: GenerationProtocol = {
      id: 'test',
      paths: [],
      decodeRequest: () => ({ request: {} as never, plan: { isStreaming: false } }),
      prepare: () => {
        onStart();
        return held;
      },
      createEncoder: () => ({ push: () => '' }),
      encodeResult: () => undefined,
      encodeError,
      keepAliveFrame: '',
    };
    onMessage = (message, socket, call) => {
      if (message !== 'go') return socket.send(String(message));
      const writer = new FrameWriter({ onFrame() {}, onBody() {} }, fixedClock());
      void call.serve(protocol, { requestId: 'r', body: '{}', writer }).then(onEnd);
    };
    return { started, ended, end: () => end() };
  }
});

describe('failures and endings', () => {
  it('closes a socket whose frame breaks the wire, and no other', async () => {
    const [broken, sound] = [await openClient(), await openClient()];
    onMessage = (message, socket) => {
      if (message === 'break') throw new Error('broken');
      socket.send(String(message));
    };
    broken.send('break');
    expect(await closeCodeOf(broken)).toBe(1011);
    sound.send('hello');
    expect(await nextText(sound)).toBe('hello');
  });

  it('takes no new call on an open socket while the server is closing', async () => {
    onMessage = (_message, socket, call) => {
      const writer = new FrameWriter(
        { onFrame() {}, onBody: (status) => socket.send(`refused with ${status}`) },
        fixedClock(),
      );
      void call.serve({ encodeError } as unknown as GenerationProtocol, { requestId: 'r', body: '{}', writer });
    };
    const client = await openClient();
    app.gate.close();
    client.send('go');
    expect(await nextText(client)).toBe('refused with 503');
  });

  it('says goodbye with 1001, and does not wait for a client that does not answer', async () => {
    const polite = await openClient();
    const closed = closeCodeOf(polite);
    const rude = connect(port, '127.0.0.1');
    clients.push(rude);
    rude.write(`${handshake('Authorization: Bearer sk-good', 'Sec-WebSocket-Version: 13').join('\r\n')}\r\n\r\n`);
    await once(rude, 'data');
    await app.close();
    expect(await closed).toBe(1001);
    expect(opened.every(({ socket }) => !socket.isOpen)).toBe(true);
  });
});
