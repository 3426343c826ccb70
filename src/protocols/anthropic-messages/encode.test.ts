import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { streamed, whole } from '../../../test/support/goldens.ts';
import { readMessageStream } from '../../../test/support/message-stream.ts';
import { readScenario, scenarioNames } from '../../../test/support/scenarios.ts';
import { StudioError } from '../../core/errors.ts';
import { EventGrammar } from '../../core/event-grammar.ts';
import type { ChoiceEndReason, GenerationEvent } from '../../core/events.ts';
import { NO_USAGE, type Usage, usageOf } from '../../core/usage.ts';
import { encodeMessagesResult, MessagesEncoder } from './encode.ts';
import { encodeMessagesError } from './errors.ts';

const protocol = {
  createEncoder: () => new MessagesEncoder(),
  encodeResult: encodeMessagesResult,
  encodeError: encodeMessagesError,
};
const stream = (events: readonly GenerationEvent[]) => streamed(protocol, events, { isStreaming: true });
const body = (events: readonly GenerationEvent[]) => whole(protocol, events, { isStreaming: false });

const START: GenerationEvent = {
  type: 'start',
  generationId: '6f1e2d3c-4b5a-9687-8a9b-0c1d2e3f4a5b',
  model: 'qwen-plus',
  createdAtMs: 0,
  servedBy: 'test',
};

/** A whole stream around the events of its answer. */
function answer(
  events: readonly GenerationEvent[],
  reason: ChoiceEndReason = 'stop',
  usage: Usage = usageOf({ input: 9, output: 4 }),
): GenerationEvent[] {
  const end: GenerationEvent = {
    type: 'choice-end',
    choice: 0,
    reason,
    ...(reason === 'stop-text' ? { stopText: 'END' } : {}),
  };
  const finish: GenerationEvent = { type: 'finish', usage, timings: {}, ending: 'completed' };
  return [START, { type: 'usage', usage: usageOf({ input: 9, output: 0 }) }, ...events, end, finish];
}

const text = (blockId: string, ...pieces: string[]): GenerationEvent[] => [
  { type: 'text-start', choice: 0, blockId },
  ...pieces.map((piece): GenerationEvent => ({ type: 'text-delta', choice: 0, blockId, text: piece })),
  { type: 'text-end', choice: 0, blockId },
];

const call = (
  blockId: string,
  name: string,
  executedBy: 'client' | 'server',
  ...pieces: string[]
): GenerationEvent[] => [
  { type: 'tool-input-start', choice: 0, blockId, callId: `call_${blockId}`, name, executedBy },
  ...pieces.map((piece): GenerationEvent => ({ type: 'tool-input-delta', choice: 0, blockId, text: piece })),
  { type: 'tool-input-end', choice: 0, blockId, isValidJson: true },
];

describe('a stream', () => {
  it.each(scenarioNames())('keeps the grammar and comes to the plain body: %s', (name) => {
    const events = readScenario(name);
    const { message, error } = readMessageStream(stream(events));
    if (error) expect(events.at(-1)?.type).toBe('error');
    else expect(message).toEqual(body(events));
  });

  it('keeps the grammar and comes to the plain body, whatever the model does', () => {
    fc.assert(
      fc.property(answers, (events) => {
        const grammar = new EventGrammar();
        for (const event of events) grammar.push(event);
        grammar.end();
        expect(readMessageStream(stream(events)).message).toEqual(body(events));
      }),
      { numRuns: 500 },
    );
  });

  it('can break off anywhere', () => {
    const events = answer([...text('a', 'x'), ...call('b', 'f', 'client', '{"a"', ':1}')]);
    for (let length = 2; length < events.length; length++) {
      const cut: GenerationEvent[] = [
        ...events.slice(0, length),
        { type: 'error', error: new StudioError('overloaded'), usage: NO_USAGE },
      ];
      const { error, events: names } = readMessageStream(stream(cut));
      expect(error).toMatchObject({ error: { type: 'overloaded_error' }, request_id: `req_${START.generationId}` });
      expect(names).not.toContain('message_stop');
    }
  });

  it('keeps lines whole that some clients would split', () => {
    const frames = stream(answer(text('a', 'one\u2028two\u0085three')));
    expect(frames).toContain('one\\u2028two\\u0085three');
  });

  it('shows no frame before the first counts are known', () => {
    const encoder = new MessagesEncoder();
    expect(encoder.push(START)).toBe('');
    expect(encoder.push({ type: 'usage', usage: usageOf({ input: 7, output: 0, cachedRead: 5 }) })).toContain(
      '"usage":{"input_tokens":2,"output_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":5}',
    );
    expect(encoder.push({ type: 'usage', usage: usageOf({ input: 7, output: 1 }) })).toBe('');
  });
});

describe('the end of a message', () => {
  const called = call('c', 'f', 'client', '{}');
  it.each<[ChoiceEndReason, GenerationEvent[], string, string | null]>([
    ['stop', text('a', 'x'), 'end_turn', null],
    ['stop-text', text('a', 'x'), 'stop_sequence', 'END'],
    ['length', text('a', 'x'), 'max_tokens', null],
    ['context-full', text('a', 'x'), 'model_context_window_exceeded', null],
    ['content-filter', text('a', 'x'), 'refusal', null],
    ['tool-calls', called, 'tool_use', null],
    ['stop', called, 'tool_use', null],
    ['stop-text', called, 'tool_use', null],
    ['length', called, 'max_tokens', null],
    ['stop', call('s', 'web_search', 'server', '{}'), 'end_turn', null],
  ])('%s after %#', (reason, events, stopReason, stopSequence) => {
    expect(body(answer(events, reason))).toMatchObject({ stop_reason: stopReason, stop_sequence: stopSequence });
  });

  it('counts the prompt in three parts that add up', () => {
    const usage: Usage = {
      input: { ...NO_USAGE.input, total: 2100, cachedRead: 2005, cacheWritten: 40 },
      output: { total: 30, reasoning: 12, audio: 0 },
      hostedTools: { web_search: 2 },
    };
    expect(body(answer(text('a', 'x'), 'stop', usage))).toMatchObject({
      usage: {
        input_tokens: 55,
        cache_read_input_tokens: 2005,
        cache_creation_input_tokens: 40,
        output_tokens: 30,
        output_tokens_details: { thinking_tokens: 12 },
        server_tool_use: { web_search_requests: 2 },
      },
    });
  });
});

