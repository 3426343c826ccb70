import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { testContext } from '../../../test/support/context.ts';
import { eventsOfReply, type FedOptions, helloRequest, showEvents } from '../../../test/support/fed-upstream.ts';
import { chunkFrame, DONE_FRAME, frame, USAGE_FRAME } from '../../../test/support/mock-replies.ts';
import type { GenerationEvent } from '../../core/events.ts';
import type { FunctionTool, GenerationRequest } from '../../core/generation.ts';
import type { Usage } from '../../core/usage.ts';

const STOP = chunkFrame({}, 'stop');
const text = (content: string): string => chunkFrame({ content });
const call = (fragment: object): string => chunkFrame({ tool_calls: [fragment] });

const WEATHER: FunctionTool = { type: 'function', name: 'get_weather', inputSchema: { type: 'object' } };
const withTools: GenerationRequest = { ...helloRequest, tools: [WEATHER], allowsParallelCalls: true };
const withStop: GenerationRequest = { ...helloRequest, sampling: { stopTexts: ['END'] } };

interface Case {
  readonly name: string;
  readonly body: string;
  readonly shown: string;
  readonly options?: FedOptions;
}

const CASES: readonly Case[] = [
  { name: 'plain text', body: text('Fo') + text('ur.') + STOP + USAGE_FRAME + DONE_FRAME, shown: 'T[Four.] stop' },
  { name: 'a plain close after the finish', body: text('Four.') + STOP, shown: 'T[Four.] stop' },
  { name: 'no finish reason', body: text('Four.') + DONE_FRAME, shown: 'T[Four.] stop' },
  { name: 'neither finish nor end mark', body: text('Four.'), shown: 'T[Four. error:upstream-failed' },
  { name: 'an empty answer', body: STOP + DONE_FRAME, shown: 'stop' },
  { name: 'nothing but the end mark', body: USAGE_FRAME + DONE_FRAME, shown: 'stop' },
  {
    name: 'text with the finish',
    body: chunkFrame({ content: 'Four.' }, 'length') + DONE_FRAME,
    shown: 'T[Four.] length',
  },
  { name: 'chunks after the finish', body: text('A') + STOP + text('B') + STOP + DONE_FRAME, shown: 'T[A] stop' },
  {
    name: 'null choices, comments, CRLF',
    body: `: hi\r\n\r\n${(frame({ choices: null }) + text('Four.') + STOP + DONE_FRAME).replaceAll('\n', '\r\n')}`,
    shown: 'T[Four.] stop',
  },
  {
    name: 'frames without an empty line between them',
    body: (text('Fo') + text('ur.') + STOP).replaceAll('\n\n', '\n'),
    shown: 'T[Four.] stop',
  },
  { name: 'an empty finish reason', body: chunkFrame({ content: 'Four.' }, '') + STOP, shown: 'T[Four.] stop' },
  {
    name: 'message in the place of delta',
    body: frame({ choices: [{ message: { content: 'A' }, finish_reason: 'stop' }] }),
    shown: 'T[A] stop',
  },
  {
    name: 'content as parts (Mistral)',
    body:
      chunkFrame({
        content: [
          { type: 'text', text: 'Fo' },
          { type: 'text', text: 'ur.' },
        ],
      }) + STOP,
    shown: 'T[Four.] stop',
  },
  { name: 'a refusal (OpenAI)', body: chunkFrame({ refusal: 'No.' }) + STOP, shown: 'T[No.] stop' },
  { name: 'a content filter', body: text('A') + chunkFrame({}, 'content_filter'), shown: 'T[A] content-filter' },
  {
    name: 'the stop text that matched (vLLM)',
    body: text('A') + frame({ choices: [{ index: 0, delta: {}, finish_reason: 'stop', stop_reason: 'END' }] }),
    shown: 'T[A] stop-text=END',
    options: { request: withStop },
  },
  {
    name: 'the stop text that matched (SGLang)',
    body: text('A') + frame({ choices: [{ index: 0, delta: {}, finish_reason: 'stop', matched_stop: 'END' }] }),
    shown: 'T[A] stop-text=END',
    options: { request: withStop },
  },
  {
    name: 'a stop token (vLLM)',
    body: text('A') + frame({ choices: [{ index: 0, delta: {}, finish_reason: 'stop', stop_reason: 151645 }] }),
    shown: 'T[A] stop',
    options: { request: withStop },
  },
  {
    name: 'two choices, interleaved',
    body:
      frame({
        choices: [
          { index: 0, delta: { content: 'A' } },
          { index: 1, delta: { content: 'B' } },
        ],
      }) +
      frame({ choices: [{ index: 1, delta: {}, finish_reason: 'stop' }] }) +
      frame({ choices: [{ index: 0, delta: { content: 'A' }, finish_reason: 'stop' }] }),
    shown: 'T[A 1:T[B] stopA] stop',
  },
  {
    name: 'a character in two halves',
    body: text('\\ud83d').replace('\\\\', '\\') + text('\\ude00 ok').replace('\\\\', '\\') + STOP,
    shown: 'T[😀 ok] stop',
  },

  // Reasoning
  {
    name: 'reasoning_content (Model Studio, SGLang, llama-server)',
    body:
      chunkFrame({ content: null, reasoning_content: 'hmm' }) +
      chunkFrame({ content: 'Four.', reasoning_content: null }) +
      STOP,
    shown: 'R[hmm] T[Four.] stop',
  },
  {
    name: 'reasoning (Ollama, vLLM)',
    body: chunkFrame({ content: '', reasoning: 'hmm' }) + text('Four.') + STOP,
    shown: 'R[hmm] T[Four.] stop',
  },
  {
    name: 'both spellings of reasoning',
    body: chunkFrame({ reasoning_content: 'hmm', reasoning: 'hmm' }) + text('Four.') + STOP,
    shown: 'R[hmm] T[Four.] stop',
  },
  {
    name: '<think> in the text',
    body: text('<thi') + text('nk>\nhmm\n</th') + text('ink>\n\nFour.') + STOP,
    shown: 'R[hmm\n] T[Four.] stop',
  },
  {
    name: '<think> in the text of a server that parts reasoning itself',
    body: text('<think>') + STOP,
    shown: 'T[<think>] stop',
    options: { kind: 'dashscope' },
  },
  {
    name: 'a tag in the answer after reasoning of its own',
    body: chunkFrame({ reasoning_content: 'hmm' }) + text('Write <think> first.') + STOP,
    shown: 'R[hmm] T[Write <think> first.] stop',
  },

  // Tool calls
  {
    name: 'a call in fragments with empty ids (Model Studio)',
    body:
      call({ index: 0, id: 'call_a', type: 'function', function: { name: 'get_weather', arguments: '' } }) +
      call({ index: 0, id: '', type: 'function', function: { arguments: '{"city": "Bei' } }) +
      call({ index: 0, id: '', type: 'function', function: { arguments: 'jing"}' } }) +
      chunkFrame({}, 'tool_calls'),
    shown: 'get_weather#call_a({"city": "Beijing"}) tool-calls',
  },
  {
    name: 'name and id repeated in every fragment',
    body:
      call({ index: 0, id: 'call_a', function: { name: 'get_weather', arguments: '{"a"' } }) +
      call({ index: 0, id: 'call_a', function: { name: 'get_weather', arguments: ': 1}' } }) +
      call({ index: 0, id: 'call_a', function: { name: 'get_weather', arguments: '' } }) +
      chunkFrame({}, 'tool_calls'),
    shown: 'get_weather#call_a({"a": 1}) tool-calls',
  },
  {
    name: 'a new id in every fragment',
    body:
      call({ index: 0, id: 'call_a', function: { name: 'get_weather', arguments: '{"a"' } }) +
      call({ index: 0, id: 'call_b', function: { name: null, arguments: ': 1}' } }) +
      STOP,
    shown: 'get_weather#call_a({"a": 1}) tool-calls',
  },
  {
    name: 'parallel calls that all have index 0 (Ollama)',
    body:
      call({ index: 0, id: 'call_a', function: { name: 'get_weather', arguments: '{"a":1}' } }) +
      call({ index: 0, id: 'call_b', function: { name: 'get_weather', arguments: '{"a":2}' } }) +
      STOP,
    shown: 'get_weather#call_a({"a":1}) get_weather#call_b({"a":2}) tool-calls',
  },
  {
    name: 'parallel calls without index and id',
    body:
      call({ function: { name: 'get_weather', arguments: '{"a":1}' } }) +
      call({ function: { name: 'get_weather', arguments: '{"a":2}' } }) +
      STOP,
    shown:
      'get_weather#call_000000000000000000000001({"a":1}) get_weather#call_000000000000000000000002({"a":2}) tool-calls',
  },
  {
    name: 'the same id for two calls',
    body:
      call({ index: 0, id: 'call_a', function: { name: 'get_weather', arguments: '{}' } }) +
      call({ index: 1, id: 'call_a', function: { name: 'get_time', arguments: '{}' } }) +
      STOP,
    shown: 'get_weather#call_a({}) get_time#call_000000000000000000000001({}) tool-calls',
  },
  {
    name: 'calls that grow at the same time',
    body:
      call({ index: 0, id: 'a', function: { name: 'get_weather', arguments: '{"a"' } }) +
      call({ index: 1, id: 'b', function: { name: 'get_time', arguments: '{"b"' } }) +
      call({ index: 0, function: { arguments: ':1}' } }) +
      call({ index: 1, function: { arguments: ':2}' } }) +
      STOP,
    shown: 'get_weather#a({"a":1}) get_time#b({"b":2}) tool-calls',
  },
  {
    name: 'the name after the id',
    body:
      call({ index: 0, id: 'a' }) +
      call({ index: 0, function: { arguments: '{"a"' } }) +
      call({ index: 0, function: { name: 'get_weather' } }) +
      call({ index: 0, function: { arguments: ':1}' } }) +
      STOP,
    shown: 'get_weather#a({"a":1}) tool-calls',
  },
  {
    name: 'arguments as an object',
    body: call({ index: 0, id: 'a', function: { name: 'get_weather', arguments: { city: 'Beijing' } } }) + STOP,
    shown: 'get_weather#a({"city":"Beijing"}) tool-calls',
  },
  {
    name: 'no arguments at all',
    body: call({ index: 0, id: 'a', function: { name: 'get_weather' } }) + STOP,
    shown: 'get_weather#a({}) tool-calls',
  },
  {
    name: 'a call cut off at the limit',
    body: call({ index: 0, id: 'a', function: { name: 'get_weather', arguments: '{"ci' } }) + chunkFrame({}, 'length'),
    shown: 'get_weather#a({"ci)! length',
  },
  {
    name: 'text around calls',
    body:
      text('Let me see.') +
      call({ index: 0, id: 'a', function: { name: 'get_weather', arguments: '{}' } }) +
      text('Done.') +
      STOP,
    shown: 'T[Let me see.] get_weather#a({}) T[Done.] tool-calls',
  },
  {
    name: 'text while a call is open',
    body:
      call({ index: 0, id: 'a', function: { name: 'get_weather', arguments: '{' } }) +
      text('Aside.') +
      call({ index: 0, function: { arguments: '}' } }) +
      STOP,
    shown: 'get_weather#a({}) T[Aside.] tool-calls',
  },
  {
    name: 'function_call, the older form',
    body: chunkFrame({ function_call: { name: 'get_weather', arguments: '{}' } }) + chunkFrame({}, 'function_call'),
    shown: 'get_weather#call_000000000000000000000001({}) tool-calls',
  },
  {
    name: 'a call without a name is nothing',
    body: call({ index: 0, id: 'a', function: { arguments: '{}' } }) + text('Hm.') + STOP,
    shown: 'T[Hm.] stop',
  },
  {
    name: 'calls spelt as text (llama-server)',
    body: text('```json\n{"name": "get_') + text('weather", "arguments": {"a": 1}}\n```') + STOP,
    shown: 'get_weather#call_000000000000000000000001({"a": 1}) tool-calls',
    options: { kind: 'llama-server', request: withTools },
  },
  {
    name: 'calls spelt as text, after thinking in the text',
    body: text('<think>hmm</think>\n<tool_call>\n{"name": "get_weather", "arguments": {}}\n</tool_call>') + STOP,
    shown: 'R[hmm] get_weather#call_000000000000000000000001({}) tool-calls',
    options: { kind: 'vllm', request: withTools },
  },
  {
    name: 'what looks like a call where no tools were given',
    body: text('{"name": "get_weather", "arguments": {}}') + STOP,
    shown: 'T[{"name": "get_weather", "arguments": {}}] stop',
  },

  // Errors
  {
    name: 'an error chunk',
    body: text('A') + frame({ error: { message: 'died', code: 500 } }),
    shown: 'T[A error:upstream-failed',
  },
  { name: 'an error as text', body: `${text('A')}data: {"error":"died"}\n\n`, shown: 'T[A error:upstream-failed' },
  {
    name: 'an error object (older vLLM)',
    body: `${text('A')}data: {"object":"error","message":"died","code":400}\n\n`,
    shown: 'T[A error:invalid-parameter',
  },
  {
    name: 'an error field (older llama-server)',
    body: `${text('A')}error: {"message":"died"}\n\n`,
    shown: 'T[A error:upstream-failed',
  },
  { name: 'a finish that says abort', body: text('A') + chunkFrame({}, 'abort'), shown: 'T[A error:upstream-failed' },
  { name: 'broken JSON', body: `${text('A')}data: {"choi\n\n`, shown: 'T[A error:upstream-failed' },
  {
    name: 'members of the wrong type',
    body: `${frame({ choices: [null, 5, { delta: { content: 5, tool_calls: {} } }] })}${text('A')}${STOP}`,
    shown: 'T[A] stop',
  },

  // Whole bodies
  {
    name: 'a whole body',
    body: JSON.stringify({
      choices: [
        { index: 0, message: { role: 'assistant', content: 'Four.', reasoning_content: 'hmm' }, finish_reason: 'stop' },
      ],
    }),
    shown: 'R[hmm] T[Four.] stop',
  },
  {
    name: 'a whole body with calls',
    body: `\n ${JSON.stringify({
      choices: [
        {
          message: {
            content: '',
            tool_calls: [
              { id: 'a', function: { name: 'f', arguments: '{}' } },
              { id: 'b', function: { name: 'g', arguments: '{}' } },
            ],
          },
          finish_reason: 'stop',
        },
      ],
    })}`,
    shown: 'f#a({}) g#b({}) tool-calls',
  },
];

