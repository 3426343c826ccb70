import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Assembler } from '../../core/assemble.ts';
import { EventGrammar } from '../../core/event-grammar.ts';
import type { ChoiceEndReason, GenerationEvent } from '../../core/events.ts';
import { usageOf } from '../../core/usage.ts';
import { ChatEncoder, encodeChatResult } from './encode.ts';
import { encodeUsage } from './usage.ts';

const START: GenerationEvent = {
  type: 'start',
  generationId: '8e243c57-23b3-9db2-a02e-e3c53929c368',
  model: 'qwen3-max',
  createdAtMs: 1_770_764_938_999,
  servedBy: 'test',
};

function frames(events: readonly GenerationEvent[], includesUsage = true): string[] {
  const grammar = new EventGrammar();
  const encoder = new ChatEncoder({ isStreaming: true, includesUsage });
  const written = events.map((event) => {
    grammar.push(event);
    return encoder.push(event);
  });
  grammar.end();
  return written.join('').split('\n\n').slice(0, -1);
}

function call(...fragments: string[]): GenerationEvent[] {
  const at = { choice: 0, blockId: 'b' };
  return [
    { type: 'tool-input-start', ...at, callId: 'call_eee11723464a4b9eb8cee71d', name: 'weather', executedBy: 'client' },
    ...fragments.map((text): GenerationEvent => ({ type: 'tool-input-delta', ...at, text })),
    { type: 'tool-input-end', ...at, isValidJson: true },
    { type: 'choice-end', choice: 0, reason: 'tool-calls' },
  ];
}

test('a tool call, byte for byte (reference §16.2, six chunks recorded)', () => {
  const usage = usageOf({ input: 295, output: 22 });
  const envelope =
    '"created":1770764938,"system_fingerprint":null,"model":"qwen3-max","id":"chatcmpl-8e243c57-23b3-9db2-a02e-e3c53929c368"}';
  const tail = `],"object":"chat.completion.chunk","usage":null,${envelope}`;
  expect(
    frames([
      START,
      { type: 'usage', usage },
      ...call('{"location": "San Francisco', '"}'),
      { type: 'finish', usage, timings: {}, ending: 'completed' },
    ]),
  ).toEqual([
    `data: {"choices":[{"delta":{"content":null,"tool_calls":[{"index":0,"id":"call_eee11723464a4b9eb8cee71d","type":"function","function":{"name":"weather","arguments":""}}],"role":"assistant"},"finish_reason":null,"index":0,"logprobs":null}${tail}`,
    `data: {"choices":[{"delta":{"content":null,"tool_calls":[{"index":0,"id":"","type":"function","function":{"arguments":"{\\"location\\": \\"San Francisco"}}]},"finish_reason":null,"index":0,"logprobs":null}${tail}`,
    `data: {"choices":[{"delta":{"content":null,"tool_calls":[{"index":0,"id":"","type":"function","function":{"arguments":"\\"}"}}]},"finish_reason":null,"index":0,"logprobs":null}${tail}`,
    `data: {"choices":[{"delta":{"tool_calls":[{"function":{"arguments":""},"index":0,"id":"","type":"function"}]},"index":0}${tail}`,
    `data: {"choices":[{"finish_reason":"tool_calls","delta":{},"index":0,"logprobs":null}${tail}`,
    `data: {"choices":[],"object":"chat.completion.chunk","usage":{"prompt_tokens":295,"completion_tokens":22,"total_tokens":317,"prompt_tokens_details":{"cached_tokens":0}},${envelope}`,
    'data: [DONE]',
  ]);
});

test('nothing is written before the first block', () => {
  const encoder = new ChatEncoder({ isStreaming: true, includesUsage: true });
  expect(encoder.push(START)).toBe('');
  expect(encoder.push({ type: 'usage', usage: usageOf({ input: 1, output: 0 }) })).toBe('');
  expect(encoder.push({ type: 'text-start', choice: 0, blockId: 'b' })).toContain('"role":"assistant"');
});

