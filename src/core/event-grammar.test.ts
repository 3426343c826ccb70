import { describe, expect, it } from 'vitest';
import { StudioError } from './errors.ts';
import { EventGrammar, EventGrammarError } from './event-grammar.ts';
import type { GenerationEvent } from './events.ts';
import { usageOf } from './usage.ts';

const start: GenerationEvent = { type: 'start', generationId: 'g', model: 'm', createdAtMs: 0, servedBy: 's' };
const usage: GenerationEvent = { type: 'usage', usage: usageOf({ input: 3, output: 0 }) };
const open: GenerationEvent = { type: 'text-start', choice: 0, blockId: 'b' };
const say = (text: string): GenerationEvent => ({ type: 'text-delta', choice: 0, blockId: 'b', text });
const close: GenerationEvent = { type: 'text-end', choice: 0, blockId: 'b' };
const end: GenerationEvent = { type: 'choice-end', choice: 0, reason: 'stop' };
const finish = (ending: 'completed' | 'client-gone' = 'completed'): GenerationEvent => ({
  type: 'finish',
  usage: usageOf({ input: 3, output: 1 }),
  timings: {},
  ending,
});
const failure: GenerationEvent = {
  type: 'error',
  error: new StudioError('internal'),
  usage: usageOf({ input: 3, output: 0 }),
};

function read(...events: GenerationEvent[]): void {
  const grammar = new EventGrammar();
  for (const event of events) grammar.push(event);
  grammar.end();
}

describe('EventGrammar', () => {
  it.each([
    ['a whole answer', [start, usage, open, say('hi'), close, end, finish()]],
    ['an error at any point', [start, usage, open, say('hi'), failure]],
    ['a client that left in the middle', [start, usage, open, say('h'), finish('client-gone')]],
    ['a character of two halves', [start, usage, open, say('😀'), close, end, finish()]],
  ] as [string, GenerationEvent[]][])('takes %s', (_name, events) => {
    expect(() => read(...events)).not.toThrow();
  });

  it.each([
    ['no start', [usage, open], 'start comes first'],
    ['two starts', [start, start], 'start comes once'],
    ['a block before any usage', [start, open], 'a usage event comes before'],
    ['an empty delta', [start, usage, open, say('')], 'never empty'],
    ['half a character', [start, usage, open, say('\ud83d')], 'splits a character'],
    ['a delta of a closed block', [start, usage, open, close, say('x')], 'not open'],
    ['two blocks at once', [start, usage, open, { ...open, blockId: 'c' }], 'still open'],
    ['a block id used twice', [start, usage, open, close, open], 'used before'],
    ['a choice that ends open', [start, usage, open, end], 'still open'],
    ['a choice that ends twice', [start, usage, open, close, end, end], 'ends once'],
    ['text after the end of a choice', [start, usage, end, open], 'has ended'],
    ['a finish without an end of the choice', [start, usage, open, close, finish()], 'has not ended'],
    ['a finish without any choice', [start, usage, finish()], 'at least one choice'],
    ['a stop text that is not named', [start, usage, { ...end, reason: 'stop-text' }], 'stop text is kept'],
    ['anything after the end', [start, usage, end, finish(), usage], 'nothing follows'],
    ['no end', [start, usage, open, close, end], 'no terminal event'],
    [
      'more cached than read',
      [start, { type: 'usage', usage: usageOf({ input: 1, output: 0, cachedRead: 2 }) }],
      'part of the input',
    ],
    [
      'more reasoning than output',
      [start, { type: 'usage', usage: usageOf({ input: 1, output: 1, reasoning: 2 }) }],
      'part of the output',
    ],
    [
      'a result nobody called for',
      [start, usage, { type: 'tool-result', callId: 'c', parts: [], isError: false, durationMs: 0 }],
      'open server call',
    ],
  ] as [string, GenerationEvent[], string][])('refuses %s', (_name, events, rule) => {
    expect(() => read(...events)).toThrow(EventGrammarError);
    expect(() => read(...events)).toThrow(rule);
  });
});