describe('calls that the server runs', () => {
  const result = (blockId: string, isError = false): GenerationEvent => ({
    type: 'tool-result',
    callId: `call_${blockId}`,
    parts: [{ type: 'text', text: 'r' }],
    isError,
    durationMs: 1,
  });
  const source = (index: number): GenerationEvent => ({
    type: 'source',
    index,
    url: `https://e/${index}`,
    title: `${index}`,
  });

  it('have their sources in their result, in the order in which they came', () => {
    const events = answer([
      ...call('a', 'web_search', 'server', '{}'),
      ...call('b', 'web_search', 'server', '{}'),
      source(0),
      result('a'),
      source(1),
      source(2),
      result('b', true),
      ...call('c', 'web_search', 'server', '{}'),
      result('c'),
      ...text('d', 'x'),
    ]);
    expect(readMessageStream(stream(events)).message).toEqual(body(events));
    expect((body(events) as { content: unknown[] }).content).toMatchObject([
      { type: 'server_tool_use', id: 'srvtoolu_a' },
      { type: 'server_tool_use', id: 'srvtoolu_b' },
      { type: 'web_search_tool_result', tool_use_id: 'srvtoolu_a', content: [{ url: 'https://e/0' }] },
      { type: 'web_search_tool_result', tool_use_id: 'srvtoolu_b', content: { error_code: 'unavailable' } },
      { type: 'server_tool_use', id: 'srvtoolu_c' },
      { type: 'web_search_tool_result', tool_use_id: 'srvtoolu_c', content: [] },
      { type: 'text', text: 'x' },
    ]);
  });

  it('show nothing where the wire has no block for them', () => {
    const events = answer([...call('a', 'code_interpreter', 'server', '{}'), result('a'), ...text('d', 'x')]);
    expect(body(events)).toMatchObject({ content: [{ type: 'text', text: 'x' }], stop_reason: 'end_turn' });
  });
});

// ---- Answers, made up ----

type Made =
  | { readonly kind: 'text' | 'reasoning'; readonly pieces: readonly string[]; readonly signature: string | undefined }
  | { readonly kind: 'call'; readonly pieces: readonly string[]; readonly name: string; readonly isHosted: boolean };

const pieces = fc.array(fc.string({ unit: 'grapheme', minLength: 1 }), { maxLength: 4 });
const made: fc.Arbitrary<Made> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('text' as const, 'reasoning' as const),
    pieces,
    signature: fc.option(fc.string(), { nil: undefined }),
  }),
  fc.record({
    kind: fc.constant('call' as const),
    pieces: fc.oneof(pieces, fc.constant(['{"a": ', '[1, 2]', '}'])),
    name: fc.constantFrom('web_search', 'f'),
    isHosted: fc.boolean(),
  }),
);

/** Blocks of choice 0, a second choice between them, results of hosted calls behind or inside what follows. */
const answers = fc
  .record({
    blocks: fc.array(made, { maxLength: 6 }),
    isLate: fc.boolean(),
    hasOther: fc.boolean(),
    reason: fc.constantFrom<ChoiceEndReason>('stop', 'length', 'tool-calls', 'stop-text', 'content-filter'),
  })
  .map(({ blocks, isLate, hasOther, reason }): GenerationEvent[] => {
    const events: GenerationEvent[] = [];
    let due: GenerationEvent[] = [];
    for (const [index, block] of blocks.entries()) {
      const own = eventsOf(block, `b${index}`);
      const late = isLate ? due : [];
      events.push(...(isLate ? [] : due), ...own.slice(0, 1), ...late, ...own.slice(1));
      due =
        block.kind === 'call' && block.isHosted
          ? [
              { type: 'source', index, url: 'u', title: 't' },
              { type: 'tool-result', callId: `call_b${index}`, parts: [], isError: index % 2 === 1, durationMs: 0 },
            ]
          : [];
      if (hasOther && index === 0)
        events.push(
          { type: 'text-start', choice: 1, blockId: 'other' },
          { type: 'text-delta', choice: 1, blockId: 'other', text: 'another' },
          { type: 'text-end', choice: 1, blockId: 'other' },
          { type: 'choice-end', choice: 1, reason: 'length' },
        );
    }
    return answer([...events, ...due], reason);
  });

function eventsOf(block: Made, blockId: string): GenerationEvent[] {
  const at = { choice: 0, blockId };
  if (block.kind === 'call') return call(blockId, block.name, block.isHosted ? 'server' : 'client', ...block.pieces);
  if (block.kind === 'text') return text(blockId, ...block.pieces);
  const signed = block.signature === undefined ? {} : { signature: block.signature };
  return [
    { type: 'reasoning-start', ...at },
    ...block.pieces.map((piece): GenerationEvent => ({ type: 'reasoning-delta', ...at, text: piece })),
    { type: 'reasoning-end', ...at, ...signed },
  ];
}
