import { describe, expect, it } from 'vitest';
import { type GenerationRequest, plainRequest, type Turn } from '../../core/generation.ts';
import { comparableOf, differingPaths, keyOf } from './comparable.ts';

const text = (words: string) => ({ type: 'text' as const, text: words });
const ask = (words: string): Turn => ({ role: 'user', parts: [text(words)] });
const base = plainRequest('m', [ask('Hello')]);
const tool = { type: 'function' as const, name: 'f', inputSchema: { type: 'object', properties: {} } };

const call = (callId: string, inputText: string): Turn => ({
  role: 'assistant',
  parts: [{ type: 'tool-call', callId, name: 'f', inputText, executedBy: 'client' }],
});
const result = (callId: string, words: string) => ({
  type: 'tool-result' as const,
  callId,
  parts: [text(words)],
  isError: false,
});

/** Pairs that ask for the same answer. */
const SAME: readonly (readonly [name: string, a: Partial<GenerationRequest>, b: Partial<GenerationRequest>])[] = [
  ['who asks', {}, { storage: { user: 'u', metadata: { a: 'b' }, isStored: true } }],
  ['cache marks', {}, { turns: [{ role: 'user', parts: [{ ...text('Hello'), cacheMark: { ttlSeconds: 300 } }] }] }],
  [
    'text in one part or in several',
    { turns: [ask('Hello\n\nthere')] },
    { turns: [{ role: 'user', parts: [text('Hello'), text('there'), text('')] }] },
  ],
  ['turns that follow each other', { turns: [ask('Hello\nthere')] }, { turns: [ask('Hello'), ask('there')] }],
  [
    'system text apart or as a turn',
    { instructions: [text('Be brief.')] },
    { turns: [{ role: 'system', parts: [text('Be brief.')] }, ask('Hello')] },
  ],
  ['reasoning of the loop', {}, { thinking: { switch: 'default', keepsLoop: true } }],
  ['one choice', {}, { sampling: { choices: 1, stopTexts: [] } }],
  ['tools left out and choice spelt', {}, { toolChoice: 'none', tools: [] }],
  ['a tool that is not strict', { tools: [tool] }, { tools: [{ ...tool, isStrict: false }] }],
  [
    'ids of calls and blanks in JSON',
    { turns: [ask('Hello'), call('call_1', '{"a": 1}'), { role: 'tool', parts: [result('call_1', 'ok')] }] },
    { turns: [ask('Hello'), call('toolu_x', '{"a":1}'), { role: 'tool', parts: [result('toolu_x', 'ok')] }] },
  ],
  [
    'results in one turn or in several',
    { turns: [ask('Hello'), { role: 'tool', parts: [result('a', '1'), result('b', '2')] }] },
    { turns: [ask('Hello'), { role: 'tool', parts: [result('a', '1')] }, { role: 'tool', parts: [result('b', '2')] }] },
  ],
  [
    'reasoning that is not read again',
    { turns: [ask('Hello'), { role: 'assistant', parts: [text('Hi')] }, ask('More')] },
    {
      turns: [
        ask('Hello'),
        { role: 'assistant', parts: [{ type: 'reasoning', text: 'Hm', signature: 's' }, text('Hi')] },
        ask('More'),
      ],
    },
  ],
  [
    'the name of a schema',
    { output: { type: 'json-schema', name: 'a', schema: { type: 'object' }, isStrict: true } },
    { output: { type: 'json-schema', name: 'b', schema: { type: 'object' }, isStrict: true } },
  ],
  [
    'a signature in an address',
    { turns: [{ role: 'user', parts: [{ type: 'image', url: 'https://h/a.png?Expires=1&Signature=abc' }] }] },
    {
      turns: [{ role: 'user', parts: [{ type: 'image', url: 'https://h/a.png?Expires=REDACTED&Signature=REDACTED' }] }],
    },
  ],
];

/** Pairs that may ask for another answer, and where they differ. */
const DIFFERENT: readonly (readonly [path: string, a: Partial<GenerationRequest>, b: Partial<GenerationRequest>])[] = [
  ['model', {}, { model: 'n' }],
  ['turns[0].parts[0].text', {}, { turns: [ask('Bye')] }],
  ['turns.length', {}, { turns: [ask('Hello'), call('a', '{}')] }],
  ['sampling.seed', { sampling: { seed: 1 } }, { sampling: { seed: 2 } }],
  ['sampling.temperature', {}, { sampling: { temperature: 0 } }],
  ['thinking.switch', {}, { thinking: { switch: 'on' } }],
  ['toolChoice', { tools: [tool] }, { tools: [tool], toolChoice: 'required' }],
  ['tools[0].description', { tools: [{ ...tool, description: 'a' }] }, { tools: [{ ...tool, description: 'b' }] }],
  ['extensions.search.forced_search', {}, { extensions: { search: { forced_search: true } } }],
  ['rawPrompt.suffix', { rawPrompt: { text: 'a', suffix: 'b' } }, { rawPrompt: { text: 'a', suffix: 'c' } }],
  [
    'turns[1].parts[0].text',
    {
      thinking: { switch: 'on', keepsHistory: true },
      turns: [ask('Hello'), { role: 'assistant', parts: [{ type: 'reasoning', text: 'a' }] }],
    },
    {
      thinking: { switch: 'on', keepsHistory: true },
      turns: [ask('Hello'), { role: 'assistant', parts: [{ type: 'reasoning', text: 'b' }] }],
    },
  ],
];

describe('two requests', () => {
  it.each(SAME)('are the same but for %s', (_name, a, b) => {
    expect(keyOf(comparableOf({ ...base, ...a }))).toBe(keyOf(comparableOf({ ...base, ...b })));
  });

  it.each(DIFFERENT)('differ in %s', (path, a, b) => {
    const [one, other] = [comparableOf({ ...base, ...a }), comparableOf({ ...base, ...b })];
    expect(keyOf(one)).not.toBe(keyOf(other));
    expect(differingPaths(one, other)).toEqual([path]);
  });
});
