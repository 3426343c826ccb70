import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { testContext } from '../../../test/support/context.ts';
import { streamOf } from '../../../test/support/streams.ts';
import { StudioError } from '../../core/errors.ts';
import type { GenerationEvent, GenerationStream } from '../../core/events.ts';
import { type GenerationRequest, plainRequest } from '../../core/generation.ts';
import type { CallPolicy } from '../../core/platform.ts';
import { usageOf } from '../../core/usage.ts';
import type { CallBody } from '../../core/usage-report.ts';
import { callBodies } from './call-bodies.ts';

const KEY = `sk-${'ab'.repeat(16)}`;
const request = plainRequest('qwen-plus', [{ role: 'user', parts: [{ type: 'text', text: `my key is ${KEY}` }] }]);
const usage = usageOf({ input: 1, output: 1 });
const answer: readonly GenerationEvent[] = [
  { type: 'start', generationId: 'g', model: 'qwen-plus', createdAtMs: 0, servedBy: 'test' },
  { type: 'usage', usage },
  { type: 'text-start', choice: 0, blockId: 'b' },
  {
    type: 'text-delta',
    choice: 0,
    blockId: 'b',
    text: `yours is ${KEY}`,
    logprobs: [{ token: 'x', bytes: [1], logprob: -1, top: [] }],
  },
  { type: 'text-end', choice: 0, blockId: 'b' },
  { type: 'choice-end', choice: 0, reason: 'stop' },
  { type: 'finish', usage, timings: {}, ending: 'completed' },
];

function world(policy: Partial<CallPolicy> | undefined = { keepsBodies: true }) {
  const kept: { receiptId: string; body: CallBody; expiresAtMs: number }[] = [];
  const feature = callBodies({
    policies: {
      policyOf: () => policy && { mayUse: () => true, limits: {}, keepsBodies: false, ...policy },
    },
    bodies: { keep: (receiptId, body, expiresAtMs) => void kept.push({ receiptId, body, expiresAtMs }) },
    bodiesRetentionMs: 1000,
  });
  const context = testContext({ receiptId: 'receipt-1' });
  const bodies = async (): Promise<object[]> => {
    await setImmediate();
    return kept.map(({ body }) => ({ request: JSON.parse(body.request), reply: JSON.parse(body.reply) }));
  };
  const call = (next: (asked: GenerationRequest) => GenerationStream) => feature.apply(request, context, next);
  return { call, context, kept, bodies };
}

async function drain(stream: GenerationStream): Promise<GenerationEvent[]> {
  const events: GenerationEvent[] = [];
  for await (const event of stream) events.push(event);
  return events;
}

describe('bodies of calls', () => {
  it('are kept with the id of the receipt, without secrets, after the answer', async () => {
    const { call, context, kept, bodies } = world();
    expect(await drain(call(() => streamOf(answer)))).toEqual(answer);
    expect(kept).toEqual([]);
    expect(await bodies()).toEqual([
      {
        request: { ...request, turns: [{ role: 'user', parts: [{ type: 'text', text: 'my key is REDACTED' }] }] },
        reply: {
          ending: 'completed',
          choices: [{ index: 0, reason: 'stop', blocks: [{ type: 'text', text: 'yours is REDACTED' }] }],
        },
      },
    ]);
    expect(kept[0]).toMatchObject({ receiptId: 'receipt-1', expiresAtMs: context.clock.now() + 1000 });
  });

  it('are kept of a call whose client left, as far as it came', async () => {
    const { call, bodies } = world();
    for await (const event of call(() => streamOf(answer))) if (event.type === 'text-delta') break;
    expect(await bodies()).toMatchObject([{ reply: { choices: [{ blocks: [{ text: 'yours is REDACTED' }] }] } }]);
  });

  it('are kept of a call that was refused, and of one that failed on its way', async () => {
    const { call, bodies } = world();
    const refused = call(() => {
      throw new StudioError('model-not-found', 'no such model');
    });
    await expect(drain(refused)).rejects.toThrow('no such model');
    const error = new StudioError('upstream-failed', 'broken', { cause: new Error('its body') });
    await drain(call(() => streamOf([...answer.slice(0, 4), { type: 'error', error, usage }])));
    expect(await bodies()).toMatchObject([
      { reply: { ending: 'failed', error: { code: 'model-not-found', message: 'no such model' }, choices: [] } },
      { reply: { ending: 'failed', error: { code: 'upstream-failed', message: 'broken' } } },
    ]);
    expect(JSON.stringify(await bodies())).not.toContain('its body');
  });

  it.each([
    ['keeps none', { keepsBodies: false }],
    ['is not live any more', undefined],
  ])('of a key that %s leave nothing behind, and its stream is not touched', async (_what, policy) => {
    const { kept } = world();
    const feature = callBodies({
      policies: { policyOf: () => policy && { mayUse: () => true, limits: {}, ...policy } },
      bodies: { keep: () => expect.unreachable() },
      bodiesRetentionMs: 1,
    });
    const stream = streamOf(answer);
    expect(feature.apply(request, testContext({ receiptId: 'r' }), () => stream)).toBe(stream);
    expect(kept).toEqual([]);
  });

  it('that cannot be kept do not harm the call', async () => {
    const warnings: object[] = [];
    const context = testContext({ receiptId: 'r' });
    const feature = callBodies({
      policies: { policyOf: () => ({ mayUse: () => true, limits: {}, keepsBodies: true }) },
      bodies: {
        keep: () => {
          throw new Error('full');
        },
      },
      bodiesRetentionMs: 1,
    });
    const log = { ...context.log, warn: (fields: object) => void warnings.push(fields) };
    expect(await drain(feature.apply(request, { ...context, log }, () => streamOf(answer)))).toEqual(answer);
    await setImmediate();
    expect(warnings).toHaveLength(1);
  });
});
