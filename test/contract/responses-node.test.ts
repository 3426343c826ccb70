/** The official OpenAI SDK for Node over Responses, on the scripted backend: only URL and key changed. */
import OpenAI from 'openai';
import type {
  Response as ModelResponse,
  ResponseCreateParamsNonStreaming,
  ResponseStreamEvent,
} from 'openai/resources/responses/responses';
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

const WEATHER = {
  type: 'function' as const,
  name: 'get_weather',
  description: 'Check weather in a city.',
  strict: false,
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};

const say = (model: string, input: string) => ({ model, input });

/** The call a model made. */
function callOf({ output }: ModelResponse) {
  const call = output.find((item) => item.type === 'function_call');
  if (!call) throw new Error('no call');
  return call;
}

async function eventsOf(stream: AsyncIterable<ResponseStreamEvent>): Promise<ResponseStreamEvent[]> {
  const events: ResponseStreamEvent[] = [];
  for await (const event of stream) events.push(event);
  return events;
}

async function refusalOf(promise: PromiseLike<unknown>): Promise<InstanceType<typeof OpenAI.APIError>> {
  const thrown = await Promise.resolve(promise).then(
    () => new Error('it was accepted'),
    (error: unknown) => error,
  );
  if (!(thrown instanceof OpenAI.APIError)) throw thrown;
  return thrown;
}

