/** The official OpenAI SDK for Node against Completions of the whole server, on the scripted backend. */
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { framesOf, startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let client: OpenAI;

beforeAll(async () => {
  server = await startTestServer();
  client = new OpenAI({ apiKey: server.key, baseURL: server.openAiBaseUrl, maxRetries: 0 });
});
afterAll(() => server.close());

const MODEL = 'qwen-coder-turbo';
const PREFIX = 'def add(a, b):\n    return ';
const SUFFIX = '\n\nprint(add(1, 2))\n';
const SPELT = `<|fim_prefix|>${PREFIX}<|fim_suffix|>${SUFFIX}<|fim_middle|>`;

type Create = OpenAI.CompletionCreateParamsNonStreaming;
const complete = (body: Partial<Create>) => client.completions.create({ model: MODEL, prompt: PREFIX, ...body });

async function read(body: Partial<OpenAI.CompletionCreateParamsStreaming>) {
  const stream = await client.completions.create({ model: MODEL, prompt: PREFIX, ...body, stream: true });
  const texts: string[] = [];
  const reasons: (string | null)[] = [];
  const usages: { readonly choices: number; readonly usage: OpenAI.CompletionUsage }[] = [];
  for await (const chunk of stream) {
    for (const choice of chunk.choices) {
      texts[choice.index] = (texts[choice.index] ?? '') + choice.text;
      reasons[choice.index] = choice.finish_reason ?? reasons[choice.index] ?? null;
    }
    if (chunk.usage) usages.push({ choices: chunk.choices.length, usage: chunk.usage });
  }
  return { texts, reasons, usages };
}

function post(body: unknown, path = '/completions', init: RequestInit = {}): Promise<Response> {
  return fetch(server.openAiBaseUrl + path, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...init,
    headers: { authorization: `Bearer ${server.key}`, 'content-type': 'application/json', ...init.headers },
  });
}

