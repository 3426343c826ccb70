/** Families of models, told by small templates of our own that write calls as those of the family do. */
import { describe, expect, it } from 'vitest';
import { TOOL_FORMATS as CONFIGURABLE } from '../../config-settings.ts';
import type { FunctionTool, Turn } from '../../core/generation.ts';
import { TOOL_FORMAT_IDS, TOOL_FORMATS, toolFormat, writeCalls } from '../parsers/tool-formats.ts';
import { decodePlanOf } from './decode-plan.ts';
import type { DecodePlan } from './engine-protocol.ts';
import { ChatTemplate } from './template.ts';
import { ask, factsOf, planInputOf, WEATHER } from './testing/harness.ts';
import { spellingOf } from './tool-prompt.ts';

/** Tells of tools and shows earlier calls by itself, with the marks of the family in it. */
const NATIVE = (signs: readonly string[]): string =>
  `{% if tools %}tools: {% for tool in tools %}{{ tool.function.name }} {% endfor %}${signs.map((sign) => `{{ '${sign}' }}`).join('')}{% endif %}` +
  "{% for m in messages %}{{ m.role + ': ' + (m.content or '') + '\\n' }}" +
  "{% for call in m.tool_calls or [] %}{{ 'called ' + call.function.name + ' ' + (call.function.arguments | tojson) + '\\n' }}{% endfor %}" +
  '{% endfor %}assistant:';
/** Knows of no tools; a comment bears the marks. */
const SILENT = (signs: readonly string[]): string =>
  `{% if false %}${signs.map((sign) => `{{ '${sign}' }}`).join('')}{% endif %}{% for m in messages %}{{ m.role + ': ' + m.content + '\\n' }}{% endfor %}assistant:`;

const CALLED: readonly Turn[] = [
  { role: 'user', parts: [{ type: 'text', text: 'Beijing?' }] },
  {
    role: 'assistant',
    parts: [
      {
        type: 'tool-call',
        callId: 'c1',
        name: WEATHER.name,
        inputText: '{"location": "Beijing"}',
        executedBy: 'client',
      },
      { type: 'tool-call', callId: 'c2', name: WEATHER.name, inputText: '{"location": "Paris"}', executedBy: 'client' },
    ],
  },
  {
    role: 'tool',
    parts: [{ type: 'tool-result', callId: 'c1', parts: [{ type: 'text', text: 'sunny' }], isError: false }],
  },
  { role: 'user', parts: [{ type: 'text', text: 'And Rome?' }] },
];

function planOf(chatTemplate: string, more: Parameters<typeof ask>[1] = {}): DecodePlan {
  const template = ChatTemplate.of(factsOf({ chatTemplate }));
  const spelling = spellingOf(factsOf(), 'test', template.traits);
  return decodePlanOf(planInputOf(ask('hi', { tools: [WEATHER], turns: CALLED, ...more }), { chatTemplate, spelling }));
}

const textOf = (plan: DecodePlan): string => plan.prompt.map(({ text }) => text).join('');

for (const { id, signs, input } of TOOL_FORMATS.filter((format) => format.signs.length > 0)) {
  describe(`weights of the family ${id}`, () => {
    it('are told by their template, which tells of tools and shows earlier calls itself', () => {
      const plan = planOf(NATIVE(signs));
      expect(plan.stages[0]?.calls).toMatchObject({ format: id, mode: 'auto' });
      expect(textOf(plan)).toContain('tools: get_current_weather');
      expect(textOf(plan)).toContain('called get_current_weather {"location": "Beijing"}');
      expect(textOf(plan)).not.toContain('You have functions');
    });

    it('are told of tools by us where the template cannot, in the spelling of the family', () => {
      const text = textOf(planOf(SILENT(signs)));
      expect(text).toContain('You have functions for these purposes');
      const inputText = input === 'json' ? '{...}' : '{"<argument>": "<value>"}';
      expect(text).toContain(writeCalls(toolFormat(id), [{ name: WEATHER.name, inputText }]));
    });

    it('show several earlier calls as the family writes them', () => {
      const calls = ['Beijing', 'Paris'].map((city) => ({ name: WEATHER.name, inputText: `{"location": "${city}"}` }));
      expect(textOf(planOf(SILENT(signs)))).toContain(writeCalls(toolFormat(id), calls));
    });

    it('are held to a grammar of the family once a call has begun', () => {
      const [callable] = planOf(NATIVE(signs), { toolChoice: 'required' }).stages[0]?.calls?.functions ?? [];
      expect(callable?.tagged === undefined).toBe(input === 'json');
      if (callable?.tagged) expect(callable.tagged.texts).toEqual(['location']);
    });
  });
}

describe('arguments that tags cannot hold', () => {
  it('are spelt in JSON, all of them', () => {
    const tool: FunctionTool = { ...WEATHER, name: 'other', inputSchema: { type: 'object', minProperties: 1 } };
    const { signs } = toolFormat('glm');
    const calls = planOf(NATIVE(signs), { tools: [WEATHER, tool] }).stages[0]?.calls;
    expect(calls).toMatchObject({ format: 'hermes', opening: '<tool_call>\n{"name": "' });
  });
});

it('can all be configured', () => {
  expect(CONFIGURABLE.toSorted()).toEqual(['auto', ...TOOL_FORMAT_IDS].toSorted());
});
