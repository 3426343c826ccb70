/**
 * Nothing is lost between two wires: an answer that one wire wrote is read back into events (as `--replay` reads
 * recordings) and written by another. Texts, reasoning, calls and every count the first wire tells arrive unharmed.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeReply } from '../src/backends/replay/decode.ts';
import { recordingOf } from '../src/backends/replay/recording.ts';
import { EventGrammar } from '../src/core/event-grammar.ts';
import type { GenerationEvent } from '../src/core/events.ts';
import type { Json } from '../src/core/generation.ts';
import { createWires } from '../src/protocols/index.ts';
import type { GenerationProtocol, ReplyPlan } from '../src/protocols/protocol.ts';
import { eventStreams } from './support/event-streams.ts';
import { goldenInfo, streamed, whole } from './support/goldens.ts';
import { START } from './support/streams.ts';
import { framesOf, type ReadAnswer, type ReadChoice, WIRE_READERS, type WireReader } from './support/wire-readers.ts';
import { testWirePorts } from './support/wires.ts';

/** Wires that can say everything: one answer with reasoning, text and calls. */
const FORMS = [
  ['/compatible-mode/v1/chat/completions', 'chunks'],
  ['/apps/anthropic/v1/messages', 'events'],
  ['/compatible-mode/v1/responses', 'events'],
  ['/api/v1/services/aigc/text-generation/generation', 'messages, what is new'],
  ['/api/v1/services/aigc/text-generation/generation', 'messages, all so far'],
  ['/api/v1/services/aigc/multimodal-generation/generation', 'messages, what is new'],
] as const;

const protocols = createWires(testWirePorts()).flatMap(({ generations }) => generations);

interface Side {
  readonly name: string;
  readonly path: string;
  readonly protocol: GenerationProtocol;
  readonly reader: WireReader;
  readonly form: string;
}

const sides = FORMS.map(([path, form]): Side => {
  const protocol = protocols.find(({ paths }) => paths[0] === path);
  const reader = WIRE_READERS[path];
  if (!protocol || !reader) throw new Error(`no wire at ${path}`);
  return { name: `${path.split('/').at(-1)} (${form})`, path, protocol, reader, form };
});

const pairs = sides.flatMap((from) => sides.map((to) => ({ pair: `${from.name} → ${to.name}`, from, to })));

function requestOf({ reader, form }: Side, way: 'streaming' | 'plain') {
  const request = reader.forms[form]?.[way];
  if (!request) throw new Error(`no form ${form}`);
  return request;
}

function planOf(side: Side, way: 'streaming' | 'plain'): ReplyPlan {
  const { headers, body } = requestOf(side, way);
  return side.protocol.decodeRequest(body, goldenInfo(headers)).plan;
}

/** The reply of a wire, its bytes read back into events. */
function throughWire(side: Side, way: 'streaming' | 'plain', events: readonly GenerationEvent[]): GenerationEvent[] {
  const plan = planOf(side, way);
  const { headers = {}, body } = requestOf(side, way);
  const text =
    way === 'streaming' ? streamed(side.protocol, events, plan) : JSON.stringify(whole(side.protocol, events, plan));
  const type = way === 'streaming' ? 'text/event-stream' : 'application/json';
  const recording = recordingOf('reply', {
    request: { line: `POST ${side.path} HTTP/1.1`, headers, body: body as { readonly [member: string]: Json } },
    response: { status: 200, headers: { 'content-type': type }, body: text },
  });
  const answer = decodeReply(recording);
  if (!answer || !('events' in answer)) throw new Error(`the reply cannot be read: ${text}`);
  // Who answers and when is not in a recording; the backend that plays it says so.
  const read = [START, ...answer.events];
  const grammar = new EventGrammar();
  for (const event of read) grammar.push(event);
  grammar.end();
  return read;
}

function read(side: Side, events: readonly GenerationEvent[]): ReadAnswer {
  const form = side.reader.forms[side.form];
  if (!form) throw new Error(`no form ${side.form}`);
  const frames = framesOf(streamed(side.protocol, events, planOf(side, 'streaming')));
  return side.reader.readStream(frames, form);
}

/** What must arrive: ids may be made anew by a wire with ids of its own, inputs may be spelt anew. */
function essence({ choices }: ReadAnswer): object[] {
  return choices.map(({ text, reasoning, calls, reason }: ReadChoice) => ({
    text,
    reasoning,
    reason,
    calls: calls.map(({ name, input }) => ({ name, input: JSON.parse(input) })),
  }));
}

/** Answers that every wire can hold whole: inputs are JSON objects, and a call is why it ended or there was none. */
const answers = eventStreams({ choices: 1, blocks: ['text', 'reasoning', 'call'], hasServerCalls: false })
  .filter(({ ending, events }) => {
    const hasCall = events.some(({ type }) => type === 'tool-input-start');
    return (
      ending === 'completed' &&
      events.every(
        (event) =>
          (event.type !== 'tool-input-end' || event.isValidJson) &&
          (event.type !== 'choice-end' || event.reason === (hasCall ? 'tool-calls' : 'stop')),
      )
    );
  })
  .map(({ events }) => withTrueCounts(events));

/** A wire that tells counts in every frame counts what it shows until the end tells better: a token a delta. */
function withTrueCounts(events: readonly GenerationEvent[]): GenerationEvent[] {
  const reasoning = events.filter(({ type }) => type === 'reasoning-delta').length;
  const total = events.filter(({ type }) => type.endsWith('-delta')).length;
  return events.map((event) =>
    event.type === 'finish' ? { ...event, usage: { ...event.usage, output: { total, reasoning, audio: 0 } } } : event,
  );
}

describe.each(pairs)('$pair', ({ from, to }) => {
  test.each(['streaming', 'plain'] as const)('%s', (way) => {
    fc.assert(
      fc.property(answers, (events) => {
        const arrived = throughWire(from, way, events);
        expect(essence(read(to, arrived))).toEqual(essence(read(to, events)));
        const told = from.reader.countsOf(read(from, events).usage);
        const shown = to.reader.countsOf(read(to, arrived).usage);
        const both = Object.keys(told).filter((count) => count in shown);
        const only = (counts: object) => Object.fromEntries(both.map((count) => [count, Reflect.get(counts, count)]));
        expect(only(shown)).toEqual(only(told));
      }),
      { numRuns: 40 },
    );
  });
});