describe('decoding an upstream reply', () => {
  for (const { name, body, shown, options } of CASES) {
    it(`reads ${name}`, async () => {
      expect(showEvents(await eventsOfReply(body, options))).toBe(shown);
    });
  }

  it('gives the same events for any cut of the bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...CASES), fc.array(fc.nat(2000), { maxLength: 8 }), async (each, points) => {
        const bytes = Buffer.from(each.body);
        const ends = [...new Set(points.map((point) => point % (bytes.length + 1)))].sort((a, b) => a - b);
        const pieces = [...ends, bytes.length].map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
        const options = (): FedOptions => ({ ...each.options, context: testContext() });
        expect(await eventsOfReply({ pieces }, options())).toEqual(await eventsOfReply(each.body, options()));
      }),
      { numRuns: 200 },
    );
  });

  it('never hands over half a grammar, whatever an upstream sends', async () => {
    const parts = [...CASES.map(({ body }) => body), 'data: {}\n\n', 'data: []\n\n', 'data: 5\n\n', 'garbage\n\n'];
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...parts), { minLength: 1, maxLength: 4 }), async (bodies) => {
        const events = await eventsOfReply(bodies.join(''), { request: withTools }).catch((error: unknown) => error);
        if (events instanceof Error) expect(events.name).toBe('StudioError');
      }),
      { numRuns: 200 },
    );
  });
});

