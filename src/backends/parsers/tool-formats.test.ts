/** Every family: what is written is read back, however the text is cut. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json, JsonSchema } from '../../core/generation.ts';
import { type CallPart, createToolCallReader } from './tool-call-reader.ts';
import {
  formatOfTemplate,
  parameterKinds,
  TOOL_FORMATS,
  toolFormat,
  type WrittenCall,
  writeCalls,
} from './tool-formats.ts';

const SCHEMA: JsonSchema = {
  type: 'object',
  properties: {
    city: { type: 'string' },
    'two words': { type: 'string' },
    days: { type: 'integer' },
    isMetric: { type: 'boolean' },
    where: { $ref: '#/$defs/place' },
    tags: { type: 'array', items: { type: 'string' } },
    unit: { enum: ['C', 'F'] },
    maybe: { type: ['null', 'number'] },
  },
  $defs: { place: { type: 'object', properties: { lat: { type: 'number' } } } },
};
const CALLABLES = ['get_weather', 'get_weather_tomorrow', 'math.add'].map((name) => ({ name, schema: SCHEMA }));

interface Seen {
  readonly text: string;
  readonly calls: readonly { readonly name: string; readonly input: string }[];
}

function read(pieces: readonly string[]): Seen {
  const reader = createToolCallReader(CALLABLES);
  const parts: CallPart[] = [...pieces.flatMap((piece) => reader.push(piece)), ...reader.end(false)];
  let text = '';
  const calls: { name: string; input: string }[] = [];
  for (const part of parts) {
    if (part.type === 'text') text += part.text;
    else if (part.type === 'call-start') calls.push({ name: part.name, input: '' });
    else if (part.type === 'call-input') (calls.at(-1) ?? { input: '' }).input += part.text;
  }
  return { text, calls };
}

function cut(text: string, points: readonly number[]): string[] {
  const ends = [...new Set(points.map((point) => point % (text.length + 1)))].sort((a, b) => a - b);
  return [...ends, text.length].map((end, index) => text.slice(ends[index - 1] ?? 0, end));
}

/** Texts that hold no mark of a family: those have no way to quote them. */
const plainText = fc
  .oneof(
    fc.string({ unit: 'grapheme', maxLength: 12 }),
    fc.constantFrom(
      'Beijing',
      '5',
      'true',
      'a\nb',
      '\n\nx\n\n',
      '{"a": 1}',
      '<b>',
      '</',
      '"quoted"',
      "it's",
      '  ',
      '😀',
      '\\n',
      '`x`',
      'a < b',
      '[1]',
    ),
  )
  .filter((text) => !/<\/?(?:parameter|arg_|function|tool_call|invoke)/.test(text) && text === text.toWellFormed());

const input = fc
  .record(
    {
      city: plainText,
      'two words': plainText,
      days: fc.integer(),
      isMetric: fc.boolean(),
      where: fc.record({ lat: fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0) }),
      tags: fc.array(plainText, { maxLength: 3 }),
      unit: fc.constantFrom('C', 'F'),
      maybe: fc.constantFrom(null, 1.5),
    },
    { requiredKeys: [] },
  )
  .map((value) => JSON.parse(JSON.stringify(value)) as Json);

const call = fc.record({ name: fc.constantFrom(...CALLABLES.map(({ name }) => name)), input });

