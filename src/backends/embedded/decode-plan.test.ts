import { describe, expect, it } from 'vitest';
import { StudioError } from '../../core/errors.ts';
import type { FunctionTool, GenerationRequest } from '../../core/generation.ts';
import { decodePlanOf } from './decode-plan.ts';
import type { DecodePlan } from './engine-protocol.ts';
import { ask, cardOf, planInputOf, WEATHER } from './testing/harness.ts';

const HYBRID =
  "{% for m in messages %}{{ m.role + ': ' + m.content + '\\n' }}{% endfor %}{{ 'assistant:' }}{% if not enable_thinking %}{{ '<think></think>' }}{% endif %}";
const ALWAYS = "{% for m in messages %}{{ m.role + ': ' + m.content + '\\n' }}{% endfor %}{{ 'assistant:<think>\\n' }}";

function planOf(overrides: Partial<GenerationRequest>, more: Parameters<typeof planInputOf>[1] = {}): DecodePlan {
  return decodePlanOf(planInputOf(ask('hi', overrides), more));
}

function textOf(plan: DecodePlan): string {
  return plan.prompt.map((segment) => segment.text).join('');
}

describe('sampling', () => {
  it('is the caller’s, else the founding document’s, and never the vendor’s penalties', () => {
    expect(planOf({}).sampling).toEqual({
      temperature: 1,
      topP: 1,
      topK: 20,
      minP: 0,
      repetitionPenalty: 1,
      presencePenalty: 0,
      frequencyPenalty: 0,
      seed: 42,
      isSeedOurs: true,
      logitBias: [],
    });
    const asked = { temperature: 0, topP: 0.5, topK: 5, presencePenalty: 1.5, seed: 7, logitBias: { '12': -100 } };
    expect(planOf({ sampling: asked }).sampling).toMatchObject({
      ...asked,
      isSeedOurs: false,
      logitBias: [[12, -100]],
    });
  });

  it('takes top-k from the card, and switches it off above 100', () => {
    const card = cardOf({ defaultSampling: { topK: 40 } });
    expect(planOf({}, { card }).sampling.topK).toBe(40);
    expect(planOf({ sampling: { topK: 101 } }, { card }).sampling.topK).toBe(0);
    expect(planOf({ sampling: { topK: 0 } }, { card }).sampling.topK).toBe(0);
  });
});

describe('thinking', () => {
  const on = { thinking: { switch: 'on' as const } };

  it('is two stages with a system text for weights that were not made to think', () => {
    const plan = planOf({ ...on, thinking: { switch: 'on', budgetTokens: 50 }, limits: { maxOutputTokens: 9 } });
    expect(textOf(plan)).toContain('inside <think> and </think>');
    const marks = { opens: ['<think>'], closes: ['</think>'], closing: '\n</think>\n\n' };
    expect(plan.stages).toEqual([
      { kind: 'reasoning', opening: '<think>\n', until: ['</think>'], maxTokens: 50, marks },
      expect.objectContaining({
        kind: 'answer',
        opening: '\n</think>\n\n',
        openingAfterUntil: '\n\n',
        maxTokens: 9,
        marks,
      }),
    ]);
  });

  it('has a bounded budget without one, by effort', () => {
    expect(planOf(on).stages[0]?.maxTokens).toBe(1_024);
    expect(planOf({ thinking: { switch: 'on', effort: 'low' } }).stages[0]?.maxTokens).toBe(512);
  });

  it('goes the way of a thinking template', () => {
    const plan = planOf(on, { chatTemplate: HYBRID });
    expect(textOf(plan)).toBe('user: hi\nassistant:');
    expect(plan.stages[0]).toMatchObject({ opening: '<think>\n', maxTokens: undefined });
    expect(planOf(on, { chatTemplate: ALWAYS }).stages[0]).toMatchObject({ opening: '' });
  });

  it('is none when it is off', () => {
    const hybrid = planOf({ thinking: { switch: 'off' } }, { chatTemplate: HYBRID });
    expect(textOf(hybrid)).toBe('user: hi\nassistant:<think></think>');
    expect(hybrid.stages).toHaveLength(1);
    expect(planOf({}, { chatTemplate: ALWAYS }).stages).toMatchObject([{ kind: 'answer', opening: '\n</think>\n\n' }]);
  });

  it('cannot be off for a model that always thinks', () => {
    const plan = planOf({}, { chatTemplate: ALWAYS, card: cardOf({ thinking: 'always' }) });
    expect(plan.stages.map((stage) => stage.kind)).toEqual(['reasoning', 'answer']);
  });

  it('does not come before a partial answer', () => {
    const turns = [{ role: 'assistant' as const, isPartial: true, parts: [{ type: 'text' as const, text: 'So' }] }];
    const plan = planOf({ ...on, turns });
    expect(plan.stages).toHaveLength(1);
    expect(textOf(plan).endsWith('assistant\nSo')).toBe(true);
  });
});

