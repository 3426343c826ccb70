/** Raw prompts: what each kind of server is sent, and what it was seen to answer. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLog, testContext } from '../../../test/support/context.ts';
import { eventsOfReply, type FedOptions, feedCall, showEvents } from '../../../test/support/fed-upstream.ts';
import { jsonReply, streamReply } from '../../../test/support/mock-replies.ts';
import { type MockUpstream, startMockUpstream } from '../../../test/support/mock-upstream.ts';
import { collect, testRoute } from '../../../test/support/streams.ts';
import { Assembler } from '../../core/assemble.ts';
import type { GenerationEvent } from '../../core/events.ts';
import { type GenerationRequest, plainRequest, type RawPrompt } from '../../core/generation.ts';
import { permissiveCard } from '../../core/models.ts';
import { createUpstreamBackend } from './index.ts';
import { QUIRKS, type UpstreamKind } from './quirks.ts';

const CODER = 'Qwen/Qwen2.5-Coder-7B-Instruct';
const KINDS = Object.keys(QUIRKS) as UpstreamKind[];

type Changes = Partial<GenerationRequest>;

function requestOf(rawPrompt: RawPrompt, changes: Changes = {}): GenerationRequest {
  return { ...plainRequest(CODER, []), rawPrompt, ...changes };
}

/** The body that a server of this kind is sent; throws what the call throws. */
async function sentTo(kind: UpstreamKind, request: GenerationRequest, options: FedOptions = {}) {
  const reply = {
    pieces: [Buffer.from(JSON.stringify({ choices: [{ index: 0, text: 'x', finish_reason: 'stop' }] }))],
  };
  const context = testContext({ isStreaming: false });
  const call = feedCall([reply], { kind, request, context, ...options });
  await collect(call.stream);
  const { model, stream, ...body } = call.sent[0] ?? {};
  return body;
}

describe('the request', () => {
  it.each(KINDS.filter((kind) => QUIRKS[kind].completions.isRaw))('is the prompt as it is: %s', async (kind) => {
    const limits = { maxOutputTokens: 9 };
    expect(await sentTo(kind, requestOf({ text: 'x = ' }, { limits }))).toEqual({ prompt: 'x = ', max_tokens: 9 });
    const spelt = '<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>';
    expect(await sentTo(kind, requestOf({ text: spelt }, { limits }))).toEqual({ prompt: spelt, max_tokens: 9 });
  });

  it.each([
    ['generic', { prompt: '<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>' }],
    ['vllm', { prompt: '<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>', max_tokens: null }],
    ['sglang', { prompt: '<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>' }],
    ['llama-server', { prompt: '<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>' }],
    ['dashscope', { prompt: '<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>' }],
    ['ollama', { prompt: 'a', suffix: 'b' }],
    ['openai', { prompt: 'a', suffix: 'b' }],
  ] as const)('asks %s for a gap in its way', async (kind, body) => {
    expect(await sentTo(kind, requestOf({ text: 'a', suffix: 'b' }))).toEqual(body);
  });

  it("spells a gap for a server whose name for the model says nothing, when the caller's does", async () => {
    const context = testContext({ isStreaming: false, route: { ...testRoute(), target: 'local' } });
    const known = requestOf({ text: 'a', suffix: 'b' }, { model: 'qwen2.5-coder-7b-instruct' });
    expect(await sentTo('sglang', known, { context })).toHaveProperty(
      'prompt',
      '<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>',
    );
    const unknown = requestOf({ text: 'a', suffix: 'b' }, { model: 'starcoder2' });
    await expect(sentTo('sglang', unknown, { context })).rejects.toMatchObject({
      code: 'invalid-parameter',
      param: 'suffix',
      message: expect.stringContaining('fills in the middle only for Qwen coder models'),
    });
  });

  it('asks for the longest answer where saying nothing means a short one', async () => {
    const card = { ...permissiveCard(CODER), maxOutput: 8192 };
    const limitOf = async (kind: UpstreamKind) =>
      (await sentTo(kind, requestOf({ text: 'a' }), { context: testContext({ isStreaming: false, card }) })).max_tokens;
    expect(await limitOf('generic')).toBe(8192);
    expect(await limitOf('sglang')).toBe(8192);
    expect(await limitOf('vllm')).toBeNull();
    expect(await limitOf('llama-server')).toBeUndefined();
    expect(await limitOf('dashscope')).toBeUndefined();
  });

  it('writes what the caller said, log probabilities as a number', async () => {
    const request = requestOf(
      { text: 'a' },
      {
        sampling: {
          temperature: 0,
          topP: 0.9,
          topK: 5,
          presencePenalty: 1,
          seed: 7,
          stopTexts: ['\n'],
          logprobs: { top: 2 },
        },
        limits: { maxOutputTokens: 30, maxTotalOutputTokens: 20 },
        storage: { user: 'u' },
      },
    );
    expect(await sentTo('vllm', request)).toEqual({
      prompt: 'a',
      temperature: 0,
      top_p: 0.9,
      top_k: 5,
      presence_penalty: 1,
      seed: 7,
      stop: ['\n'],
      logprobs: 2,
      max_tokens: 20,
      user: 'u',
    });
    await expect(sentTo('openai', request)).rejects.toMatchObject({ code: 'invalid-parameter', param: 'top_k' });
  });

  it('asks for usage in a stream', async () => {
    const bodyOf = async (kind: UpstreamKind) =>
      (await sentTo(kind, requestOf({ text: 'a' }), { context: testContext() })).stream_options;
    expect(await bodyOf('llama-server')).toEqual({ include_usage: true });
    expect(await bodyOf('vllm')).toEqual({ include_usage: true, continuous_usage_stats: true });
  });

  it.each([
    [{ text: 'a' }, 'takes a prompt only together with a suffix'],
    [{ text: 'a', suffix: '' }, 'fills a gap only where something follows it'],
    [{ text: '<|fim_prefix|>a<|fim_suffix|>' }, 'fills a gap only where something follows it'],
    [{ text: '<|file_sep|>x\n<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>' }, 'takes no other files beside a gap'],
    [{ text: '<|fim_prefix|>a<|file_sep|>b<|fim_suffix|>c<|fim_middle|>' }, 'takes no other files beside a gap'],
  ])('refuses what Ollama would answer as a chat: %j', async (rawPrompt, message) => {
    await expect(sentTo('ollama', requestOf(rawPrompt))).rejects.toMatchObject({
      code: 'invalid-parameter',
      message: `The server behind this model ${message}.`,
    });
  });

  it('gives Ollama the two sides of a gap that the caller spelt', async () => {
    const spelt = requestOf({ text: '<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>' });
    expect(await sentTo('ollama', spelt)).toEqual({ prompt: 'a', suffix: 'b' });
  });
});

