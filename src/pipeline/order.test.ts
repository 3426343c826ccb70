import { expect, it } from 'vitest';
import { noBlobs, noUploads } from '../../test/support/wires.ts';
import { NO_CHARGE } from '../core/prices.ts';
import { featuresInOrder } from './order.ts';

it('is the order that each line gives its reason for', () => {
  const nothing = { record() {}, flush: async () => {} };
  const names = featuresInOrder({
    ledger: nothing,
    metrics: { callStarted() {}, callEnded() {} },
    charge: () => NO_CHARGE,
    catalogue: { find: () => undefined, list: () => [] },
    router: { resolve: () => undefined },
    uploads: noUploads,
    uploadBlobs: noBlobs,
  }).map(({ name }) => name);
  expect(names).toEqual([
    'metering',
    'resolve-model',
    'validation',
    'uploads',
    'thinking',
    'partial-mode',
    'choices',
    'structured-output',
  ]);
});
