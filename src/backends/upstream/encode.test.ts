import { describe, expect, it } from 'vitest';
import { testContext } from '../../../test/support/context.ts';
import type { FunctionTool, GenerationRequest, Sampling, Thinking, Turn } from '../../core/generation.ts';
import { plainRequest } from '../../core/generation.ts';
import type { ModelCard } from '../../core/models.ts';
import type { Backend, CallContext } from '../../core/ports.ts';
import { encodeRequest } from './encode.ts';
import { QUIRKS, quirksOf, type UpstreamKind } from './quirks.ts';

const HELLO: Turn = { role: 'user', parts: [{ type: 'text', text: 'Hello' }] };
const request = (changes: Partial<GenerationRequest> = {}): GenerationRequest => ({
  ...plainRequest('some-model', [HELLO]),
  ...changes,
});
const WEATHER: FunctionTool = { type: 'function', name: 'get_weather', inputSchema: { type: 'object' } };
const TIME: FunctionTool = { ...WEATHER, name: 'get_time', description: 'The time.', isStrict: true };

function encode(
  changes: Partial<GenerationRequest>,
  kind: UpstreamKind = 'generic',
  context: Partial<CallContext> = {},
) {
  const encoded = encodeRequest(request(changes), testContext(context), QUIRKS[kind]);
  return JSON.parse(encoded.body) as Record<string, unknown>;
}

/** What a request adds to the one that asks for nothing. */
function added(changes: Partial<GenerationRequest>, kind?: UpstreamKind, context?: Partial<CallContext>): object {
  const plain = encode({}, kind, context);
  const body = encode(changes, kind, context);
  return Object.fromEntries(
    Object.entries(body).filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(plain[key])),
  );
}

const KINDS = Object.keys(QUIRKS) as UpstreamKind[];