/** The usage of the last event. */
async function usageOfReply(body: string, options?: FedOptions): Promise<Usage | undefined> {
  const last = (await eventsOfReply(body, options)).at(-1);
  return last?.type === 'finish' || last?.type === 'error' ? last.usage : undefined;
}

describe('usage of an upstream reply', () => {
  it('tells what a mark found from what was found without one', async () => {
    const inputOf = async (details: object) => {
      const usage = { prompt_tokens: 2000, completion_tokens: 1, prompt_tokens_details: details };
      return (await usageOfReply(text('A') + STOP + frame({ choices: [], usage }) + DONE_FRAME))?.input;
    };
    const counters = { cache_creation_input_tokens: 0, cache_type: 'ephemeral' };
    expect(await inputOf({ cached_tokens: 1605, ...counters })).toMatchObject({ cachedRead: 1605, markedRead: 1605 });
    expect(await inputOf({ cached_tokens: 0, ...counters })).toMatchObject({ cachedRead: 0, markedRead: 0 });
    expect(await inputOf({ cached_tokens: 1605 })).not.toHaveProperty('markedRead');
  });

  it('maps every count that is told', async () => {
    const usage = {
      prompt_tokens: 100,
      completion_tokens: 50,
      prompt_tokens_details: { cached_tokens: 60, cache_creation_input_tokens: 20, image_tokens: 5 },
      completion_tokens_details: { reasoning_tokens: 40 },
    };
    expect(await usageOfReply(text('A') + STOP + frame({ choices: [], usage }) + DONE_FRAME)).toEqual({
      input: {
        total: 100,
        cachedRead: 60,
        markedRead: 60,
        cacheWritten: 20,
        image: 5,
        video: 0,
        audio: 0,
        toolDefinitions: 0,
      },
      output: { total: 50, reasoning: 40, audio: 0 },
    });
  });

  it('takes the last of usages that are told on every chunk, and tells the first at once', async () => {
    const chunk = (completion: number): string =>
      frame({
        choices: [{ index: 0, delta: { content: 'A' } }],
        usage: { prompt_tokens: 7, completion_tokens: completion },
      });
    const events = await eventsOfReply(chunk(1) + chunk(2) + STOP);
    expect(events.find((event) => event.type === 'usage')?.usage.input.total).toBe(7);
    expect(await usageOfReply(chunk(1) + chunk(2) + STOP)).toMatchObject({ input: { total: 7 }, output: { total: 2 } });
  });

  it('parts reasoning by its share of the text where the upstream does not', async () => {
    const body =
      chunkFrame({ reasoning: 'six chars' }) +
      text('abc') +
      STOP +
      frame({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 8 } });
    expect(await usageOfReply(body)).toMatchObject({ output: { total: 8, reasoning: 6 } });
  });

  it('counts pieces where none is told', async () => {
    expect(await usageOfReply(text('A') + text('B'))).toMatchObject({ input: { total: 0 }, output: { total: 2 } });
  });

  it('makes counts add up that do not', async () => {
    const usage = {
      prompt_tokens: 5,
      completion_tokens: -1,
      prompt_tokens_details: { cached_tokens: 9 },
      completion_tokens_details: { reasoning_tokens: 9 },
    };
    expect(await usageOfReply(text('A') + STOP + frame({ usage }))).toMatchObject({
      input: { total: 5, cachedRead: 5 },
      output: { total: 0, reasoning: 0 },
    });
  });
});

