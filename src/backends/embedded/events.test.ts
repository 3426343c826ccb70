import { describe, expect, it } from 'vitest';
import { testContext } from '../../../test/support/context.ts';
import type { GenerationEvent } from '../../core/events.ts';
import { plainRequest } from '../../core/generation.ts';
import { JobEvents } from './events.ts';

/** The events of a job that says `texts` after an empty reasoning stage. */
function eventsOf(texts: readonly string[]): GenerationEvent[] {
  const events = new JobEvents(plainRequest('m', []), testContext());
  events.admitted(0, true);
  const counts = { output: texts.length, reasoning: 0 };
  return [
    ...events.push({ type: 'accepted', jobId: 'job', promptTokens: 3, cachedTokens: 0 }),
    ...texts.flatMap((text) =>
      events.push({
        type: 'step-item',
        item: { jobId: 'job', choice: 0, pieces: [{ type: 'text', text }], counts },
      }),
    ),
    ...events.push({ type: 'choice-end', jobId: 'job', choice: 0, reason: 'stop', counts }),
  ];
}

describe('text that might have become a thinking tag', () => {
  const textOf = (events: readonly GenerationEvent[]): string =>
    events.map((event) => (event.type === 'text-delta' ? event.text : '')).join('');

  it('is told at the end, even when it is all there is', () => {
    const events = eventsOf(['<']);
    expect(events.map(({ type }) => type)).toEqual([
      'start',
      'usage',
      'text-start',
      'text-delta',
      'text-end',
      'choice-end',
    ]);
    expect(textOf(events)).toBe('<');
  });

  it('is told at the end of a longer text', () => {
    expect(textOf(eventsOf(['a <', 'th']))).toBe('a <th');
  });

  it('is gone when it was one', () => {
    expect(textOf(eventsOf(['a <thi', 'nk>b']))).toBe('a b');
  });
});