describe('limits', () => {
  it('bound the answer, or both stages together', () => {
    const plan = planOf({ limits: { maxOutputTokens: 10, maxTotalOutputTokens: 30 } });
    expect(plan).toMatchObject({ stages: [{ maxTokens: 10 }], maxTotalTokens: 30 });
  });

  it('count reasoning in for the models that do', () => {
    const card = cardOf({ maxOutputIncludesReasoning: true, maxOutput: 100 });
    const plan = planOf({ limits: { maxOutputTokens: 10 } }, { card });
    expect(plan.stages[0]?.maxTokens).toBeUndefined();
    expect(plan.maxTotalTokens).toBe(10);
    expect(planOf({}, { card }).maxTotalTokens).toBe(100);
  });
});

it('tells how long a prompt the model takes, by whether it thinks', () => {
  const card = cardOf({ maxInput: 100, maxInputThinking: 90, thinking: 'hybrid-default-off' });
  expect(planOf({}, { card }).maxPromptTokens).toBe(100);
  expect(planOf({ thinking: { switch: 'on' } }, { card }).maxPromptTokens).toBe(90);
  expect(planOf({ thinking: { switch: 'on' } }, { card: cardOf({ maxInput: 100 }) }).maxPromptTokens).toBe(100);
  expect(planOf({}).maxPromptTokens).toBeUndefined();
});

describe('tools', () => {
  it('are told with an example, called in the model’s own spelling, without arguments that could be copied', () => {
    const plan = planOf({ tools: [WEATHER] });
    const calls = plan.stages[0]?.calls;
    expect(calls).toMatchObject({ mode: 'auto', isParallel: false, opening: '```json\n{"name": "' });
    expect(calls?.functions.map(({ name }) => name)).toEqual(['get_current_weather']);
    expect(textOf(plan)).toContain('```json\n{"name": "get_current_weather", "arguments": {...}}\n```');
  });

  it('are told as several in one fence where several calls are allowed', () => {
    const plan = planOf({ tools: [WEATHER], toolChoice: 'required', allowsParallelCalls: true });
    expect(plan.stages[0]?.calls).toMatchObject({ mode: 'required', isParallel: true, opening: '```json\n{"name": "' });
    const call = '{"name": "<function name>", "arguments": {<arguments>}}\n';
    expect(textOf(plan)).toContain(`\`\`\`json\n${call}${call}${call}\`\`\``);
  });

  it('are not told when none may be called', () => {
    const plan = planOf({ tools: [WEATHER], toolChoice: 'none' });
    expect(plan.stages[0]?.calls).toBeUndefined();
    expect(textOf(plan)).not.toContain('get_current_weather');
  });

  it('are only the one that is named', () => {
    const other: FunctionTool = { type: 'function', name: 'other', inputSchema: {} };
    const plan = planOf({ tools: [WEATHER, other], toolChoice: { name: 'other' } });
    expect(plan.stages[0]?.calls).toMatchObject({ mode: 'required', functions: [{ name: 'other' }] });
    expect(() => planOf({ tools: [WEATHER], toolChoice: { name: 'nobody' } })).toThrow('nobody');
  });

  it('name tool and keyword when a schema cannot be held', () => {
    const tool: FunctionTool = {
      ...WEATHER,
      inputSchema: { type: 'object', properties: { a: { $ref: '#/nowhere' } } },
    };
    const refused = (): unknown => planOf({ tools: [tool] });
    expect(refused).toThrow(StudioError);
    expect(refused).toThrow(/get_current_weather.*\$ref/s);
  });
});

