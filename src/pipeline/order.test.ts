import { expect, it } from 'vitest';
import { recordingLedger } from '../../test/support/ledger.ts';
import { noBlobs, noUploads } from '../../test/support/wires.ts';
import { featuresInOrder } from './order.ts';

it('is the order that each line gives its reason for', () => {
  const names = featuresInOrder({
    ledger: recordingLedger(),
    metrics: { callStarted() {}, callEnded() {} },
    catalogue: { find: () => undefined, list: () => [] },
    router: { resolve: () => undefined },
    policies: { policyOf: () => undefined },
    funds: { check() {} },
    bodies: { keep() {} },
    bodiesRetentionMs: 1,
    uploads: noUploads,
    uploadBlobs: noBlobs,
  }).map(({ name }) => name);
  expect(names).toEqual([
    'metering',
    'call-bodies',
    'resolve-model',
    'admission',
    'validation',
    'uploads',
    'context-cache',
    'thinking',
    'partial-mode',
    'choices',
    'structured-output',
  ]);
});
