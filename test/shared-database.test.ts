/** Two servers on one Postgres, each with a home of its own: what is done on one is found on the other. */
import { readdirSync } from 'node:fs';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { DATABASES, POSTGRES_MISSING, type TestDatabase } from './support/databases.ts';
import { startTestServer, type TestServer } from './support/server.ts';

const postgres = DATABASES.find(({ name }) => name === 'Postgres');

describe.skipIf(!postgres)(`two servers on one Postgres${postgres ? '' : ` (${POSTGRES_MISSING})`}`, () => {
  let database: TestDatabase;
  let servers: TestServer[];
  let one: OpenAI;
  let other: OpenAI;

  beforeAll(async () => {
    if (!postgres) return;
    // Empty: both make the tables, at once.
    database = await postgres.create('nothing');
    servers = await Promise.all([1, 2].map(() => startTestServer({ database: database.location })));
    // One key for both: keys are shared.
    const apiKey = servers[0]?.key;
    [one, other] = servers.map(
      ({ openAiBaseUrl }) => new OpenAI({ apiKey, baseURL: openAiBaseUrl, maxRetries: 0 }),
    ) as [OpenAI, OpenAI];
  });
  afterAll(async () => {
    await Promise.all(servers?.map((server) => server.close()) ?? []);
    await database?.remove();
  });

  const chat = (say: string) =>
    JSON.stringify({
      custom_id: say,
      method: 'POST',
      url: '/v1/chat/completions',
      body: { model: 'scripted/echo', messages: [{ role: 'user', content: say }] },
    });

  it('a file of one is read and deleted on the other, and lies in no home', async () => {
    const text = 'x'.repeat(1_500_000);
    const { id } = await one.files.create({ file: new File([text], 'a.txt'), purpose: 'file-extract' as 'assistants' });
    expect(await (await other.files.content(id)).text()).toBe(text);
    for (const { home } of servers) expect(readdirSync(home)).not.toContain('files');
    await other.files.delete(id);
    await expect(one.files.content(id)).rejects.toMatchObject({ status: 404 });
  });

  it('a batch of one reads the file of the other, and its results are there on both', async () => {
    const lines = ['a', 'b', 'c'].map(chat).join('\n');
    const file = await one.files.create({ file: new File([lines], 'in.jsonl'), purpose: 'batch' });
    const { id } = await other.batches.create({
      input_file_id: file.id,
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
    });
    const done = await vi.waitUntil(
      async () => {
        const batch = await one.batches.retrieve(id);
        return batch.status === 'completed' && batch;
      },
      { timeout: 20_000, interval: 20 },
    );
    expect(done.request_counts).toEqual({ total: 3, completed: 3, failed: 0 });
    const output = await (await one.files.content(done.output_file_id ?? '')).text();
    expect(
      output
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).custom_id),
    ).toEqual(['a', 'b', 'c']);
  });

  it('a response of one is continued on the other', async () => {
    const first = await one.responses.create({ model: 'qwen-plus', input: 'remember me' });
    const next = await other.responses.create({ model: 'qwen-plus', input: 'still?', previous_response_id: first.id });
    const listed = await one.responses.inputItems.list(next.id);
    expect(JSON.stringify(listed.data)).toContain('remember me');
  });

  it('turns of one conversation on both follow each other', async () => {
    const { id } = await one.conversations.create();
    const turns = await Promise.all(
      [one, other, one, other].map((client, index) =>
        client.responses.create({
          model: 'scripted/text?tokens=20&rate=200',
          input: `turn ${index}`,
          conversation: id,
        }),
      ),
    );
    expect(turns.map(({ status }) => status)).toEqual(Array(4).fill('completed'));
    const { data } = await other.conversations.items.list(id, { order: 'asc', limit: 20 });
    const roles = data.map((item) => ('role' in item ? item.role : ''));
    expect(roles).toEqual(['user', 'assistant', 'user', 'assistant', 'user', 'assistant', 'user', 'assistant']);
    // Each read all that was there before it: no two turns began at the same place.
    const inputs = await Promise.all(turns.map((turn) => one.responses.inputItems.list(turn.id, { limit: 100 })));
    expect(inputs.map((list) => list.data.length).sort((a, b) => a - b)).toEqual([1, 3, 5, 7]);
  });

  it('what a client sends is found as it was, whatever characters are in it', async () => {
    const conversation = await one.conversations.create({ metadata: { text: 'nul \0, 测试, 😀' } });
    expect((await other.conversations.retrieve(conversation.id)).metadata).toEqual({ text: 'nul \0, 测试, 😀' });
    const url = `${servers[1]?.running.baseUrl}/compatible-mode/v1/files/file%00x`;
    const { status } = await fetch(url, { headers: { authorization: `Bearer ${servers[0]?.key}` } });
    expect(status).toBe(404);
  });

  it('a background response of one is read on the other', async () => {
    const { id } = await one.responses.create({ model: 'qwen-plus', input: 'later', background: true });
    await vi.waitUntil(async () => (await other.responses.retrieve(id)).status === 'completed', {
      timeout: 20_000,
      interval: 20,
    });
  });
});
