/** Forms that only some replies have: phases of a research, a search's vertical tools, silent reasoning. */
import { describe, expect, test } from 'vitest';
import { Assembler } from '../../core/assemble.ts';
import { EventGrammar } from '../../core/event-grammar.ts';
import type { GenerationEvent } from '../../core/events.ts';
import { usageOf } from '../../core/usage.ts';
import type { DashScopeReplyPlan } from './decode.ts';
import { DashScopeEncoder, encodeDashScopeResult } from './encode.ts';

const PLAN: DashScopeReplyPlan = {
  isStreaming: true,
  service: 'text-generation',
  form: 'message',
  isIncremental: true,
  hasChoices: false,
  isCallForced: false,
  tellsCache: true,
};
const START: GenerationEvent = { type: 'start', generationId: 'g', model: 'm', createdAtMs: 0, servedBy: 's' };
const at = { choice: 0, blockId: 't' };
const END: readonly GenerationEvent[] = [
  { type: 'choice-end', choice: 0, reason: 'stop' },
  { type: 'finish', usage: usageOf({ input: 5, output: 9 }), timings: {}, ending: 'completed' },
];

function checked(events: readonly GenerationEvent[]): GenerationEvent[] {
  const all: GenerationEvent[] = [START, { type: 'usage', usage: usageOf({ input: 5, output: 0 }) }, ...events, ...END];
  const grammar = new EventGrammar();
  for (const event of all) grammar.push(event);
  grammar.end();
  return all;
}

function framesOf(events: readonly GenerationEvent[], plan: Partial<DashScopeReplyPlan> = {}) {
  const encoder = new DashScopeEncoder({ ...PLAN, ...plan });
  const bytes = checked(events)
    .map((event) => encoder.push(event))
    .join('');
  return [...bytes.matchAll(/^data:(.*)$/gm)].map(([, data = '']) => JSON.parse(data) as Frame);
}

function bodyOf(events: readonly GenerationEvent[], plan: Partial<DashScopeReplyPlan> = {}): Frame {
  const assembler = new Assembler();
  for (const event of checked(events)) assembler.push(event);
  return encodeDashScopeResult(assembler.result(), { ...PLAN, ...plan }) as Frame;
}

interface Frame {
  readonly output: { readonly [member: string]: unknown };
  readonly usage: { readonly [count: string]: unknown };
}

describe('a research', () => {
  const progress = (phase: string, status: string, data: unknown, joinsNext = false): GenerationEvent => ({
    type: 'progress',
    of: 'research',
    phase,
    status,
    data,
    joinsNext,
  });
  const message = (phase: string, content: string, found: object, status: string) => ({
    phase,
    role: 'assistant',
    content,
    extra: { deep_research: found },
    status,
  });

  test('is told in phases, and ends with a last event', () => {
    const frames = framesOf([
      progress('ResearchPlanning', 'typing', {}, true),
      { type: 'text-start', ...at },
      { type: 'text-delta', ...at, text: 'Plan' },
      { type: 'text-delta', ...at, text: '.' },
      progress('WebResearch', 'streamingQueries', { research: { id: 1, query: 'q' } }),
      progress('KeepAlive', 'typing', {}),
      progress('answer', 'typing', { references: [1] }, true),
      { type: 'text-delta', ...at, text: 'Report' },
      { type: 'text-end', ...at },
    ]);
    expect(frames.map(({ output }) => output.message)).toEqual([
      message('ResearchPlanning', 'Plan', {}, 'typing'),
      message('ResearchPlanning', '.', {}, 'typing'),
      message('WebResearch', '', { research: { id: 1, query: 'q' } }, 'streamingQueries'),
      message('KeepAlive', '', {}, 'typing'),
      message('answer', 'Report', { references: [1] }, 'typing'),
      message('answer', '', {}, 'finished'),
    ]);
    expect(frames.map(({ output }) => [output.fininshed, output.fininshed_reason])).toEqual([
      ...Array(5).fill([false, 'null']),
      [true, 'stop'],
    ]);
    expect(frames.at(-1)?.usage).toEqual({ input_tokens: 5, output_tokens: 9 });
  });

  test('may say its last word in the last event', () => {
    const frames = framesOf([
      progress('answer', 'finished', {}, true),
      { type: 'text-start', ...at },
      { type: 'text-delta', ...at, text: 'End', joinsNext: true },
      { type: 'text-end', ...at },
    ]);
    expect(frames).toHaveLength(1);
    expect(frames[0]?.output).toMatchObject({ message: message('answer', 'End', {}, 'finished'), fininshed: true });
  });
});