describe('log probabilities of an upstream reply', () => {
  const logprob = (token: string): object => ({
    token,
    logprob: -0.5,
    bytes: null,
    top_logprobs: [{ token: 'x', logprob: -2 }],
  });
  const chunk = (content: string, ...tokens: string[]): string =>
    frame({ choices: [{ index: 0, delta: { content }, logprobs: { content: tokens.map(logprob) } }] });
  const deltas = (events: readonly GenerationEvent[]): unknown[] =>
    events.flatMap((event) =>
      event.type === 'text-delta' ? [[event.text, event.logprobs?.map(({ token }) => token)]] : [],
    );

  it('stay with their text, also when it comes later', async () => {
    const events = await eventsOfReply(chunk('A', 'A') + chunk('', 'b1') + chunk('B', 'b2') + STOP);
    expect(deltas(events)).toEqual([
      ['A', ['A']],
      ['B', ['b1', 'b2']],
    ]);
  });

  it('are whole', async () => {
    const events = await eventsOfReply(chunk('é', 'é') + STOP);
    expect(events.find((event) => event.type === 'text-delta')?.logprobs).toEqual([
      { token: 'é', bytes: [195, 169], logprob: -0.5, top: [{ token: 'x', bytes: [120], logprob: -2 }] },
    ]);
  });

  it('are not told of reasoning', async () => {
    const events = await eventsOfReply(chunk('<think>hmm', 'hmm') + chunk('</think>Yes', 'Yes') + STOP);
    expect(deltas(events)).toEqual([['Yes', ['Yes']]]);
  });
});
