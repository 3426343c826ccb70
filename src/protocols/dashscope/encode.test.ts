import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { eventStreams } from '../../../test/support/event-streams.ts';
import { START, textAnswer } from '../../../test/support/streams.ts';
import { framesOf } from '../../../test/support/wire-readers.ts';
import type { GenerationEvent } from '../../core/events.ts';
import { usageOf } from '../../core/usage.ts';
import type { DashScopeReplyPlan } from './decode.ts';
import { DashScopeEncoder } from './encode.ts';
import { PayloadCipher } from './encryption.ts';

const plan: DashScopeReplyPlan = {
  isStreaming: true,
  service: 'text-generation',
  form: 'message',
  isIncremental: true,
  hasChoices: false,
  isCallForced: false,
  tellsCache: true,
};

interface Choice {
  readonly index?: number;
  readonly message: {
    readonly content: string;
    readonly reasoning_content?: string;
    readonly tool_calls?: readonly { index: number; id: string; function: { name?: string; arguments: string } }[];
  };
  readonly finish_reason: string;
}
interface Event {
  readonly output: { readonly choices: readonly Choice[] };
  readonly usage: { readonly output_tokens: number; readonly output_tokens_details?: { reasoning_tokens: number } };
}

function bytesOf(events: readonly GenerationEvent[], form: Partial<DashScopeReplyPlan> = {}): string {
  const encoder = new DashScopeEncoder({ ...plan, ...form });
  return events.map((event) => encoder.push(event)).join('');
}

function eventsOf(events: readonly GenerationEvent[], form: Partial<DashScopeReplyPlan> = {}): Event[] {
  return framesOf(bytesOf(events, form)).map(({ data }) => JSON.parse(data) as Event);
}

function onlyChoice({ output }: Event): Choice {
  expect(output.choices).toHaveLength(1);
  return output.choices[0] as Choice;
}

describe('the bytes of an event', () => {
  const answer = textAnswer(['Hi']);

  test('have no blank after a colon, and one blank line', () => {
    const usage =
      '"usage":{"total_tokens":11,"output_tokens":1,"input_tokens":10,"prompt_tokens_details":{"cached_tokens":0}}';
    const event = (id: number, text: string, reason: string) =>
      `id:${id}\nevent:result\n:HTTP_STATUS/200\ndata:{"output":{"choices":[{"message":{"content":"${text}","role":"assistant"},"finish_reason":"${reason}"}]},${usage},"request_id":"generation"}\n\n`;
    expect(bytesOf(answer)).toBe(event(1, 'Hi', 'null') + event(2, '', 'stop'));
  });

  test('are one line to every client', () => {
    expect(bytesOf(textAnswer(['a\u2028b\u2029c\u0085d\r\n']))).toContain('a\\u2028b\\u2029c\\u0085d\\r\\n');
  });

  test.each(['汉', '\u0001', '"', '😀'])('stay below 64 KiB a line, also encrypted, and break no %j', (character) => {
    const text = character.repeat(30_000);
    const cipher = new PayloadCipher(Buffer.alloc(32), Buffer.alloc(12));
    for (const line of bytesOf(textAnswer([text]), { cipher }).split('\n'))
      expect(Buffer.byteLength(line)).toBeLessThan(65_536);
    const events = eventsOf(textAnswer([text], { reasoning: [text] }));
    expect(events.map((each) => onlyChoice(each).message.content).join('')).toBe(text);
    expect(events.map((each) => onlyChoice(each).message.reasoning_content ?? '').join('')).toBe(text);
    expect(bytesOf(textAnswer([text]))).not.toMatch(/\\ud[89ab]/i);
  });
});

describe('usage', () => {
  test('counts deltas until the backend counts, and is right at the end', () => {
    const answer = textAnswer(['a', 'b', 'c']);
    const end: GenerationEvent = {
      type: 'finish',
      usage: usageOf({ input: 10, output: 5 }),
      timings: {},
      ending: 'completed',
    };
    const tokens = eventsOf([...answer.slice(0, -1), end]).map(({ usage }) => usage.output_tokens);
    expect(tokens).toEqual([1, 2, 3, 5]);
  });

  test('is what the backend says as it goes', () => {
    const [start, , opened, ...rest] = textAnswer(['a', 'b']);
    const told = (output: number): GenerationEvent => ({ type: 'usage', usage: usageOf({ input: 10, output }) });
    const said = [start, told(4), opened, rest[0], told(9), ...rest.slice(1)] as GenerationEvent[];
    expect(eventsOf(said).map(({ usage }) => usage.output_tokens)).toEqual([4, 9, 2]);
  });

  test('counts reasoning apart', () => {
    const events = eventsOf(textAnswer(['a'], { reasoning: ['x', 'y'] }));
    expect(events.map(({ usage }) => usage.output_tokens_details?.reasoning_tokens)).toEqual([1, 2, 2, 2]);
  });

  test('of choices adds up to the whole', () => {
    fc.assert(
      fc.property(
        eventStreams({ choices: 3, blocks: ['text', 'call'], hasServerCalls: false }),
        ({ events, ending }) => {
          if (ending !== 'completed') return;
          const shares = new Map<number, number>();
          for (const each of eventsOf(events, { hasChoices: true }))
            shares.set(onlyChoice(each).index ?? -1, each.usage.output_tokens);
          const finish = events.at(-1);
          const total = [...shares.values()].reduce((sum, share) => sum + share, 0);
          expect(finish?.type === 'finish' && finish.usage.output.total).toBe(total);
        },
      ),
    );
  });
});

