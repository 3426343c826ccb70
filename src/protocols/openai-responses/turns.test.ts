import { describe, expect, test } from 'vitest';
import { countingIds } from '../../../test/support/context.ts';
import type { ContentPart } from '../../core/generation.ts';
import { decodeItem } from '../openai-items.ts';
import { turnsOf } from './turns.ts';

const open = (sealed: string) => (sealed.startsWith('sealed:') ? sealed.slice('sealed:'.length) : undefined);

/** Turns in a line: `user(Hi) assistant([hmm] text call:f)`. */
function shown(...items: object[]): string {
  const ids = countingIds();
  const turns = turnsOf(
    items.map((item, index) => decodeItem(item, `input[${index}]`, ids)),
    open,
  );
  return turns.map(({ role, parts }) => `${role}(${parts.map(showPart).join(' ')})`).join(' ');
}

function showPart(part: ContentPart): string {
  switch (part.type) {
    case 'text':
      return part.text;
    case 'reasoning':
      return `[${part.text}]`;
    case 'tool-call':
      return `call:${part.name}${part.inputText}`;
    case 'tool-result':
      return `result:${part.callId}`;
    default:
      return part.type;
  }
}

const user = (content: string) => ({ role: 'user', content });
const assistant = (content: string) => ({ role: 'assistant', content });
const thought = (text: string) => ({ type: 'reasoning', summary: [{ type: 'summary_text', text }] });
const call = (call_id: string) => ({ type: 'function_call', call_id, name: 'f', arguments: '{}' });
const output = (call_id: string) => ({ type: 'function_call_output', call_id, output: 'x' });

describe('what a model said in one go is one turn', () => {
  test.each<[object[], string]>([
    [[user('a'), thought('hmm'), assistant('b'), call('1')], 'user(a) assistant([hmm] b call:f{})'],
    [
      [user('a'), call('1'), call('2'), output('1'), output('2')],
      'user(a) assistant(call:f{} call:f{}) tool(result:1) tool(result:2)',
    ],
    [
      [user('a'), call('1'), output('1'), thought('so'), assistant('b')],
      'user(a) assistant(call:f{}) tool(result:1) assistant([so] b)',
    ],
    [[user('a'), assistant('b'), assistant('c')], 'user(a) assistant(b) assistant(c)'],
    [[user('a'), call('1'), assistant('wait'), output('1')], 'user(a) assistant(call:f{} wait) tool(result:1)'],
    [[user('a'), assistant('b'), thought('hmm'), assistant('c')], 'user(a) assistant(b) assistant([hmm] c)'],
    [[{ role: 'developer', content: 'rules' }, user('a')], 'system(rules) user(a)'],
    [[user('a'), { type: 'web_search_call' }, assistant('')], 'user(a)'],
  ])('%#', (items, expected) => {
    expect(shown(...items)).toBe(expected);
  });
});

test('reasoning is read from its seal, else from what is shown of it', () => {
  const summary = [{ type: 'summary_text', text: 'short' }];
  expect(shown({ type: 'reasoning', summary, encrypted_content: 'sealed:whole' })).toBe('assistant([whole])');
  expect(shown({ type: 'reasoning', summary, encrypted_content: 'foreign' })).toBe('assistant([short])');
  expect(shown({ type: 'reasoning', summary, content: [{ text: 'raw' }] })).toBe('assistant([raw])');
  expect(shown({ type: 'reasoning', summary: [] }, user('a'))).toBe('user(a)');
});

test('a call that was cut off is left out, and so has no result', () => {
  expect(shown(user('a'), { ...call('1'), status: 'incomplete' }, user('b'))).toBe('user(a) user(b)');
});

test('a summary is read where it stands', () => {
  expect(shown({ type: 'compaction', encrypted_content: 'sealed:all said' }, user('a'))).toMatch(
    /^user\(A summary of .*all said\) user\(a\)$/s,
  );
});

test.each<[object, string]>([
  [output('9'), 'No tool call found for function call output with call_id 9.'],
  [
    { type: 'compaction', id: 'cmp_1', encrypted_content: 'foreign' },
    "Invalid 'input': the compaction item 'cmp_1' was not made by this server for this workspace.",
  ],
  [{ type: 'item_reference', id: 'msg_1' }, "Item with id 'msg_1' not found."],
])('%j is refused', (item, message) => {
  expect(() => shown(user('a'), item)).toThrow(message);
});