test('characters that some clients take for line ends leave escaped', () => {
  const usage = usageOf({ input: 1, output: 1 });
  const written = frames([
    START,
    { type: 'usage', usage },
    { type: 'text-start', choice: 0, blockId: 'b' },
    { type: 'text-delta', choice: 0, blockId: 'b', text: 'a\u2028b\u2029c\u0085d\ne\rf' },
    { type: 'text-end', choice: 0, blockId: 'b' },
    { type: 'choice-end', choice: 0, reason: 'stop' },
    { type: 'finish', usage, timings: {}, ending: 'completed' },
  ]);
  expect(written[1]).toContain('"content":"a\\u2028b\\u2029c\\u0085d\\ne\\rf"');
  expect(written.join('')).not.toMatch(/[\u0085\u2028\u2029\n\r]/);
});

describe('usage (reference §15, §17)', () => {
  test('an explicit cache write', () => {
    const usage = usageOf({ input: 2000, output: 1, cachedRead: 0 });
    expect(JSON.stringify(encodeUsage({ ...usage, input: { ...usage.input, cacheWritten: 1605 } }))).toBe(
      '{"prompt_tokens":2000,"completion_tokens":1,"total_tokens":2001,"prompt_tokens_details":{"cached_tokens":0,"cache_creation_input_tokens":1605,"cache_creation":{"ephemeral_5m_input_tokens":1605},"cache_type":"ephemeral"}}',
    );
  });

  test('media', () => {
    const usage = usageOf({ input: 544, output: 600, reasoning: 10 });
    expect(
      encodeUsage({
        input: { ...usage.input, image: 500, video: 10, audio: 10 },
        output: { ...usage.output, audio: 500 },
      }),
    ).toEqual({
      prompt_tokens: 544,
      completion_tokens: 600,
      total_tokens: 1144,
      completion_tokens_details: { reasoning_tokens: 10, audio_tokens: 500, text_tokens: 90 },
      prompt_tokens_details: {
        cached_tokens: 0,
        text_tokens: 24,
        image_tokens: 500,
        video_tokens: 10,
        audio_tokens: 10,
      },
    });
  });
});

// ---- Property: a stream, put together as the SDKs do, is the plain body ----

interface Delta {
  readonly content?: string | null;
  readonly reasoning_content?: string | null;
  readonly role?: string;
  readonly tool_calls?: readonly {
    readonly index: number;
    readonly id: string;
    readonly type: string;
    readonly function: { readonly name?: string; readonly arguments: string };
  }[];
}
interface Chunk {
  readonly choices: readonly {
    readonly index: number;
    readonly delta: Delta;
    readonly finish_reason?: string | null;
    readonly logprobs?: { readonly content: readonly unknown[] } | null;
  }[];
  readonly usage: object | null;
  readonly id: string;
  readonly created: number;
  readonly model: string;
}

function putTogether(chunks: readonly Chunk[]): object {
  const choices: {
    message: { content: string; reasoning_content?: string; role?: string; tool_calls?: object[] };
    finish_reason: string | null;
    index: number;
    logprobs: { content: unknown[] } | null;
  }[] = [];
  for (const { index, delta, finish_reason: reason, logprobs } of chunks.flatMap((chunk) => chunk.choices)) {
    choices[index] ??= { message: { content: '' }, finish_reason: null, index, logprobs: null };
    const choice = choices[index];
    const { message } = choice;
    if (delta.role) message.role = delta.role;
    message.content += delta.content ?? '';
    if (delta.reasoning_content)
      message.reasoning_content = (message.reasoning_content ?? '') + delta.reasoning_content;
    for (const { index: at, id, type, function: part } of delta.tool_calls ?? []) {
      message.tool_calls ??= [];
      const known = message.tool_calls[at] as { function: { arguments: string } } | undefined;
      if (known) known.function.arguments += part.arguments;
      else message.tool_calls[at] = { id, index: at, type, function: { ...part } };
    }
    if (reason) choice.finish_reason = reason;
    if (logprobs) choice.logprobs = { content: [...(choice.logprobs?.content ?? []), ...logprobs.content] };
  }
  const { id, created, model } = chunks[0] as Chunk;
  const usage = chunks.findLast((chunk) => chunk.usage)?.usage;
  return { choices, object: 'chat.completion', usage, created, system_fingerprint: null, model, id };
}

