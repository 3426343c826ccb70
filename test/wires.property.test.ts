/**
 * What holds on every wire, whatever is said: a program reads the same from a stream as from a plain body, and from both
 * what was said; frames are whole wherever the stream is cut; nothing follows the end.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EventGrammar } from '../src/core/event-grammar.ts';
import type { GenerationEvent } from '../src/core/events.ts';
import { createWires } from '../src/protocols/index.ts';
import type { GenerationProtocol, ReplyPlan } from '../src/protocols/protocol.ts';
import { eventStreams, type StreamCase } from './support/event-streams.ts';
import { goldenInfo, streamed, whole } from './support/goldens.ts';
import {
  framesOf,
  type ReadAnswer,
  type ReadChoice,
  type ReadCounts,
  WIRE_READERS,
  type WireRequest,
} from './support/wire-readers.ts';
import { testWirePorts } from './support/wires.ts';

const protocols = createWires(testWirePorts()).flatMap(({ generations }) => generations);

test('every wire has a reader', () => {
  expect(protocols.map(pathOf).filter((path) => !(path in WIRE_READERS))).toEqual([]);
});

test('the generated streams keep the grammar', () => {
  const limits = { choices: 3, blocks: ['text', 'reasoning', 'call'], hasServerCalls: true } as const;
  fc.assert(
    fc.property(eventStreams(limits), ({ events }) => {
      const grammar = new EventGrammar();
      for (const event of events) grammar.push(event);
      grammar.end();
    }),
  );
});

function pathOf({ paths }: GenerationProtocol): string {
  return paths[0] ?? '';
}

function planOf(protocol: GenerationProtocol, { headers, body }: WireRequest): ReplyPlan {
  return protocol.decodeRequest(body, goldenInfo(headers)).plan;
}

/** A choice of which nothing was shown may be there or not. */
function shown({ choices, ...rest }: ReadAnswer): ReadAnswer {
  const isSilent = ({ text, reasoning, calls, reason }: ReadChoice) =>
    text === '' && reasoning === '' && calls.length === 0 && reason === null;
  return { ...rest, choices: choices.filter((choice) => !isSilent(choice)) };
}

/** What the events say, choice by choice. */
function said(events: readonly GenerationEvent[]) {
  const choices: { text: string; reasoning: string; inputs: string[] }[] = [];
  const clientCalls = new Set<string>();
  for (const event of events) {
    if (!('choice' in event)) continue;
    choices[event.choice] ??= { text: '', reasoning: '', inputs: [] };
    const choice = choices[event.choice];
    if (!choice) continue;
    if (event.type === 'text-delta') choice.text += event.text;
    if (event.type === 'reasoning-delta') choice.reasoning += event.text;
    if (event.type === 'tool-input-start' && event.executedBy === 'client') {
      clientCalls.add(event.blockId);
      choice.inputs.push('');
    }
    if (event.type === 'tool-input-delta' && clientCalls.has(event.blockId))
      choice.inputs.push((choice.inputs.pop() ?? '') + event.text);
  }
  return choices;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Inputs that are no JSON may be mended on wires whose clients parse them; see each wire's page. */
function expectSaid({ choices }: ReadAnswer, events: readonly GenerationEvent[]): void {
  const expected = said(events);
  expect(choices.map(({ text, reasoning }) => ({ text, reasoning }))).toEqual(
    expected.map(({ text, reasoning }) => ({ text, reasoning })),
  );
  for (const [index, { inputs }] of expected.entries()) {
    const calls = choices[index]?.calls ?? [];
    expect(calls).toHaveLength(inputs.length);
    for (const [position, input] of inputs.entries())
      if (parsed(input) !== undefined) expect(parsed(calls[position]?.input ?? '')).toEqual(parsed(input));
  }
}

const cases = protocols.flatMap((protocol) => {
  const path = pathOf(protocol);
  const reader = WIRE_READERS[path];
  return Object.entries(reader?.forms ?? {}).map(([form, requests]) => ({ path, form, protocol, reader, requests }));
});

function countsOf(events: readonly GenerationEvent[]): Required<ReadCounts> {
  const last = events.at(-1);
  if (last?.type !== 'finish') throw new Error('the stream did not finish');
  const { input, output } = last.usage;
  const { cachedRead, cacheWritten } = input;
  return { input: input.total, output: output.total, cachedRead, cacheWritten, reasoning: output.reasoning };
}

describe.each(cases)('$path: $form', ({ protocol, reader, requests }) => {
  if (!reader) throw new Error('a form without a reader');
  const { limits, streaming, plain } = requests;
  const plan = planOf(protocol, streaming);
  const plainPlan = planOf(protocol, plain);
  const streams = eventStreams(limits);
  const seen = streams.filter(({ ending }) => ending !== 'client-gone');
  const completed = streams.filter(({ ending }) => ending === 'completed');

  const framesOfCase = (events: readonly GenerationEvent[]) => framesOf(streamed(protocol, events, plan));
  const read = ({ events }: StreamCase) => shown(reader.readStream(framesOfCase(events), requests));

  const readWhole = ({ events, ending }: StreamCase): ReadAnswer => {
    const body: unknown = JSON.parse(JSON.stringify(whole(protocol, events, plainPlan)));
    if (ending !== 'failed') return shown(reader.readBody(body));
    return { choices: [], usage: undefined, error: reader.readError((body as { body: unknown }).body) };
  };

  test('a stream says what the plain body says', () => {
    fc.assert(
      fc.property(seen, (each) => {
        const { choices, usage, error } = readWhole(each);
        if (each.ending === 'failed') expect(read(each).error).toBe(error);
        else if (each.ending === 'cancelled' && reader.hasNoCancelledEnd) expect(read(each)).toMatchObject({ choices });
        else expect(read(each)).toEqual({ choices, usage });
      }),
    );
  });

  test('both say what was said', () => {
    fc.assert(
      fc.property(completed, (each) => {
        for (const answer of [read(each), readWhole(each)]) {
          expectSaid(answer, each.events);
          expect(countsOf(each.events)).toMatchObject(reader.countsOf(answer.usage));
        }
      }),
    );
  });

  test('frames are whole wherever the stream is cut', () => {
    fc.assert(
      fc.property(streams, ({ events }) => {
        const encoder = protocol.createEncoder(plan);
        for (const event of events) expect(() => framesOf(encoder.push(event))).not.toThrow();
      }),
    );
  });

  test('the end comes with the last event, and nothing after it', () => {
    const ended = reader.hasNoCancelledEnd ? seen.filter(({ ending }) => ending !== 'cancelled') : seen;
    fc.assert(
      fc.property(ended, ({ events }) => {
        const said = framesOfCase(events.slice(0, -1));
        expect(said.some((frame) => reader.isTerminal(frame))).toBe(false);
        const terminal = framesOfCase(events).map((frame) => reader.isTerminal(frame));
        expect(terminal.at(-1)).toBe(true);
        if (limits.choices === 1) expect(terminal.indexOf(true)).toBe(terminal.length - 1);
      }),
    );
  });
});
