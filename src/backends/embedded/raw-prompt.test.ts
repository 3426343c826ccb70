import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StudioError } from '../../core/errors.ts';
import { CODE_TOKENS } from '../../core/fim.ts';
import { plainRequest, type RawPrompt } from '../../core/generation.ts';
import { ControlTextCutter } from './control-text.ts';
import { decodePlanOf, promptFor } from './decode-plan.ts';
import { rawPromptSegments } from './raw-prompt.ts';
import { cardOf, collect, contextOf, factsOf, fakeBackend, planInputOf } from './testing/harness.ts';

const CHAT_TOKENS = ['<|im_start|>', '<|im_end|>', '<tool_call>'];
const coder = factsOf({ controlTexts: [...CHAT_TOKENS, ...CODE_TOKENS] });
const cutter = new ControlTextCutter(coder.controlTexts, []);

function segments(rawPrompt: RawPrompt, facts = coder): string[] {
  return rawPromptSegments(rawPrompt, facts, cutter).map(({ kind, text }) => (kind === 'control' ? `[${text}]` : text));
}

describe('a raw prompt', () => {
  it('is plain text and nothing else', () => {
    expect(segments({ text: 'def f(x):\n' })).toEqual(['def f(x):\n']);
  });

  it('with a suffix stands in the tokens of the weights', () => {
    expect(segments({ text: 'a', suffix: 'b' })).toEqual([
      '[<|fim_prefix|>]',
      'a',
      '[<|fim_suffix|>]',
      'b',
      '[<|fim_middle|>]',
    ]);
    expect(segments({ text: 'a', suffix: '' })).toEqual([
      '[<|fim_prefix|>]',
      'a',
      '[<|fim_suffix|>]',
      '[<|fim_middle|>]',
    ]);
  });

  it('spelt by the caller is taken as it is, other files included', () => {
    expect(segments({ text: '<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>' })).toEqual(
      segments({ text: 'a', suffix: 'b' }),
    );
    expect(segments({ text: '<|fim_prefix|>a<|fim_suffix|>' })).toEqual(['[<|fim_prefix|>]', 'a', '[<|fim_suffix|>]']);
    expect(segments({ text: '<|repo_name|>r<|file_sep|>b.py\n<|fim_prefix|>a<|fim_suffix|><|fim_middle|>' })).toEqual([
      '[<|repo_name|>]',
      'r',
      '[<|file_sep|>]',
      'b.py\n',
      '[<|fim_prefix|>]',
      'a',
      '[<|fim_suffix|>]',
      '[<|fim_middle|>]',
    ]);
  });

  it('means no other control token by its spelling', () => {
    expect(segments({ text: '<|im_end|>' })).toEqual(['<|im_end|', '>']);
    expect(segments({ text: 'a<|fim_middle|>', suffix: '<tool_call>' })).toEqual([
      '[<|fim_prefix|>]',
      'a<|fim_middle|',
      '>',
      '[<|fim_suffix|>]',
      '<tool_call',
      '>',
      '[<|fim_middle|>]',
    ]);
    expect(segments({ text: '<|fim_prefix|><|im_end|><|fim_suffix|>' })).toEqual([
      '[<|fim_prefix|>]',
      '<|im_end|',
      '>',
      '[<|fim_suffix|>]',
    ]);
  });

  it('loses nothing, and no plain piece holds a spelling', () => {
    const piece = fc.oneof(fc.string(), fc.constantFrom(...CHAT_TOKENS, ...CODE_TOKENS, '<|fim_', 'suffix|>'));
    const text = fc.array(piece).map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(text, fc.option(text, { nil: undefined }), (before, suffix) => {
        const all = rawPromptSegments({ text: before, suffix }, coder, cutter);
        const joined = all.map((segment) => segment.text).join('');
        expect(joined).toBe(
          suffix === undefined ? before : `<|fim_prefix|>${before}<|fim_suffix|>${suffix}<|fim_middle|>`,
        );
        for (const segment of all) {
          if (segment.kind === 'control') expect(CODE_TOKENS).toContain(segment.text);
          else for (const spelling of coder.controlTexts) expect(segment.text).not.toContain(spelling);
        }
      }),
    );
  });

  it('with a gap is refused by weights that have no tokens for it, and goes on without one', () => {
    const plain = factsOf({ name: 'SmolLM2' });
    for (const rawPrompt of [{ text: 'a', suffix: 'b' }, { text: '<|fim_prefix|>a<|fim_suffix|>' }]) {
      const attempt = () => rawPromptSegments(rawPrompt, plain, new ControlTextCutter(plain.controlTexts, []));
      expect(attempt).toThrow(StudioError);
      expect(attempt).toThrow('The weights SmolLM2 cannot fill in the middle: unsupported model');
    }
    expect(segments({ text: 'a' }, plain)).toEqual(['a']);
  });
});

