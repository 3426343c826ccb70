import { describe, expect, test } from 'vitest';
import { countingIds } from '../../test/support/context.ts';
import { StudioError } from '../core/errors.ts';
import { decodeItem } from './openai-items.ts';

const decode = (item: unknown) => decodeItem(item, 'input[3]', countingIds());

function refusalOf(item: unknown): string {
  try {
    decode(item);
  } catch (thrown) {
    if (!(thrown instanceof StudioError)) throw thrown;
    return `${thrown.param} | ${thrown.message}`;
  }
  return 'accepted';
}

const text = { type: 'input_text', text: 'Hi' };
const FIRST_ID = '00000000000090008000000000000001';

describe('an item', () => {
  test.each<[string, unknown, object]>([
    [
      'a message without a type',
      { role: 'user', content: 'Hi' },
      { id: `msg_${FIRST_ID}`, type: 'message', status: 'completed', role: 'user', content: [text] },
    ],
    [
      'what an assistant said, as input',
      { type: 'message', id: 'msg_1', role: 'assistant', content: [text], status: 'incomplete' },
      {
        id: 'msg_1',
        type: 'message',
        status: 'incomplete',
        role: 'assistant',
        content: [{ type: 'output_text', text: 'Hi', annotations: [] }],
      },
    ],
    [
      'a call without arguments',
      { type: 'function_call', call_id: 'c', name: 'f', arguments: '', namespace: 'n' },
      {
        id: `fc_${FIRST_ID}`,
        type: 'function_call',
        status: 'completed',
        call_id: 'c',
        namespace: 'n',
        name: 'f',
        arguments: '{}',
      },
    ],
    [
      'reasoning with everything',
      {
        type: 'reasoning',
        id: 'rs_1',
        summary: [{ type: 'summary_text', text: 'a' }],
        content: [{ text: 'b' }],
        encrypted_content: 'x',
      },
      {
        id: 'rs_1',
        type: 'reasoning',
        summary: [{ type: 'summary_text', text: 'a' }],
        content: [{ type: 'reasoning_text', text: 'b' }],
        encrypted_content: 'x',
      },
    ],
    [
      'reasoning with nothing',
      { type: 'reasoning', summary: null, content: null, encrypted_content: null, status: null },
      { id: `rs_${FIRST_ID}`, type: 'reasoning', summary: [] },
    ],
    ['a reference without a type', { id: 'msg_9' }, { id: 'msg_9', type: 'item_reference' }],
    [
      'a kind that nothing reads',
      { type: 'web_search_call', status: 'completed', action: { type: 'search' } },
      { id: `ws_${FIRST_ID}`, type: 'web_search_call', status: 'completed', action: { type: 'search' } },
    ],
    ['a kind with an odd name', { type: 'constructor' }, { type: 'constructor', id: `item_${FIRST_ID}` }],
    ['a kind from the future', { type: 'telepathy', id: '' }, { type: 'telepathy', id: `item_${FIRST_ID}` }],
  ])('%s', (_, given, kept) => {
    expect(decode(given)).toEqual(kept);
  });

  test.each<[unknown, string]>([
    ['Hi', "input[3] | Invalid 'input[3]': expected an object, but got a string instead."],
    [{}, "input[3].type | Invalid 'input[3].type': missing required parameter."],
    [{ role: 'user' }, "input[3].content | Invalid 'input[3].content': missing required parameter."],
    [
      { role: 'user', content: 5 },
      "input[3].content | Invalid 'input[3].content': expected one of a string or array of objects, but got an integer instead.",
    ],
    [
      { role: 'user', content: ['Hi'] },
      "input[3].content[0] | Invalid 'input[3].content[0]': expected an object, but got a string instead.",
    ],
    [
      { role: 'user', content: [{ type: 'input_text' }] },
      "input[3].content[0].text | Invalid 'input[3].content[0].text': missing required parameter.",
    ],
    [
      { role: 'user', content: [{ type: 'input_image' }] },
      "input[3].content[0].image_url | Invalid 'input[3].content[0].image_url': missing required parameter.",
    ],
    [
      { role: 'assistant', content: [{ type: 'input_image', image_url: 'https://example.org/a.png' }] },
      "input[3].content[0].type | Invalid 'input[3].content[0].type': unknown type 'input_image'.",
    ],
    [
      { type: 'function_call', name: 'f', arguments: '{}' },
      "input[3].call_id | Invalid 'input[3].call_id': missing required parameter.",
    ],
    [
      { type: 'function_call_output', call_id: 'c', output: { a: 1 } },
      "input[3].output | Invalid 'input[3].output': expected one of a string or array of objects, but got an object instead.",
    ],
  ])('%j', (item, expected) => {
    expect(refusalOf(item)).toBe(expected);
  });
});
