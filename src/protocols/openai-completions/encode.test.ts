import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readScenario, scenarioNames } from '../../../test/support/scenarios.ts';
import { Assembler, type GenerationResult } from '../../core/assemble.ts';
import { StudioError } from '../../core/errors.ts';
import type { GenerationEvent, TokenLogprob } from '../../core/events.ts';
import { usageOf } from '../../core/usage.ts';
import type { CompletionReplyPlan } from './decode.ts';
import { CompletionEncoder, encodeCompletionResult } from './encode.ts';

const plan: CompletionReplyPlan = { isStreaming: true, includesUsage: false, echoedText: '' };

interface Chunk {
  readonly choices: { text: string; finish_reason: string | null; index: number; logprobs: Logprobs | null }[];
  readonly usage: object | null;
}
interface Logprobs {
  readonly tokens: string[];
  readonly token_logprobs: number[];
  readonly top_logprobs: object[] | null;
  readonly text_offset: number[];
}
interface Body extends Chunk {
  readonly object: string;
  readonly id: string;
}

function streamed(events: readonly GenerationEvent[], changes: Partial<CompletionReplyPlan> = {}): string[] {
  const encoder = new CompletionEncoder({ ...plan, ...changes });
  const bytes = events.map((event) => encoder.push(event)).join('');
  return bytes
    .split('\n\n')
    .slice(0, -1)
    .map((frame) => frame.slice('data: '.length));
}

function chunksOf(events: readonly GenerationEvent[], changes: Partial<CompletionReplyPlan> = {}): Chunk[] {
  return streamed(events, changes)
    .filter((data) => data !== '[DONE]')
    .map((data) => JSON.parse(data) as Chunk);
}

function resultOf(events: readonly GenerationEvent[]): GenerationResult {
  const assembler = new Assembler();
  for (const event of events) assembler.push(event);
  return assembler.result();
}

function bodyOf(events: readonly GenerationEvent[], changes: Partial<CompletionReplyPlan> = {}): Body {
  return encodeCompletionResult(resultOf(events), { ...plan, isStreaming: false, ...changes }) as Body;
}

/** What a client puts together from the chunks of a choice. */
function joined(chunks: readonly Chunk[], index: number) {
  const own = chunks.flatMap(({ choices }) => choices.filter((choice) => choice.index === index));
  const logprobs = own.flatMap((choice) => choice.logprobs ?? []);
  return {
    text: own.map(({ text }) => text).join(''),
    finish_reason: own.at(-1)?.finish_reason,
    index,
    logprobs:
      logprobs.length === 0
        ? null
        : {
            tokens: logprobs.flatMap(({ tokens }) => tokens),
            token_logprobs: logprobs.flatMap(({ token_logprobs: values }) => values),
            top_logprobs: logprobs.every(({ top_logprobs: top }) => top === null)
              ? null
              : logprobs.flatMap(({ top_logprobs: top }) => top ?? []),
            text_offset: logprobs.flatMap(({ text_offset: offsets }) => offsets),
          },
  };
}

const START: GenerationEvent = {
  type: 'start',
  generationId: 'g',
  model: 'm',
  createdAtMs: 1_770_764_902_000,
  servedBy: 'test/test',
};
const FINISH: GenerationEvent = {
  type: 'finish',
  usage: usageOf({ input: 3, output: 2 }),
  timings: {},
  ending: 'completed',
};

function answer(texts: readonly string[], logprobs: readonly (readonly TokenLogprob[])[] = []): GenerationEvent[] {
  const at = { choice: 0, blockId: 'b' } as const;
  return [
    START,
    { type: 'text-start', ...at },
    ...texts.map((text, index): GenerationEvent => {
      const tokens = logprobs[index];
      return { type: 'text-delta', ...at, text, ...(tokens ? { logprobs: tokens } : {}) };
    }),
    { type: 'text-end', ...at },
    { type: 'choice-end', choice: 0, reason: 'stop' },
    FINISH,
  ];
}

const completed = scenarioNames().filter((name) => {
  const last = readScenario(name).at(-1);
  return last?.type === 'finish' && last.ending !== 'client-gone';
});

describe('a stream', () => {
  it.each(completed)('says the same as the plain body: %s', (name) => {
    const events = readScenario(name);
    const body = bodyOf(events);
    const chunks = chunksOf(events);
    expect(body.choices).toEqual(body.choices.map(({ index }) => joined(chunks, index)));
  });

  it.each(completed)('has nothing but text chunks and the end without include_usage: %s', (name) => {
    const frames = streamed(readScenario(name));
    expect(frames.at(-1)).toBe('[DONE]');
    expect(chunksOf(readScenario(name)).every(({ usage, choices }) => usage === null && choices.length === 1)).toBe(
      true,
    );
  });

  it('has one usage chunk, last, when asked', () => {
    const chunks = chunksOf(answer(['a', 'b']), { includesUsage: true });
    expect(chunks.at(-1)).toMatchObject({
      choices: [],
      usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
    });
    expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
  });

  it('ends with an error frame and nothing behind it', () => {
    const events: GenerationEvent[] = [
      ...answer(['a']).slice(0, 3),
      { type: 'error', error: new StudioError('engine-failed'), usage: usageOf({ input: 3, output: 1 }) },
    ];
    const frames = streamed(events);
    expect(frames).toHaveLength(2);
    expect(JSON.parse(frames[1] ?? '')).toMatchObject({ error: { code: 'internal_server_error' }, id: 'cmpl-g' });
  });

  it('keeps line separators out of its frames', () => {
    const text = 'a\u2028b\u2029c\u0085d';
    const frames = streamed(answer([text]), { echoedText: text });
    expect(frames.join('')).not.toMatch(/[\u0085\u2028\u2029]/);
    expect(chunksOf(answer([text]))[0]?.choices[0]?.text).toBe(text);
  });
});

