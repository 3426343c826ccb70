/**
 * `atelier record` before a server, a customer's program through it, then `atelier serve --replay` in the server's place:
 * the program cannot tell the difference, and neither can one that speaks another wire.
 */
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRecordingProxy } from '../../src/record/proxy.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

const QUESTION = { role: 'user' as const, content: 'What is the capital of Norway?' };
const WEATHER = {
  type: 'function' as const,
  function: {
    name: 'get_weather',
    description: 'The weather of a place.',
    parameters: { type: 'object', properties: { location: { type: 'string' } }, required: ['location'] },
  },
};

/** Calls of the program below. */
const EXCHANGES = 9;

let folder: string;
let recordedServer: TestServer;
let replay: TestServer;
let heard: Awaited<ReturnType<typeof program>>;

const clientOf = (baseURL: string, apiKey: string): OpenAI => new OpenAI({ baseURL, apiKey, maxRetries: 0 });

/** What a customer's program does, and what it hears. */
async function program(client: OpenAI) {
  const plain = await client.chat.completions.create({ model: 'scripted/echo', messages: [QUESTION], seed: 7 });
  const chunks = [];
  for await (const chunk of await client.chat.completions.create({
    model: 'scripted/reasoning',
    messages: [QUESTION],
    stream: true,
    stream_options: { include_usage: true },
  }))
    chunks.push({ choices: chunk.choices, usage: chunk.usage });
  const asked = [QUESTION, { role: 'user' as const, content: 'And the weather?' }];
  const call = await client.chat.completions.create({ model: 'scripted/tool-call', messages: asked, tools: [WEATHER] });
  const [made] = call.choices[0]?.message.tool_calls ?? [];
  const answered = await client.chat.completions.create({
    model: 'scripted/echo',
    messages: [
      ...asked,
      { role: 'assistant', tool_calls: made ? [made] : [] },
      { role: 'tool', tool_call_id: made?.id ?? '', content: 'Sunny' },
    ],
    tools: [WEATHER],
  });
  const refusal = await client.chat.completions
    .create({ model: 'scripted/error-429', messages: [QUESTION] })
    .catch((thrown: InstanceType<typeof OpenAI.APIError>) => ({ status: thrown.status, code: thrown.code }));
  const file = await client.files.create({
    file: await toFile(Buffer.from('{"a":1}'), 'lines.jsonl'),
    purpose: 'batch',
  });
  const { data: files } = await client.files.list({ limit: 5 });
  const first = await client.responses.create({ model: 'scripted/echo', input: 'Remember 42.' });
  const second = await client.responses.create({
    model: 'scripted/echo',
    input: 'What was it?',
    previous_response_id: first.id,
    max_output_tokens: 100,
  });
  return {
    responses: [first, second].map(({ output_text: text, usage, status }) => ({ text, usage, status })),
    plain: { choices: plain.choices, usage: plain.usage },
    chunks,
    call: { choices: call.choices, usage: call.usage },
    answered: answered.choices,
    refusal,
    file: { id: file.id, filename: file.filename, bytes: file.bytes },
    files: files.map(({ id }) => id),
  };
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'atelier-recorded-'));
  recordedServer = await startTestServer();
  let notes = 0;
  let allNoted: () => void = () => {};
  const noted = new Promise<void>((resolve) => {
    allNoted = resolve;
  });
  const onNote = (): void => {
    if (++notes === EXCHANGES) allNoted();
  };
  const upstream = new URL(recordedServer.running.baseUrl);
  const proxy = createRecordingProxy({ upstream, folder, key: recordedServer.key, onNote });
  proxy.server.listen(0, '127.0.0.1');
  await once(proxy.server, 'listening');
  const { port } = proxy.server.address() as AddressInfo;
  // The program's own key is nobody's: the proxy calls with the server's.
  heard = await program(clientOf(`http://127.0.0.1:${port}/compatible-mode/v1`, 'sk-of-the-program-0123456789'));
  await noted;
  await proxy.close();
  replay = await startTestServer({ scripted: false, replay: folder });
});

afterAll(async () => {
  await recordedServer.close();
  await replay.close();
  rmSync(folder, { recursive: true, force: true });
});

test('recordings hold everything but secrets', () => {
  const files = readdirSync(folder);
  expect(files).toHaveLength(EXCHANGES);
  const text = files.map((file) => readFileSync(join(folder, file), 'utf8')).join('');
  expect(text).toContain('capital of Norway');
  for (const secret of [recordedServer.key, 'sk-of-the-program', 'authorization']) expect(text).not.toContain(secret);
});

test('the program hears the same again', async () => {
  expect(await program(clientOf(replay.openAiBaseUrl, replay.key))).toEqual(heard);
});

test('the answer names its recording, and leaves a receipt', async () => {
  const response = await replay.chat({ model: 'scripted/echo', messages: [QUESTION], seed: 7 });
  expect(response.headers.get('x-atelier-backend')).toBe('replay/0001-chat-completions-nosse');
  const { usage } = (await response.json()) as { usage: { prompt_tokens: number; completion_tokens: number } };
  expect((await replay.receipts()).at(-1)).toMatchObject({
    ending: 'completed',
    model: 'scripted/echo',
    inputTokens: usage.prompt_tokens,
    outputTokens: usage.completion_tokens,
  });
});