describe('incremental and cumulative', () => {
  /** What each event of an incremental stream would have been, had it held all so far. */
  function accumulated(events: readonly Event[]): Event[] {
    const sums = new Map<number, Choice['message']>();
    return events.map((each) => {
      const { message, ...rest } = onlyChoice(each);
      const sum = sums.get(rest.index ?? 0) ?? { content: '' };
      const calls = [...(sum.tool_calls ?? [])];
      for (const piece of message.tool_calls ?? []) {
        const known = calls[piece.index];
        const { name, arguments: text } = piece.function;
        calls[piece.index] = known
          ? { ...known, function: { ...known.function, arguments: known.function.arguments + text } }
          : { ...piece, function: { ...(name === undefined ? {} : { name }), arguments: text } };
      }
      const joined = {
        ...message,
        content: sum.content + message.content,
        ...(message.reasoning_content === undefined
          ? {}
          : { reasoning_content: (sum.reasoning_content ?? '') + message.reasoning_content }),
        ...(calls.length > 0 ? { tool_calls: calls } : {}),
      };
      sums.set(rest.index ?? 0, joined);
      return { ...each, output: { choices: [{ ...rest, message: joined }] } };
    });
  }

  test('tell the same, event by event', () => {
    const limits = { choices: 1, blocks: ['text', 'reasoning', 'call'], hasServerCalls: false } as const;
    fc.assert(
      fc.property(eventStreams(limits), ({ events, ending }) => {
        if (ending === 'failed') return;
        expect(accumulated(eventsOf(events))).toEqual(eventsOf(events, { isIncremental: false }));
      }),
    );
  });
});

describe('calls', () => {
  const at = { choice: 0, blockId: 'c' };
  const called: GenerationEvent[] = [
    START,
    { type: 'usage', usage: usageOf({ input: 1, output: 0 }) },
    { type: 'tool-input-start', ...at, callId: 'call_1', name: 'f', executedBy: 'client' },
    { type: 'tool-input-end', ...at, isValidJson: false },
    { type: 'choice-end', choice: 0, reason: 'tool-calls' },
    { type: 'finish', usage: usageOf({ input: 1, output: 1 }), timings: {}, ending: 'completed' },
  ];

  test('without input are shown once', () => {
    const pieces = eventsOf(called).map((each) => onlyChoice(each).message.tool_calls?.[0]);
    expect(pieces).toEqual([
      { index: 0, id: 'call_1', type: 'function', function: { name: 'f', arguments: '' } },
      { index: 0, id: '', type: 'function', function: { arguments: '' } },
    ]);
  });

  test('that were forced end with stop', () => {
    expect(onlyChoice(eventsOf(called).at(-1) as Event).finish_reason).toBe('tool_calls');
    expect(onlyChoice(eventsOf(called, { isCallForced: true }).at(-1) as Event).finish_reason).toBe('stop');
  });
});

test('pieces that came together are shown together', () => {
  const at = { choice: 0, blockId: 't' };
  const events: GenerationEvent[] = [
    START,
    { type: 'usage', usage: usageOf({ input: 1, output: 0 }) },
    { type: 'reasoning-start', choice: 0, blockId: 'r' },
    { type: 'reasoning-delta', choice: 0, blockId: 'r', text: 'x', joinsNext: true },
    { type: 'reasoning-end', choice: 0, blockId: 'r' },
    { type: 'text-start', ...at },
    { type: 'text-delta', ...at, text: 'a' },
    { type: 'text-delta', ...at, text: 'b', joinsNext: true },
    { type: 'text-end', ...at },
    { type: 'choice-end', choice: 0, reason: 'stop' },
    { type: 'finish', usage: usageOf({ input: 1, output: 3 }), timings: {}, ending: 'completed' },
  ];
  const shown = eventsOf(events).map((each) => {
    const { message, finish_reason: reason } = onlyChoice(each);
    return [message.reasoning_content, message.content, reason];
  });
  expect(shown).toEqual([
    ['x', 'a', 'null'],
    ['', 'b', 'stop'],
  ]);
});
