import { describe, expect, it } from 'vitest';
import type { ModelCard } from '../core/models.ts';
import type { Backend } from '../core/ports.ts';
import { createRouter } from './route.ts';

const backend = (id: string): Backend => ({
  id,
  abilities: { choices: false, structuredOutput: false, thinkingBudget: false, toolChoice: false },
  async *generate() {},
  health: () => ({ isReady: true, detail: '' }),
  close: async () => {},
});
const scripted = backend('scripted');
const embedded = { backend: backend('embedded'), weightsName: 'qwen2.5-coder-1.5b-instruct' };
const vllm = backend('vllm');
const card = { id: 'qwen-plus' } as ModelCard;

describe('createRouter', () => {
  it('answers catalogue models with the local weights as a stand-in', () => {
    const router = createRouter({ rules: [], scripted, isScriptedOnly: false, locals: [embedded] });
    expect(router.resolve('qwen-plus', card)).toMatchObject({
      servedBy: 'embedded/qwen2.5-coder-1.5b-instruct',
      isStandIn: true,
    });
    expect(router.resolve('qwen2.5-coder-1.5b-instruct', card)?.isStandIn).toBe(false);
    expect(router.resolve('no-such-model', undefined)).toBeUndefined();
  });

  it('asks weights by their own names, wherever they stand', () => {
    const other = { backend: backend('embedded'), weightsName: 'qwen3-8b', modelId: 'qwen3-8b-api' };
    const rules = [{ pattern: 'qwen3-max', backend: other.backend }];
    const router = createRouter({ rules, scripted, isScriptedOnly: false, locals: [embedded, other] });
    const own = { backend: other.backend, servedBy: 'embedded/qwen3-8b', isStandIn: false };
    expect(router.resolve('qwen3-8b', undefined)).toMatchObject(own);
    expect(router.resolve('qwen3-8b-api', card)).toMatchObject(own);
    expect(router.resolve('qwen3-max', card)).toMatchObject({ ...own, isStandIn: true });
    expect(router.resolve('qwen-plus', card)?.backend).toBe(embedded.backend);
  });

  it('takes the first rule that matches, with the target it names', () => {
    const rules = [
      { pattern: 'qwen3-max', backend: vllm, target: 'Qwen/Qwen3-8B' },
      { pattern: 'qwen3-*', backend: vllm },
    ];
    const router = createRouter({ rules, scripted, isScriptedOnly: false, locals: [embedded] });
    expect(router.resolve('qwen3-max', card)).toMatchObject({
      target: 'Qwen/Qwen3-8B',
      servedBy: 'vllm/Qwen/Qwen3-8B',
      isStandIn: true,
    });
    expect(router.resolve('qwen3-32b', card)).toMatchObject({
      target: 'qwen3-32b',
      servedBy: 'vllm/qwen3-32b',
      isStandIn: false,
    });
    expect(router.resolve('qwen30', card)?.backend).toBe(embedded.backend);
  });

  it('answers scripted ids everywhere and catalogue ids by echo when scripted only', () => {
    const normal = createRouter({ rules: [], scripted, isScriptedOnly: false, locals: [embedded] });
    expect(normal.resolve('scripted/echo', undefined)).toMatchObject({ servedBy: 'scripted/echo', isStandIn: false });
    const only = createRouter({ rules: [], scripted, isScriptedOnly: true });
    expect(only.resolve('qwen-plus', card)).toMatchObject({ target: 'scripted/echo', isStandIn: true });
    expect(only.resolve('no-such-model', undefined)).toBeUndefined();
  });

  it('passes every id through a pure gateway', () => {
    const router = createRouter({ rules: [], scripted, isScriptedOnly: false, gateway: vllm });
    expect(router.resolve('my/own-model', undefined)).toMatchObject({
      target: 'my/own-model',
      servedBy: 'vllm/my/own-model',
    });
  });
});
