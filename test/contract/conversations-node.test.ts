/** The official OpenAI SDK for Node over Conversations, alone and with Responses: only URL and key changed. */
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let vendor: OpenAI;
let alias: OpenAI;

const clientOf = ({ key }: TestServer, baseURL: string) => new OpenAI({ apiKey: key, baseURL, maxRetries: 0 });

beforeAll(async () => {
  server = await startTestServer();
  vendor = clientOf(server, server.openAiBaseUrl);
  alias = clientOf(server, `${server.running.baseUrl}/v1`);
});
afterAll(() => server.close());

const user = (content: string) => ({ type: 'message' as const, role: 'user' as const, content });

/** What was said in a conversation, the oldest first. */
async function saidIn(conversation: string, client = vendor): Promise<string[]> {
  const said: string[] = [];
  for await (const item of client.conversations.items.list(conversation, { order: 'asc', limit: 3 })) {
    if (item.type !== 'message') said.push(item.type);
    else said.push(`${item.role}: ${item.content.map((part) => ('text' in part ? part.text : part.type)).join('')}`);
  }
  return said;
}

async function statusOf(promise: PromiseLike<unknown>): Promise<number> {
  const thrown = await Promise.resolve(promise).catch((error: unknown) => error);
  return thrown instanceof OpenAI.APIError ? thrown.status : 200;
}

describe('a conversation', () => {
  it('is made, read, changed and deleted', async () => {
    const made = await vendor.conversations.create({ metadata: { topic: 'tides' }, items: [user('Hi')] });
    expect(made).toMatchObject({ object: 'conversation', metadata: { topic: 'tides' } });
    expect(made.id).toMatch(/^conv_[0-9a-f]{32}$/);
    // The vendor tells milliseconds, OpenAI seconds.
    expect(made.created_at).toBeGreaterThan(1e12);
    expect((await alias.conversations.retrieve(made.id)).created_at).toBe(Math.floor(made.created_at / 1000));
    expect(await vendor.conversations.update(made.id, { metadata: { a: 'b' } })).toEqual({
      ...made,
      metadata: { a: 'b' },
    });
    expect(await vendor.conversations.retrieve(made.id)).toEqual({ ...made, metadata: { a: 'b' } });
    expect(await vendor.conversations.delete(made.id)).toEqual({
      id: made.id,
      object: 'conversation.deleted',
      deleted: true,
    });
    expect(await statusOf(vendor.conversations.retrieve(made.id))).toBe(404);
    expect(await statusOf(vendor.conversations.items.list(made.id))).toBe(404);
  });

  it('is made of nothing', async () => {
    const made = await alias.conversations.create();
    expect(made.metadata).toEqual({});
    expect(await saidIn(made.id)).toEqual([]);
  });

  it('keeps items of every kind, and gives those without a type one', async () => {
    const { id } = await alias.conversations.create({ items: [] });
    const added = await alias.conversations.items.create(id, {
      items: [
        { role: 'user', content: 'Weather?' },
        { type: 'function_call', call_id: 'call_1', name: 'weather', arguments: '{}' },
        { type: 'function_call_output', call_id: 'call_1', output: 'sunny' },
        { type: 'reasoning', id: 'rs_1', summary: [] },
        { role: 'assistant', content: 'Sunny.' },
      ],
    });
    expect(added).toMatchObject({ has_more: false, last_id: added.data.at(-1)?.id });
    expect(added.data[0]).toMatchObject({ type: 'message', status: 'completed', content: [{ type: 'input_text' }] });
    expect(await saidIn(id)).toEqual([
      'user: Weather?',
      'function_call',
      'function_call_output',
      'reasoning',
      'assistant: Sunny.',
    ]);
  });

  it('gives and loses single items', async () => {
    const { id } = await vendor.conversations.create({ items: [user('one'), user('two')] });
    const newest = await vendor.conversations.items.list(id, { limit: 1 });
    expect(newest.data).toMatchObject([{ content: [{ text: 'two' }] }]);
    const itemId = newest.data[0]?.id ?? '';
    expect(await vendor.conversations.items.retrieve(itemId, { conversation_id: id })).toEqual(newest.data[0]);
    expect(await vendor.conversations.items.delete(itemId, { conversation_id: id })).toEqual({
      id: itemId,
      object: 'conversation.item.deleted',
      deleted: true,
    });
    expect(await statusOf(vendor.conversations.items.retrieve(itemId, { conversation_id: id }))).toBe(404);
    expect(await statusOf(vendor.conversations.items.delete(itemId, { conversation_id: id }))).toBe(404);
    expect(await saidIn(id)).toEqual(['user: one']);
    // OpenAI answers with the conversation.
    const [last] = (await alias.conversations.items.list(id)).data;
    expect(await alias.conversations.items.delete(last?.id ?? '', { conversation_id: id })).toMatchObject({
      id,
      object: 'conversation',
    });
  });

  it.each([
    [{ items: Array.from({ length: 21 }, (_, index) => user(`${index}`)) }, 400],
    [{ items: [{ role: 'king', content: 'Hi' }] }, 400],
    [{ items: 'Hi' }, 400],
    [{ metadata: { a: 'x'.repeat(513) } }, 400],
    [{ metadata: Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`${index}`, 'x'])) }, 400],
    [{ items: Array.from({ length: 20 }, (_, index) => user(`${index}`)) }, 200],
  ])('is refused or not: %#', async (body, status) => {
    expect(await statusOf(vendor.conversations.create(body as never))).toBe(status);
  });

  it('is nobody else’s page', async () => {
    const { id } = await vendor.conversations.create();
    expect(await statusOf(vendor.conversations.items.list(id, { limit: 101 }))).toBe(400);
    expect(await statusOf(vendor.conversations.items.list(id, { after: 'msg_x' }))).toBe(404);
    expect(await statusOf(vendor.conversations.items.create(id, { items: [] }))).toBe(400);
  });
});

