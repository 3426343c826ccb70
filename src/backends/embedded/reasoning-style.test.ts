/** What is found out of the templates of the thinking families, and the prompts and stages that follow. */
import { describe, expect, it } from 'vitest';
import type { Thinking, Turn } from '../../core/generation.ts';
import { decodePlanOf } from './decode-plan.ts';
import { ChatTemplate } from './template.ts';
import { ask, factsOf, planInputOf } from './testing/harness.ts';
import {
  DEEPSEEK_R1,
  DEEPSEEK_V3,
  GLM,
  GLM_KEEPING,
  GPT_OSS,
  KIMI_K2,
  MINIMAX_M2,
  QWEN3_HYBRID,
  QWEN3_THINKING,
} from './testing/thinking-templates.ts';

interface Family {
  readonly template: string;
  readonly thinking: string;
  readonly opening: string;
  readonly closing: string;
  readonly historyField: string | undefined;
  readonly answeredTurns: string;
  /** What the model reads last, thinking and not: the end of the prompt and what is fed behind it. */
  readonly on: string;
  readonly off: string;
}

const TAGS = { opening: '<think>\n', closing: '\n</think>\n\n' };

const FAMILIES: Readonly<Record<string, Family>> = {
  'Qwen3 hybrid': {
    template: QWEN3_HYBRID,
    thinking: 'switch',
    ...TAGS,
    historyField: 'reasoning_content',
    answeredTurns: 'content',
    on: '<|im_start|>assistant\n<think>\n',
    off: '<|im_start|>assistant\n<think>\n\n</think>\n\n',
  },
  'Qwen3 thinking': {
    template: QWEN3_THINKING,
    thinking: 'always',
    ...TAGS,
    historyField: 'reasoning_content',
    answeredTurns: 'content',
    on: '<|im_start|>assistant\n<think>\n',
    off: '<|im_start|>assistant\n<think>\n\n</think>\n\n',
  },
  'DeepSeek R1': {
    template: DEEPSEEK_R1,
    thinking: 'always',
    ...TAGS,
    historyField: undefined,
    answeredTurns: 'none',
    on: '<|im_start|>assistant\n<think>\n',
    off: '<|im_start|>assistant\n<think>\n\n</think>\n\n',
  },
  'DeepSeek V3': {
    template: DEEPSEEK_V3,
    thinking: 'switch',
    ...TAGS,
    historyField: undefined,
    answeredTurns: 'content',
    on: '<|User|>hi<|Assistant|><think>',
    off: '<|User|>hi<|Assistant|></think>',
  },
  GLM: {
    template: GLM,
    thinking: 'switch',
    opening: '\n<think>',
    closing: '</think>\n',
    historyField: 'reasoning_content',
    answeredTurns: 'content',
    on: '<|user|>\nhi<|assistant|>\n<think>',
    off: '<|user|>\nhi/nothink<|assistant|>\n<think></think>',
  },
  'GLM that can keep': {
    template: GLM_KEEPING,
    thinking: 'switch',
    opening: '\n<think>',
    closing: '</think>\n',
    historyField: 'reasoning_content',
    answeredTurns: 'field',
    on: '<|assistant|>\n<think>',
    off: '/nothink<|assistant|>\n<think></think>',
  },
  'Kimi K2': {
    template: KIMI_K2,
    thinking: 'tags',
    opening: '<think>',
    closing: '</think>',
    historyField: 'reasoning_content',
    answeredTurns: 'content',
    on: '<|im_middle|><think>',
    off: '<|im_middle|><think></think>',
  },
  MiniMax: {
    template: MINIMAX_M2,
    thinking: 'always',
    ...TAGS,
    historyField: 'reasoning_content',
    answeredTurns: 'content',
    on: ']~b]ai\n<think>\n',
    off: ']~b]ai\n<think>\n\n</think>\n\n',
  },
  'gpt-oss': {
    template: GPT_OSS,
    thinking: 'tags',
    opening: '<|channel|>analysis<|message|>',
    closing: '<|end|><|start|>assistant<|channel|>final<|message|>',
    historyField: 'thinking',
    answeredTurns: 'content',
    on: '<|end|><|start|>assistant<|channel|>analysis<|message|>',
    off: '<|end|><|start|>assistant<|channel|>final<|message|>',
  },
};

const said = (role: Turn['role'], text: string, reasoning?: string): Turn => ({
  role,
  parts: [
    ...(reasoning === undefined ? [] : [{ type: 'reasoning' as const, text: reasoning }]),
    { type: 'text', text },
  ],
});

function planOf(chatTemplate: string, thinking: Thinking, turns = [said('user', 'hi')]) {
  return decodePlanOf({ ...planInputOf(ask('', { turns, thinking }), { chatTemplate }), spelling: 'hermes' });
}

