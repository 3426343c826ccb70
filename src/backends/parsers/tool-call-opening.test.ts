import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createOpeningDetector, type ToolCallOpening } from './tool-call-opening.ts';

const NAMES = ['get_weather', 'get_current_weather', 'math.add', 'search_web'];

interface Seen {
  readonly text: string;
  readonly opening: ToolCallOpening | undefined;
  readonly rest: string;
}

/** Reads the pieces; after an opening everything else is rest. */
function read(pieces: readonly string[]): Seen {
  const detector = createOpeningDetector(NAMES);
  let text = '';
  let opening: ToolCallOpening | undefined;
  let rest = '';
  for (const piece of pieces) {
    if (opening) {
      rest += piece;
      continue;
    }
    const seen = detector.push(piece);
    text += seen.text;
    opening = seen.opening;
    rest += seen.rest;
  }
  if (!opening) text += detector.flush();
  return { text, opening, rest };
}

function cut(text: string, points: readonly number[]): string[] {
  const ends = [...new Set(points.map((point) => point % (text.length + 1)))].sort((a, b) => a - b);
  return [...ends, text.length].map((end, index) => text.slice(ends[index - 1] ?? 0, end));
}

const OPENINGS: readonly (readonly [raw: string, closing: string, name?: string])[] = [
  ['<tool_call>\n{"name": "get_weather"', '}\n</tool_call>'],
  ['<tool_call>{{"name": "get_weather"', '}}\n</tool_call>'],
  ['```json\n{\n  "name": "get_current_weather"', '}\n```', 'get_current_weather'],
  ['```JSON\n{"name": "get_weather"', '}\n```'],
  ['```\n{"name": "get_weather"', '}\n```'],
  ['```json\n[\n  {"name": "get_weather"', '}]\n```'],
  ['```xml\n<tools>\n{"name":"get_weather"', '}\n</tools>\n```'],
  ['<json>\n{name: "get_weather"', '}\n</json>'],
  ['<tools>{"name":"get_weather"', '}\n</tools>'],
  ['<function_call>\n{"name":"get_weather"', '}\n</function_call>'],
  ['{"name": "get_weather"', '}'],
  ['\n\n  {"name": "get_weather"', '}'],
  ['[{"name": "get_weather"', '}]'],
  ['{"function": {"name": "get_weather"', '}}'],
  ['{"type": "function", "function": {"name": "get_weather"', '}}'],
  ['{"type": "function", "name": "get_weather"', '}'],
  ['{"tool_calls": [{"type": "function", "function": {"name": "get_weather"', '}}]}'],
  ['{"function": "get_weather"', '}'],
  ['{"Name" : "get_weather"', '}'],
  ['{name: "get_weather"', '}'],
  ["{'name': 'get_weather'", '}'],
  ['{"name": "math_add"', '}', 'math.add'],
  ['{"name": "math.add"', '}', 'math.add'],
  ['{"name": "search.web"', '}', 'search_web'],
];

const PLAIN: readonly string[] = [
  'The weather is fine.',
  '  \n An answer after white space.',
  '```json\n{"location": "Beijing", "name": "get_weather"}\n```',
  '```python\nprint({"name": "get_weather"})\n```',
  '{"name": "Alice"}',
  '{"name": "get_weather_tomorrow", "arguments": {}}',
  '{"name": "get"}',
  '{"function": {"description": "get_weather"}}',
  '{"type": "object", "name": "get_weather"}',
  '[1, 2, 3]\n[]\n{}\n{',
  'In the middle of a line {"name": "get_weather"} is an example.',
  'if (a < b) { return `x`; } <b>bold</b> <tool_box>',
  '<tool_call>\nnothing',
  '`{"name": "get_weather"}`',
  '```',
  '<<<```{',
  '{name: get_weather}',
  '{"name": 5}',
  ' '.repeat(3000),
  `{${' '.repeat(3000)}"name": "get_weather"`,
];

describe('the opening detector', () => {
  for (const [raw, closing, name = 'get_weather'] of OPENINGS) {
    it(`sees ${JSON.stringify(raw)}`, () => {
      const quote = raw.at(-1) ?? '';
      const expected = { name, raw, isArray: raw.includes('['), quote, closing };
      expect(read([`${raw}, "arguments": {}`])).toEqual({ text: '', opening: expected, rest: ', "arguments": {}' });
    });
  }

  for (const text of PLAIN) {
    it(`leaves ${JSON.stringify(text.slice(0, 60))} alone`, () => {
      expect(read([text])).toEqual({ text, opening: undefined, rest: '' });
    });
  }

  it('lets text before an opening pass and keeps it apart', () => {
    const seen = read(['Here is the call:\n```json\n{"name": "get_weather", "arg']);
    expect(seen.text).toBe('Here is the call:\n');
    expect(seen.opening?.raw).toBe('```json\n{"name": "get_weather"');
    expect(seen.rest).toBe(', "arg');
  });

  it('sees an opening that begins inside a failed one', () => {
    expect(read(['````json\n{"name": "get_weather"']).text).toBe('`');
    expect(read(['<<tool_call>{"name": "get_weather"']).text).toBe('<');
    expect(read(['{\n"answer":\n{"name": "get_weather"']).text).toBe('{\n"answer":\n');
  });

  it('holds text back only while it can still become an opening', () => {
    const detector = createOpeningDetector(NAMES);
    expect(detector.push('Hi <').text).toBe('Hi ');
    expect(detector.push('b').text).toBe('<b');
    expect(detector.push('>\n{"na').text).toBe('>\n');
    expect(detector.push('me": "get_w').text).toBe('');
    expect(detector.push('i').text).toBe('{"name": "get_wi');
    expect(detector.flush()).toBe('');
  });

  it('gives the held text at the end and begins afresh', () => {
    const detector = createOpeningDetector(NAMES);
    expect(detector.push('<tool_call>\n{"name').text).toBe('');
    expect(detector.flush()).toBe('<tool_call>\n{"name');
    expect(detector.push('{"name": "get_weather"').opening?.name).toBe('get_weather');
    expect(detector.push('{"name": "get_weather"').opening?.name).toBe('get_weather');
  });

  it('prefers the very name over one that only compares equal', () => {
    const detector = createOpeningDetector(['a_b', 'a.b']);
    expect(detector.push('{"name": "a.b"').opening?.name).toBe('a.b');
  });

  it('gives the same for any cut of the text', () => {
    const alphabet = [
      ...OPENINGS.map(([raw]) => raw),
      ...PLAIN.slice(0, 18),
      '\n',
      '{',
      '"',
      '<',
      '`',
      'é😀',
      '}',
      ', "arguments": {}',
    ];
    const texts = fc.array(fc.constantFrom(...alphabet), { maxLength: 5 }).map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(texts, fc.array(fc.nat(500), { maxLength: 8 }), (text, points) => {
        const whole = read([text]);
        expect(read(cut(text, points))).toEqual(whole);
        expect(read(text.split(''))).toEqual(whole);
        expect(whole.text + (whole.opening?.raw ?? '') + whole.rest).toBe(text);
      }),
      { numRuns: 300 },
    );
  });
});
