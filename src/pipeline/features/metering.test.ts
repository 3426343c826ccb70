import { describe, expect, it } from 'vitest';
import { fixedClock, testContext } from '../../../test/support/context.ts';
import { recordingLedger } from '../../../test/support/ledger.ts';
import { StudioError } from '../../core/errors.ts';
import type { GenerationEvent } from '../../core/events.ts';
import { plainRequest } from '../../core/generation.ts';
import type { CallContext, Receipt } from '../../core/ports.ts';
import { type Usage, usageOf } from '../../core/usage.ts';
import { metering } from './metering.ts';

const request = plainRequest('qwen-plus', []);
const start: GenerationEvent = {
  type: 'start',
  generationId: 'g',
  model: 'qwen-plus',
  createdAtMs: 0,
  servedBy: 'test',
};
const usage = (output: number): GenerationEvent => ({ type: 'usage', usage: usageOf({ input: 7, output }) });
const text: GenerationEvent = { type: 'text-delta', choice: 0, blockId: 'b', text: 'a' };
const reasoning: GenerationEvent = { type: 'reasoning-delta', choice: 0, blockId: 'r', text: 'a' };
const finish = (told: Usage, ending: 'completed' | 'cancelled' = 'completed'): GenerationEvent => ({
  type: 'finish',
  usage: told,
  timings: {},
  ending,
});

function meter(context: CallContext = testContext()) {
  const ledger = recordingLedger();
  const ended: Receipt[] = [];
  const feature = metering({
    ledger,
    metrics: { callStarted: () => {}, callEnded: (receipt) => void ended.push(receipt) },
  });
  const run = (...events: GenerationEvent[]) => feature.apply(request, context, () => of(...events));
  return { feature, run, context, ledger, receipts: ledger.receipts, ended };
}

async function* of(...events: GenerationEvent[]): AsyncGenerator<GenerationEvent> {
  yield* events;
}

describe('metering', () => {
  it('closes one account with the usage of finish', async () => {
    const { run, receipts, ended } = meter();
    const told = usageOf({ input: 7, output: 3 });
    for await (const _ of run(start, usage(0), text, text, finish(told)));
    expect(receipts).toHaveLength(1);
    expect(receipts[0]).toMatchObject({
      ending: 'completed',
      usage: told,
      model: 'qwen-plus',
      charge: { totalNano: 3 },
    });
    expect(ended).toEqual(receipts);
  });

  it('keeps no more of a name than a name has', async () => {
    const { feature, ledger, context } = meter();
    const long = { ...request, model: 'm'.repeat(1_000_000) };
    for await (const _ of feature.apply(long, context, () => of(start, finish(usageOf({ input: 1, output: 1 })))));
    expect(ledger.opened[0]?.model).toHaveLength(256);
  });

  it('opens it before anything else, with what is known then', async () => {
    const { feature, ledger, context } = meter(testContext({ isStreaming: false }));
    const stream = feature.apply(request, context, () => {
      expect(ledger.opened).toHaveLength(1);
      expect(context.receiptId).toBe(ledger.opened[0]?.receiptId);
      return of(start, finish(usageOf({ input: 1, output: 1 })));
    });
    expect(ledger.opened).toEqual([]);
    for await (const _ of stream);
    expect(ledger.opened[0]).toMatchObject({
      requestId: context.requestId,
      keyId: 'key-1',
      workspaceId: 'default',
      region: 'beijing',
      isStreaming: false,
      startedAtMs: context.receivedAtMs,
    });
    expect(ledger.receipts[0]).toMatchObject({ receiptId: context.receiptId, workspaceId: 'default' });
  });

  it('refuses the call when the ledger does, before anything was spent', async () => {
    const { feature, ledger, context, ended } = meter();
    ledger.open = () => {
      throw new StudioError('overloaded');
    };
    let wasCalled = false;
    const stream = feature.apply(request, context, () => {
      wasCalled = true;
      return of();
    });
    await expect(stream[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'overloaded' });
    expect([wasCalled, ended]).toEqual([false, []]);
  });

  it('closes it before the consumer sees the end', async () => {
    const { run, receipts } = meter();
    const events = run(start, finish(usageOf({ input: 1, output: 1 })))[Symbol.asyncIterator]();
    await events.next();
    expect(receipts).toEqual([]);
    expect((await events.next()).value.type).toBe('finish');
    expect(receipts).toHaveLength(1);
    await events.next();
    expect(receipts).toHaveLength(1);
  });

  it('tells the ledger what was generated so far, a token a delta until a usage is told', async () => {
    const { run, ledger } = meter();
    const seen: [number, number, number][] = [];
    for await (const _ of run(
      start,
      usage(0),
      reasoning,
      text,
      text,
      usage(9),
      text,
      finish(usageOf({ input: 7, output: 12 })),
    )) {
      const { input, output } = ledger.opened[0]?.soFar() ?? usageOf({ input: 0, output: 0 });
      seen.push([input.total, output.total, output.reasoning]);
    }
    expect(seen).toEqual([
      [0, 0, 0],
      [7, 0, 0],
      [7, 1, 1],
      [7, 2, 1],
      [7, 3, 1],
      [7, 9, 0],
      [7, 10, 0],
      [7, 12, 0],
    ]);
  });

  it('closes once with what was generated when the consumer leaves', async () => {
    const { run, receipts } = meter();
    for await (const event of run(start, usage(0), text, usage(2), text, text))
      if (event === text && receipts.length === 0) break;
    expect(receipts).toHaveLength(1);
    expect(receipts[0]).toMatchObject({ ending: 'client-gone', usage: usageOf({ input: 7, output: 1 }) });
  });

  it('records a refusal before the first event with its code and no usage', async () => {
    const { feature, context, receipts } = meter();
    const stream = feature.apply(request, context, () => {
      throw new StudioError('model-not-found');
    });
    await expect(stream[Symbol.asyncIterator]().next()).rejects.toThrow(StudioError);
    expect(receipts).toHaveLength(1);
    expect(receipts[0]).toMatchObject({
      ending: 'failed',
      errorCode: 'model-not-found',
      usage: usageOf({ input: 0, output: 0 }),
    });
  });

  it('keeps the usage of an error event', async () => {
    const { run, receipts } = meter();
    const told = usageOf({ input: 7, output: 2 });
    for await (const _ of run(start, usage(0), text, {
      type: 'error',
      error: new StudioError('engine-failed'),
      usage: told,
    }));
    expect(receipts[0]).toMatchObject({ ending: 'failed', errorCode: 'engine-failed', usage: told });
  });

  it('calls what the server itself has cut a failure, as its client does', async () => {
    const failure = new StudioError('shutting-down');
    const { run, receipts } = meter(testContext({ failure: () => failure }));
    for await (const _ of run(start, usage(0), text, finish(usageOf({ input: 7, output: 1 }), 'cancelled')));
    expect(receipts[0]).toMatchObject({ ending: 'failed', errorCode: 'shutting-down' });
    for await (const _ of run(start, usage(0), text, finish(usageOf({ input: 7, output: 1 }))));
    expect(receipts[1]).toMatchObject({ ending: 'completed' });
  });

  it('times the call and its first token', async () => {
    const clock = fixedClock();
    const { run, receipts } = meter(testContext({ clock }));
    for await (const event of run(start, usage(0), text, text, finish(usageOf({ input: 7, output: 2 }))))
      clock.advance(event.type === 'usage' ? 30 : 5);
    expect(receipts[0]).toMatchObject({ firstTokenMs: 35, totalMs: 45 });
  });
});
