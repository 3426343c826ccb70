/**
 * The context cache by the rules of the page, on every wire that has marks, over the scripted backend and over the embedded
 * one (its child is a fake that counts words). What a real engine does with it: test/weights/context-cache.weights.test.ts.
 */
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { fakeBackend } from '../src/backends/embedded/testing/harness.ts';
import { createScriptedBackend } from '../src/backends/scripted/index.ts';
import { loadCatalogue } from '../src/catalogue/load.ts';
import type { Account, Backend } from '../src/core/ports.ts';
import type { ResponseStore, StoredResponse } from '../src/core/responses.ts';
import { featuresInOrder } from '../src/pipeline/order.ts';
import { createPipeline, generateByRoute } from '../src/pipeline/pipeline.ts';
import { CallGate } from '../src/protocols/call-gate.ts';
import { FrameWriter } from '../src/protocols/frame-writer.ts';
import { createWires } from '../src/protocols/index.ts';
import { RunningCalls } from '../src/protocols/running-calls.ts';
import { KeepAlives, type ServePorts, serveGeneration } from '../src/protocols/serve.ts';
import { countingIds, fixedClock, silentLog, testOwner } from './support/context.ts';
import { type RecordingLedger, recordingLedger } from './support/ledger.ts';
import { noBlobs, noUploads, testWirePorts } from './support/wires.ts';

// A server in this process, whose clock the test holds.

const catalogue = loadCatalogue();
const embedded = fakeBackend();
afterAll(() => embedded.close());

let clock: ReturnType<typeof fixedClock>;
let ledger: RecordingLedger;
let call: (path: string, body: object, more?: CallOptions) => Promise<Reply>;

interface CallOptions {
  readonly headers?: { readonly [name: string]: string };
  readonly account?: Partial<Account>;
  /** The client leaves at the first frame. */
  readonly leaves?: boolean;
}

interface Reply {
  readonly status: number;
  readonly body: { readonly [member: string]: unknown };
  readonly frames: readonly string[];
}

/** On the clock of the moment. */
function serverOf(backend: Backend): typeof call {
  ledger = recordingLedger();
  const common = { clock, ids: countingIds(), log: silentLog };
  const route = { backend, target: 'scripted/echo', servedBy: 'test/test', isStandIn: false };
  const router = { resolve: () => route };
  const ports: ServePorts = {
    ...common,
    generate: createPipeline(
      featuresInOrder({
        ledger,
        metrics: { callStarted() {}, callEnded() {} },
        catalogue,
        router,
        policies: { policyOf: () => undefined },
        funds: { check() {} },
        bodies: { keep() {} },
        bodiesRetentionMs: 1,
        uploads: noUploads,
        uploadBlobs: noBlobs,
      }).filter(({ name }) => name !== 'admission'),
      generateByRoute,
    ),
    keepAlives: new KeepAlives(clock),
    gate: new CallGate(),
    running: new RunningCalls(),
    shutdownSignal: new AbortController().signal,
  };
  const wires = createWires(testWirePorts({ ...common, catalogue, responses: memoryResponses() }));
  const protocols = wires.flatMap(({ generations }) => generations);
  return async (path, body, { headers = {}, account, leaves } = {}) => {
    const protocol = protocols.find(({ paths }) => paths.includes(path));
    if (!protocol) throw new Error(`no wire at ${path}`);
    const reply = { status: 200, body: {} as Reply['body'], frames: [] as string[] };
    const writer: FrameWriter = new FrameWriter(
      {
        onFrame: (frame) => {
          reply.frames.push(frame);
          if (leaves) writer.leave();
        },
        onBody: (status, sent) => Object.assign(reply, { status, body: sent }),
      },
      clock,
    );
    await serveGeneration(
      protocol,
      {
        requestId: common.ids.uuid(),
        account: { keyId: 'key-1', name: 'test', ...testOwner(), ...account },
        headers,
        query: new URLSearchParams(),
        body: JSON.stringify(body),
        writer,
      },
      ports,
    );
    return reply;
  };
}

function memoryResponses(): ResponseStore {
  const kept: StoredResponse[] = [];
  const find = (responseId: string) => kept.find((each) => each.responseId === responseId);
  return {
    ...testWirePorts().responses,
    create: async (response) => void kept.push(response),
    update: async (responseId, changes) => {
      const response = find(responseId);
      if (response) kept[kept.indexOf(response)] = { ...response, ...changes };
      return response !== undefined;
    },
    find: async (_owner, responseId) => find(responseId),
    chain: async (_owner, responseId) => {
      const chain: StoredResponse[] = [];
      for (
        let next = find(responseId);
        next;
        next = next.previousResponseId ? find(next.previousResponseId) : undefined
      )
        chain.unshift(next);
      return chain;
    },
  };
}