describe('what was recorded over Chat', () => {
  const answer = (): string | null | undefined => heard.plain.choices[0]?.message.content;
  const native = (body: object, headers: object = {}) =>
    fetch(`${replay.running.baseUrl}/api/v1/services/aigc/text-generation/generation`, {
      method: 'POST',
      headers: { authorization: `Bearer ${replay.key}`, 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });

  test('is served natively, whole and streamed', async () => {
    const parameters = { seed: 7, result_format: 'message', incremental_output: true };
    const body = { model: 'scripted/echo', input: { messages: [QUESTION] }, parameters };
    const whole = (await (await native(body)).json()) as { output: object; usage: object };
    expect(whole.output).toMatchObject({ choices: [{ message: { content: answer() }, finish_reason: 'stop' }] });
    expect(whole.usage).toMatchObject({ input_tokens: heard.plain.usage?.prompt_tokens });
    const stream = await (await native(body, { accept: 'text/event-stream' })).text();
    const pieces = [...stream.matchAll(/^data:(.*)$/gm)].map(
      ([, data = '']) => (JSON.parse(data) as { output: { choices: { message: { content: string } }[] } }).output,
    );
    expect(pieces.map(({ choices }) => choices[0]?.message.content).join('')).toBe(answer());
  });

  test('is served over Messages, with its reasoning and its calls', async () => {
    const client = new Anthropic({
      baseURL: `${replay.running.baseUrl}/apps/anthropic`,
      apiKey: replay.key,
      maxRetries: 0,
    });
    const thought = await client.messages.create({
      model: 'scripted/reasoning',
      max_tokens: 1000,
      messages: [QUESTION],
    });
    const streamed = heard.chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta));
    const joined = (member: 'content' | 'reasoning_content'): string =>
      streamed.map((delta) => (delta as { [name: string]: string | undefined })[member] ?? '').join('');
    expect(thought.content).toMatchObject([
      { type: 'thinking', thinking: joined('reasoning_content') },
      { type: 'text', text: joined('content') },
    ]);
    expect(thought.usage.output_tokens).toBe(heard.chunks.at(-1)?.usage?.completion_tokens);

    const called = await client.messages.create({
      model: 'scripted/tool-call',
      max_tokens: 1000,
      messages: [QUESTION, { role: 'user', content: 'And the weather?' }],
      tools: [{ ...WEATHER.function, input_schema: WEATHER.function.parameters as Anthropic.Tool.InputSchema }].map(
        ({ name, description, input_schema }) => ({ name, description, input_schema }),
      ),
    });
    const [recorded] = heard.call.choices[0]?.message.tool_calls ?? [];
    const input = recorded?.type === 'function' ? JSON.parse(recorded.function.arguments) : undefined;
    expect(called.stop_reason).toBe('tool_use');
    expect(called.content.find(({ type }) => type === 'tool_use')).toMatchObject({ name: 'get_weather', input });
  });

  test('is served over Responses', async () => {
    const client = clientOf(replay.openAiBaseUrl, replay.key);
    const response = await client.responses.create({ model: 'scripted/reasoning', input: QUESTION.content });
    const text = heard.chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('');
    expect(response.output_text).toBe(text);
  });
});

describe('what nobody recorded', () => {
  const asked = { model: 'scripted/echo', messages: [QUESTION], seed: 8 };
  const words =
    'No recording answers this request. The nearest is 0001-chat-completions-nosse; it differs in sampling.seed.';

  test('is a 404 that shows the nearest recording', async () => {
    const response = await replay.chat(asked);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ error: { code: 'not_found', message: words } });
  });

  test('is so in the envelope of each wire', async () => {
    const post = async (path: string, body: object) => {
      const headers = { authorization: `Bearer ${replay.key}`, 'content-type': 'application/json' };
      const init = { method: 'POST', headers, body: JSON.stringify(body) };
      const response = await fetch(`${replay.running.baseUrl}${path}`, init);
      return { status: response.status, body: await response.json() };
    };
    const native = { model: 'scripted/echo', input: { messages: [QUESTION] }, parameters: { seed: 8 } };
    expect(await post('/api/v1/services/aigc/text-generation/generation', native)).toMatchObject({
      status: 404,
      body: { message: words },
    });
    const messages = { model: 'scripted/echo', max_tokens: 1000, messages: [{ ...QUESTION, content: 'Who?' }] };
    expect(await post('/apps/anthropic/v1/messages', messages)).toMatchObject({
      status: 404,
      body: { type: 'error', error: { type: 'not_found_error', message: expect.stringContaining('The nearest is') } },
    });
    expect(await post('/compatible-mode/v1/chat/completions', { ...asked, stream: true })).toMatchObject({
      status: 404,
      body: { error: { message: words } },
    });
  });

  test('is left to the server where nothing of the kind was recorded', async () => {
    const headers = { authorization: `Bearer ${replay.key}` };
    const models = await fetch(`${replay.openAiBaseUrl}/models`, { headers });
    expect(models.status).toBe(200);
    const file = await fetch(`${replay.openAiBaseUrl}/files/file-none`, { headers });
    expect(file.status).toBe(404);
  });

  test('needs a key all the same', async () => {
    const response = await replay.chat({ ...asked, seed: 7 }, { headers: { authorization: 'Bearer sk-wrong' } });
    expect(response.status).toBe(401);
    expect((await fetch(`${replay.openAiBaseUrl}/files?limit=5`)).status).toBe(401);
  });
});
