import { describe, expect, it } from 'vitest';
import { testContext } from '../../../test/support/context.ts';
import { recordingNext, testRoute } from '../../../test/support/streams.ts';
import { loadCatalogue } from '../../catalogue/load.ts';
import { StudioError } from '../../core/errors.ts';
import { plainRequest } from '../../core/generation.ts';
import { permissiveCard } from '../../core/models.ts';
import type { Router } from '../../core/ports.ts';
import { resolveModel } from './resolve-model.ts';

const catalogue = loadCatalogue();
const route = testRoute();
const router: Router = {
  resolve: (model, card) => (card || model.startsWith('own/') || model.startsWith('scripted/') ? route : undefined),
};

function resolve(model: string, ports: Partial<Parameters<typeof resolveModel>[0]> = {}) {
  const context = testContext({ card: undefined, route: undefined });
  const { next, requests } = recordingNext();
  resolveModel({ catalogue, router, ...ports }).apply(plainRequest(model, []), context, next);
  return { context, requests };
}

function errorOf(model: string): StudioError {
  try {
    resolve(model);
  } catch (thrown) {
    if (thrown instanceof StudioError) return thrown;
    throw thrown;
  }
  throw new Error('nothing was thrown');
}

describe('resolveModel', () => {
  it('sets card and route and goes on with the request as it is', () => {
    const { context, requests } = resolve('qwen-plus-0728');
    expect(context.card).toMatchObject({ id: 'qwen-plus-0728', entryId: 'qwen-plus' });
    expect(context.route).toBe(route);
    expect(requests).toEqual([plainRequest('qwen-plus-0728', [])]);
  });

  it('answers an unknown model in the words of the service', () => {
    const error = errorOf('gpt-4');
    expect(error.message).toBe('The model `gpt-4` does not exist or you do not have access to it.');
    expect(error.status).toBe(404);
  });

  it.each(['', 'qwen plus', 'qwen\nplus', 'x'.repeat(300)])('answers the malformed name %j', (name) => {
    const error = errorOf(name);
    expect(error.message).toBe('Model not exist.');
    expect(error.status).toBe(400);
  });

  it('gives a model outside the catalogue a card that allows everything', () => {
    const { context } = resolve('scripted/text?tokens=200&rate=50');
    expect(context.card).toEqual(permissiveCard('scripted/text?tokens=200&rate=50'));
    expect(context.card?.thinking).toBe('hybrid-default-off');
    expect(Object.values(context.card?.abilities ?? {})).not.toContain(false);
  });

  it('knows a model only in its regions, and one that nobody described in every one', () => {
    const account = { keyId: 'key-1', name: 'test', workspaceId: 'default', region: 'singapore' } as const;
    const inSingapore = (model: string) => {
      const context = testContext({ card: undefined, route: undefined, account });
      resolveModel({ catalogue, router }).apply(plainRequest(model, []), context, recordingNext().next);
      return context.card;
    };
    expect(inSingapore('qwen-plus')?.id).toBe('qwen-plus');
    expect(inSingapore('own/model')?.id).toBe('own/model');
    expect(() => inSingapore('glm-5.1')).toThrow('The model `glm-5.1` does not exist or you do not have access to it.');
    expect(() => inSingapore('qwen-plus-us')).toThrow(StudioError);
  });

  it('takes what is known of an own model, but never over the catalogue', () => {
    const ownModel = () => ({ thinking: 'always' as const });
    expect(resolve('own/thinker', { ownModel }).context.card?.thinking).toBe('always');
    expect(resolve('qwen-plus', { ownModel }).context.card?.thinking).toBe('hybrid-default-off');
  });
});