// The wires, each as a program of its own spells marks and reads counts.

/** A text, marked or not. */
type Text = string | { readonly marked: string };

interface Asked {
  readonly system?: readonly Text[];
  /** From the user's on, by turns. */
  readonly turns: readonly (readonly Text[])[];
  readonly tools?: readonly string[];
  readonly model?: string;
}

interface Counts {
  /** Of the whole prompt. */
  readonly input: number;
  readonly cached: number;
  /** Undefined where the reply does not speak of it. */
  readonly written: number | undefined;
}

interface MarkingWire {
  readonly path: string;
  bodyOf(asked: Asked): object;
  countsOf(body: Reply['body']): Counts;
}

const ephemeral = { cache_control: { type: 'ephemeral' } };
const textOf = (text: Text): string => (typeof text === 'string' ? text : text.marked);
const marks = (text: Text): object => (typeof text === 'string' ? {} : ephemeral);
const roleAt = (index: number): 'user' | 'assistant' => (index % 2 === 0 ? 'user' : 'assistant');
const schema = { type: 'object', properties: { city: { type: 'string' } } };

/** Usage of OpenAI's form, and of the native one, whose names differ. */
function detailedCounts(usage: { [name: string]: unknown }, total: string): Counts {
  const details = usage.prompt_tokens_details as {
    cached_tokens: number;
    cache_creation_input_tokens?: number;
    cache_creation?: { ephemeral_5m_input_tokens: number };
    cache_type?: string;
  };
  const written = details.cache_creation_input_tokens;
  expect(details.cache_creation?.ephemeral_5m_input_tokens).toBe(written);
  expect(details.cache_type).toBe(written === undefined ? undefined : 'ephemeral');
  return { input: usage[total] as number, cached: details.cached_tokens, written };
}

const partsOf = (texts: readonly Text[]) => texts.map((text) => ({ type: 'text', text: textOf(text), ...marks(text) }));
const chatTools = (tools: readonly string[] = []) =>
  tools.length === 0
    ? {}
    : {
        tools: tools.map((name) => ({ type: 'function', function: { name, parameters: schema } })),
        tool_choice: 'none',
      };

const WIRES: { readonly [name: string]: MarkingWire } = {
  chat: {
    path: '/compatible-mode/v1/chat/completions',
    bodyOf: ({ system = [], turns, tools, model = 'qwen-plus' }) => ({
      model,
      messages: [
        ...(system.length > 0 ? [{ role: 'system', content: partsOf(system) }] : []),
        ...turns.map((texts, index) => ({ role: roleAt(index), content: partsOf(texts) })),
      ],
      ...chatTools(tools),
    }),
    countsOf: ({ usage }) => detailedCounts(usage as { [name: string]: unknown }, 'prompt_tokens'),
  },
  messages: {
    path: '/apps/anthropic/v1/messages',
    bodyOf: ({ system = [], turns, tools = [], model = 'qwen-plus' }) => ({
      model,
      max_tokens: 100,
      system: partsOf(system),
      messages: turns.map((texts, index) => ({ role: roleAt(index), content: partsOf(texts) })),
      ...(tools.length > 0
        ? { tools: tools.map((name) => ({ name, input_schema: schema })), tool_choice: { type: 'none' } }
        : {}),
    }),
    countsOf: ({ usage }) => {
      const counts = usage as {
        input_tokens: number;
        cache_creation_input_tokens: number;
        cache_read_input_tokens: number;
        cache_creation?: { ephemeral_5m_input_tokens: number; ephemeral_1h_input_tokens: number };
      };
      const { cache_creation_input_tokens: created, cache_read_input_tokens: cached } = counts;
      const written = counts.cache_creation?.ephemeral_5m_input_tokens;
      expect(written ?? 0).toBe(created);
      // Here alone `input_tokens` is what no cache read or wrote.
      return { input: counts.input_tokens + created + cached, cached, written };
    },
  },
  native: {
    path: '/api/v1/services/aigc/text-generation/generation',
    bodyOf: ({ system = [], turns, tools, model = 'qwen-plus' }) => {
      const contentOf = (texts: readonly Text[]) => texts.map((text) => ({ text: textOf(text), ...marks(text) }));
      return {
        model,
        input: {
          messages: [
            ...(system.length > 0 ? [{ role: 'system', content: contentOf(system) }] : []),
            ...turns.map((texts, index) => ({ role: roleAt(index), content: contentOf(texts) })),
          ],
        },
        parameters: { result_format: 'message', ...chatTools(tools) },
      };
    },
    countsOf: ({ usage }) => detailedCounts(usage as { [name: string]: unknown }, 'input_tokens'),
  },
};