function fedBefore(chatTemplate: string, thinking: Thinking): string {
  const { prompt, stages } = planOf(chatTemplate, thinking);
  return prompt.map(({ text }) => text).join('') + (stages[0]?.opening ?? '');
}

describe.each(Object.entries(FAMILIES))('%s', (_, family) => {
  const { template, thinking, opening, closing, historyField, answeredTurns, on, off } = family;

  it('is known by its template', () => {
    const { traits, source } = ChatTemplate.of(factsOf({ chatTemplate: template }));
    expect(source).toBe('weights');
    expect(traits.thinking).toBe(thinking);
    expect(traits.reasoning).toMatchObject({ opening, closing, historyField, answeredTurns });
  });

  it('begins to think, or to answer', () => {
    expect(fedBefore(template, { switch: 'on' }).endsWith(on)).toBe(true);
    expect(fedBefore(template, { switch: 'off' }).endsWith(off)).toBe(true);
  });

  it('is closed as it would close itself', () => {
    const [reasoning, answer] = planOf(template, { switch: 'on', budgetTokens: 7 }).stages;
    expect(reasoning).toMatchObject({ kind: 'reasoning', maxTokens: 7 });
    expect(answer?.opening).toBe(closing);
    expect((reasoning?.until ?? [''])[0] + (answer?.openingAfterUntil ?? '')).toBe(closing.trimStart());
  });

  it('is shown the reasoning of the turn under way, and of answered ones only when that is kept', () => {
    const turns = [
      said('user', 'a'),
      said('assistant', 'b', 'first thought'),
      said('user', 'c'),
      said('assistant', 'd', 'second thought'),
      { role: 'tool' as const, parts: [{ type: 'text' as const, text: 'e' }] },
    ];
    const shown = (changes: Partial<Thinking>): readonly boolean[] => {
      const text = planOf(template, { switch: 'on', ...changes }, turns)
        .prompt.map((segment) => segment.text)
        .join('');
      return ['first thought', 'second thought'].map((thought) => text.includes(thought));
    };
    expect(shown({})).toEqual([false, false]);
    const isKept = answeredTurns !== 'none';
    // gpt-oss shows nothing of it but before a call in its own spelling.
    const isLoopKept = isKept && historyField !== 'thinking';
    expect(shown({ keepsHistory: true })).toEqual([isKept, isLoopKept]);
  });
});

it('a switch without marks that are known makes no thinking model', () => {
  const template =
    "{% for m in messages %}{{ m.content }}{% endfor %}{{ '<|channel>thought' if enable_thinking else '' }}";
  expect(ChatTemplate.of(factsOf({ chatTemplate: template })).traits.thinking).toBe('none');
  expect(planOf(template, { switch: 'on' }).stages[0]).toMatchObject({ kind: 'reasoning', opening: '<think>\n' });
});

describe('an effort', () => {
  it('is told where the template tells it', () => {
    const promptOf = (effort: string | undefined, template = GPT_OSS): string =>
      fedBefore(template, { switch: 'on', effort });
    expect(promptOf('max')).toContain('Reasoning: high');
    expect(promptOf('minimal')).toContain('Reasoning: low');
    expect(promptOf(undefined)).toContain('Reasoning: medium');
    expect(planOf(GPT_OSS, { switch: 'on', effort: 'low' }).stages[0]?.maxTokens).toBeUndefined();
  });

  it('is a budget elsewhere, a larger one for models that know when to end', () => {
    const budgetOf = (effort: string, template: string) =>
      planOf(template, { switch: 'on', effort }).stages[0]?.maxTokens;
    expect(['minimal', 'low', 'medium', 'high'].map((effort) => budgetOf(effort, QWEN3_HYBRID))).toEqual([
      512,
      2_048,
      8_192,
      undefined,
    ]);
    expect(planOf(QWEN3_HYBRID, { switch: 'on', effort: 'low', budgetTokens: 9 }).stages[0]?.maxTokens).toBe(9);
  });
});

describe('marks in what is said', () => {
  it('are kept out of the answers of models that think, asked to or not, and of nobody else', () => {
    const marksOf = (template: string | undefined, thinking: Thinking) =>
      decodePlanOf(planInputOf(ask('hi', { thinking }), { chatTemplate: template })).stages.at(-1)?.marks?.opens;
    expect(marksOf(QWEN3_HYBRID, { switch: 'off' })).toEqual(['<think>']);
    expect(marksOf(undefined, { switch: 'on' })).toEqual(['<think>']);
    expect(marksOf(undefined, { switch: 'off' })).toBeUndefined();
  });

  it('end an answer where they are tokens of their own', () => {
    const answer = planOf(GPT_OSS, { switch: 'on' }).stages.at(-1);
    expect(answer?.endTexts).toContain('<|end|>');
    expect(answer?.marks).toBeUndefined();
  });
});
