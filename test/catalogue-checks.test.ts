/**
 * Every check that depends on the catalogue (models reference §8; docs/models.md), on every wire it applies to: status,
 * code and text, before anything is spent. The models are the catalogue's, and two of the configuration.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from './support/server.ts';

const OWN_MODELS = `{
  house-model: {
    backend: scripted/echo, context: 12, maxOutput: 8, capabilities: [json], price: { input: 1.5, output: 6 },
    regions: [beijing, singapore]
  },
  house-thinker: { backend: scripted/echo, thinking: always, maxThinking: 100 },
  qwen-long: scripted/echo
}`;

let server: TestServer;
let singaporeKey: string;
beforeAll(async () => {
  const environment = { ATELIER_MODELS: OWN_MODELS, ATELIER_ALIASES: '{ house-alias: house-model }' };
  server = await startTestServer({}, { environment });
  singaporeKey = (await server.createKey({ region: 'singapore' })).secret;
});
afterAll(() => server.close());

// ---- One question, in the form of each wire ----

interface Ask {
  readonly model: string;
  readonly prompt?: string;
  readonly isStreaming?: boolean;
  readonly thinking?: boolean;
  readonly budget?: number;
  readonly maxTokens?: number;
  readonly choices?: number;
  readonly hasTool?: boolean;
  readonly hasSystem?: boolean;
  readonly hasPicture?: boolean;
  readonly prefix?: string;
  readonly format?: 'json_object' | 'json_schema';
  readonly search?: boolean;
  readonly hasLogprobs?: boolean;
}

interface Call {
  readonly path: string;
  readonly body: object;
  readonly headers?: { readonly [name: string]: string };
}

const PICTURE = 'data:image/png;base64,iVBORw0KGgo=';
const FUNCTION = { name: 'look_up', description: 'd', parameters: { type: 'object', properties: {} } };
const JSON_SCHEMA = { name: 'answer', schema: { type: 'object', properties: {} }, strict: true };

const promptOf = ({ prompt = 'Hello, json.' }: Ask): string => prompt;
const formatOf = ({ format }: Ask) =>
  format && { type: format, ...(format === 'json_schema' ? { json_schema: JSON_SCHEMA } : {}) };
/** Members the wires of `response_format` have alike. */
const parametersOf = (ask: Ask) => ({
  enable_thinking: ask.thinking,
  thinking_budget: ask.budget,
  max_tokens: ask.maxTokens,
  n: ask.choices,
  tools: ask.hasTool ? [{ type: 'function', function: FUNCTION }] : undefined,
  response_format: formatOf(ask),
  enable_search: ask.search,
  ...(ask.hasLogprobs ? { logprobs: true, top_logprobs: 1 } : {}),
});
const conversationOf = (ask: Ask, content: unknown) => [
  ...(ask.hasSystem ? [{ role: 'system', content: 'Be brief.' }] : []),
  { role: 'user', content },
  ...(ask.prefix === undefined ? [] : [{ role: 'assistant', content: ask.prefix, partial: true }]),
];