describe.each(['/compatible-mode/v1', '/v1', '/api/v2/apps/protocols/compatible-mode/v1'])('below %s', (prefix) => {
  const client = () => clientOf(server, server.running.baseUrl + prefix);

  it('answers', async () => {
    const { data, response } = await client().responses.create(say('qwen-plus', 'Who are you?')).withResponse();
    expect(data).toMatchObject({ object: 'response', status: 'completed', model: 'qwen-plus', error: null });
    expect(data.id).toMatch(/^resp_[0-9a-f]{8}-[0-9a-f]{4}-9[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(data.output_text).toBe('Who are you?');
    expect(data.output[0]?.id).toMatch(/^msg_[0-9a-f]{34}$/);
    expect(data.usage?.total_tokens).toBe((data.usage?.input_tokens ?? 0) + (data.usage?.output_tokens ?? 0));
    expect(response.headers.get('x-atelier-backend')).toBe('scripted/echo');
    expect(response.headers.get('x-request-id')).toBe(data.id.slice('resp_'.length));
  });

  it('streams what it stores', async () => {
    const stream = client().responses.stream(say('scripted/reasoning', 'Think about it'));
    const final = await stream.finalResponse();
    expect(final.output.map(({ type }) => type)).toEqual(['reasoning', 'message']);
    expect(final.output_text).toBe('Think about it');
    const { output, usage, status } = await client().responses.retrieve(final.id);
    expect({ output, usage, status }).toMatchObject({ usage: final.usage, status: 'completed' });
    expect(output.map(({ id }) => id)).toEqual(final.output.map(({ id }) => id));
  });

  it('numbers its events from 0 and sends [DONE] only where OpenAI does', async () => {
    const events = await eventsOf(await client().responses.create({ ...say('scripted/echo', 'a b'), stream: true }));
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, index) => index));
    expect(events.map(({ type }) => type)).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.delta',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ]);
    const raw = await fetch(`${server.running.baseUrl}${prefix}/responses`, {
      method: 'POST',
      headers: { authorization: `Bearer ${server.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ ...say('scripted/echo', 'a'), stream: true }),
    });
    expect(raw.headers.get('content-type')).toBe('text/event-stream;charset=UTF-8');
    const text = await raw.text();
    expect(text.includes('data: [DONE]\n\n')).toBe(prefix === '/v1');
    expect(
      text.startsWith(
        prefix === '/v1'
          ? 'event: response.created\ndata: {'
          : 'id:1\nevent:response.created\n:HTTP_STATUS/200\ndata:{',
      ),
    ).toBe(true);
  });

  it('continues a response', async () => {
    const first = await client().responses.create({ ...say('qwen-plus', 'one two'), instructions: 'Be kind.' });
    const next = await client().responses.create({ ...say('qwen-plus', 'three'), previous_response_id: first.id });
    expect(next).toMatchObject({ previous_response_id: first.id, instructions: null, output_text: 'three' });
    // "one two", the answer "one two", "three"; the instructions of before are not read again.
    expect(next.usage?.input_tokens).toBe(5);
  });
});

describe('what can be asked for', () => {
  it('items of every form', async () => {
    const response = await vendor.responses.create({
      model: 'qwen3.7-plus',
      input: [
        { role: 'developer', content: 'Be brief.' },
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'Hello!' },
        {
          type: 'message',
          role: 'user',
          content: [
            { type: 'input_text', text: 'What is this?' },
            { type: 'input_image', image_url: 'data:image/png;base64,iVBORw0KGgo=', detail: 'auto' },
          ],
        },
      ],
    });
    expect(response.output_text).toBe('What is this?');
  });

  it('a structured answer, parsed by the SDK', async () => {
    const response = await vendor.responses.parse({
      ...say('scripted/echo', 'a trip'),
      text: {
        format: {
          type: 'json_schema',
          name: 'trip',
          strict: true,
          schema: {
            type: 'object',
            properties: { city: { type: 'string' }, days: { type: 'integer', minimum: 2 } },
            required: ['city', 'days'],
            additionalProperties: false,
          },
        },
      },
    });
    expect(response.output_parsed ?? JSON.parse(response.output_text)).toEqual({ city: 'sample', days: 2 });
    expect(response.text?.format).toMatchObject({ type: 'json_schema', name: 'trip', strict: true });
  });

  it('a JSON object', async () => {
    const response = await vendor.responses.create({
      ...say('scripted/echo', 'as json'),
      text: { format: { type: 'json_object' } },
    });
    expect(JSON.parse(response.output_text)).toEqual({ text: 'as json' });
  });

  it('a limit, which leaves the answer incomplete', async () => {
    const response = await vendor.responses.create({ ...say('scripted/text-200', 'Go'), max_output_tokens: 16 });
    expect(response).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } });
    expect(response.output[0]).toMatchObject({ type: 'message', status: 'incomplete' });
    expect(response.usage?.output_tokens).toBe(16);
  });

  it('thinking, more or less or not', async () => {
    const asked = { ...say('scripted/echo', 'Hi') };
    const deep = await vendor.responses.create({ ...asked, reasoning: { effort: 'high' } });
    expect(deep.output.map(({ type }) => type)).toEqual(['reasoning', 'message']);
    expect(deep.usage?.output_tokens_details.reasoning_tokens).toBeGreaterThan(0);
    const off = await vendor.responses.create({ ...say('scripted/reasoning', 'Hi'), reasoning: { effort: 'none' } });
    expect(off.output.map(({ type }) => type)).toEqual(['message']);
  });

  it('log probabilities', async () => {
    const response = await vendor.responses.create({
      ...say('scripted/echo', 'Hi you'),
      include: ['message.output_text.logprobs'],
      top_logprobs: 1,
    });
    const [message] = response.output;
    const part = message?.type === 'message' ? message.content[0] : undefined;
    expect(part?.type === 'output_text' && part.logprobs?.map(({ token }) => token)).toEqual(['Hi', ' you']);
  });

  it('metadata and the rest of the echo', async () => {
    const { id } = await vendor.responses.create({
      ...say('qwen-plus', 'Hi'),
      metadata: { project: 'x' },
      user: 'u1',
      prompt_cache_key: 'k',
      truncation: 'auto',
    });
    expect(await vendor.responses.retrieve(id)).toMatchObject({
      metadata: { project: 'x' },
      user: 'u1',
      prompt_cache_key: 'k',
      truncation: 'auto',
      text: { format: { type: 'text' } },
    });
  });
});

describe('tools', () => {
  it('are called, and their outputs are read in the next turn', async () => {
    const first = await vendor.responses.create({ ...say('scripted/tool-call', 'Weather?'), tools: [WEATHER] });
    const call = callOf(first);
    expect(call).toMatchObject({ name: 'get_weather', arguments: '{"city":"sample"}', status: 'completed' });
    expect(call.call_id).toMatch(/^call_[0-9a-f]{24}$/);
    const next = await vendor.responses.create({
      model: 'scripted/tool-call',
      previous_response_id: first.id,
      input: [{ type: 'function_call_output', call_id: call.call_id, output: 'sunny' }],
      tools: [WEATHER],
    });
    expect(next.output_text).toBe('The tool answered: sunny');
  });

  it('are called in a stream, several at once', async () => {
    const stream = alias.responses.stream({ ...say('scripted/parallel-calls', 'Both'), tools: [WEATHER] });
    const { output } = await stream.finalResponse();
    expect(output.map((item) => item.type === 'function_call' && JSON.parse(item.arguments).city)).toEqual([
      'sample',
      'sample 2',
    ]);
  });

  it.each([
    ['required', 'function_call'],
    ['none', 'message'],
    [{ type: 'function', name: 'get_weather' }, 'function_call'],
    [{ type: 'allowed_tools', mode: 'required', tools: [{ type: 'function', name: 'get_weather' }] }, 'function_call'],
  ] as const)('are chosen: %j', async (choice, type) => {
    const response = await vendor.responses.create({
      ...say('scripted/echo', 'Hi'),
      tools: [WEATHER],
      tool_choice: choice as ResponseCreateParamsNonStreaming['tool_choice'],
    });
    expect(response.output.map((item) => item.type)).toEqual([type]);
  });

  it('of plain text are called with plain text', async () => {
    const patch = { type: 'custom' as const, name: 'patch', description: 'Edits a file.' };
    const first = await vendor.responses.create({ ...say('scripted/tool-call', 'Edit'), tools: [patch] });
    const [call] = first.output;
    if (call?.type !== 'custom_tool_call') throw new Error(`a ${call?.type}`);
    expect(call).toMatchObject({ name: 'patch', input: 'sample' });
    const next = await vendor.responses.create({
      model: 'scripted/tool-call',
      input: [
        { role: 'user', content: 'Edit' },
        call,
        { type: 'custom_tool_call_output', call_id: call.call_id, output: 'done' },
      ],
      tools: [patch],
    });
    expect(next.output_text).toBe('The tool answered: done');
  });

  it('in a namespace come back apart from it', async () => {
    const response = await vendor.responses.create({
      ...say('scripted/tool-call', 'Go'),
      tools: [{ type: 'namespace', name: 'agents_v1', description: 'Agents.', tools: [WEATHER] }],
    });
    expect(response.output).toMatchObject([{ type: 'function_call', namespace: 'agents_v1', name: 'get_weather' }]);
  });
});

describe('stored responses', () => {
  it('are read with their input, in pages', async () => {
    const first = await vendor.responses.create(say('qwen-plus', 'one'));
    const second = await vendor.responses.create({ ...say('qwen-plus', 'two'), previous_response_id: first.id });
    const items: string[] = [];
    const pages = vendor.responses.inputItems.list(second.id, { limit: 1, order: 'asc' });
    for await (const item of pages)
      if (item.type === 'message') items.push(`${item.role}: ${JSON.stringify(item.content)}`);
    expect(items).toEqual([
      'user: [{"type":"input_text","text":"one"}]',
      'assistant: [{"type":"output_text","text":"one","annotations":[],"logprobs":[]}]',
      'user: [{"type":"input_text","text":"two"}]',
    ]);
    const newest = await vendor.responses.inputItems.list(second.id, { limit: 2 });
    expect(newest.data[0]).toMatchObject({ role: 'user', content: [{ text: 'two' }] });
    expect(newest.has_more).toBe(true);
  });

  it('are not there when they were not to be stored, or were deleted', async () => {
    const unstored = await vendor.responses.create({ ...say('qwen-plus', 'one'), store: false });
    expect((await refusalOf(vendor.responses.retrieve(unstored.id))).status).toBe(404);
    const stored = await vendor.responses.create(say('qwen-plus', 'one'));
    const next = await vendor.responses.create({ ...say('qwen-plus', 'two'), previous_response_id: stored.id });
    await vendor.responses.delete(stored.id);
    expect(await refusalOf(vendor.responses.retrieve(stored.id))).toBeInstanceOf(OpenAI.NotFoundError);
    expect(await refusalOf(vendor.responses.delete(stored.id))).toBeInstanceOf(OpenAI.NotFoundError);
    const third = await vendor.responses.create({ ...say('qwen-plus', 'three'), previous_response_id: next.id });
    expect(third.usage?.input_tokens).toBe(5);
  });

  it('give their items to requests that only name them', async () => {
    const first = await vendor.responses.create(say('qwen-plus', 'blue whale'));
    const response = await vendor.responses.create({
      model: 'qwen-plus',
      input: [
        { role: 'user', content: 'blue whale' },
        { type: 'item_reference', id: first.output[0]?.id ?? '' },
        { role: 'user', content: 'and?' },
      ],
    });
    expect(response.usage?.input_tokens).toBe(6);
    const reference = { type: 'item_reference' as const, id: first.output[0]?.id ?? '' };
    const twice = await vendor.responses.create({
      model: 'qwen-plus',
      input: [reference, { role: 'user', content: 'and?' }, reference, { role: 'user', content: 'and?' }],
    });
    expect(twice.status).toBe('completed');
    const unknown = vendor.responses.create({
      model: 'qwen-plus',
      input: [
        { type: 'item_reference', id: 'msg_1' },
        { role: 'user', content: 'and?' },
      ],
    });
    expect((await refusalOf(unknown)).message).toContain("Item with id 'msg_1' not found.");
  });

  it('live on after a restart', async () => {
    const before = await startTestServer();
    const first = await clientOf(before, before.openAiBaseUrl).responses.create(say('qwen-plus', 'remember me'));
    await before.running.close();
    const after = await startTestServer({ home: before.home });
    const client = clientOf(after, after.openAiBaseUrl);
    const next = await client.responses.create({ ...say('qwen-plus', 'still?'), previous_response_id: first.id });
    expect(next.usage?.input_tokens).toBe(6);
    expect((await client.responses.retrieve(first.id)).output_text).toBe('remember me');
    await after.close();
    await before.close();
  });
});

describe('background', () => {
  const endless = 'scripted/text?tokens=100000&rate=20';

  it('answers at once, and with the result when it is asked', async () => {
    const accepted = await vendor.responses.create({ ...say('qwen-plus', 'later'), background: true });
    expect(accepted).toMatchObject({ status: 'queued', background: true, output: [] });
    let now = accepted;
    while (now.status === 'queued' || now.status === 'in_progress') now = await vendor.responses.retrieve(accepted.id);
    expect(now).toMatchObject({ status: 'completed', output_text: 'later' });
  });

  it('refuses at once what it would refuse in the foreground', async () => {
    const refused = vendor.responses.create({ ...say('scripted/error-429', 'later'), background: true });
    expect((await refusalOf(refused)).status).toBe(429);
    const unstored = vendor.responses.create({ ...say('qwen-plus', 'later'), background: true, store: false });
    expect((await refusalOf(unstored)).status).toBe(400);
  });

  it('is cancelled, once or again', async () => {
    const { id } = await vendor.responses.create({ ...say(endless, 'go'), background: true });
    expect((await vendor.responses.cancel(id)).status).toBe('cancelled');
    expect((await vendor.responses.cancel(id)).status).toBe('cancelled');
    expect((await vendor.responses.retrieve(id)).status).toBe('cancelled');
    const foreground = await vendor.responses.create(say('qwen-plus', 'now'));
    expect((await refusalOf(vendor.responses.cancel(foreground.id))).status).toBe(400);
  });

  it('is cancelled by being deleted', async () => {
    const { id } = await vendor.responses.create({ ...say(endless, 'go'), background: true });
    await vendor.responses.delete(id);
    expect((await refusalOf(vendor.responses.retrieve(id))).status).toBe(404);
  });

  it('goes on without its client, who may come back to the stream', async () => {
    const stream = await alias.responses.create({
      ...say('scripted/text?tokens=40&rate=400', 'go'),
      background: true,
      stream: true,
    });
    const seen: ResponseStreamEvent[] = [];
    for await (const event of stream) if (seen.push(event) === 6) break;
    const [first] = seen;
    const id = first?.type === 'response.created' ? first.response.id : '';
    const rest = await eventsOf(await alias.responses.retrieve(id, { stream: true, starting_after: 5 }));
    const all = [...seen, ...rest];
    expect(all.map(({ sequence_number }) => sequence_number)).toEqual(all.map((_, index) => index));
    const last = all.at(-1);
    if (last?.type !== 'response.completed') throw new Error(`ended with ${last?.type}`);
    const text = all.map((event) => (event.type === 'response.output_text.delta' ? event.delta : '')).join('');
    const stored = await alias.responses.retrieve(id);
    expect(stored.output_text).toBe(text);
    expect(last.response.output).toEqual(stored.output);
    // It has ended, and can still be streamed again.
    const again = await eventsOf(await alias.responses.retrieve(id, { stream: true }));
    expect(again).toEqual([...seen, ...rest]);
  });

  it('is streamed again only when it was to be streamed', async () => {
    const { id } = await alias.responses.create(say('qwen-plus', 'now'));
    expect((await refusalOf(alias.responses.retrieve(id, { stream: true }))).status).toBe(400);
  });
});

describe('refusals', () => {
  const valid = say('qwen-plus', 'Hi');
  it.each([
    [{ ...valid, model: 'gpt-9' }, 400, 'model_not_found', "Unsupported model: 'gpt-9'"],
    [{ ...valid, temperature: 5 }, 400, 'invalid_parameter_error', "Invalid 'temperature': 5."],
    [
      { ...valid, previous_response_id: 'resp_x' },
      400,
      'previous_response_not_found',
      'Not found previous_response_id: resp_x',
    ],
    [{ ...valid, conversation: 'conv_x' }, 404, 'not_found', "Conversation with id 'conv_x' not found."],
    [{ ...valid, tools: [{ type: 'web_search' }] }, 400, 'invalid_parameter_error', "'web_search' is not available"],
    [{ ...valid, max_output_tokens: 1_000_000 }, 400, 'invalid_parameter_error', 'Range of max_tokens'],
    [{ ...valid, input: [] }, 400, 'invalid_parameter_error', '[] is too short'],
    [say('scripted/error-400', 'Hi'), 400, 'invalid_parameter_error', ''],
    [say('scripted/error-403', 'Hi'), 403, 'access_denied', ''],
    [say('scripted/error-404', 'Hi'), 400, 'model_not_found', ''],
    [say('scripted/error-not-found', 'Hi'), 404, 'not_found', ''],
    [say('scripted/error-429', 'Hi'), 429, 'rate_limit_exceeded', ''],
    [say('scripted/error-500', 'Hi'), 500, 'server_error', ''],
    [say('scripted/error-503', 'Hi'), 503, 'server_error', ''],
    [say('scripted/error-context-too-long', 'Hi'), 400, 'context_length_exceeded', ''],
  ])('%j', async (body, status, code, message) => {
    for (const stream of [false, true]) {
      const request = { ...body, stream } as ResponseCreateParamsNonStreaming;
      const thrown = await refusalOf(vendor.responses.create(request));
      expect(thrown).toMatchObject({ status, code, type: expect.any(String) });
      expect(thrown.message).toContain(message);
      expect(thrown.requestID).toMatch(/^[0-9a-f-]{36}$/);
    }
  });

  it('have a flat code beside the nested one', async () => {
    const reply = await fetch(`${server.openAiBaseUrl}/responses`, {
      method: 'POST',
      headers: { authorization: `Bearer ${server.key}`, 'content-type': 'application/json' },
      body: '{"model": "qwen-plus"}',
    });
    expect(reply.status).toBe(400);
    expect(await reply.json()).toEqual({
      error: {
        message: "[400] missing_required_parameter: Missing required parameter: 'input'.",
        type: 'invalid_request_error',
        param: 'input',
        code: 'missing_required_parameter',
      },
      code: 'InvalidParameter',
      message: "[400] missing_required_parameter: Missing required parameter: 'input'.",
      request_id: reply.headers.get('x-request-id'),
    });
  });

  it('tell a wrong key from none', async () => {
    const wrong = new OpenAI({ apiKey: 'sk-wrong', baseURL: server.openAiBaseUrl, maxRetries: 0 });
    const thrown = await refusalOf(wrong.responses.create(valid));
    expect(thrown).toBeInstanceOf(OpenAI.AuthenticationError);
    expect(thrown.message).toContain('Invalid API-key provided.');
    const missing = await fetch(`${server.openAiBaseUrl}/responses`, { method: 'POST' });
    expect(await missing.json()).toMatchObject({ code: 'InvalidApiKey', message: 'No API-key provided.' });
  });

  it('are tried again when told so', async () => {
    const reply = await fetch(`${server.openAiBaseUrl}/responses`, {
      method: 'POST',
      headers: { authorization: `Bearer ${server.key}`, 'content-type': 'application/json' },
      body: JSON.stringify(say('scripted/error-429', 'Hi')),
    });
    expect(reply.headers.get('retry-after')).toBe('1');
    expect(reply.headers.get('x-should-retry')).toBe('true');
  });
});

describe('the way a stream ends', () => {
  it('in failure is an event, and what was said is kept', async () => {
    const events = await eventsOf(
      await alias.responses.create({ ...say('scripted/error-mid-stream?code=engine-failed', 'Hi'), stream: true }),
    );
    const last = events.at(-1);
    if (last?.type !== 'response.failed') throw new Error(`ended with ${last?.type}`);
    expect(last.response.error).toEqual({ code: 'server_error', message: 'inference internal error.' });
    const stored = await alias.responses.retrieve(last.response.id);
    expect(stored).toMatchObject({ status: 'failed', output: [{ type: 'message', status: 'incomplete' }] });
  });

  it('in a client that leaves is settled once', async () => {
    const own = await startTestServer();
    const client = clientOf(own, own.openAiBaseUrl);
    const stream = await client.responses.create({
      ...say('scripted/text?tokens=100000&rate=100', 'Hi'),
      stream: true,
    });
    let id = '';
    for await (const event of stream) {
      if (event.type === 'response.created') id = event.response.id;
      if (event.type === 'response.output_text.delta') break;
    }
    let stored = await client.responses.retrieve(id).catch(() => undefined);
    while (!stored) stored = await client.responses.retrieve(id).catch(() => undefined);
    expect(stored.status).toBe('cancelled');
    expect(await own.receipts()).toMatchObject([{ requestId: id.slice('resp_'.length), ending: 'client-gone' }]);
    await own.close();
  });
});

describe('a long conversation', () => {
  it('is counted before it is sent', async () => {
    const first = await vendor.responses.create(say('qwen-plus', 'one two'));
    const counted = await vendor.responses.inputTokens.count({
      model: 'qwen-plus',
      input: 'three',
      previous_response_id: first.id,
      tools: [WEATHER],
    });
    const answered = await vendor.responses.create({
      ...say('qwen-plus', 'three'),
      previous_response_id: first.id,
      tools: [WEATHER],
    });
    expect(counted).toEqual({ object: 'response.input_tokens', input_tokens: answered.usage?.input_tokens });
  });

  it('is compacted and sent back in its place', async () => {
    const first = await vendor.responses.create(say('qwen-plus', 'We launch on Tuesday.'));
    const compacted = await vendor.responses.compact({ model: 'qwen-plus', previous_response_id: first.id });
    expect(compacted).toMatchObject({
      object: 'response.compaction',
      output: [
        { type: 'message', role: 'user', content: [{ text: 'We launch on Tuesday.' }] },
        { type: 'compaction', encrypted_content: expect.not.stringContaining('summary') },
      ],
    });
    const next = await vendor.responses.create({
      model: 'qwen-plus',
      input: [
        ...(compacted.output as ResponseCreateParamsNonStreaming['input'] & object[]),
        { role: 'user', content: 'When?' },
      ],
    });
    expect(next.output_text).toBe('When?');
    expect(next.usage?.input_tokens).toBeGreaterThan(20);
    const forged = vendor.responses.create({
      model: 'qwen-plus',
      input: [
        { type: 'compaction', encrypted_content: 'AAAA' },
        { role: 'user', content: 'When?' },
      ],
    });
    expect((await refusalOf(forged)).status).toBe(400);
  });

  it('can be kept by the client, its reasoning sealed', async () => {
    const first = await vendor.responses.create({
      ...say('scripted/reasoning', 'Hi'),
      store: false,
      include: ['reasoning.encrypted_content'],
    });
    const [reasoning] = first.output;
    expect(reasoning).toMatchObject({ type: 'reasoning', encrypted_content: expect.stringMatching(/^[\w-]{40,}$/) });
    const next = await vendor.responses.create({
      model: 'scripted/reasoning',
      store: false,
      input: [{ role: 'user', content: 'Hi' }, ...first.output, { role: 'user', content: 'Again' }] as never,
    });
    expect(next.output_text).toBe('Again');
  });
});
