import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { countingIds, fixedClock, silentLog } from '../../test/support/context.ts';
import { testWirePorts } from '../../test/support/wires.ts';
import type { GenerationStream } from '../core/events.ts';
import type { GenerationRequest } from '../core/generation.ts';
import { type CallContext, endingOf, startOf } from '../core/ports.ts';
import { usageOf } from '../core/usage.ts';
import { CallGate } from './call-gate.ts';
import { createCallWire } from './inner-calls.ts';
import { createOpenAiChatWire } from './openai-chat/index.ts';
import type { CallWire, InnerCall } from './protocol.ts';
import { RunningCalls } from './running-calls.ts';
import { KeepAlives } from './serve.ts';

const MINUTE_MS = 60_000;

let callWire: CallWire;
let contexts: CallContext[];
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  contexts = [];
  const clock = fixedClock();
  const wires = [createOpenAiChatWire(testWirePorts())];
  callWire = createCallWire(() => wires, {
    generate: slowAnswer,
    clock,
    ids: countingIds(),
    log: silentLog,
    keepAlives: new KeepAlives(clock),
    gate: new CallGate(),
    running: new RunningCalls(),
    shutdownSignal: new AbortController().signal,
  });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Says "done" after ten minutes, or ends when it is cut. */
async function* slowAnswer(request: GenerationRequest, context: CallContext): GenerationStream & AsyncGenerator {
  contexts.push(context);
  const { signal } = context;
  yield startOf(request, context);
  await new Promise<void>((resolve) => {
    setTimeout(resolve, 10 * MINUTE_MS);
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  yield { type: 'text-start', choice: 0, blockId: 't' };
  if (!signal.aborted) yield { type: 'text-delta', choice: 0, blockId: 't', text: 'done' };
  yield { type: 'text-end', choice: 0, blockId: 't' };
  if (!signal.aborted) yield { type: 'choice-end', choice: 0, reason: 'stop' };
  const ending = signal.aborted ? endingOf(signal) : 'completed';
  yield { type: 'finish', usage: usageOf({ input: 1, output: 1 }), timings: {}, ending };
}

const call = (changes: Partial<InnerCall> = {}) =>
  callWire({
    path: '/v1/chat/completions',
    body: JSON.stringify({ model: 'qwen-plus', messages: [{ role: 'user', content: 'hi' }] }),
    account: { keyId: 'key-1', name: 'test', workspaceId: 'default', region: 'beijing' },
    priority: 'batch',
    signal: new AbortController().signal,
    ...changes,
  });

it('answers as a client would be answered, however long a call of a batch takes', async () => {
  const reply = call();
  await vi.advanceTimersByTimeAsync(10 * MINUTE_MS);
  expect(await reply).toMatchObject({
    status: 200,
    requestId: contexts[0]?.requestId,
    body: { object: 'chat.completion', choices: [{ finish_reason: 'stop', message: { content: 'done' } }] },
  });
  // Models that demand streaming are content.
  expect(contexts[0]).toMatchObject({ priority: 'batch', isStreaming: true });
});

it('cuts a live call that was not to be streamed after five minutes', async () => {
  const reply = call({ priority: 'live' });
  await vi.advanceTimersByTimeAsync(5 * MINUTE_MS);
  expect(await reply).toMatchObject({ status: 200, body: { choices: [{ message: { content: '' } }] } });
  expect(contexts[0]).toMatchObject({ priority: 'live', isStreaming: false });
});

it('ends when it is cancelled', async () => {
  const cancelled = new AbortController();
  const reply = call({ signal: cancelled.signal });
  await vi.advanceTimersByTimeAsync(MINUTE_MS);
  cancelled.abort();
  await reply;
  expect(contexts[0]?.signal.reason).toBe('cancelled');
});

it('tells a refusal in the envelope of the wire, and knows no other paths', async () => {
  expect(await call({ body: '{' })).toMatchObject({ status: 400, body: { error: { type: 'invalid_request_error' } } });
  expect(call({ path: '/v1/embeddings' })).toBeUndefined();
});
