import { describe, expect, it } from 'vitest';
import { fixedClock, testContext } from '../../../test/support/context.ts';
import { collect, streamOf, testRoute, textsOf } from '../../../test/support/streams.ts';
import { assemble } from '../../core/assemble.ts';
import { type GenerationRequest, plainRequest, type RawPrompt } from '../../core/generation.ts';
import { createScriptedBackend } from './index.ts';

const backend = createScriptedBackend({ clock: fixedClock() });

function requestOf(rawPrompt: RawPrompt, changes: Partial<GenerationRequest> = {}): GenerationRequest {
  return { ...plainRequest('scripted/echo', []), rawPrompt, thinking: { switch: 'off' }, ...changes };
}

async function complete(rawPrompt: RawPrompt, changes: Partial<GenerationRequest> = {}) {
  const events = await collect(backend.generate(requestOf(rawPrompt, changes), testContext()));
  const result = await assemble(streamOf(events));
  return { text: textsOf(events, 'text-delta').join(''), result, reason: result.choices[0]?.reason };
}

describe('scripted raw prompts', () => {
  it('echo goes on with the prompt itself', async () => {
    const { text, result, reason } = await complete({ text: 'def f(x):\n' });
    expect(text).toBe('def f(x):\n');
    expect(reason).toBe('stop');
    expect(result.usage.input.total).toBe(7);
  });

  it.each([{ text: 'a b', suffix: 'c' }, { text: '<|fim_prefix|>a b<|fim_suffix|>c<|fim_middle|>' }])(
    'echo says both sides of a gap, and counts them and its tokens: %j',
    async (rawPrompt) => {
      const { text, result } = await complete(rawPrompt);
      expect(text).toBe('a b c');
      expect(result.usage.input.total).toBe(6);
    },
  );

  it('an empty suffix is a gap at the end', async () => {
    const { text, result } = await complete({ text: 'a b', suffix: '' });
    expect(text).toBe('a b');
    expect(result.usage.input.total).toBe(5);
  });

  it('obeys limits and stop texts', async () => {
    expect(await complete({ text: 'a b c' }, { limits: { maxOutputTokens: 2 } })).toMatchObject({
      text: 'a b',
      reason: 'length',
    });
    expect(await complete({ text: 'a b', suffix: 'c' }, { sampling: { stopTexts: [' c'] } })).toMatchObject({
      text: 'a b',
      reason: 'stop-text',
    });
  });

  it('counts a request as generating it would', async () => {
    const request = requestOf({ text: 'a b', suffix: 'c' });
    expect(await backend.countTokens?.(request, testRoute(), undefined)).toBe(6);
  });
});

describe('scripted tokens', () => {
  it('have ids of their own, the same for the same token, and join to the text', async () => {
    const tokens = (await backend.tokenise?.('the river, the river 你好', testRoute())) ?? [];
    expect(tokens.map(({ text }) => text)).toEqual(['the', ' river', ',', ' the', ' river', ' 你', '好']);
    const idOf = (index: number) => tokens[index]?.id;
    expect(idOf(1)).toBe(idOf(4));
    expect(new Set(tokens.map(({ id }) => id)).size).toBe(6);
    expect(tokens.every(({ id }) => Number.isInteger(id) && id >= 0)).toBe(true);
    // Stable over releases: callers may keep them in fixtures.
    expect(idOf(0)).toBe(1510430990);
  });
});