describe('echo', () => {
  it('stands in front of every choice, once, streamed and whole', () => {
    const events = readScenario('two-choices');
    const plain = bodyOf(events).choices.map(({ text }) => text);
    const echoed = bodyOf(events, { echoedText: 'prompt ' }).choices.map(({ text }) => text);
    expect(echoed).toEqual(plain.map((text) => `prompt ${text}`));
    const chunks = chunksOf(events, { echoedText: 'prompt ' });
    expect(plain.map((_, index) => joined(chunks, index).text)).toEqual(echoed);
  });

  it('is there although nothing was said', () => {
    const events: GenerationEvent[] = [START, { type: 'choice-end', choice: 0, reason: 'length' }, FINISH];
    expect(joined(chunksOf(events, { echoedText: 'x' }), 0)).toMatchObject({ text: 'x', finish_reason: 'length' });
    expect(bodyOf(events, { echoedText: 'x' }).choices[0]).toMatchObject({ text: 'x', finish_reason: 'length' });
  });
});

describe('logprobs', () => {
  const token = (text: string, logprob = -0.5, top: TokenLogprob['top'] = []): TokenLogprob => ({
    token: text,
    bytes: [...Buffer.from(text)],
    logprob,
    top,
  });
  const alternative = (text: string, logprob: number) => ({ token: text, bytes: [...Buffer.from(text)], logprob });

  it('are four lists side by side, the alternatives by their text', () => {
    const top = [alternative('b', -0.1), alternative('c', -2)];
    const events = answer(['a', 'b'], [[token('a', -0.2, [alternative('a', -0.2)])], [token('b', -0.1, top)]]);
    const expected = {
      tokens: ['a', 'b'],
      token_logprobs: [-0.2, -0.1],
      top_logprobs: [{ a: -0.2 }, { b: -0.1, c: -2 }],
      text_offset: [0, 1],
    };
    expect(bodyOf(events).choices[0]?.logprobs).toEqual(expected);
    expect(joined(chunksOf(events), 0).logprobs).toEqual(expected);
  });

  it('have no alternatives where none were asked for', () => {
    expect(bodyOf(answer(['a'], [[token('a')]])).choices[0]?.logprobs?.top_logprobs).toBeNull();
  });

  it('keep the likelier of two alternatives that read the same', () => {
    const half = { token: '\ufffd', bytes: [0xe4], logprob: -0.3 };
    const otherHalf = { token: '\ufffd', bytes: [0xe5], logprob: -3 };
    const body = bodyOf(answer(['a'], [[token('a', -1, [half, otherHalf])]]));
    expect(body.choices[0]?.logprobs?.top_logprobs).toEqual([{ '\ufffd': -0.3 }]);
  });

  it('have offsets in characters, however the characters are cut into tokens and deltas', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), fc.array(fc.nat({ max: 12 })), (text, cuts) => {
        const bytes = [...Buffer.from(text)];
        const ends = [...new Set([...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length])]
          .filter((end) => end > 0)
          .sort((a, b) => a - b);
        const tokens = ends.map((end, index): TokenLogprob => {
          const own = bytes.slice(ends[index - 1] ?? 0, end);
          return { token: Buffer.from(own).toString(), bytes: own, logprob: -1, top: [] };
        });
        const offsets = bodyOf(answer([text], [tokens])).choices[0]?.logprobs?.text_offset ?? [];
        // A token begins at the character that holds its first byte.
        const starts = [...text].map((_, index) => Buffer.byteLength([...text].slice(0, index).join('')));
        const expected = ends.map((_, index) => starts.findLastIndex((start) => start <= (ends[index - 1] ?? 0)));
        expect(offsets).toEqual(expected);
        const pieces = tokens.map((each) => [each]);
        const chunks = chunksOf(
          answer(
            tokens.map(() => 'x'),
            pieces,
          ),
        );
        expect(joined(chunks, 0).logprobs?.text_offset).toEqual(expected);
      }),
    );
  });
});

it('a call that was cut off before its first token still has a choice', () => {
  const events: GenerationEvent[] = [START, { ...FINISH, ending: 'cancelled' }];
  expect(bodyOf(events).choices).toEqual([{ text: '', finish_reason: null, index: 0, logprobs: null }]);
});
