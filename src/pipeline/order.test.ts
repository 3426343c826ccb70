import { expect, it } from 'vitest';
import { featuresInOrder } from './order.ts';

it('is the order that each line gives its reason for', () => {
  const nothing = { record() {}, flush: async () => {} };
  const names = featuresInOrder({
    ledger: nothing,
    metrics: { callStarted() {}, callEnded() {} },
    catalogue: { find: () => undefined, list: () => [] },
    router: { resolve: () => undefined },
  }).map(({ name }) => name);
  expect(names).toEqual([
    'metering',
    'resolve-model',
    'validation',
    'thinking',
    'partial-mode',
    'choices',
    'structured-output',
  ]);
});