const texts = fc.array(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }), { maxLength: 4 });
const block = fc.record({
  kind: fc.constantFrom('text', 'reasoning', 'client-call', 'server-call'),
  deltas: texts,
  hasLogprobs: fc.boolean(),
});
const choice = fc.record({
  blocks: fc.array(block, { maxLength: 5 }),
  reason: fc.constantFrom<ChoiceEndReason>('stop', 'length', 'tool-calls', 'content-filter', 'context-full'),
});

type Block = typeof block extends fc.Arbitrary<infer Value> ? Value : never;
type Choice = typeof choice extends fc.Arbitrary<infer Value> ? Value : never;

function blockEvents({ kind, deltas, hasLogprobs }: Block, index: number, id: string): GenerationEvent[] {
  const at = { choice: index, blockId: id };
  if (kind === 'text' || kind === 'reasoning') {
    const logprobs =
      hasLogprobs && kind === 'text' ? [{ token: 't', bytes: [116], logprob: -0.5, top: [] }] : undefined;
    return [
      { type: `${kind}-start`, ...at },
      ...deltas.map((text): GenerationEvent => ({ type: `${kind}-delta`, ...at, text, logprobs }) as GenerationEvent),
      { type: `${kind}-end`, ...at },
    ];
  }
  const executedBy = kind === 'client-call' ? 'client' : 'server';
  return [
    { type: 'tool-input-start', ...at, callId: `call_${id}`, name: 'f', executedBy },
    ...deltas.map((text): GenerationEvent => ({ type: 'tool-input-delta', ...at, text })),
    { type: 'tool-input-end', ...at, isValidJson: false },
  ];
}

/** The choices' events, interleaved by taking turns in the drawn order. */
function interleave(choices: readonly Choice[], order: readonly number[]): GenerationEvent[] {
  const queues = choices.map(({ blocks, reason }, index): GenerationEvent[] => [
    ...blocks.flatMap((each, place) => blockEvents(each, index, `${index}-${place}`)),
    { type: 'choice-end', choice: index, reason },
  ]);
  const events: GenerationEvent[] = [];
  for (let turn = 0; queues.some((queue) => queue.length > 0); turn++) {
    const waiting = queues.filter((queue) => queue.length > 0);
    const next = waiting[(order[turn % order.length] ?? 0) % waiting.length]?.shift();
    if (next) events.push(next);
  }
  return events;
}

test('a stream put together is the plain body', () => {
  fc.assert(
    fc.property(
      fc.array(choice, { minLength: 1, maxLength: 3 }),
      fc.array(fc.nat(2), { minLength: 1, maxLength: 20 }),
      fc.nat(500),
      (choices, order, reasoning) => {
        const usage = usageOf({ input: 20, output: reasoning + 5, reasoning, cachedRead: 7 });
        const events: GenerationEvent[] = [
          START,
          { type: 'usage', usage: usageOf({ input: 20, output: 0 }) },
          ...interleave(choices, order),
          { type: 'finish', usage, timings: {}, ending: 'completed' },
        ];
        const written = frames(events);
        expect(written.at(-1)).toBe('data: [DONE]');
        const chunks = written.slice(0, -1).map((frame) => JSON.parse(frame.slice('data: '.length)) as Chunk);
        const assembler = new Assembler();
        for (const event of events) assembler.push(event);
        expect(putTogether(chunks)).toEqual(encodeChatResult(assembler.result()));
        for (const [index] of choices.entries()) {
          const deltas = chunks.flatMap((chunk) => chunk.choices.filter((each) => each.index === index));
          expect(deltas.filter(({ delta }) => delta.role).length).toBe(1);
          expect(deltas.filter(({ finish_reason: reason }) => reason).length).toBe(1);
          expect(deltas.at(-1)?.finish_reason).toBeTruthy();
        }
      },
    ),
    { numRuns: 200 },
  );
});
