/**
 * Recorded replies of the real service, turned into events and encoded again, must come out byte for byte: key order,
 * kinds of chunk and their runs are all in the bytes; id, time, model and texts are taken from the recording.
 */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Assembler } from '../src/core/assemble.ts';
import { EventGrammar } from '../src/core/event-grammar.ts';
import type { GenerationEvent } from '../src/core/events.ts';
import { type Usage, usageOf } from '../src/core/usage.ts';
import { ChatEncoder, encodeChatResult } from '../src/protocols/openai-chat/encode.ts';

/** Evidence is read where it lies, beside the repository; a clone elsewhere has none. */
const CAPTURES = new URL('../../shared/captures/openai-chat/', import.meta.url);
const isAbsent = !existsSync(CAPTURES);
const REASON = 'the captures do not lie beside this clone';

interface RecordedUsage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly completion_tokens_details?: { readonly reasoning_tokens: number };
  readonly prompt_tokens_details: { readonly cached_tokens: number };
}
interface RecordedText {
  readonly content: string | null;
  readonly reasoning_content?: string | null;
}
interface Recorded {
  readonly choices: readonly {
    readonly delta?: RecordedText;
    readonly message?: RecordedText;
    readonly finish_reason: string | null;
  }[];
  readonly usage: RecordedUsage | null;
  readonly created: number;
  readonly model: string;
  readonly id: string;
}

describe.each(['alibaba-text', 'alibaba-reasoning'])('%s', (name) => {
  test('chunks', ({ skip }) => {
    skip(isAbsent, REASON);
    const lines = read(`${name}.chunks.txt`).trim().split('\n');
    const events = eventsOf(lines.map((line) => JSON.parse(line) as Recorded));
    const encoder = new ChatEncoder({ isStreaming: true, includesUsage: true });
    const frames = events.map((event) => encoder.push(event)).join('');
    expect(frames).toBe(`${lines.map((line) => `data: ${line}\n\n`).join('')}data: [DONE]\n\n`);
    expect(lines.length).toBeGreaterThan(100);
  });

  test('body', ({ skip }) => {
    skip(isAbsent, REASON);
    const recorded = JSON.parse(read(`${name}.json`)) as Recorded;
    const assembler = new Assembler();
    for (const event of eventsOf([recorded])) assembler.push(event);
    expect(JSON.stringify(encodeChatResult(assembler.result()))).toBe(JSON.stringify(recorded));
  });
});

function read(file: string): string {
  return readFileSync(new URL(file, CAPTURES), 'utf8');
}

/** The stream a backend would have had to give, for a recording of one choice without tools. */
function eventsOf(recorded: readonly Recorded[]): GenerationEvent[] {
  const first = recorded[0];
  if (!first) throw new Error('an empty recording');
  const counts = recorded.findLast(({ usage }) => usage)?.usage;
  if (!counts) throw new Error('a recording without usage');
  const usage = decodeUsage(counts);
  const events: GenerationEvent[] = [
    {
      type: 'start',
      generationId: first.id.replace('chatcmpl-', ''),
      model: first.model,
      createdAtMs: first.created * 1000,
      servedBy: 'capture',
    },
    { type: 'usage', usage: usageOf({ input: usage.input.total, output: 0 }) },
  ];
  let open: 'text' | 'reasoning' | undefined;
  const switchTo = (kind: typeof open): void => {
    if (open === kind) return;
    if (open) events.push({ type: `${open}-end`, choice: 0, blockId: open });
    if (kind) events.push({ type: `${kind}-start`, choice: 0, blockId: kind });
    open = kind;
  };
  for (const { choices } of recorded) {
    for (const { delta, message, finish_reason: reason } of choices) {
      const { content, reasoning_content: reasoning } = delta ?? message ?? { content: null };
      // A first chunk's empty string tells what kind of block opens.
      if (typeof reasoning === 'string') {
        switchTo('reasoning');
        if (reasoning !== '')
          events.push({ type: 'reasoning-delta', choice: 0, blockId: 'reasoning', text: reasoning });
      }
      if (typeof content === 'string') {
        if (reason === null || content !== '') switchTo('text');
        if (content !== '') events.push({ type: 'text-delta', choice: 0, blockId: 'text', text: content });
      }
      if (reason === 'stop') {
        switchTo(undefined);
        events.push({ type: 'choice-end', choice: 0, reason: 'stop' });
      }
    }
  }
  events.push({ type: 'finish', usage, timings: {}, ending: 'completed' });
  const grammar = new EventGrammar();
  for (const event of events) grammar.push(event);
  grammar.end();
  return events;
}

function decodeUsage(counts: RecordedUsage): Usage {
  return usageOf({
    input: counts.prompt_tokens,
    output: counts.completion_tokens,
    cachedRead: counts.prompt_tokens_details.cached_tokens,
    reasoning: counts.completion_tokens_details?.reasoning_tokens,
  });
}