describe('a search', () => {
  const call = { choice: 0, blockId: 'c' };
  const events: GenerationEvent[] = [
    { type: 'source', index: 0, url: 'u', title: 't' },
    { type: 'tool-input-start', ...call, callId: 'x', name: 'search_extension', executedBy: 'server' },
    { type: 'tool-input-delta', ...call, text: '{"tool":"stock"}' },
    { type: 'tool-input-end', ...call, isValidJson: true },
    { type: 'tool-result', callId: 'x', parts: [{ type: 'text', text: 'up' }], isError: false, durationMs: 0 },
    { type: 'text-start', ...at },
    { type: 'text-delta', ...at, text: 'A' },
    { type: 'text-delta', ...at, text: 'B' },
    { type: 'text-end', ...at },
  ];

  test('tells what its vertical tools said once, beside what it found', () => {
    expect(framesOf(events).map(({ output }) => output.search_info)).toMatchObject([
      { search_results: [{ url: 'u' }] },
      { extra_tool_info: [{ tool: 'stock', result: 'up' }], search_results: [] },
      { extra_tool_info: [], search_results: [] },
      { extra_tool_info: [], search_results: [] },
    ]);
    expect(bodyOf(events).output.search_info).toMatchObject({
      extra_tool_info: [{ tool: 'stock', result: 'up' }],
      search_results: [{ url: 'u' }],
    });
  });

  test('tells its strategy beside the count, and no other tool does', () => {
    const usage = { ...usageOf({ input: 5, output: 9 }), hostedTools: { web_search: 1, image_search: 2 } };
    const counted = [{ type: 'usage' as const, usage }, ...events];
    expect(framesOf(counted, { searchStrategy: 'max' })[1]?.usage.plugins).toEqual({
      search: { count: 1, strategy: 'max' },
      image_search: { count: 2 },
    });
    expect(framesOf(counted)[1]?.usage.plugins).toEqual({ search: { count: 1 }, image_search: { count: 2 } });
  });
});

test('a reasoning block with nothing in it shows its member', () => {
  const events: GenerationEvent[] = [
    { type: 'reasoning-start', choice: 0, blockId: 'r' },
    { type: 'reasoning-end', choice: 0, blockId: 'r' },
    { type: 'text-start', ...at },
    { type: 'text-delta', ...at, text: 'A' },
    { type: 'text-end', ...at },
  ];
  const choices = (frame: Frame) => frame.output.choices as { message: object }[];
  expect(framesOf(events).map((frame) => choices(frame)[0]?.message)).toMatchObject([
    { content: 'A', reasoning_content: '' },
    { content: '', reasoning_content: '' },
  ]);
  expect(choices(bodyOf(events))[0]?.message).toMatchObject({ content: 'A', reasoning_content: '' });
});

test('counts that were told are shown on either service, others are not', () => {
  const usage = {
    ...usageOf({ input: 5, output: 9, reasoning: 4 }),
    told: ['input', 'output', 'input-kinds', 'output-text'] as const,
  };
  const [frame] = framesOf([
    { type: 'usage', usage: { ...usage, output: { ...usage.output, text: 9 } } },
    { type: 'text-start', ...at },
    { type: 'text-delta', ...at, text: 'A' },
    { type: 'text-end', ...at },
  ]);
  expect(frame?.usage).toEqual({
    input_tokens_details: { text_tokens: 5 },
    output_tokens: 9,
    input_tokens: 5,
    output_tokens_details: { text_tokens: 9 },
  });
});
