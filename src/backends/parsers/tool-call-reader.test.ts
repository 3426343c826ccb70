import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CallPart, createToolCallReader } from './tool-call-reader.ts';

const CALLABLES = ['get_weather', 'math.add'].map((name) => ({ name }));

/** Parts, neighbours of one kind joined. */
function read(pieces: readonly string[], wasCut = false): CallPart[] {
  const reader = createToolCallReader(CALLABLES);
  const joined: CallPart[] = [];
  for (const part of [...pieces.flatMap((piece) => reader.push(piece)), ...reader.end(wasCut)]) {
    const last = joined.at(-1);
    if (part.type === 'text' && last?.type === 'text')
      joined[joined.length - 1] = { ...part, text: last.text + part.text };
    else if (part.type === 'call-input' && last?.type === 'call-input')
      joined[joined.length - 1] = { ...part, text: last.text + part.text };
    else joined.push(part);
  }
  return joined;
}

/** `get_weather({"city": "Beijing"})` for a call, text in guillemets. */
function show(parts: readonly CallPart[]): string {
  return parts
    .map((part) => {
      switch (part.type) {
        case 'text':
          return `«${part.text}»`;
        case 'call-start':
          return `${part.name}(`;
        case 'call-input':
          return part.text;
        default:
          return ')';
      }
    })
    .join('');
}

const CALL = 'get_weather({"city": "Beijing"})';
const ARGUMENTS = '{"city": "Beijing"}';

/** From the answers of small models (the spellings of Qwen2.5-Coder 0.5B and 1.5B) and of servers that pass them on. */
const CASES: readonly (readonly [text: string, shown: string])[] = [
  ['Just an answer.', '«Just an answer.»'],
  [`{"name": "get_weather", "arguments": ${ARGUMENTS}}`, CALL],
  [`{"name": "get_weather", "parameters": ${ARGUMENTS}}.json`, CALL],
  [`\`\`\`json\n{\n  "name": "get_weather",\n  "arguments": ${ARGUMENTS}\n}\n\`\`\``, CALL],
  [`<tool_call>\n{"name": "get_weather", "arguments": ${ARGUMENTS}}\n</tool_call>`, CALL],
  [`<tool_call>\n{{"name": "get_weather", "arguments": ${ARGUMENTS}}}\n</tool_call>`, CALL],
  [`<json>\n{name: "get_weather", arguments: ${ARGUMENTS}}\n</json>`, CALL],
  [`{'name': 'get_weather', 'arguments': {'city': 'Beijing'}}`, CALL],
  [`{"function": {"name": "get_weather", "arguments": ${ARGUMENTS}}}`, CALL],
  [`{"function": {"name": "get_weather"}, "arguments": ${ARGUMENTS}}`, CALL],
  [`{"type": "function", "function": {"name": "get_weather", "arguments": ${ARGUMENTS}}, "id": "x"}`, CALL],
  [`{"function": "get_weather", "args": ${ARGUMENTS}}`, CALL],
  [`{"name": "get_weather", "arguments": "{\\"city\\": \\"Beijing\\"}"}`, CALL],
  [`{"name": "get_weather", ${ARGUMENTS}}`, CALL],
  [`{"name": "get_weather", "city": "Beijing"}`, CALL],
  [`{"name": "get_weather", "id": 1, "arguments": ${ARGUMENTS}, "note": [1, "}"]}`, CALL],
  [`{"name": "get_weather", "arguments": ${ARGUMENTS}\n</tool_call>`, CALL],
  ['{"name": "get_weather"}', 'get_weather({})'],
  ['{"name": "get_weather", "arguments": null}', 'get_weather({})'],
  [
    '{"name": "get_weather", "arguments": {"city": "a\\"}b{", "n": [1, {"x": "]"}]}}',
    'get_weather({"city": "a\\"}b{", "n": [1, {"x": "]"}]})',
  ],
  [`{"name": "get_weather", "arguments": {city: 'Beijing',}}`, 'get_weather({"city": "Beijing"})'],
  ['{"name": "get_weather", "arguments": {"a": True, "b": None,}}', 'get_weather({"a": true, "b": null})'],
  ['{"name": "get_weather", "arguments": {"a": "one\ntwo"}}', 'get_weather({"a": "one\\ntwo"})'],
  ['{"name": "get_weather", "arguments": {"a": "x" "b": 1}}', 'get_weather({"a": "x", "b": 1})'],
  [
    '{"name": "math_add", "arguments": {"a": -1.5e3, "b": [true, null, ""]}}',
    'math.add({"a": -1.5e3, "b": [true, null, ""]})',
  ],
  [`Sure:\n\`\`\`json\n{"name": "get_weather", "arguments": ${ARGUMENTS}}\n\`\`\`\nDone.`, `«Sure:\n»${CALL}«Done.»`],
  [
    `[{"name": "get_weather", "arguments": ${ARGUMENTS}}, {"name": "math.add", "arguments": {}}]`,
    `${CALL}math.add({})`,
  ],
  [
    `{"tool_calls": [{"function": {"name": "get_weather", "arguments": ${ARGUMENTS}}}, {"function": {"name": "math.add", "arguments": {}}}]}`,
    `${CALL}math.add({})`,
  ],
  [
    `<tool_call>\n{"name": "get_weather", "arguments": ${ARGUMENTS}}\n</tool_call>\n<tool_call>\n{"name": "math.add", "arguments": {}}\n</tool_call>`,
    `${CALL}math.add({})`,
  ],
  [
    `\`\`\`json\n{"name": "get_weather", "arguments": ${ARGUMENTS}}\n\`\`\`\n\n\`\`\`json\n{"name": "math.add", "arguments": {}}\n\`\`\``,
    `${CALL}math.add({})`,
  ],
  [`{"name": "get_weather", "arguments": ${ARGUMENTS}}\n{"name": "math.add", "arguments": {}}`, `${CALL}math.add({})`],
  [`{"name": "get_weather", "arguments": ${ARGUMENTS}} <b>bold</b>`, `${CALL}«<b>bold</b>»`],
  [
    `[{"name": "get_weather", "arguments": ${ARGUMENTS}}, {"name": "other", "arguments": {}}]`,
    `${CALL}«{"name": "other", "arguments": {}}]»`,
  ],
  ['{"name": "other", "arguments": {}}', '«{"name": "other", "arguments": {}}»'],
  ['```json\n{"answer": 42}\n```', '«```json\n{"answer": 42}\n```»'],
];