const words = (count: number, word = 'word'): string => `${word} `.repeat(count).trim();

describe.each([
  ['scripted', () => createScriptedBackend({ clock })],
  ['embedded', () => embedded],
] as const)('over the %s backend', (backendName, createBackend) => {
  beforeEach(() => {
    clock = fixedClock();
    call = serverOf(createBackend());
  });

  describe.each(Object.entries(WIRES))('on the wire %s', (wireName, wire) => {
    let runs = 0;
    /** A text no other test has: the fake engine is one for all. */
    let prefix: string;
    beforeEach(() => {
      prefix = `${wireName}${runs++}${backendName}`;
    });
    const marked = (count: number, word = prefix) => ({ marked: words(count, word) });
    const say = async (asked: Asked, options?: CallOptions): Promise<Counts> => {
      const reply = await call(wire.path, wire.bodyOf(asked), options);
      expect(reply.status, JSON.stringify(reply.body)).toBe(200);
      return wire.countsOf(reply.body);
    };

    it('makes a block of a marked prefix and finds it in the next call, behind the same counts', async () => {
      const asked: Asked = { system: [marked(1605)], turns: [['What is this?']] };
      const first = await say(asked);
      expect(first.cached).toBe(0);
      expect(first.written).toBeGreaterThanOrEqual(1605);
      const second = await say({ ...asked, turns: [['And what is that?']] });
      expect(second).toMatchObject({ cached: first.written, written: 0 });
      expect(second.input).toBeGreaterThan(second.cached);
    });

    it('1: a request with any mark uses no implicit cache', async () => {
      const text = words(1500, prefix);
      const implicit: Asked = { turns: [[text]] };
      await say(implicit);
      if (backendName === 'scripted') expect((await say(implicit)).cached).toBeGreaterThan(1024);
      expect((await say(implicit)).written).toBeUndefined();
      expect(await say({ turns: [[{ marked: text }]] })).toMatchObject({ cached: 0 });
    });

    it('2: takes marks on system, user and assistant texts; tools are part of the prefix', async () => {
      const system = [marked(1100)];
      const first = await say({ system, turns: [['Hello']] });
      const others = await say({ system, turns: [['Hello']], tools: ['get_weather'] });
      if (backendName === 'scripted') expect(others.cached).toBe(0);
      expect(others.written).toBeGreaterThan(first.written ?? 0);
      const turns = [['Hello'], [marked(1100, `${prefix}a`)], ['Go on']];
      const third = await say({ turns });
      expect(third.written).toBeGreaterThanOrEqual(1100);
      expect(await say({ turns })).toMatchObject({ cached: third.written, written: 0 });
    });

    it('3: counts the last four marks of more', async () => {
      const pieces = Array.from({ length: 6 }, (_, index) => marked(1100, `${prefix}${index}`));
      const first = await say({ turns: [pieces] });
      expect(first.cached).toBe(0);
      expect(first.written).toBeGreaterThanOrEqual(6600);
      // The first two made no blocks of their own, the last four did.
      const cut = (count: number) => say({ turns: [[...pieces.slice(0, count), 'something else']] });
      const [second, third] = [await cut(2), await cut(3)];
      expect(second).toMatchObject({ cached: 0 });
      expect(third.cached).toBeGreaterThanOrEqual(3300);
    });

    it('4: looks twenty pieces back from a mark, and no further', async () => {
      const piece = (index: number) => `${prefix} piece ${index}`;
      const grown = (count: number): Text[] => [
        words(1100, prefix),
        ...Array.from({ length: count - 1 }, (_, index) => piece(index)),
      ];
      const first = await say({ turns: [[marked(1100)]] });
      const near = await say({ turns: [[...grown(20), { marked: 'the end' }]] });
      expect(near.cached).toBe(first.written);
      const far = await say({ turns: [[...grown(25), { marked: 'another end' }]] });
      expect(far.cached).toBe(0);
    });

    it('5: has only the increment written on top of what was found', async () => {
      const first = await say({ turns: [[marked(1200)]] });
      const more = { turns: [[words(1200, prefix), marked(300, `${prefix}b`)]] };
      const second = await say(more);
      expect(second.cached).toBe(first.written);
      expect(second.written).toBeGreaterThanOrEqual(299);
      expect(second.written).toBeLessThanOrEqual(310);
      const third = await say(more);
      expect(third).toMatchObject({ cached: (second.written ?? 0) + second.cached, written: 0 });
    });

    it('6: keeps accounts, regions and models apart, and shares between the keys of one', async () => {
      const asked: Asked = { system: [marked(1100)], turns: [['Hello']] };
      const first = await say(asked);
      expect(await say(asked, { account: { workspaceId: 'other' } })).toMatchObject({ cached: 0 });
      expect(await say({ ...asked, model: 'qwen-flash' })).toMatchObject({ cached: 0 });
      expect(await say(asked, { account: { region: 'singapore' } })).toMatchObject({ cached: 0 });
      expect(await say(asked, { account: { keyId: 'key-2' } })).toMatchObject({ cached: first.written });
    });

    it('6: writes behind the answer, and nothing behind one that was cut', async () => {
      const asked: Asked = { system: [marked(1100)], turns: [[words(50, 'answer')]] };
      const streaming = wireName === 'native' ? { headers: { 'x-dashscope-sse': 'enable' } } : {};
      const body = { ...wire.bodyOf(asked), ...(wireName === 'native' ? {} : { stream: true }) };
      await call(wire.path, body, { ...streaming, leaves: true });
      const cut = ledger.receipts.at(-1);
      if (cut?.ending === 'client-gone') expect(cut.usage.input).toMatchObject({ cachedRead: 0, cacheWritten: 0 });
      if (backendName === 'scripted') {
        expect(cut?.ending).toBe('client-gone');
        expect(await say(asked)).toMatchObject({ cached: 0 });
      }
    });

    it('7: counts what comes behind the last mark as input that no cache has', async () => {
      const { input, written = 0 } = await say({ turns: [[marked(1100)]] });
      expect(input - written).toBeGreaterThanOrEqual(0);
      expect(input - written).toBeLessThanOrEqual(10);
    });

    it('8: makes nothing of a shorter prefix, and says so with zeros', async () => {
      const asked: Asked = { turns: [[marked(900)]] };
      expect(await say(asked)).toMatchObject({ cached: 0, written: 0 });
      expect(await say(asked)).toMatchObject({ cached: 0, written: 0 });
    });

    it('ignores marks on a model that knows none', async () => {
      const { cached, written } = await say({ turns: [[marked(1500)]], model: 'qwen-max' });
      expect({ cached, written }).toEqual({ cached: 0, written: undefined });
    });

    it.runIf(backendName === 'scripted')('lets a block live five minutes, begun anew by each hit', async () => {
      const asked: Asked = { turns: [[marked(1100)]] };
      const { written } = await say(asked);
      clock.advance(299_000);
      expect((await say(asked)).cached).toBe(written);
      clock.advance(299_000);
      expect((await say(asked)).cached).toBe(written);
      clock.advance(300_000);
      expect(await say(asked)).toMatchObject({ cached: 0, written });
    });
  });
});

