import { describe, expect, it } from 'vitest';
import { fixedClock } from '../../test/support/context.ts';
import { createScriptedBackend } from '../backends/scripted/index.ts';
import type { Router } from '../core/ports.ts';
import { type ModelAlias, withAliases } from './aliases.ts';
import { loadCatalogue } from './load.ts';

const catalogue = loadCatalogue();
const backend = createScriptedBackend({ clock: fixedClock() });

/** Answers the catalogue, `scripted/…` and the given ids. */
function routerFor(...ids: readonly string[]): Router {
  return {
    resolve: (model, card) =>
      card || model.startsWith('scripted/') || ids.includes(model)
        ? { backend, target: model, servedBy: `scripted/${model}`, isStandIn: false }
        : undefined,
  };
}

const aliases: readonly ModelAlias[] = [
  { pattern: 'gpt-5', model: 'qwen3-max', isFallback: false },
  { pattern: 'thinker', model: 'scripted/reasoning', isFallback: false },
  { pattern: 'qwen-turbo*', model: 'qwen-flash', isFallback: false },
  { pattern: 'claude-*', model: 'qwen-plus', isFallback: true },
];

describe('another name', () => {
  const aliased = withAliases(aliases, catalogue, routerFor());
  const routed = (id: string) => aliased.router.resolve(id, aliased.catalogue.find(id));

  it('has the card of its model, under the name that was asked for', () => {
    expect(aliased.catalogue.find('gpt-5')).toEqual({ ...catalogue.find('qwen3-max'), id: 'gpt-5' });
    expect(aliased.catalogue.find('claude-haiku-4-5')).toMatchObject({ id: 'claude-haiku-4-5', entryId: 'qwen-plus' });
    expect(aliased.catalogue.find('qwen-plus')).toBe(catalogue.find('qwen-plus'));
    expect(aliased.catalogue.find('gpt-6')).toBeUndefined();
  });

  it('leads where its model leads, as a stand-in', () => {
    expect(routed('gpt-5')).toMatchObject({ target: 'qwen3-max', isStandIn: true });
    expect(routed('thinker')).toMatchObject({ target: 'scripted/reasoning', isStandIn: true });
    expect(routed('qwen-plus')).toMatchObject({ target: 'qwen-plus', isStandIn: false });
    expect(routed('gpt-6')).toBeUndefined();
    expect(aliased.modelOf('thinker')).toBe('scripted/reasoning');
  });

  it('outweighs a model of the same name', () => {
    expect(routed('qwen-turbo-latest')).toMatchObject({ target: 'qwen-flash', isStandIn: true });
  });

  it('is listed where it is one name and not a pattern', () => {
    const ids = aliased.catalogue.list().map(({ id }) => id);
    expect(ids.slice(0, 1)).toEqual(['gpt-5']);
    expect(ids.length).toBe(catalogue.list().length + 1);
  });
});

it('a fallback stands back where somebody answers the id itself', () => {
  const { router, catalogue: found } = withAliases(aliases, catalogue, routerFor('claude-opus-5'));
  expect(router.resolve('claude-opus-5', found.find('claude-opus-5'))).toMatchObject({
    target: 'claude-opus-5',
    isStandIn: false,
  });
  expect(found.find('claude-opus-5')).toBeUndefined();
  expect(router.resolve('claude-haiku-4-5', found.find('claude-haiku-4-5'))).toMatchObject({ target: 'qwen-plus' });
});