describe('a turn of a conversation', () => {
  it('reads what was said and adds what is said', async () => {
    const { id } = await vendor.conversations.create({ items: [user('one')] });
    const response = await vendor.responses.create({ model: 'qwen-plus', input: 'two', conversation: id });
    expect(response.conversation).toEqual({ id });
    expect(response.usage?.input_tokens).toBe(2);
    const streamed = await vendor.responses
      .stream({ model: 'qwen-plus', input: 'three', conversation: { id }, store: false })
      .finalResponse();
    expect(streamed.usage?.input_tokens).toBe(4);
    expect(await saidIn(id)).toEqual(['user: one', 'user: two', 'assistant: two', 'user: three', 'assistant: three']);
  });

  it('adds nothing when it fails', async () => {
    const { id } = await vendor.conversations.create();
    const failing = 'scripted/error-mid-stream';
    expect(await statusOf(vendor.responses.create({ model: failing, input: 'Hi', conversation: id }))).toBe(500);
    expect(
      await statusOf(vendor.responses.create({ model: 'qwen-plus', input: 'Hi', temperature: 9, conversation: id })),
    ).toBe(400);
    expect(await saidIn(id)).toEqual([]);
    await vendor.responses.create({ model: 'qwen-plus', input: 'Hi', conversation: id });
    expect(await saidIn(id)).toEqual(['user: Hi', 'assistant: Hi']);
  });

  it('waits for the one before it', async () => {
    const { id } = await vendor.conversations.create();
    const turns = ['a', 'b', 'c', 'd'].map((input) =>
      vendor.responses.create({ model: `scripted/text?tokens=20&rate=1000`, input, conversation: id }),
    );
    const inputs = (await Promise.all(turns)).map(({ usage }) => usage?.input_tokens ?? 0);
    // Each reads one question and one answer more than the one before: none has read half a turn.
    const sorted = inputs.toSorted((a, b) => a - b);
    expect(sorted).toEqual([1, 22, 43, 64]);
    const said = await saidIn(id);
    expect(said.map((each) => each.split(':')[0])).toEqual(
      Array.from({ length: 4 }, () => ['user', 'assistant']).flat(),
    );
  });

  it('is given up when its client leaves while it waits', async () => {
    const { id } = await vendor.conversations.create();
    const first = await vendor.responses.create({
      model: 'scripted/text?tokens=100000&rate=50',
      input: 'long',
      conversation: id,
      stream: true,
    });
    const events = first[Symbol.asyncIterator]();
    await events.next();
    const leaving = new AbortController();
    const second = vendor.responses.create(
      { model: 'qwen-plus', input: 'x', conversation: id },
      { signal: leaving.signal },
    );
    leaving.abort();
    await expect(second).rejects.toBeInstanceOf(OpenAI.APIUserAbortError);
    first.controller.abort();
    const third = await vendor.responses.create({ model: 'qwen-plus', input: 'y', conversation: id });
    expect(third.usage?.input_tokens).toBe(1);
  });

  it('can be continued as a response, and keeps its history', async () => {
    const { id } = await vendor.conversations.create({ items: [user('one')] });
    const turn = await vendor.responses.create({ model: 'qwen-plus', input: 'two', conversation: id });
    await vendor.responses.create({ model: 'qwen-plus', input: 'elsewhere', conversation: id });
    const next = await vendor.responses.create({ model: 'qwen-plus', input: 'three', previous_response_id: turn.id });
    // one, two, two, three: what the conversation went on to say is not part of it.
    expect(next.usage?.input_tokens).toBe(4);
  });

  it('lives on after a restart', async () => {
    const before = await startTestServer();
    const { id } = await clientOf(before, before.openAiBaseUrl).conversations.create({ items: [user('remember')] });
    await before.running.close();
    const after = await startTestServer({ home: before.home });
    const client = clientOf(after, after.openAiBaseUrl);
    await client.responses.create({ model: 'qwen-plus', input: 'me', conversation: id });
    expect(await saidIn(id, client)).toEqual(['user: remember', 'user: me', 'assistant: me']);
    await after.close();
    await before.close();
  });
});