describe('the implicit cache', () => {
  beforeEach(() => {
    clock = fixedClock();
    call = serverOf(createScriptedBackend({ clock }));
  });

  const chat = async (content: string, model = 'qwen-plus', options?: CallOptions) => {
    const { body } = await call(
      '/compatible-mode/v1/chat/completions',
      { model, messages: [{ role: 'user', content }] },
      options,
    );
    return (body.usage as { prompt_tokens_details: object }).prompt_tokens_details;
  };

  it('finds prefixes of 256 tokens and more without marks, and tells of no shorter ones', async () => {
    await chat(`${words(300)} first`);
    expect(await chat(`${words(300)} second`)).toEqual({ cached_tokens: 300 });
    await chat(`${words(200)} first`);
    expect(await chat(`${words(200, 'other')} second`)).toEqual({ cached_tokens: 0 });
  });

  it('takes as much as the model asks for', async () => {
    await chat(`${words(600)} first`, 'qwen3.7-max');
    expect(await chat(`${words(600)} second`, 'qwen3.7-max')).toEqual({ cached_tokens: 0 });
    await chat(`${words(1200)} first`, 'qwen3.7-max');
    expect(await chat(`${words(1200)} second`, 'qwen3.7-max')).toEqual({ cached_tokens: 1200 });
  });

  it('is not there for a model that has none', async () => {
    await chat(`${words(600)} first`, 'qwen3.6-plus');
    expect(await chat(`${words(600)} second`, 'qwen3.6-plus')).toEqual({ cached_tokens: 0 });
  });

  it("is a conversation's own where a character model is told its session", async () => {
    const session = (key: string) => ({ headers: { 'x-dashscope-aca-session': key } });
    const character = 'qwen-plus-character';
    await chat(`${words(300)} first`, character, session('a'));
    expect(await chat(`${words(300)} second`, character, session('b'))).toEqual({ cached_tokens: 0 });
    expect(await chat(`${words(300)} third`, character, session('a'))).toEqual({ cached_tokens: 300 });
  });

  it('is read on the native wire, too, and on Responses', async () => {
    const native = async (content: string) => {
      const input = { messages: [{ role: 'user', content }] };
      const { body } = await call('/api/v1/services/aigc/text-generation/generation', { model: 'qwen-plus', input });
      return (body.usage as { prompt_tokens_details: object }).prompt_tokens_details;
    };
    await native(`${words(300)} first`);
    expect(await native(`${words(300)} second`)).toEqual({ cached_tokens: 300 });
    const { body } = await call('/compatible-mode/v1/responses', { model: 'qwen-plus', input: `${words(300)} third` });
    expect(body.usage).toMatchObject({
      input_tokens_details: { cached_tokens: 300 },
      x_details: [{ prompt_tokens_details: { cached_tokens: 300 } }],
    });
  });
});