describe('encoding for an upstream', () => {
  it('writes nothing the caller did not say', () => {
    expect(encode({})).toEqual({
      model: 'some-model',
      messages: [{ role: 'user', content: 'Hello' }],
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(encode({}, 'generic', { isStreaming: false })).toEqual({
      model: 'some-model',
      messages: [{ role: 'user', content: 'Hello' }],
      stream: false,
    });
  });

  it('asks for the model by its name there', () => {
    const route = { backend: {} as Backend, target: 'their-model', servedBy: 'x/their-model', isStandIn: true };
    expect(encode({}, 'generic', { route }).model).toBe('their-model');
  });

  it('asks for usage on every chunk where that can be had', () => {
    expect(encode({}, 'vllm').stream_options).toEqual({ include_usage: true, continuous_usage_stats: true });
  });

  it('streams a plain call to models that only stream', () => {
    const plain = (streamRequired: ModelCard['streamRequired'], thinking: Thinking, kind: UpstreamKind = 'dashscope') =>
      encode({ thinking }, kind, { isStreaming: false, card: { streamRequired, thinking: 'always' } as ModelCard })
        .stream;
    expect(plain('always', { switch: 'on' })).toBe(true);
    expect(plain('thinking', { switch: 'on' })).toBe(true);
    expect(plain('thinking', { switch: 'off' })).toBe(false);
    expect(plain('always', { switch: 'on' }, 'vllm')).toBe(false);
  });

  it('refuses quirks it does not know by name', () => {
    expect(() => quirksOf('vlm')).toThrow('generic, vllm, sglang');
  });
});

describe('messages', () => {
  it('carry every role and part', () => {
    const turns: Turn[] = [
      {
        role: 'user',
        parts: [
          { type: 'text', text: 'A' },
          { type: 'text', text: 'B' },
        ],
        name: 'ann',
      },
      {
        role: 'assistant',
        parts: [
          { type: 'reasoning', text: 'hmm' },
          { type: 'text', text: 'Wait.' },
          { type: 'tool-call', callId: 'c1', name: 'f', inputText: '{"a": 1}', executedBy: 'client' },
        ],
      },
      {
        role: 'tool',
        parts: [
          { type: 'tool-result', callId: 'c1', parts: [{ type: 'text', text: '42' }], isError: false },
          { type: 'tool-result', callId: 'c2', parts: [], isError: false },
        ],
      },
    ];
    expect(encode({ instructions: [{ type: 'text', text: 'Be brief.' }], turns }).messages).toEqual([
      { role: 'system', content: 'Be brief.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'A' },
          { type: 'text', text: 'B' },
        ],
        name: 'ann',
      },
      {
        role: 'assistant',
        content: 'Wait.',
        reasoning_content: 'hmm',
        tool_calls: [{ id: 'c1', type: 'function', index: 0, function: { name: 'f', arguments: '{"a": 1}' } }],
      },
      { role: 'tool', tool_call_id: 'c1', content: '42' },
      { role: 'tool', tool_call_id: 'c2', content: '' },
    ]);
    expect(encode({ turns }, 'ollama').messages).toMatchObject([{ content: 'AB' }, { reasoning: 'hmm' }, {}, {}]);
    expect(encode({ turns }, 'openai').messages).not.toContainEqual(
      expect.objectContaining({ reasoning_content: 'hmm' }),
    );
  });

  it('carry media as Model Studio spells them', () => {
    const turns: Turn[] = [
      {
        role: 'user',
        parts: [
          { type: 'image', url: 'http://a/1.png', detail: 'low', maxPixels: 100 },
          { type: 'video', frames: ['1', '2'], fps: 2 },
          { type: 'video', url: 'http://a/2.mp4' },
          { type: 'audio', url: 'data:1', format: 'wav' },
        ],
      },
    ];
    expect(encode({ turns }, 'dashscope').messages).toEqual([
      {
        role: 'user',
        content: [
          { type: 'image_url', image_url: { url: 'http://a/1.png', detail: 'low' }, max_pixels: 100 },
          { type: 'video', video: ['1', '2'], fps: 2 },
          { type: 'video_url', video_url: { url: 'http://a/2.mp4' } },
          { type: 'input_audio', input_audio: { data: 'data:1', format: 'wav' } },
        ],
      },
    ]);
    const file: Turn = { role: 'user', parts: [{ type: 'file', fileId: 'f' }] };
    expect(() => encode({ turns: [file] })).toThrow('takes no file part');
  });

  it('keep cache marks where they mean something', () => {
    const cacheMark = { ttlSeconds: 300 };
    const changes: Partial<GenerationRequest> = {
      turns: [
        { role: 'user', parts: [{ type: 'text', text: 'A', cacheMark }] },
        {
          role: 'tool',
          parts: [
            { type: 'tool-result', callId: 'c', parts: [{ type: 'text', text: 'R' }], isError: false, cacheMark },
          ],
        },
      ],
      tools: [{ ...WEATHER, cacheMark }],
    };
    const mark = { cache_control: { type: 'ephemeral' } };
    expect(encode(changes, 'dashscope')).toMatchObject({
      messages: [
        { content: [{ type: 'text', text: 'A', ...mark }] },
        { content: [{ type: 'text', text: 'R', ...mark }] },
      ],
    });
    // Tools are part of every prefix; the server has no place for a mark on one.
    expect(encode(changes, 'dashscope').tools).toEqual(encode({ tools: [WEATHER] }, 'dashscope').tools);
    expect(encode(changes, 'vllm').messages).toMatchObject([{ content: 'A' }, { content: 'R' }]);
  });

  it('mark a prefix in the words of the server', () => {
    const turns: Turn[] = [HELLO, { role: 'assistant', parts: [{ type: 'text', text: 'Hi' }], isPartial: true }];
    expect(encode({ turns }, 'dashscope').messages).toContainEqual({ role: 'assistant', content: 'Hi', partial: true });
    expect(added({ turns }, 'vllm')).toMatchObject({ continue_final_message: true, add_generation_prompt: false });
    expect(encode({ turns }, 'llama-server').messages).toContainEqual({ role: 'assistant', content: 'Hi' });
    expect(() => encode({ turns }, 'openai')).toThrow('partial');
  });
});

describe('sampling and limits', () => {
  const ALL: Sampling = {
    temperature: 0.5,
    topP: 0.9,
    topK: 20,
    minP: 0.1,
    presencePenalty: 0.5,
    frequencyPenalty: 0.5,
    repetitionPenalty: 1.1,
    seed: 7,
    logitBias: { '5': -100 },
    stopTexts: ['END'],
    choices: 2,
    logprobs: { top: 3 },
  };

  it('go out in the words of the server', () => {
    expect(added({ sampling: ALL }, 'vllm')).toEqual({
      temperature: 0.5,
      top_p: 0.9,
      top_k: 20,
      min_p: 0.1,
      presence_penalty: 0.5,
      frequency_penalty: 0.5,
      repetition_penalty: 1.1,
      seed: 7,
      logit_bias: { '5': -100 },
      stop: ['END'],
      n: 2,
      logprobs: true,
      top_logprobs: 3,
    });
    expect(added({ sampling: { repetitionPenalty: 1.1 } }, 'llama-server')).toEqual({ repeat_penalty: 1.1 });
  });

  for (const kind of KINDS) {
    it(`are sent or refused, never dropped, by ${kind}`, () => {
      for (const key of Object.keys(ALL) as (keyof Sampling)[]) {
        const sampling = { [key]: ALL[key] };
        const isKnown = QUIRKS[kind].sampling[key] !== undefined;
        if (isKnown) expect(Object.keys(added({ sampling }, kind)), key).not.toEqual([]);
        else expect(() => encode({ sampling }, kind), key).toThrow('does not take the parameter');
      }
    });
  }

  it('that ask for nothing pass where the server has no word for them', () => {
    expect(added({ sampling: { repetitionPenalty: 1, minP: 0, choices: 1 } }, 'ollama')).toEqual({});
  });

  it('keep stop tokens', () => {
    expect(added({ sampling: { stopTokens: [[1], [2]] } }, 'vllm')).toEqual({ stop_token_ids: [1, 2] });
    expect(added({ sampling: { stopTokens: [[1, 2]] } }, 'dashscope')).toEqual({ stop: [[1, 2]] });
    expect(() => encode({ sampling: { stopTokens: [[1, 2]] } }, 'vllm')).toThrow('sequences of token ids');
    expect(() => encode({ sampling: { stopTokens: [[1]], stopTexts: ['a'] } }, 'dashscope')).toThrow('together');
    expect(() => encode({ sampling: { stopTokens: [[1]] } }, 'openai')).toThrow('stop');
  });

  it('keep both limits where there are two', () => {
    const limits = { maxOutputTokens: 100, maxTotalOutputTokens: 50 };
    expect(added({ limits }, 'dashscope')).toEqual({ max_tokens: 100, max_completion_tokens: 50 });
    expect(added({ limits }, 'vllm')).toEqual({ max_tokens: 50 });
    expect(added({ limits: { maxOutputTokens: 100 } }, 'openai')).toEqual({ max_completion_tokens: 100 });
  });
});

describe('thinking', () => {
  it('is switched in the words of the server', () => {
    const on = { thinking: { switch: 'on' } } as const;
    const off = { thinking: { switch: 'off' } } as const;
    expect(added(on, 'dashscope')).toEqual({ enable_thinking: true });
    expect(added(off, 'dashscope')).toEqual({ enable_thinking: false });
    expect(added(off, 'dashscope', { card: { thinking: 'none' } as ModelCard })).toEqual({});
    expect(added(off, 'vllm')).toEqual({ chat_template_kwargs: { enable_thinking: false } });
    expect(added(on, 'ollama')).toEqual({ reasoning_effort: 'medium' });
    expect(added(off, 'ollama')).toEqual({ reasoning_effort: 'none' });
    expect(added(off, 'openai')).toEqual({});
    expect(() => encode(on, 'openai')).toThrow('enable_thinking');
    for (const kind of KINDS) expect(added({ thinking: { switch: 'default' } }, kind)).toEqual({});
  });

  it('carries budget, effort and history, or refuses them', () => {
    const thinking: Thinking = { switch: 'on', budgetTokens: 100, effort: 'high', keepsHistory: true };
    expect(added({ thinking }, 'dashscope')).toEqual({
      enable_thinking: true,
      thinking_budget: 100,
      reasoning_effort: 'high',
      preserve_thinking: true,
    });
    expect(added({ thinking }, 'vllm')).toEqual({
      thinking_token_budget: 100,
      reasoning_effort: 'high',
      chat_template_kwargs: { enable_thinking: true, preserve_thinking: true },
    });
    expect(added({ thinking: { ...thinking, budgetTokens: undefined } }, 'llama-server')).toEqual({
      chat_template_kwargs: { enable_thinking: true, reasoning_effort: 'high', preserve_thinking: true },
    });
    expect(() => encode({ thinking }, 'sglang')).toThrow('thinking_budget');
  });
});

describe('tools and formats', () => {
  it('offer the tools, and say whether several calls are wanted', () => {
    expect(added({ tools: [WEATHER, TIME] })).toEqual({
      tools: [
        { type: 'function', function: { name: 'get_weather', parameters: { type: 'object' } } },
        {
          type: 'function',
          function: { name: 'get_time', description: 'The time.', strict: true, parameters: { type: 'object' } },
        },
      ],
      parallel_tool_calls: false,
    });
    expect(encode({ tools: [WEATHER], allowsParallelCalls: true }).parallel_tool_calls).toBe(true);
    expect(encode({ tools: [WEATHER] }, 'ollama').parallel_tool_calls).toBeUndefined();
    expect(() => encode({ tools: [{ type: 'hosted', kind: 'search', options: {} }] })).toThrow('hosted');
  });

  it('hold the choice in the words of the server', () => {
    const tools = [WEATHER, TIME];
    const named = { tools, toolChoice: { name: 'get_time' } };
    expect(encode({ tools, toolChoice: 'required' }).tool_choice).toBe('required');
    expect(encode({ tools, toolChoice: 'none' }).tool_choice).toBe('none');
    expect(encode(named).tool_choice).toEqual({ type: 'function', function: { name: 'get_time' } });
    expect(encode(named, 'llama-server')).toMatchObject({
      tool_choice: 'required',
      tools: [{ function: { name: 'get_time' } }],
    });
    expect(encode(named, 'llama-server').tools).toHaveLength(1);
    expect(() => encode(named, 'ollama')).toThrow('tool_choice');
    expect(encode({ tools, toolChoice: 'none' }, 'ollama').tools).toBeUndefined();
  });

  it('ask for the format', () => {
    const schema = { type: 'object' };
    expect(added({ output: { type: 'json-object' } })).toEqual({ response_format: { type: 'json_object' } });
    expect(added({ output: { type: 'json-schema', name: 'x', schema, isStrict: true } })).toEqual({
      response_format: { type: 'json_schema', json_schema: { name: 'x', strict: true, schema } },
    });
  });

  it('pass the caller on', () => {
    expect(added({ storage: { user: 'ann' } })).toEqual({ user: 'ann' });
  });
});