describe('the tool call reader', () => {
  for (const [text, shown] of CASES) {
    it(`reads ${JSON.stringify(text.slice(0, 100))}`, () => {
      expect(show(read([text]))).toBe(shown);
      expect(show(read(text.split('')))).toBe(shown);
    });
  }

  it('passes arguments on as they come', () => {
    const reader = createToolCallReader(CALLABLES);
    expect(reader.push('{"name": "get_weather", "argu')).toEqual([{ type: 'call-start', name: 'get_weather' }]);
    expect(reader.push('ments": {"city": "Bei')).toEqual([{ type: 'call-input', text: '{"city": "Bei' }]);
    expect(reader.push('jing", ')).toEqual([{ type: 'call-input', text: 'jing"' }]);
    expect(reader.push('"days": 3')).toEqual([{ type: 'call-input', text: ', "days":' }]);
    expect(reader.push('}}')).toEqual([{ type: 'call-input', text: ' 3}' }, { type: 'call-end' }]);
    expect(reader.end(false)).toEqual([]);
  });

  it('completes what the model left open, but not what a limit cut off', () => {
    const text = '{"name": "get_weather", "arguments": {"city": "Beijing"';
    expect(show(read([text]))).toBe(CALL);
    expect(show(read([text], true))).toBe('get_weather({"city": "Beijing")');
    expect(show(read(['{"name": "get_weather", '], true))).toBe('get_weather()');
    expect(show(read(['{"name": "get_wea'], true))).toBe('«{"name": "get_wea»');
  });

  it('leaves everything as text when nothing is declared', () => {
    const text = `{"name": "get_weather", "arguments": ${ARGUMENTS}}`;
    const reader = createToolCallReader([]);
    expect(show([...reader.push(text), ...reader.end(false)])).toContain('«{"name": "');
  });

  it('gives the same for any cut of the text', () => {
    const pieces = [
      ...CASES.map(([text]) => text),
      '\n',
      ' and ',
      '}',
      '`',
      '<',
      '{"name": "get_weather", "arguments": {"a',
    ];
    const texts = fc.array(fc.constantFrom(...pieces), { maxLength: 3 }).map((each) => each.join(''));
    fc.assert(
      fc.property(texts, fc.array(fc.nat(600), { maxLength: 8 }), fc.boolean(), (text, points, wasCut) => {
        const ends = [...new Set(points.map((point) => point % (text.length + 1)))].sort((a, b) => a - b);
        const cut = [...ends, text.length].map((end, index) => text.slice(ends[index - 1] ?? 0, end));
        const whole = read([text], wasCut);
        expect(read(cut, wasCut)).toEqual(whole);
        const starts = whole.filter(({ type }) => type === 'call-start').length;
        expect(whole.filter(({ type }) => type === 'call-end').length).toBe(starts);
      }),
      { numRuns: 300 },
    );
  });
});