const WIRES = {
  chat: (ask: Ask): Call => ({
    path: '/compatible-mode/v1/chat/completions',
    body: {
      model: ask.model,
      stream: ask.isStreaming ?? false,
      messages: conversationOf(
        ask,
        ask.hasPicture
          ? [
              { type: 'image_url', image_url: { url: PICTURE } },
              { type: 'text', text: promptOf(ask) },
            ]
          : promptOf(ask),
      ),
      ...parametersOf(ask),
    },
  }),
  native: (ask: Ask): Call => ({
    path: '/api/v1/services/aigc/text-generation/generation',
    body: {
      model: ask.model,
      input: {
        messages: conversationOf(ask, ask.hasPicture ? [{ image: PICTURE }, { text: promptOf(ask) }] : promptOf(ask)),
      },
      parameters: { result_format: 'message', ...parametersOf(ask) },
    },
    headers: ask.isStreaming ? { 'x-dashscope-sse': 'enable' } : {},
  }),
  multimodal: (ask: Ask): Call => ({
    ...WIRES.native(ask),
    path: '/api/v1/services/aigc/multimodal-generation/generation',
  }),
  messages: (ask: Ask): Call => ({
    path: '/apps/anthropic/v1/messages',
    body: {
      model: ask.model,
      max_tokens: ask.maxTokens ?? 100,
      stream: ask.isStreaming ?? false,
      system: ask.hasSystem ? 'Be brief.' : undefined,
      thinking: ask.thinking === undefined ? undefined : { type: ask.thinking ? 'enabled' : 'disabled' },
      tools: ask.hasTool ? [{ name: 'look_up', input_schema: FUNCTION.parameters }] : undefined,
      output_config: ask.format && { format: { type: 'json_schema', schema: JSON_SCHEMA.schema } },
      messages: [
        {
          role: 'user',
          content: ask.hasPicture
            ? [
                { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'iVBORw0KGgo=' } },
                { type: 'text', text: promptOf(ask) },
              ]
            : promptOf(ask),
        },
        ...(ask.prefix === undefined ? [] : [{ role: 'assistant', content: ask.prefix }]),
      ],
    },
  }),
  responses: (ask: Ask): Call => ({
    path: '/compatible-mode/v1/responses',
    body: {
      model: ask.model,
      stream: ask.isStreaming ?? false,
      instructions: ask.hasSystem ? 'Be brief.' : undefined,
      input: [
        {
          role: 'user',
          content: ask.hasPicture
            ? [
                { type: 'input_image', image_url: PICTURE },
                { type: 'input_text', text: promptOf(ask) },
              ]
            : promptOf(ask),
        },
      ],
      enable_thinking: ask.thinking,
      max_output_tokens: ask.maxTokens,
      tools: ask.hasTool ? [{ type: 'function', ...FUNCTION }] : undefined,
      text: ask.format && { format: { type: 'json_schema', ...JSON_SCHEMA } },
    },
  }),
  completions: (ask: Ask): Call => ({
    path: '/compatible-mode/v1/completions',
    body: { model: ask.model, prompt: promptOf(ask), max_tokens: ask.maxTokens },
  }),
} satisfies { [wire: string]: (ask: Ask) => Call };
type WireName = keyof typeof WIRES;

interface Answer {
  readonly status: number;
  readonly code: unknown;
  readonly text: unknown;
}

