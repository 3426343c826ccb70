import { describe, expect, it } from 'vitest';
import { testContext } from '../../../test/support/context.ts';
import { StudioError } from '../../core/errors.ts';
import type { GenerationEvent } from '../../core/events.ts';
import { plainRequest } from '../../core/generation.ts';
import type { Receipt } from '../../core/ports.ts';
import { usageOf } from '../../core/usage.ts';
import { metering } from './metering.ts';

const request = plainRequest('qwen-plus', []);
const start: GenerationEvent = {
  type: 'start',
  generationId: 'g',
  model: 'qwen-plus',
  createdAtMs: 0,
  servedBy: 'test',
};

function meter() {
  const receipts: Receipt[] = [];
  const ended: Receipt[] = [];
  const feature = metering({
    ledger: { record: (receipt) => void receipts.push(receipt), flush: async () => {} },
    metrics: { callStarted: () => {}, callEnded: (receipt) => void ended.push(receipt) },
    charge: ({ usage, ending }) => ({
      lines: [{ item: ending, tokens: usage.output.total, nano: usage.output.total }],
      totalNano: usage.output.total,
    }),
  });
  return { feature, receipts, ended };
}

async function* of(...events: GenerationEvent[]): AsyncGenerator<GenerationEvent> {
  yield* events;
}

describe('metering', () => {
  it('writes one receipt with the usage of finish', async () => {
    const { feature, receipts, ended } = meter();
    const usage = usageOf({ input: 7, output: 3 });
    const stream = feature.apply(request, testContext(), () =>
      of(
        start,
        { type: 'usage', usage: usageOf({ input: 7, output: 0 }) },
        { type: 'finish', usage, timings: {}, ending: 'completed' },
      ),
    );
    for await (const _ of stream);
    expect(receipts).toHaveLength(1);
    expect(receipts[0]).toMatchObject({ ending: 'completed', usage, model: 'qwen-plus', charge: { totalNano: 3 } });
    expect(ended).toEqual(receipts);
  });

  it('settles once with the last usage when the consumer leaves', async () => {
    const { feature, receipts } = meter();
    const usage = usageOf({ input: 7, output: 1 });
    const stream = feature.apply(request, testContext(), () =>
      of(start, { type: 'usage', usage }, { type: 'usage', usage }),
    );
    for await (const event of stream) if (event.type === 'usage') break;
    expect(receipts).toHaveLength(1);
    expect(receipts[0]).toMatchObject({ ending: 'client-gone', usage, charge: { totalNano: 1 } });
  });

  it('records a refusal before the first event with its code and no usage', async () => {
    const { feature, receipts } = meter();
    const stream = feature.apply(request, testContext(), () => {
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
    const { feature, receipts } = meter();
    const usage = usageOf({ input: 7, output: 2 });
    const stream = feature.apply(request, testContext(), () =>
      of(start, { type: 'error', error: new StudioError('engine-failed'), usage }),
    );
    for await (const _ of stream);
    expect(receipts[0]).toMatchObject({ ending: 'failed', errorCode: 'engine-failed', usage });
  });
});