describe('calls that are held against the request', () => {
  const properties = { location: { type: 'string' }, unit: { type: 'string', enum: ['celsius', 'fahrenheit'] } };
  const tool: FunctionTool = { ...WEATHER, inputSchema: { type: 'object', properties, required: ['location'] } };
  const callsFor = (text: string, overrides: Partial<GenerationRequest> = {}, more = {}) =>
    decodePlanOf(planInputOf(ask(text, { tools: [tool], ...overrides }), more)).stages[0]?.calls;

  it('bring the values of the request, and may leave optional arguments out', () => {
    const calls = callsFor('Paris and Rome, how warm is it in Paris and Rome?');
    expect(calls?.grounding?.values.map(({ text }) => text)).toEqual(['Rome', 'Paris', 'Rome']);
    expect(calls?.functions[0]?.optional).toEqual(['unit']);
    const asked = callsFor('How warm is it in Paris, in celsius?');
    expect(asked?.grounding?.values.map(({ text }) => text)).toEqual(['Paris', 'celsius']);
    expect(asked?.functions[0]?.optional).toEqual([]);
    expect(asked?.functions[0]?.argumentsGrammar).not.toBe(calls?.functions[0]?.argumentsGrammar);
  });

  it('look for values in the instructions, too', () => {
    const instructions = [{ type: 'text' as const, text: 'The user lives in Oslo.' }];
    expect(callsFor('Is it cold?', { instructions })?.grounding?.conversation).toContain('Oslo');
  });

  it('are left alone on weights that were made to call, for agents, on later turns and for long texts', () => {
    const hermes = { chatTemplate: `{% if tools %}<tool_call>{{ tools }}{% endif %}${HYBRID}`, spelling: 'hermes' };
    expect(callsFor('How warm is Paris?', {}, hermes)?.grounding).toBeUndefined();
    const many = Array.from({ length: 13 }, (_, i) => ({ ...tool, name: `f${i}` }));
    expect(callsFor('How warm is Paris?', { tools: many })?.grounding).toBeUndefined();
    const [turn] = ask('How warm is Paris?').turns;
    expect(turn && callsFor('', { turns: [turn, { role: 'assistant', parts: [] }, turn] })?.grounding).toBeUndefined();
    expect(callsFor('long '.repeat(500))?.grounding).toBeUndefined();
  });

  it('are held to the schema alone where the narrower one allows nothing', () => {
    const of = (text: string) => {
      const inputSchema = { type: 'object', properties: { city: { type: 'string' }, view: { not: {} } } };
      return callsFor(text, { tools: [{ ...tool, inputSchema }] })?.functions[0]?.argumentsGrammar;
    };
    // Nothing can be said of the view that is asked for.
    expect(of('Oslo with a view')).toBe(of('Oslo'));
  });
});

describe('structured output', () => {
  const schema = {
    type: 'object',
    properties: { a: { $ref: '#/$defs/n' } },
    required: ['a'],
    $defs: { n: { type: 'integer' } },
  } as const;
  const output = { type: 'json-schema' as const, name: 'x', schema, isStrict: true };

  it('holds the answer and shows the schema', () => {
    const plan = planOf({ output });
    expect(plan.stages[0]?.grammar).toContain('root ::=');
    expect(textOf(plan)).toContain('"$defs"');
    expect(planOf({ output: { type: 'json-object' } }).stages[0]?.grammar).toContain('root ::=');
  });

  it('still lets a call be made, references in place', () => {
    expect(planOf({ output, tools: [WEATHER] }).stages[0]?.grammar).toContain('get_current_weather');
    expect(planOf({ output }).stages[0]?.grammar).not.toContain('get_current_weather');
  });

  it('refuses a partial answer beside it', () => {
    const turns = [{ role: 'assistant' as const, isPartial: true, parts: [{ type: 'text' as const, text: '{' }] }];
    expect(() => planOf({ output, turns })).toThrow('partial');
  });
});