/** `region` is a path prefix. */
async function answerOf(wire: WireName, ask: Ask, { region = '', key = server.key } = {}): Promise<Answer> {
  const { path, body, headers } = { headers: {}, ...WIRES[wire](ask) };
  const reply = await fetch(`${server.running.baseUrl}${region}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  const text = await reply.text();
  const json = (text.startsWith('{') ? JSON.parse(text) : {}) as {
    error?: { code?: string; type?: string; message?: string };
    code?: string;
    message?: string;
  };
  if (wire === 'messages') return { status: reply.status, code: json.error?.type, text: json.error?.message };
  if (wire === 'native' || wire === 'multimodal') return { status: reply.status, code: json.code, text: json.message };
  return { status: reply.status, code: json.error?.code, text: json.error?.message };
}

// ---- What is refused ----

/** What most of them answer. */
const PARAMETER: { readonly [wire in WireName]: string } = {
  chat: 'invalid_parameter_error',
  native: 'InvalidParameter',
  multimodal: 'InvalidParameter',
  messages: 'invalid_request_error',
  responses: 'invalid_parameter_error',
  completions: 'invalid_parameter_error',
};
const MODEL_LAYER = '<400> InternalError.Algo.InvalidParameter: ';

interface Refusal {
  readonly what: string;
  readonly ask: Ask;
  readonly text: string;
  /** The wires that have what is asked for; another status, code or text where they have one. */
  readonly on: { readonly [wire in WireName]?: true | { status?: number; code?: string; text?: string } };
  /** The text stands behind the model layer's prefix, but on DashScope's wire. */
  readonly isModelLayer?: true;
}

const ONE_TOO_MANY = 'a '.repeat(3073).trim();
const UNKNOWN_FORMAT = (type: string): string =>
  `Unknown format of response_format, response_format should be a dict, includes 'type' and an optional key 'json_schema'. The response_format type from user is ${type}.`;
const NO_ITEM = 'The provided messages input is invalid. The error info is [Unexpected item type in content.]';
const notFound = (model: string): Refusal['on'] => ({
  chat: { status: 404, code: 'model_not_found' },
  native: { text: 'Model not exist.' },
  messages: { status: 404, code: 'not_found_error' },
  responses: { code: 'model_not_found', text: `Unsupported model: '${model}'` },
  completions: { status: 404, code: 'model_not_found' },
});
const noSuchModel = (model: string): string => `The model \`${model}\` does not exist or you do not have access to it.`;

const REFUSALS: readonly Refusal[] = [
  {
    what: 'an unknown model',
    ask: { model: 'qwen-none' },
    text: noSuchModel('qwen-none'),
    on: notFound('qwen-none'),
  },
  {
    what: 'a prompt above the longest input',
    ask: { model: 'qwen-math-turbo', prompt: ONE_TOO_MANY },
    text: 'Range of input length should be [1, 3072]',
    on: {
      chat: true,
      native: true,
      messages: {
        text: 'prompt is too long: 3073 tokens > 3072 maximum. Range of input length should be [1, 3072]',
      },
      responses: { code: 'context_length_exceeded' },
    },
  },
  {
    what: 'a prompt that is too long while thinking alone',
    ask: { model: 'qwen-plus-2025-04-28', thinking: true, prompt: 'a '.repeat(98_305).trim() },
    text: 'Range of input length should be [1, 98304]',
    on: { chat: true, native: true },
  },
  {
    what: 'max_tokens above the longest answer',
    ask: { model: 'qwen-max', maxTokens: 8193 },
    text: 'Range of max_tokens should be [1, 8192]',
    on: { chat: true, native: true, responses: true },
  },
  {
    what: 'a thinking_budget above the longest reasoning',
    ask: { model: 'qwen-plus', thinking: true, budget: 81_921 },
    text: 'The thinking_budget parameter must be a positive integer and not greater than 81920',
    on: { chat: true, native: true },
  },
  {
    what: 'thinking of a model that never thinks',
    ask: { model: 'qwen-max', thinking: true },
    text: 'The model qwen-max does not support enable_thinking.',
    on: {
      chat: { code: 'InvalidParameter.NotSupportEnableThinking' },
      native: { code: 'InvalidParameter.NotSupportEnableThinking' },
      responses: true,
    },
  },
  {
    what: 'no thinking of a model that always thinks',
    ask: { model: 'deepseek-r1', thinking: false },
    text: 'The value of the enable_thinking parameter is restricted to True.',
    on: { chat: true, native: true, responses: true },
  },
  {
    what: 'no stream of a model that only streams',
    ask: { model: 'qwq-plus' },
    text: 'This model only support stream mode, please enable the stream parameter to access the model. ',
    on: { chat: true, native: true, responses: true },
  },
  {
    what: 'no stream while an open-source Qwen3 thinks',
    ask: { model: 'qwen3-8b', thinking: true },
    text: 'parameter.enable_thinking must be set to false for non-streaming calls',
    on: { chat: true, native: true, responses: true },
  },
  {
    what: 'tools of a model without',
    ask: { model: 'qwen-math-plus', hasTool: true },
    text: 'The tool call is not supported.',
    isModelLayer: true,
    on: { chat: true, native: true, messages: true, responses: true },
  },
  {
    what: 'json_object of a model without',
    ask: { model: 'deepseek-r1', format: 'json_object' },
    text: UNKNOWN_FORMAT('json_object'),
    on: { chat: true, native: true },
  },
  {
    what: 'json_schema of a model without',
    ask: { model: 'qwen-max', format: 'json_schema' },
    text: UNKNOWN_FORMAT('json_schema'),
    on: { chat: true, native: true },
  },
  {
    what: 'json_object while an open-source Qwen3 thinks',
    ask: { model: 'qwen3-8b', thinking: true, isStreaming: true, format: 'json_object' },
    text: 'Json mode response is not supported when enable_thinking is true',
    isModelLayer: true,
    on: { chat: true },
  },
  {
    what: 'partial mode of a model without',
    ask: { model: 'glm-5.1', prefix: 'So', thinking: false },
    text: 'This model does not support partial mode.',
    on: { chat: true, native: true, messages: true },
  },
  {
    what: 'partial mode while thinking',
    ask: { model: 'qwen-plus', prefix: 'So', thinking: true },
    text: 'Partial mode is not supported when enable_thinking is true',
    on: { chat: true, native: true, messages: true },
  },
  {
    what: 'a picture for a model of text',
    ask: { model: 'qwen-plus', hasPicture: true },
    text: NO_ITEM,
    isModelLayer: true,
    on: { chat: true, native: true, messages: true, responses: true },
  },
  {
    what: 'web search of a model without',
    ask: { model: 'qwen-coder-plus', search: true },
    text: 'This model does not support enable_search.',
    on: { chat: true, native: true },
  },
  {
    what: 'five choices',
    ask: { model: 'qwen-plus', choices: 5 },
    text: 'Range of n should be [1, 4]',
    on: { chat: true, native: true },
  },
  {
    what: 'a system message for a translation model',
    ask: { model: 'qwen-mt-plus', hasSystem: true },
    text: 'Role must be in [user, assistant].',
    on: { chat: true, native: true, messages: true, responses: true },
  },
  {
    what: 'a raw prompt for a model that fills in nothing',
    ask: { model: 'qwen-plus' },
    text: 'Unsupported model `qwen-plus` for OpenAI compatibility mode.',
    on: { completions: { status: 404, code: 'model_not_supported' } },
  },
  {
    what: 'a model that speaks on other wires only',
    ask: { model: 'farui-plus' },
    text: 'Unsupported model `farui-plus` for OpenAI compatibility mode.',
    on: { chat: { status: 404, code: 'model_not_supported' } },
  },
  {
    what: 'a model of pictures at the service for text',
    ask: { model: 'qwen-vl-plus' },
    text: 'url error, please check url！',
    on: { native: true },
  },
  {
    what: 'a model of text at the service for pictures',
    ask: { model: 'qwen-plus' },
    text: 'url error, please check url！',
    on: { multimodal: true },
  },
  {
    what: 'a prompt above an own model’s context',
    ask: { model: 'house-model', prompt: 'a '.repeat(13).trim() },
    text: 'Range of input length should be [1, 12]',
    on: { chat: true, native: true, responses: { code: 'context_length_exceeded' } },
  },
  {
    what: 'max_tokens above an own model’s longest answer',
    ask: { model: 'house-model', maxTokens: 9 },
    text: 'Range of max_tokens should be [1, 8]',
    on: { chat: true, native: true },
  },
  {
    what: 'tools of an own model without, by its other name',
    ask: { model: 'house-alias', hasTool: true, prompt: 'hi' },
    text: 'The tool call is not supported.',
    isModelLayer: true,
    on: { chat: true, native: true, messages: true, responses: true },
  },
  {
    what: 'a format an own model does not have',
    ask: { model: 'house-model', format: 'json_schema' },
    text: UNKNOWN_FORMAT('json_schema'),
    on: { chat: true, native: true },
  },
  {
    what: 'thinking of an own model that never thinks',
    ask: { model: 'house-model', thinking: true },
    text: 'The model house-model does not support enable_thinking.',
    on: { chat: { code: 'InvalidParameter.NotSupportEnableThinking' } },
  },
  {
    what: 'a budget above that of an own model',
    ask: { model: 'house-thinker', budget: 101 },
    text: 'The thinking_budget parameter must be a positive integer and not greater than 100',
    on: { chat: true, native: true },
  },
];

const ROWS = REFUSALS.flatMap(({ what, ask, text, on, isModelLayer }) =>
  (Object.keys(on) as WireName[]).map((wire) => {
    const own = on[wire] === true ? {} : (on[wire] ?? {});
    const isNative = wire === 'native' || wire === 'multimodal';
    const expected: Answer = {
      status: own.status ?? 400,
      code: own.code ?? PARAMETER[wire],
      text: own.text ?? (isModelLayer && !isNative ? MODEL_LAYER : '') + text,
    };
    return { what, wire, ask, expected };
  }),
);

describe('refused because of the model', () => {
  it.each(ROWS)('$what, on $wire', async ({ wire, ask, expected }) => {
    expect(await answerOf(wire, ask)).toEqual(expected);
  });

  it('costs nothing', async () => {
    const refused = (await server.receipts()).filter(({ ending }) => ending === 'failed');
    expect(refused.length).toBeGreaterThan(0);
    for (const { chargeNano, inputTokens, outputTokens } of refused)
      expect([chargeNano, inputTokens, outputTokens].map(Number)).toEqual([0, 0, 0]);
  });
});

// ---- What is not ----

const ALLOWED: readonly { readonly what: string; readonly wire: WireName; readonly ask: Ask }[] = [
  { what: 'the longest prompt', wire: 'chat', ask: { model: 'qwen-math-turbo', prompt: 'a '.repeat(3072).trim() } },
  {
    what: 'a prompt that would be too long while thinking',
    wire: 'chat',
    ask: { model: 'qwen-plus-2025-04-28', prompt: 'a '.repeat(98_305).trim() },
  },
  { what: 'the longest answer', wire: 'chat', ask: { model: 'qwen-max', maxTokens: 8192 } },
  {
    what: 'an answer above the longest, which agents ask for',
    wire: 'messages',
    ask: { model: 'qwen-max', maxTokens: 64_000 },
  },
  { what: 'thinking of a model that never thinks', wire: 'messages', ask: { model: 'qwen-max', thinking: true } },
  { what: 'no thinking of a model that always does', wire: 'messages', ask: { model: 'deepseek-r1', thinking: false } },
  { what: 'a schema, whatever the model', wire: 'messages', ask: { model: 'qwen-max', format: 'json_schema' } },
  { what: 'a schema, whatever the model', wire: 'responses', ask: { model: 'qwen-max', format: 'json_schema' } },
  { what: 'json_schema of a model that has it', wire: 'chat', ask: { model: 'qwen-plus', format: 'json_schema' } },
  { what: 'log probabilities of a model no page lists', wire: 'chat', ask: { model: 'qwen-plus', hasLogprobs: true } },
  { what: 'a model outside the page of Messages', wire: 'messages', ask: { model: 'qwen-max' } },
  { what: 'a model outside the page of Responses', wire: 'responses', ask: { model: 'glm-5.1' } },
  { what: 'the service of its kind', wire: 'multimodal', ask: { model: 'qwen-vl-plus' } },
  { what: 'JSON of an own model that has it', wire: 'chat', ask: { model: 'house-model', format: 'json_object' } },
];

describe('let through', () => {
  it.each(ALLOWED)('$what, on $wire ($ask.model)', async ({ wire, ask }) => {
    expect(await answerOf(wire, ask)).toMatchObject({ status: 200 });
  });
});

// ---- Regions ----

describe('a model that is not in the region', () => {
  const singapore = {
    region: '/singapore',
    get key() {
      return singaporeKey;
    },
  };

  it.each([
    ['chat', 404, 'model_not_found', noSuchModel('glm-5.1')],
    ['native', 400, 'InvalidParameter', 'Model not exist.'],
    ['messages', 404, 'not_found_error', noSuchModel('glm-5.1')],
    ['responses', 400, 'model_not_found', "Unsupported model: 'glm-5.1'"],
  ] as const)('is unknown on %s', async (wire, status, code, text) => {
    expect(await answerOf(wire, { model: 'glm-5.1' }, singapore)).toEqual({ status, code, text });
    expect(await answerOf(wire, { model: 'glm-5.1' })).toMatchObject({ status: 200 });
  });

  it('is unknown to counters, uploads and lists', async () => {
    const ask = async (path: string, init: RequestInit = {}) => {
      const headers = { authorization: `Bearer ${singaporeKey}`, 'content-type': 'application/json' };
      const reply = await fetch(`${server.running.baseUrl}/singapore${path}`, { headers, ...init });
      return {
        status: reply.status,
        body: (await reply.json()) as { data?: { id: string }[]; output?: { total?: number } },
      };
    };
    const post = (body: object): RequestInit => ({ method: 'POST', body: JSON.stringify(body) });
    const messages = [{ role: 'user', content: 'hi' }];
    const count = '/apps/anthropic/v1/messages/count_tokens';
    expect((await ask(count, post({ model: 'glm-5.1', messages }))).status).toBe(404);
    expect((await ask(count, post({ model: 'qwen-plus', messages }))).status).toBe(200);
    expect((await ask('/api/v1/tokenizer', post({ model: 'glm-5.1', input: { messages } }))).status).toBe(400);
    expect((await ask('/api/v1/uploads?action=getPolicy&model=glm-5.1')).status).toBe(400);
    expect((await ask('/compatible-mode/v1/models/glm-5.1')).status).toBe(404);
    expect((await ask('/apps/anthropic/v1/models/glm-5.1')).status).toBe(404);
    expect((await ask('/api/v1/models?model=glm-5.1')).body.output?.total).toBe(0);
    const ids = (await ask('/compatible-mode/v1/models')).body.data?.map(({ id }) => id) ?? [];
    expect(ids).toContain('qwen-plus');
    expect(ids).not.toContain('glm-5.1');
  });

  it('is there all the same when the configuration names it, and where an own model says so', async () => {
    expect(await answerOf('chat', { model: 'qwen-long' }, singapore)).toMatchObject({ status: 200 });
    expect(await answerOf('chat', { model: 'house-model' }, singapore)).toMatchObject({ status: 200 });
    const { secret: key } = await server.createKey({ region: 'virginia' });
    expect(await answerOf('chat', { model: 'house-model' }, { region: '/virginia', key })).toMatchObject({
      status: 404,
    });
  });
});

// ---- Own models ----

describe('an own model', () => {
  const get = async (path: string) => {
    const headers = { authorization: `Bearer ${server.key}` };
    return (await (await fetch(`${server.running.baseUrl}${path}`, { headers })).json()) as object;
  };

  it('is listed on every wire, with what was said of it', async () => {
    expect(await get('/compatible-mode/v1/models/house-model')).toMatchObject({
      id: 'house-model',
      context_window: 12,
      max_input_tokens: 12,
      max_output_tokens: 8,
      thinking_mode: 'none',
      abilities: ['json_object'],
    });
    expect(await get('/apps/anthropic/v1/models/house-alias')).toMatchObject({ id: 'house-alias', max_tokens: 8 });
    expect(await get('/api/v1/models?model=house-model')).toMatchObject({
      output: {
        models: [{ prices: [{ over_tokens: 0, up_to_tokens: null, currency: 'CNY', input: 1.5, output: 6 }] }],
      },
    });
    const { data } = (await get('/v1/models')) as { data: { id: string }[] };
    expect(data.map(({ id }) => id)).toEqual(expect.arrayContaining(['house-model', 'house-thinker', 'house-alias']));
  });

  it('costs its own price, by its other name too', async () => {
    for (const model of ['house-model', 'house-alias']) {
      await answerOf('chat', { model, prompt: 'one two three' });
      const { inputTokens, outputTokens, chargeNano } = (await server.receipts()).at(-1) ?? {};
      expect(Number(inputTokens)).toBe(3);
      expect(Number(chargeNano)).toBe(3 * 1500 + Number(outputTokens) * 6000);
    }
  });

  it('is granted like any other, and a key that may not use it does not see it', async () => {
    const { secret } = await server.createKey({ models: ['qwen-*'] });
    const headers = { authorization: `Bearer ${secret}` };
    const reply = await fetch(`${server.openAiBaseUrl}/models`, { headers });
    const { data } = (await reply.json()) as { data: { id: string }[] };
    expect(data.map(({ id }) => id)).toContain('qwen-plus');
    expect(data.filter(({ id }) => !id.startsWith('qwen-'))).toEqual([]);
    expect((await fetch(`${server.openAiBaseUrl}/models/house-model`, { headers })).status).toBe(404);
  });
});
