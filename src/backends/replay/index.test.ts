import { describe, expect, it } from 'vitest';
import { silentLog, testContext } from '../../../test/support/context.ts';
import { collect } from '../../../test/support/streams.ts';
import { checkedStream } from '../../core/event-grammar.ts';
import { plainRequest } from '../../core/generation.ts';
import { createReplayBackend, Library } from './index.ts';
import { recordingOf } from './recording.ts';

const REQUEST = plainRequest('m', [{ role: 'user', parts: [{ type: 'text', text: 'Hello' }] }]);

function backendOf(status: number, body: string) {
  const recording = recordingOf('one', {
    request: { line: 'POST /x HTTP/1.1', headers: {}, body: {} },
    response: { status, headers: {}, body },
  });
  const library = new Library([recording], silentLog);
  library.index(() => ({ request: REQUEST, isStreaming: true }));
  return createReplayBackend(library);
}

const chunk = (delta: object, finish: string | null = null): string =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: finish }], usage: { prompt_tokens: 7, completion_tokens: 2 } })}\n\n`;
const TEXT = chunk({ content: 'Four' }) + chunk({ content: '.' }) + chunk({}, 'stop');

describe('the replay backend', () => {
  it('plays a recording, named in the start', async () => {
    const events = await collect(backendOf(200, TEXT).generate(REQUEST, testContext()));
    expect(events[0]).toMatchObject({ type: 'start', model: 'm', servedBy: 'replay/one' });
    expect(events.flatMap((event) => (event.type === 'text-delta' ? [event.text] : []))).toEqual(['Four', '.']);
    expect(events.at(-1)).toMatchObject({ type: 'finish', ending: 'completed', usage: { output: { total: 2 } } });
  });

  it('counts what was counted', async () => {
    const route = { backend: backendOf(200, TEXT), target: 'm', servedBy: 'replay/m', isStandIn: false };
    expect(await route.backend.countTokens?.(REQUEST, route, undefined)).toBe(7);
  });

  it('refuses as was refused, before the first event', () => {
    const backend = backendOf(429, '{"code":"Throttling","message":"slow"}');
    expect(() => backend.generate(REQUEST, testContext())).toThrow('slow');
  });

  it.each(['client-gone', 'cancelled'] as const)('stops when the call is %s, with nothing open', async (reason) => {
    const controller = new AbortController();
    const stream = backendOf(200, TEXT).generate(REQUEST, testContext({ signal: controller.signal }));
    const types: string[] = [];
    // The checked stream throws where a cancelled one leaves a block open.
    for await (const event of checkedStream(stream)) {
      types.push(event.type);
      if (event.type === 'text-delta') controller.abort(reason);
      if (event.type === 'finish') expect(event).toMatchObject({ ending: reason, usage: { input: { total: 7 } } });
    }
    expect(types.filter((type) => type === 'text-delta')).toHaveLength(1);
    expect(types.at(-1)).toBe('finish');
    expect(types.includes('choice-end')).toBe(reason === 'cancelled');
  });
});
