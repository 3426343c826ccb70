import { expect, it } from 'vitest';
import { fixedClock } from '../../test/support/context.ts';
import { loadCatalogue } from '../catalogue/load.ts';
import type { Account } from '../core/ports.ts';
import { MemoryLimiter } from '../limits/memory.ts';
import { createLimitsLeft } from './limits-left.ts';

const account: Account = { keyId: 'key-1', name: 'test', workspaceId: 'default', region: 'beijing' };

it('tells what is left of a model’s and a key’s limits, and takes nothing', async () => {
  const limiter = new MemoryLimiter(fixedClock());
  const settings = { requestsPerSecond: 100, concurrentStreams: 10, catalogue: true, burst: 0 };
  const policy = { mayUse: () => true, limits: { requestsPerMinute: 60 }, keepsBodies: false };
  const catalogue = loadCatalogue();
  const ports = {
    policies: { policyOf: () => policy },
    catalogue,
    modelOf: (id: string) => id.replace('house', 'glm-5'),
  };
  const left = createLimitsLeft({ ...ports, limits: { limiter, settings } });
  limiter.admit({
    rates: [{ bucket: 'key/key-1/requests', kind: 'requests', capacity: 60, perSecond: 1 }],
    concurrency: [],
    tokens: 0,
  });
  for (let asked = 0; asked < 2; asked++)
    expect(await left({ account, model: 'house' })).toEqual([
      { bucket: 'beijing/glm-5/second', kind: 'requests', capacity: 100, perSecond: 100, remaining: 100 },
      { bucket: 'key/key-1/requests', kind: 'requests', capacity: 60, perSecond: 1, remaining: 59 },
    ]);
  expect((await left({ account, model: 'glm-5' }))?.map(({ bucket }) => bucket)).toContain('beijing/glm-5/tokens');
  expect(await createLimitsLeft({ ...ports, limits: undefined })({ account, model: 'glm-5' })).toBeUndefined();
});
