import { describe, expect, it } from 'vitest';
import { testContext } from '../../../test/support/context.ts';
import {
  collect,
  recordingNext,
  START,
  streamOf,
  testRoute,
  textAnswer,
  textsOf,
} from '../../../test/support/streams.ts';
import { assemble } from '../../core/assemble.ts';
import { StudioError } from '../../core/errors.ts';
import type { GenerationEvent } from '../../core/events.ts';
import { plainRequest } from '../../core/generation.ts';
import { usageOf } from '../../core/usage.ts';
import { choices } from './choices.ts';

const request = (wanted: number, seed?: number) => ({
  ...plainRequest('test', [{ role: 'user' as const, parts: [{ type: 'text' as const, text: 'hello' }] }]),
  sampling: { choices: wanted, seed },
});
const context = () => testContext({ route: testRoute() });

describe('choices', () => {
  it('passes one choice and an able backend through', () => {
    const asked = [request(1), request(3)];
    const { next, requests } = recordingNext([], []);
    choices.apply(request(1), context(), next);
    choices.apply(request(3), testContext({ route: testRoute({ choices: true }) }), next);
    expect(requests).toEqual(asked);
  });

  it('asks once a choice and joins the streams', async () => {
    const { next, requests } = recordingNext(
      textAnswer(['a', 'b']),
      textAnswer(['c']),
      textAnswer(['d', 'e', 'f'], { reason: 'length' }),
    );
    const events = await collect(choices.apply(request(3, 7), context(), next));
    expect(requests.map((each) => each.sampling)).toEqual([7, 8, 9].map((seed) => ({ choices: 1, seed })));
    expect(textsOf(events, 'text-delta').join('')).toBe('abcdef');
    const result = await assemble(streamOf(events));
    expect(result.choices.map(({ index, blocks, reason }) => [index, blocks[0], reason])).toMatchObject([
      [0, { type: 'text', text: 'ab' }, 'stop'],
      [1, { type: 'text', text: 'c' }, 'stop'],
      [2, { type: 'text', text: 'def' }, 'length'],
    ]);
    expect(result).toMatchObject({ ending: 'completed', timings: { totalMs: 15 } });
    expect(result.usage).toEqual(usageOf({ input: 10, output: 6 }));
  });

  it('never lets the usage go back', async () => {
    const { next } = recordingNext(textAnswer(['a', 'b']), textAnswer(['c']));
    const events = await collect(choices.apply(request(2), context(), next));
    const totals = events.flatMap((event) => ('usage' in event ? [event.usage.output.total] : []));
    expect(totals).toEqual([0, 2, 3]);
  });

  it('leaves the seed out when there was none', async () => {
    const { next, requests } = recordingNext(textAnswer(['a']), textAnswer(['b']));
    await collect(choices.apply(request(2), context(), next));
    expect(requests.map((each) => each.sampling.seed)).toEqual([undefined, undefined]);
  });

  it('ends with an error that a choice ends with', async () => {
    const error = new StudioError('engine-failed');
    const broken: GenerationEvent[] = [START, { type: 'error', error, usage: usageOf({ input: 10, output: 1 }) }];
    const { next, requests } = recordingNext(textAnswer(['a', 'b']), broken);
    const events = await collect(choices.apply(request(3), context(), next));
    expect(events.at(-1)).toEqual({ type: 'error', error, usage: usageOf({ input: 10, output: 3 }) });
    expect(requests).toHaveLength(2);
  });

  it('throws what the first choice throws, and makes an error event of what a later one throws', async () => {
    const full = new StudioError('queue-full');
    const first = choices.apply(request(2), context(), () => {
      throw full;
    });
    await expect(collect(first)).rejects.toBe(full);
    let calls = 0;
    const later = choices.apply(request(2), context(), () => {
      if (++calls === 2) throw full;
      return streamOf(textAnswer(['a']));
    });
    expect((await collect(later)).at(-1)).toEqual({
      type: 'error',
      error: full,
      usage: usageOf({ input: 10, output: 1 }),
    });
  });

  it('stops between choices when the client has left', async () => {
    const abort = new AbortController();
    const { next, requests } = recordingNext(textAnswer(['a']), textAnswer(['b']));
    const events: GenerationEvent[] = [];
    for await (const event of choices.apply(
      request(2),
      testContext({ route: testRoute(), signal: abort.signal }),
      next,
    )) {
      events.push(event);
      if (event.type === 'choice-end') abort.abort('client-gone');
    }
    expect(events.at(-1)).toMatchObject({
      type: 'finish',
      ending: 'client-gone',
      usage: usageOf({ input: 10, output: 1 }),
    });
    expect(requests).toHaveLength(1);
  });
});