const frame = (choices: object[], usage: object | null = null) =>
  `data: ${JSON.stringify({ id: 'cmpl-1', object: 'text_completion', created: 1_770_764_902, model: 'm', choices, usage })}\n\n`;
const USAGE = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 };
const DONE = 'data: [DONE]\n\n';

/** As vLLM, SGLang, llama-server and Ollama frame one and the same answer. */
const STREAMS: { readonly [server: string]: string } = {
  vllm:
    frame([{ index: 0, text: 'a +', logprobs: null, finish_reason: null, stop_reason: null }]) +
    frame([{ index: 0, text: ' b', logprobs: null, finish_reason: 'stop', stop_reason: null }]) +
    frame([], USAGE) +
    DONE,
  sglang:
    frame([{ index: 0, text: 'a + b', logprobs: null, finish_reason: null, matched_stop: null }]) +
    frame([{ index: 0, text: '', logprobs: null, finish_reason: 'stop', matched_stop: 151643 }]) +
    frame([], USAGE) +
    DONE,
  'llama-server':
    frame([{ text: 'a', index: 0, logprobs: null, finish_reason: null }]) +
    frame([{ text: ' + b', index: 0, logprobs: null, finish_reason: null }]) +
    frame([{ text: '', index: 0, logprobs: null, finish_reason: 'stop' }], USAGE) +
    DONE,
  ollama:
    frame([{ text: 'a + b', index: 0, finish_reason: null }]) +
    frame([{ text: '', index: 0, finish_reason: 'stop' }]) +
    frame([], USAGE) +
    DONE,
};
const BODY = JSON.stringify({
  id: 'cmpl-1',
  object: 'text_completion',
  choices: [{ index: 0, text: 'a + b', logprobs: null, finish_reason: 'stop' }],
  usage: USAGE,
});
const request = requestOf({ text: 'a', suffix: 'b' });

function usageIn(events: readonly GenerationEvent[]) {
  const last = events.at(-1);
  return last?.type === 'finish' ? [last.usage.input.total, last.usage.output.total] : undefined;
}

