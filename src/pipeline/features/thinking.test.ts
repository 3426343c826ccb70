import { describe, expect, it } from 'vitest';
import { testContext } from '../../../test/support/context.ts';
import { collect, recordingNext, testRoute, textAnswer, textsOf } from '../../../test/support/streams.ts';
import { loadCatalogue } from '../../catalogue/load.ts';
import { type GenerationRequest, plainRequest, type Thinking, type Turn } from '../../core/generation.ts';
import { permissiveCard } from '../../core/models.ts';
import { usageOf } from '../../core/usage.ts';
import { thinking } from './thinking.ts';

const catalogue = loadCatalogue();
const user = (text: string): Turn => ({ role: 'user', parts: [{ type: 'text', text }] });

function apply(model: string, changes: Partial<GenerationRequest> = {}, holdsBudget = true) {
  const { next, requests } = recordingNext(textAnswer(['yes', '.'], { reasoning: ['hm', 'mm'] }));
  const card = catalogue.find(model) ?? permissiveCard(model);
  const context = testContext({ card, route: testRoute({ thinkingBudget: holdsBudget }) });
  const stream = thinking.apply({ ...plainRequest(model, [user('hello')]), ...changes }, context, next);
  return { stream, request: requests[0] };
}

const resolved = (model: string, asked: Partial<Thinking> = {}, holdsBudget = true) =>
  apply(model, { thinking: { switch: 'default', ...asked } }, holdsBudget).request?.thinking;