describe.each([
  ['scripted', () => createScriptedBackend({ clock })],
  ['embedded', () => embedded],
] as const)('the session cache of Responses over the %s backend', (backendName, createBackend) => {
  beforeEach(() => {
    clock = fixedClock();
    call = serverOf(createBackend());
  });

  const respond = async (input: string, previous?: string, isKept = true) => {
    const { status, body } = await call(
      '/compatible-mode/v1/responses',
      { model: 'qwen-plus', input, ...(previous ? { previous_response_id: previous } : {}) },
      isKept ? { headers: { 'x-dashscope-session-cache': 'enable' } } : {},
    );
    expect(status, JSON.stringify(body)).toBe(200);
    const usage = body.usage as {
      input_tokens_details: { cached_tokens: number };
      x_details: [{ prompt_tokens_details: { cache_creation_input_tokens?: number; cache_type?: string } }];
    };
    const { cache_creation_input_tokens: written, cache_type: type } = usage.x_details[0].prompt_tokens_details;
    return { id: body.id as string, cached: usage.input_tokens_details.cached_tokens, written, type };
  };

  it('keeps what was said for the response that continues it, without a mark', async () => {
    const first = await respond(words(1200, `session${backendName}`));
    expect(first).toMatchObject({ cached: 0, type: 'ephemeral' });
    expect(first.written).toBeGreaterThanOrEqual(1200);
    const second = await respond('And now?', first.id);
    expect(second.cached).toBe(first.written);
    expect(second.written).toBeGreaterThan(0);
    const third = await respond('And then?', second.id);
    expect(third.cached).toBe(second.cached + (second.written ?? 0));
  });

  it('keeps nothing below 1,024 tokens, nor unless it is asked for', async () => {
    expect(await respond(words(900, `short${backendName}`))).toMatchObject({ cached: 0, written: 0 });
    const plain = await respond(words(1200, `plain${backendName}`), undefined, false);
    expect(plain).toMatchObject({ written: undefined, type: undefined });
  });
});

it('a mark is paid for as the catalogue says: 125% for writing, 10% for reading', async () => {
  clock = fixedClock();
  call = serverOf(createScriptedBackend({ clock }));
  const body = {
    model: 'qwen-plus',
    messages: [{ role: 'user', content: [{ type: 'text', text: words(1500), ...ephemeral }] }],
  };
  await call('/compatible-mode/v1/chat/completions', body);
  await call('/compatible-mode/v1/chat/completions', body);
  const [written, read] = ledger.receipts.map(({ usage }) => usage.input);
  expect(written).toMatchObject({ total: 1500, cachedRead: 0, markedRead: 0, cacheWritten: 1500 });
  expect(read).toMatchObject({ total: 1500, cachedRead: 1500, markedRead: 1500, cacheWritten: 0 });
});