describe('the reply', () => {
  it.each(Object.entries({ ...STREAMS, 'a whole body': BODY }))('of %s is the same text', async (_name, bytes) => {
    const events = await eventsOfReply(bytes, { request });
    expect(showEvents(events)).toBe('T[a + b] stop');
    expect(usageIn(events)).toEqual([7, 3]);
  });

  it('is the same wherever its bytes are cut', async () => {
    const bytes = Buffer.from(frame([{ index: 0, text: '你好 👩‍👩‍👧', finish_reason: 'length' }]) + DONE);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: bytes.length })), async (cuts) => {
        const ends = [...cuts.toSorted((a, b) => a - b), bytes.length];
        const pieces = ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
        expect(showEvents(await eventsOfReply({ pieces }, { request }))).toBe('T[你好 👩‍👩‍👧] length');
      }),
    );
  });

  it('keeps tags and everything else that a chat would give a meaning', async () => {
    const text = '<think>\nx\n</think>\n```json\n{"name": "f", "arguments": {}}\n```';
    const bytes = frame([{ index: 0, text, finish_reason: 'stop' }]) + DONE;
    expect(showEvents(await eventsOfReply(bytes, { request }))).toBe(`T[${text}] stop`);
  });

  it('keeps choices apart and names the stop text', async () => {
    const bytes =
      frame([{ index: 1, text: 'b', finish_reason: null }]) +
      frame([{ index: 0, text: 'a', finish_reason: 'stop', stop_reason: ';' }]) +
      frame([{ index: 1, text: '', finish_reason: 'length' }]) +
      DONE;
    const stopping = requestOf({ text: 'x' }, { sampling: { stopTexts: [';'], choices: 2 } });
    expect(showEvents(await eventsOfReply(bytes, { request: stopping }))).toBe('1:T[b T[a] stop-text=;] length');
  });

  it('has log probabilities from lists side by side and from a list of tokens', async () => {
    const lists = {
      tokens: ['a', ' é'],
      token_logprobs: [null, -0.5],
      top_logprobs: [null, { ' e': -1.5, ' é': -0.5 }],
      text_offset: [0, 1],
    };
    const content = [
      { token: 'a', logprob: 0, bytes: [97], top_logprobs: [] },
      {
        token: ' é',
        logprob: -0.5,
        top_logprobs: [
          { token: ' é', logprob: -0.5 },
          { token: ' e', logprob: -1.5 },
        ],
      },
    ];
    const é = { token: ' é', bytes: [0x20, 0xc3, 0xa9], logprob: -0.5 };
    for (const logprobs of [lists, { content }]) {
      const body = JSON.stringify({ choices: [{ index: 0, text: 'a é', logprobs, finish_reason: 'stop' }] });
      const assembler = new Assembler();
      for (const event of await eventsOfReply(body, { request })) assembler.push(event);
      expect(assembler.result().choices[0]?.blocks[0]).toMatchObject({
        logprobs: [
          { token: 'a', bytes: [97], logprob: 0, top: [] },
          { ...é, top: [é, { token: ' e', bytes: [0x20, 0x65], logprob: -1.5 }] },
        ],
      });
    }
  });

  it('may hold anything, and is then no answer or an empty one, never an exception', async () => {
    const odd = fc.oneof(
      fc.constant(null),
      fc.string(),
      fc.integer(),
      fc.record({ text: fc.anything(), index: fc.anything(), logprobs: fc.anything(), finish_reason: fc.anything() }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(odd), async (choices) => {
        const body = JSON.stringify({ choices });
        await eventsOfReply(body, { request }).catch((thrown: unknown) => {
          expect(thrown).toMatchObject({ code: expect.stringMatching(/upstream-failed/) });
        });
      }),
    );
  });

  it('that breaks off is an error, before the first event a thrown one', async () => {
    const cut = frame([{ index: 0, text: 'a', finish_reason: null }]);
    expect(showEvents(await eventsOfReply(cut, { request }))).toContain('error:upstream-failed');
    const refused = {
      status: 400,
      pieces: [Buffer.from('{"error": {"message": "suffix is not currently supported"}}')],
    };
    await expect(eventsOfReply(refused, { request })).rejects.toMatchObject({
      code: 'invalid-parameter',
      message: 'suffix is not currently supported',
    });
  });
});

describe('over HTTP', () => {
  let mock: MockUpstream;
  beforeAll(async () => {
    mock = await startMockUpstream({
      isRecording: true,
      reply: ({ isStreaming }) => (isStreaming ? streamReply([STREAMS.vllm ?? '']) : jsonReply(200, JSON.parse(BODY))),
    });
  });
  afterAll(() => mock.close());

  it('goes to the completions path below the base URL', async () => {
    const backend = createUpstreamBackend({ id: 'mock', baseUrl: `${mock.url}/v1/`, quirks: 'vllm', log: silentLog });
    for (const isStreaming of [true, false]) {
      const events = await collect(backend.generate(request, testContext({ isStreaming })));
      expect(showEvents(events)).toBe('T[a + b] stop');
    }
    expect(mock.requests.map(({ path }) => path)).toEqual(['/v1/completions', '/v1/completions']);
    expect(backend.abilities.rawPrompts).toBe(true);
    await backend.close();
  });
});
