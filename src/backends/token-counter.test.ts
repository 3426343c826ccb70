import { expect, it } from 'vitest';
import { testContext } from '../../test/support/context.ts';
import { testRoute } from '../../test/support/streams.ts';
import { plainRequest } from '../core/generation.ts';
import { permissiveCard } from '../core/models.ts';
import type { Account } from '../core/ports.ts';
import { createTokenCounter } from './token-counter.ts';

const beijing = testContext().account;
const singapore: Account = { ...beijing, region: 'singapore' };
const card = { ...permissiveCard('ours'), terms: { beijing: {} } };
const route = testRoute();
const counting = {
  ...route,
  backend: {
    ...route.backend,
    countTokens: async () => 7,
    tokenise: async (text: string) => [{ id: 1, text }],
  },
};
const counter = createTokenCounter(
  { find: (id) => (id === 'ours' ? card : undefined), list: () => [card] },
  { resolve: (id) => (id === 'nobody' ? undefined : id === 'mute' ? route : counting) },
  (request) => request,
);

it('asks the backend that would answer, in the regions that have the model', async () => {
  expect(await counter.countInput(plainRequest('ours', []), beijing)).toBe(7);
  expect(await counter.tokenise('ours', 'hi', beijing)).toEqual([{ id: 1, text: 'hi' }]);
  await expect(counter.countInput(plainRequest('ours', []), singapore)).rejects.toMatchObject({
    code: 'model-not-found',
  });
  await expect(counter.tokenise('ours', 'hi', singapore)).rejects.toMatchObject({ code: 'model-not-found' });
});

it('asks for models that nobody described in any region', async () => {
  expect(await counter.countInput(plainRequest('theirs', []), singapore)).toBe(7);
});

it('says who is not there, and who cannot tell', async () => {
  await expect(counter.countInput(plainRequest('nobody', []), beijing)).rejects.toMatchObject({
    code: 'model-not-found',
  });
  await expect(counter.tokenise('mute', 'hi', beijing)).rejects.toMatchObject({ code: 'model-not-supported' });
});