describe('plain replies', () => {
  it('go on with a prompt, under the id that was asked', async () => {
    const { data, response } = await client.completions.create({ model: MODEL, prompt: PREFIX }).withResponse();
    expect(data.id).toMatch(/^cmpl-[0-9a-f]{8}-[0-9a-f]{4}-9[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(data).toMatchObject({ object: 'text_completion', model: MODEL, system_fingerprint: null });
    expect(data.choices).toEqual([{ text: PREFIX, finish_reason: 'stop', index: 0, logprobs: null }]);
    const { prompt_tokens: input, completion_tokens: output, total_tokens: total } = data.usage ?? {};
    expect(total).toBe((input ?? 0) + (output ?? 0));
    expect(input).toBe(output);
    expect(response.headers.get('x-atelier-backend')).toBe('scripted/echo');
    expect(response.headers.get('x-request-id')).toBe(data.id.slice('cmpl-'.length));
  });

  it("fill in the middle by suffix and by the model's own tokens alike", async () => {
    const bySuffix = await complete({ suffix: SUFFIX });
    const bySpelling = await complete({ prompt: SPELT });
    expect(bySuffix.choices[0]?.text).toBe(`${PREFIX} ${SUFFIX}`);
    expect(bySpelling.choices).toEqual(bySuffix.choices);
    expect(bySpelling.usage).toEqual(bySuffix.usage);
  });

  it('take the prompt as a list of one, and the path of OpenAI', async () => {
    const atRoot = new OpenAI({ apiKey: server.key, baseURL: `${server.running.baseUrl}/v1`, maxRetries: 0 });
    const completion = await atRoot.completions.create({ model: MODEL, prompt: ['x = 1'] });
    expect(completion.choices[0]?.text).toBe('x = 1');
  });

  it('end at max_tokens and at stop texts, and say so', async () => {
    const cut = await complete({ prompt: 'a b c d', max_tokens: 2 });
    expect(cut.choices[0]).toMatchObject({ text: 'a b', finish_reason: 'length' });
    expect(cut.usage?.completion_tokens).toBe(2);
    const stopped = await complete({ prompt: 'a b\nc', stop: '\n' });
    expect(stopped.choices[0]).toMatchObject({ text: 'a b', finish_reason: 'stop' });
  });

  it('give n choices with one prompt counted', async () => {
    const one = await complete({ prompt: 'a b c' });
    const three = await complete({ prompt: 'a b c', n: 3 });
    expect(three.choices.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(three.usage?.prompt_tokens).toBe(one.usage?.prompt_tokens);
    expect(three.usage?.completion_tokens).toBe(3 * (one.usage?.completion_tokens ?? 0));
  });

  it('echo the prompt when asked', async () => {
    const completion = await complete({ model: 'scripted/text-3', prompt: 'Once', echo: true });
    expect(completion.choices[0]?.text).toBe('Oncethe river turns');
    expect(completion.usage?.completion_tokens).toBe(3);
  });

  it('tell log probabilities in four lists', async () => {
    const completion = await complete({ prompt: 'ab cd', logprobs: 1 });
    expect(completion.choices[0]?.logprobs).toEqual({
      tokens: ['ab', ' cd'],
      token_logprobs: [0, 0],
      top_logprobs: [{ ab: 0 }, { ' cd': 0 }],
      text_offset: [0, 2],
    });
  });

  it('ignore what they do not know', async () => {
    const completion = await complete({
      ...({ best_of: 2, frequency_penalty: 1, enable_thinking: true, x: {} } as object),
    });
    expect(completion.choices[0]?.text).toBe(PREFIX);
  });
});

describe('streams', () => {
  it('say the same as the plain body', async () => {
    const whole = await complete({ suffix: SUFFIX });
    const { texts, reasons, usages } = await read({ suffix: SUFFIX });
    expect(texts).toEqual([whole.choices[0]?.text]);
    expect(reasons).toEqual(['stop']);
    expect(usages).toEqual([]);
  });

  it('end with a usage chunk without choices when asked', async () => {
    const { usages } = await read({ prompt: 'a b c', stream_options: { include_usage: true } });
    expect(usages).toEqual([{ choices: 0, usage: { prompt_tokens: 3, completion_tokens: 3, total_tokens: 6 } }]);
  });

  it('keep choices apart, echo in front of each', async () => {
    const { texts, reasons } = await read({ model: 'scripted/text-2', prompt: 'Once', n: 2, echo: true, seed: 1 });
    expect(texts).toEqual(['Onceriver turns', 'Onceturns slowly']);
    expect(reasons).toEqual(['stop', 'stop']);
  });

  it('are data lines with [DONE] at the end', async () => {
    const response = await post({ model: MODEL, prompt: 'a b', stream: true });
    expect(response.headers.get('content-type')).toBe('text/event-stream;charset=UTF-8');
    const frames = await framesOf(response);
    expect(frames.at(-1)).toBe('[DONE]');
    expect(frames.slice(0, -1).map((frame) => JSON.parse(frame).object)).toEqual(Array(3).fill('text_completion'));
  });

  it('throw in the client when they break, never a silent short answer', async () => {
    await expect(read({ model: 'scripted/error-mid-stream' })).rejects.toThrow(OpenAI.APIError);
    await expect(read({ model: 'scripted/cut' })).rejects.toThrow(OpenAI.APIError);
  });

  it('settle what was said when the client goes', async () => {
    const before = (await server.receipts()).length;
    const stream = await client.completions.create({
      model: 'scripted/text?tokens=1000&rate=200',
      prompt: 'x',
      stream: true,
    });
    for await (const chunk of stream) {
      expect(chunk.object).toBe('text_completion');
      break;
    }
    await expect.poll(async () => (await server.receipts()).length).toBe(before + 1);
    const receipt = (await server.receipts()).at(-1);
    expect(receipt?.ending).toBe('client-gone');
    expect(receipt?.outputTokens).toBeGreaterThan(0);
    expect(receipt?.outputTokens).toBeLessThan(1000);
  });
});

describe('errors in the SDK', () => {
  const wrongKey = () => new OpenAI({ apiKey: 'sk-wrong', baseURL: server.openAiBaseUrl, maxRetries: 0 });
  it.each([
    ['a wrong key', () => wrongKey().completions.create({ model: MODEL, prompt: 'x' }), 401, 'invalid_api_key'],
    ['an unknown model', () => complete({ model: 'qwen-none' }), 404, 'model_not_found'],
    ['a model that does not fill in the middle', () => complete({ model: 'qwen-plus' }), 404, 'model_not_supported'],
    ['no prompt', () => complete({ prompt: null }), 400, 'missing_required_parameter'],
    ['a suffix alone', () => complete({ prompt: '', suffix: 'x' }), 400, 'invalid_parameter_error'],
    ['several prompts', () => complete({ prompt: ['a', 'b'] }), 400, 'invalid_parameter_error'],
    ['token ids', () => complete({ prompt: [1, 2] }), 400, 'invalid_value'],
    ['a bad type', () => complete({ temperature: '1' as never }), 400, 'invalid_value'],
    ['a bad range', () => complete({ temperature: 2 }), 400, 'invalid_parameter_error'],
    ['too many tokens', () => complete({ max_tokens: 9000 }), 400, 'invalid_parameter_error'],
    ['a throttle', () => complete({ model: 'scripted/error-429' }), 429, 'limit_requests'],
    ['a failure of ours', () => complete({ model: 'scripted/error-500' }), 500, 'internal_error'],
    ['a server that is not there', () => complete({ model: 'scripted/error-503' }), 503, 'ModelUnavailable'],
    ['a failure before the first chunk', () => read({ model: 'scripted/error-502' }), 502, 'internal_error'],
  ])('%s has its status, code and request id', async (_name, call, status, code) => {
    const thrown = await call().then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(thrown).toBeInstanceOf(OpenAI.APIError);
    expect(thrown).toMatchObject({ status, code });
    expect((thrown as InstanceType<typeof OpenAI.APIError>).requestID).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("an unsupported model is told in the service's words", async () => {
    const response = await post({ model: 'qwen-plus', prompt: 'x' });
    const { error, id } = (await response.json()) as { error: object; id: string };
    expect(error).toEqual({
      code: 'model_not_supported',
      param: null,
      message: 'Unsupported model `qwen-plus` for OpenAI compatibility mode.',
      type: 'invalid_request_error',
    });
    expect(id).toMatch(/^cmpl-/);
  });

  it("broken JSON, another method and a missing key are refused in this wire's envelope", async () => {
    const broken = await post('{"model": ');
    expect(broken.status).toBe(400);
    expect(((await broken.json()) as { request_id: string }).request_id).toMatch(/^cmpl-/);
    const read = await post(undefined, '/completions', { method: 'GET', body: null });
    expect(read.status).toBe(400);
    expect(((await read.json()) as { error: { message: string } }).error.message).toBe(
      "Request method 'GET' is not supported.",
    );
    const keyless = await post({ model: MODEL, prompt: 'x' }, '/completions', { headers: { authorization: '' } });
    expect(keyless.status).toBe(401);
  });
});