describe('thinking', () => {
  it('resolves the default by the card', () => {
    expect(resolved('qwen-plus')?.switch).toBe('off');
    expect(resolved('qwen3.5-plus')?.switch).toBe('on');
    expect(resolved('deepseek-r1')?.switch).toBe('on');
    expect(resolved('qwen-max')?.switch).toBe('off');
    expect(resolved('own/model')?.switch).toBe('off');
  });

  it('follows an explicit switch, and says nothing of budgets when off', () => {
    expect(resolved('qwen-plus', { switch: 'on', budgetTokens: 50 })).toMatchObject({ switch: 'on', budgetTokens: 50 });
    expect(resolved('qwen3.5-plus', { switch: 'off', budgetTokens: 50, effort: 'high' })).toEqual({ switch: 'off' });
  });

  it('takes a budget of 0 for off where the backend cuts at none', () => {
    expect(resolved('qwen-plus', { switch: 'on', budgetTokens: 0 })).toMatchObject({ switch: 'on', budgetTokens: 0 });
    expect(resolved('qwen-plus', { switch: 'on', budgetTokens: 0 }, false)).toEqual({ switch: 'off' });
  });

  it('refuses what the card rules out', () => {
    expect(() => resolved('qwen-max', { switch: 'on' })).toThrow(
      'The model qwen-max does not support enable_thinking.',
    );
    expect(() => resolved('qwq-plus', { switch: 'off' })).toThrow('restricted to True');
  });

  it('makes an effort a budget where the vendor says which, for backends that cut at one', () => {
    expect(resolved('qwen3.8-max', { effort: 'low' })).toMatchObject({ budgetTokens: 4096, effort: undefined });
    expect(resolved('qwen3.8-max', { effort: 'high' })).toMatchObject({ budgetTokens: 262144 });
    expect(resolved('qwen3.8-max', { effort: 'minimal' }, false)).toMatchObject({
      budgetTokens: undefined,
      effort: 'low',
    });
    expect(resolved('qwen3.8-max', { budgetTokens: 9 }, false)).toMatchObject({ budgetTokens: 9, effort: undefined });
  });

  it('passes other efforts on in the words of the model', () => {
    expect(resolved('glm-5.1', { effort: 'medium' })).toMatchObject({ switch: 'on', effort: 'high' });
    expect(resolved('deepseek-v4-pro', { effort: 'xhigh' })).toMatchObject({ effort: 'max' });
    expect(resolved('deepseek-v4-pro-0813', { effort: 'medium' })).toMatchObject({ effort: 'high' });
    expect(resolved('qwen3.5-plus', { effort: 'low' })).toMatchObject({ switch: 'on', effort: undefined });
  });

  it('takes an effort as a wish to think and none as a wish not to', () => {
    expect(resolved('own/model', { effort: 'high' })).toMatchObject({ switch: 'on', effort: 'high' });
    expect(resolved('qwen3.8-max', { effort: 'none' })).toEqual({ switch: 'off' });
    expect(resolved('qwen3.8-max', { switch: 'on', effort: 'none' })).toMatchObject({
      switch: 'on',
      effort: undefined,
    });
  });

  it('follows the last soft switch of the open-source hybrids only', () => {
    const asked = (model: string, ...texts: string[]) =>
      apply(model, { turns: texts.map(user) }).request?.thinking.switch;
    expect(asked('qwen3-8b', 'hello /no_think')).toBe('off');
    expect(asked('qwen3-8b', '/no_think', 'now do /think')).toBe('on');
    expect(asked('qwen3-8b', '/no_think', 'and then?')).toBe('off');
    expect(asked('qwen3-8b', 'see src/no_think')).toBe('on');
    expect(asked('qwen3.5-plus', 'hello /no_think')).toBe('on');
    expect(apply('qwen3-8b', { turns: [user('/think')], thinking: { switch: 'off' } }).request?.thinking.switch).toBe(
      'off',
    );
  });

  it('drops earlier reasoning unless it is kept by a model that can', () => {
    const turns: Turn[] = [
      user('a'),
      {
        role: 'assistant',
        parts: [
          { type: 'reasoning', text: 'long thoughts' },
          { type: 'text', text: 'b' },
        ],
      },
      { role: 'assistant', parts: [{ type: 'reasoning', text: 'only thoughts' }] },
      user('c'),
    ];
    const kept = (model: string, keepsHistory?: boolean) =>
      apply(model, { turns, thinking: { switch: 'default', keepsHistory } }).request?.turns;
    const dropped = [turns[0], { role: 'assistant', parts: [{ type: 'text', text: 'b' }] }, turns[3]];
    expect(kept('qwen3.7-max')).toEqual(dropped);
    expect(kept('qwen3.7-max', true)).toBe(turns);
    expect(kept('qwen-plus', true)).toEqual(dropped);
    expect(kept('qwen3.8-max')).toBe(turns);
    expect(kept('qwen3.8-max', false)).toEqual(dropped);
    expect(kept('glm-5.1')).toBe(turns);
  });

  it('keeps the reasoning of a running tool loop where that is asked for', () => {
    const thought = (text: string): Turn => ({ role: 'assistant', parts: [{ type: 'reasoning', text }] });
    const call: Turn = {
      role: 'assistant',
      parts: [
        { type: 'reasoning', text: 'I should look.' },
        { type: 'tool-call', callId: 'c', name: 'f', inputText: '{}', executedBy: 'client' },
      ],
    };
    const result: Turn = { role: 'tool', parts: [{ type: 'tool-result', callId: 'c', parts: [], isError: false }] };
    const turns = [user('a'), thought('before'), user('b'), call, result];
    const kept = (asked: Thinking) => apply('qwen-plus', { turns, thinking: asked }).request;
    expect(kept({ switch: 'on', keepsLoop: true })).toMatchObject({
      turns: [user('a'), user('b'), call, result],
      thinking: { keepsLoop: true },
    });
    const bare = { ...call, parts: call.parts.slice(1) };
    expect(kept({ switch: 'off', keepsLoop: true })?.turns).toEqual([user('a'), user('b'), bare, result]);
    expect(kept({ switch: 'on' })?.turns).toEqual([user('a'), user('b'), bare, result]);
  });

  it('takes any word for an effort that agents send', () => {
    for (const effort of ['low', 'medium', 'high', 'xhigh', 'max'])
      for (const model of ['qwen3.8-max', 'glm-5.1', 'deepseek-v4-pro-0813', 'stepfun/step-3.7-flash'])
        expect(resolved(model, { effort }), `${model} ${effort}`).toMatchObject({ switch: 'on' });
  });

  it('bounds answer and reasoning together where the model does', () => {
    const limits = (model: string, asked: Thinking) =>
      apply(model, { limits: { maxOutputTokens: 100 }, thinking: asked }).request?.limits.maxTotalOutputTokens;
    expect(limits('deepseek-v4-pro', { switch: 'on' })).toBe(100);
    expect(limits('qwen-plus', { switch: 'on' })).toBeUndefined();
    expect(limits('glm-5.2', { switch: 'on' })).toBe(100);
    expect(limits('glm-5.2', { switch: 'on', budgetTokens: 10 })).toBeUndefined();
  });

  it('raises low temperatures on qwen3.8 while thinking', () => {
    const temperature = (asked: Thinking) =>
      apply('qwen3.8-max', { sampling: { temperature: 0.1 }, thinking: asked }).request?.sampling.temperature;
    expect(temperature({ switch: 'on' })).toBe(0.6);
    expect(temperature({ switch: 'off' })).toBe(0.1);
  });

  it('shows reasoning when on, and hides it when off without changing the usage', async () => {
    const on = await collect(apply('qwen-plus', { thinking: { switch: 'on' } }).stream);
    expect(textsOf(on, 'reasoning-delta')).toEqual(['hm', 'mm']);
    const off = await collect(apply('qwen-plus').stream);
    expect(off.filter((event) => event.type.startsWith('reasoning'))).toEqual([]);
    expect(textsOf(off, 'text-delta')).toEqual(['yes', '.']);
    expect(off.at(-1)).toMatchObject({ usage: usageOf({ input: 10, output: 4, reasoning: 2 }) });
  });
});
