import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { testContext } from '../../../test/support/context.ts';
import { collect, recordingNext, START, testRoute, textAnswer, textsOf } from '../../../test/support/streams.ts';
import { StudioError } from '../../core/errors.ts';
import type { GenerationEvent } from '../../core/events.ts';
import { plainRequest, type Turn } from '../../core/generation.ts';
import { usageOf } from '../../core/usage.ts';
import { partialMode } from './partial-mode.ts';

const user: Turn = { role: 'user', parts: [{ type: 'text', text: 'go on' }] };
const prefixTurn = (text: string): Turn => ({ role: 'assistant', parts: [{ type: 'text', text }], isPartial: true });
const context = () => testContext({ route: testRoute() });

async function continuation(prefix: string, texts: readonly string[]): Promise<string> {
  const { next } = recordingNext(textAnswer(texts));
  const request = plainRequest('test', [user, prefixTurn(prefix)]);
  return textsOf(await collect(partialMode.apply(request, context(), next)), 'text-delta').join('');
}

describe('partialMode', () => {
  it('takes a repeated prefix off the front, however it is cut', async () => {
    await expect(continuation('Once upon', ['Once upon', ' a time'])).resolves.toBe(' a time');
    await expect(continuation('Once upon', ['On', 'ce up', 'on a', ' time'])).resolves.toBe(' a time');
    await expect(continuation('Once upon', ['Once upon'])).resolves.toBe('');
  });

  it('leaves a continuation alone', async () => {
    await expect(continuation('Once upon', [' a', ' time'])).resolves.toBe(' a time');
    await expect(continuation('Once upon', ['On', 'ly'])).resolves.toBe('Only');
    await expect(continuation('Once upon', ['Once'])).resolves.toBe('Once');
    await expect(continuation('[', ['[', '1]]'])).resolves.toBe('[1]]');
  });

  it('never loses or invents text', async () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', ' '), minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(word, fc.array(word, { maxLength: 6 }), async (prefix, texts) => {
        const said = texts.join('');
        const shown = await continuation(
          `mmmm${prefix}`,
          texts.length > 0 ? [`mmmm${texts[0]}`, ...texts.slice(1)] : [],
        );
        const whole = texts.length > 0 ? `mmmm${said}` : '';
        expect(shown).toBe(whole.startsWith(`mmmm${prefix}`) ? whole.slice(4 + prefix.length) : whole);
      }),
      { numRuns: 60 },
    );
  });

  it('keeps the log probabilities of what is left', async () => {
    const token = (text: string) => ({ token: text, bytes: [], logprob: 0, top: [] });
    const answer = textAnswer(['Once upon a']).map((event) =>
      event.type === 'text-delta' ? { ...event, logprobs: [token('Once'), token(' upon'), token(' a')] } : event,
    );
    const { next } = recordingNext(answer);
    const request = plainRequest('test', [user, prefixTurn('Once upon')]);
    const events = await collect(partialMode.apply(request, context(), next));
    expect(events.find((event) => event.type === 'text-delta')).toMatchObject({ text: ' a', logprobs: [token(' a')] });
  });

  it('shows what was held when the stream fails', async () => {
    const broken: GenerationEvent[] = [
      ...textAnswer(['Once']).slice(0, 4),
      { type: 'error', error: new StudioError('upstream-failed'), usage: usageOf({ input: 10, output: 1 }) },
    ];
    const { next } = recordingNext(broken);
    const request = plainRequest('test', [user, prefixTurn('Once upon')]);
    const events = await collect(partialMode.apply(request, context(), next));
    expect(textsOf(events, 'text-delta')).toEqual(['Once']);
    expect(events[0]).toEqual(START);
  });

  it('passes calls without a prefix through and forgets the marks of earlier turns', () => {
    const { next, requests } = recordingNext([], []);
    const plain = plainRequest('test', [user]);
    partialMode.apply(plain, context(), next);
    expect(requests[0]).toBe(plain);
    partialMode.apply(plainRequest('test', [user, prefixTurn('Once'), user]), context(), next);
    expect(requests[1]?.turns.map((turn) => turn.isPartial)).toEqual([undefined, undefined, undefined]);
  });
});