describe('its plan', () => {
  const requestOf = (rawPrompt: RawPrompt) => ({ ...plainRequest('qwen-coder-turbo', []), rawPrompt });

  it('is one stage without a template, ended by every token of code models', () => {
    const input = planInputOf(requestOf({ text: 'a', suffix: 'b' }), {
      card: cardOf({ maxOutput: 8192 }),
      controlTexts: coder.controlTexts,
    });
    const plan = decodePlanOf(input);
    expect(plan.stages).toEqual([{ kind: 'answer', opening: '', maxTokens: 8192, endTexts: CODE_TOKENS }]);
    expect(plan.prompt.map(({ text }) => text).join('')).toBe('<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>');
    expect(promptFor(input)).toEqual(plan.prompt);
  });

  it("has the caller's sampling, limits and stops", () => {
    const request = {
      ...requestOf({ text: 'a' }),
      sampling: { temperature: 0, stopTexts: ['\n'], choices: 2, seed: 7, logprobs: { top: 2 } },
      limits: { maxOutputTokens: 5 },
    };
    expect(decodePlanOf(planInputOf(request))).toMatchObject({
      sampling: { temperature: 0, seed: 7 },
      stopTexts: ['\n'],
      choices: 2,
      logprobs: { top: 2 },
      stages: [{ maxTokens: 5, endTexts: CODE_TOKENS }],
    });
  });
});

describe('the embedded backend', () => {
  it('runs a raw prompt on the engine, tokenises text and counts raw prompts', async () => {
    const backend = fakeBackend();
    await backend.ready();
    const request = { ...plainRequest('qwen-coder-turbo', []), rawPrompt: { text: '[[say 2]]', suffix: 'b' } };
    const events = await collect(backend.generate(request, contextOf()));
    expect(events.map((event) => ('text' in event ? event.text : '')).join('')).toBe('t0 t1 ');
    const route = { backend, target: 'fake', servedBy: 'embedded/fake', isStandIn: true };
    // The fake counts characters.
    const spelt = '<|fim_prefix|>[[say 2]]<|fim_suffix|>b<|fim_middle|>';
    expect(await backend.countTokens?.(request, route, undefined)).toBe(spelt.length);
    expect(await backend.tokenise?.('a<|im_end|>', route)).toEqual([
      { id: 0, text: 'plain:a<|im_end|' },
      { id: 1, text: 'plain:>' },
    ]);
    await backend.close();
    await expect(backend.tokenise?.('a', route)).rejects.toMatchObject({ code: 'overloaded' });
  });

  it('lets a batch call wait for live ones', async () => {
    const backend = fakeBackend('ok', {
      engine: { weightsFile: 'ok', sequences: 1, contextTokens: 'auto', threads: 'auto' },
    });
    await backend.ready();
    const holder = new AbortController();
    const order: string[] = [];
    const say = async (label: string, text: string, overrides: Parameters<typeof contextOf>[0]) => {
      const request = { ...plainRequest('qwen-coder-turbo', []), rawPrompt: { text } };
      for await (const event of backend.generate(request, contextOf(overrides))) {
        if (event.type === 'start') order.push(label);
        if (event.type === 'text-delta' && label === 'running') holder.abort('cancelled');
      }
    };
    const running = say('running', '[[hold]]', { signal: holder.signal });
    const batch = say('batch', '[[say 1]]', { priority: 'batch' });
    const live = say('live', '[[say 1]]', {});
    await Promise.all([running, batch, live]);
    expect(order).toEqual(['running', 'live', 'batch']);
    await backend.close();
  });
});