for (const format of TOOL_FORMATS) {
  describe(`the calls of ${format.id}`, () => {
    it('are read back as they were written, from any cut of the text, and nothing else is', () => {
      const before = fc.constantFrom('', 'Let me look.\n');
      fc.assert(
        fc.property(
          fc.array(call, { minLength: 1, maxLength: 3 }),
          before,
          fc.array(fc.nat(600), { maxLength: 12 }),
          (calls, text, points) => {
            const written = writeCalls(
              format,
              calls.map(({ name, input: value }) => ({ name, inputText: JSON.stringify(value) })),
            );
            const whole = read([text + written]);
            expect(whole.text.trim()).toBe(text.trim());
            expect(whole.calls.map(({ name, input: json }) => ({ name, input: JSON.parse(json) as Json }))).toEqual(
              calls,
            );
            expect(read(cut(text + written, points))).toEqual(whole);
            expect(read((text + written).split(''))).toEqual(whole);
          },
        ),
        { numRuns: 150 },
      );
    });

    it('are text where no declared function is named', () => {
      const written = writeCalls(format, [{ name: 'nobody', inputText: '{"city": "Beijing"}' }]);
      expect(read([written])).toEqual({ text: written, calls: [] });
      expect(read(written.split(''))).toEqual({ text: written, calls: [] });
    });

    it('pass arguments on before they are whole', () => {
      const written = writeCalls(format, [
        { name: 'get_weather', inputText: '{"city": "Beijing and its surroundings"}' },
      ]);
      const reader = createToolCallReader(CALLABLES);
      const parts = reader.push(written.slice(0, written.indexOf(' and its')));
      expect(parts.map(({ type }) => type)).toEqual(['call-start', 'call-input']);
      expect(parts[1]).toMatchObject({ text: expect.stringMatching(/"Beijin/) });
    });
  });
}

const ONE: readonly WrittenCall[] = [
  { name: 'get_weather', inputText: '{"city": "Beijing", "days": 2, "tags": ["a"]}' },
];
const TWO: readonly WrittenCall[] = [...ONE, { name: 'math.add', inputText: '{}' }];

/** The letters of each family, as its chat template writes them. */
const GOLDEN: Readonly<Record<string, readonly [one: string, two: string]>> = {
  hermes: [
    '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Beijing", "days": 2, "tags": ["a"]}}\n</tool_call>',
    '\n<tool_call>\n{"name": "math.add", "arguments": {}}\n</tool_call>',
  ],
  'qwen3-coder': [
    '<tool_call>\n<function=get_weather>\n<parameter=city>\nBeijing\n</parameter>\n<parameter=days>\n2\n</parameter>\n<parameter=tags>\n["a"]\n</parameter>\n</function>\n</tool_call>',
    '\n<tool_call>\n<function=math.add>\n</function>\n</tool_call>',
  ],
  'deepseek-v3': [
    '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n{"city": "Beijing", "days": 2, "tags": ["a"]}\n```<｜tool▁call▁end｜>',
    '\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>math.add\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
  ],
  'deepseek-v3.1': [
    '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{"city": "Beijing", "days": 2, "tags": ["a"]}<｜tool▁call▁end｜>',
    '<｜tool▁call▁begin｜>math.add<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
  ],
  glm: [
    '<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Beijing</arg_value>\n<arg_key>days</arg_key>\n<arg_value>2</arg_value>\n<arg_key>tags</arg_key>\n<arg_value>["a"]</arg_value>\n</tool_call>',
    '\n<tool_call>math.add\n</tool_call>',
  ],
  kimi: [
    '<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>{"city": "Beijing", "days": 2, "tags": ["a"]}<|tool_call_end|>',
    '<|tool_call_begin|>functions.math.add:1<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>',
  ],
  minimax: [
    '<minimax:tool_call>\n<invoke name="get_weather">\n<parameter name="city">Beijing</parameter>\n<parameter name="days">2</parameter>\n<parameter name="tags">["a"]</parameter>\n</invoke>',
    '\n<invoke name="math.add">\n</invoke>\n</minimax:tool_call>',
  ],
  mistral: [
    '[TOOL_CALLS] [{"name": "get_weather", "arguments": {"city": "Beijing", "days": 2, "tags": ["a"]}}',
    ', {"name": "math.add", "arguments": {}}]',
  ],
  'mistral-args': [
    '[TOOL_CALLS]get_weather[ARGS]{"city": "Beijing", "days": 2, "tags": ["a"]}',
    '[TOOL_CALLS]math.add[ARGS]{}',
  ],
  llama: [
    '{"name": "get_weather", "parameters": {"city": "Beijing", "days": 2, "tags": ["a"]}}',
    '; {"name": "math.add", "parameters": {}}',
  ],
};

describe('the letters of a family', () => {
  for (const [id, [one, rest]] of Object.entries(GOLDEN)) {
    it(`are those of ${id}`, () => {
      const format = TOOL_FORMATS.find((each) => each.id === id);
      if (!format) throw new Error(id);
      expect(writeCalls(format, TWO)).toBe(one + rest);
      expect(writeCalls(format, ONE)).toBe(one + format.ending);
    });
  }

  it('of fenced JSON are a line each in one fence', () => {
    const format = toolFormat('fenced-json');
    expect(writeCalls(format, ONE)).toMatch(/^```json\n\{"name".*\}\n```$/);
    expect(writeCalls(format, TWO)).toMatch(/^```json\n\{"name".*\}\n\{"name": "math\.add", "arguments": \{\}\}\n```$/);
  });

  it('stay the text that they are where the arguments are no JSON', () => {
    expect(writeCalls(toolFormat('qwen3-coder'), [{ name: 'f', inputText: '{"cut' }])).toContain('{"cut');
    expect(writeCalls(toolFormat('hermes'), [{ name: 'f', inputText: '' }])).toContain('"arguments": {}');
  });
});

describe('what models and servers do to the letters', () => {
  const CALL = { name: 'get_weather', input: '{"city": "Beijing", "days": 2}' };
  const VARIANTS: Readonly<Record<string, string>> = {
    'Qwen3-Coder without the outer tag':
      '<function=get_weather>\n<parameter=city>\nBeijing\n</parameter>\n<parameter=days>\n2\n</parameter>\n</function>\n</tool_call>',
    'Qwen3-Coder on one line':
      '<tool_call><function=get_weather><parameter=city>Beijing</parameter><parameter=days>2</parameter></function></tool_call>',
    'GLM on one line':
      '<tool_call>get_weather<arg_key>city</arg_key><arg_value>Beijing</arg_value><arg_key>days</arg_key><arg_value>2</arg_value></tool_call>',
    'Kimi without its section':
      '<|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|> {"city": "Beijing", "days": 2}<|tool_call_end|>',
    'DeepSeek without the beginning':
      'function<｜tool▁sep｜>get_weather\n```json\n{"city": "Beijing", "days": 2}\n```<｜tool▁call▁end｜>'.replace(
        'function',
        '<｜tool▁call▁begin｜>function',
      ),
    'MiniMax indented':
      '<minimax:tool_call>\n  <invoke name="get_weather">\n    <parameter name="city">Beijing</parameter>\n    <parameter name="days">2</parameter>\n  </invoke>\n</minimax:tool_call>',
    'Mistral without the blank':
      '[TOOL_CALLS][{"name": "get_weather", "arguments": {"city": "Beijing", "days": 2}, "id": "abcdefghi"}]',
    'Llama with its tag':
      '<|python_tag|>{"type": "function", "name": "get_weather", "parameters": {"city": "Beijing", "days": 2}}',
    'an end that never came':
      '<tool_call>\n<function=get_weather>\n<parameter=city>\nBeijing\n</parameter>\n<parameter=days>\n2\n</param',
  };
  for (const [what, text] of Object.entries(VARIANTS)) {
    it(`is read: ${what}`, () => {
      expect(read([text])).toEqual({ text: '', calls: [CALL] });
      expect(read(text.split(''))).toEqual({ text: '', calls: [CALL] });
    });
  }

  it('reads the literals of Python, and a text in place of a number', () => {
    const text =
      '<function=get_weather>\n<parameter=isMetric>\nTrue\n</parameter>\n<parameter=maybe>\nNone\n</parameter>\n<parameter=days>\ntwo\n</parameter>\n</function>';
    expect(read([text]).calls).toEqual([
      { name: 'get_weather', input: '{"isMetric": true, "maybe": null, "days": "two"}' },
    ]);
  });
});

describe('the kinds of parameters', () => {
  it('are told by the schema', () => {
    expect(Object.fromEntries(parameterKinds(SCHEMA))).toEqual({
      city: 'text',
      'two words': 'text',
      days: 'json',
      isMetric: 'json',
      where: 'json',
      tags: 'json',
      unit: 'text',
      maybe: 'json',
    });
    const open: JsonSchema = {
      properties: {
        a: {},
        b: { type: ['string', 'null'] },
        c: { anyOf: [{ type: 'string' }, { const: 'x' }] },
        d: { $ref: '#/properties/d' },
      },
    };
    expect([...parameterKinds(open).values()]).toEqual(['any', 'any', 'text', 'any']);
  });
});

describe('a chat template', () => {
  it('is known by the marks of its family', () => {
    const of = (text: string) => formatOfTemplate(text)?.id;
    expect(of('<tool_call>\n{"name": …}')).toBe('hermes');
    expect(of('<tool_call>\n<function=x>\n<parameter=y>')).toBe('qwen3-coder');
    expect(of('<tool_call>{{ name }}\n<arg_key>')).toBe('glm');
    expect(of('<｜tool▁calls▁begin｜> ```json')).toBe('deepseek-v3');
    expect(of('<｜tool▁calls▁begin｜>')).toBe('deepseek-v3.1');
    expect(of('[TOOL_CALLS] [')).toBe('mistral');
    expect(of('[TOOL_CALLS]f[ARGS]')).toBe('mistral-args');
    expect(of('<|python_tag|>')).toBe('llama');
    expect(of('plain')).toBeUndefined();
  });
});
