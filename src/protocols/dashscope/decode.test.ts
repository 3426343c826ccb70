import { describe, expect, test } from 'vitest';
import { goldenInfo } from '../../../test/support/goldens.ts';
import { StudioError } from '../../core/errors.ts';
import type { NativeService } from '../../core/models.ts';
import { decodeGeneration } from './decode.ts';
import { PayloadKeys } from './encryption.ts';

const user = { role: 'user', content: 'Who are you?' };
const plain = { model: 'my-model', input: { messages: [user] } };
const tool = (name: unknown) => ({ type: 'function', function: { name } });
const call = (inputText: unknown, id: unknown = 'a') => ({
  id,
  type: 'function',
  function: { name: 'f', arguments: inputText },
});
const asked = (parameters: unknown) => ({ ...plain, parameters });
const input = (value: unknown) => ({ ...plain, input: value });
const messages = (...list: unknown[]) => input({ messages: list });
const followedBy = (...list: unknown[]) => messages(user, ...list);
const content = (value: unknown) => messages({ role: 'user', content: value });

const ports = { findCard: () => undefined, keys: new PayloadKeys() };

/** What the wire answers, as `code | message` (and `| param` where one is named). */
function refusal(body: unknown, headers = {}, service: NativeService = 'multimodal-generation'): string {
  try {
    decodeGeneration(service, body, goldenInfo(headers), ports);
  } catch (thrown) {
    if (!(thrown instanceof StudioError)) throw thrown;
    return [thrown.code, thrown.message, ...(thrown.param === undefined ? [] : [thrown.param])].join(' | ');
  }
  return 'accepted';
}

const invalid = (message: string) => `invalid-parameter | ${message}`;
const BODY = 'malformed-body | Required body invalid, please check the request body format.';
const NO_MODEL = 'missing-parameter | Required parameter "model" missing from request. | model';
const NO_INPUT = 'missing-parameter | Required input parameter missing from request. | input';
const ILLEGAL_INPUT = 'invalid-value | The input parameter requires json format. | input';
const NEITHER = invalid('Either "prompt" or "messages" must exist and cannot both be none');
const ROLE = invalid('Role must be user or assistant and Content length must be greater than 0');
const NO_CONTENT = invalid('The content field is a required field.');
const NOT_A_MODAL = invalid('The item of content should be a message of a certain modal.');
const BAD_URL = invalid('The provided URL does not appear to be valid. Ensure it is correctly formatted.');
const JSON_ARGUMENTS = invalid('The "function.arguments" parameter of the code model must be in JSON format.');
const SEED = invalid('Range of seed should be [0, 9223372036854775807]');
const STOP = invalid(
  'The "stop" parameter must be of type "str", "list[str]", "list[int]", or "list[list[int]]", and all elements within the list must be of the same type.',
);
const TOOL_CHOICE = invalid('tool_choice is one of the strings that should be ["none", "auto"]');
const generic = (name: string) =>
  invalid(`Required parameter(${name}) missing or invalid, please check the request parameters.`);

/** Source: section of the dashscope-native reference, or docs/wires/dashscope.md where that is silent. */
const REFUSALS: readonly (readonly [source: string, body: unknown, expected: string])[] = [
  ['§8', 'text', BODY],
  ['§8', null, BODY],
  ['§8', [plain], BODY],
  ['§8', { input: plain.input }, NO_MODEL],
  ['§8', { ...plain, model: '' }, NO_MODEL],
  ['§8', { ...plain, model: 5 }, invalid('Model not exist.')],
  ['§8', { model: 'm' }, NO_INPUT],
  ['§8', input(null), NO_INPUT],
  ['§8', input('hello'), ILLEGAL_INPUT],
  ['§8', input([user]), ILLEGAL_INPUT],
  ['§8', input({}), NEITHER],
  ['§8', input({ history: [] }), NEITHER],
  ['§8, recorded', input({ prompt: 'x', messages: [] }), ROLE],
  ['page', input({ prompt: '' }), ROLE],
  ['page', input({ prompt: 5 }), invalid("'prompt' must be String")],
  ['page', input({ messages: 'hello' }), generic('messages')],
  ['page', input({ prompt: 'x', history: [{ user: 'a' }] }), invalid('Field required: history.bot')],
  ['§8', followedBy('hello'), ROLE],
  ['§8', followedBy({ content: 'x' }), ROLE],
  ['§8', followedBy({ role: 'king', content: 'x' }), ROLE],
  ['§8', content(''), ROLE],
  ['§8', content([]), ROLE],
  ['§8', followedBy({ role: 'user' }), NO_CONTENT],
  ['§8', followedBy({ role: 'assistant' }), NO_CONTENT],
  ['§8', followedBy({ role: 'system', content: null }), NO_CONTENT],
  ['page', content({ text: 'x' }), generic('content')],
  ['§8', content(['text']), NOT_A_MODAL],
  ['§8', content([{ type: 'image_url', image_url: { url: 'x' } }]), NOT_A_MODAL],
  ['§8', content([{ text: 5 }]), NOT_A_MODAL],
  ['page', content([{ text: 'x', image: 'https://example.org/a.png' }]), NOT_A_MODAL],
  ['§8', followedBy({ role: 'system', content: [{ image: 'https://example.org/a.png' }] }), NOT_A_MODAL],
  ['§8', content([{ image: 'a.png' }]), BAD_URL],
  ['§8', content([{ image: 'file:///tmp/a.png' }]), BAD_URL],
  ['§8', content([{ image: { url: 'https://example.org' } }]), BAD_URL],
  ['§8', content([{ video: [] }]), BAD_URL],
  ['§8', content([{ video: ['a.png'] }]), BAD_URL],
  ['§8', content([{ type: 'doc_url', doc_url: [] }]), BAD_URL],
  [
    '§3.1',
    content([{ image: `data:image/png;base64,${'A'.repeat(10_485_760)}` }]),
    invalid('Exceeded limit on max bytes per data-uri item : 10485760'),
  ],
  [
    'page',
    followedBy({ role: 'assistant', content: '', tool_calls: [] }),
    invalid('Empty tool_calls is not supported in message.'),
  ],
  ['§8', followedBy({ role: 'assistant', content: '', tool_calls: [call('{"a":')] }), JSON_ARGUMENTS],
  ['§8', followedBy({ role: 'assistant', content: '', tool_calls: [call({ a: 1 })] }), JSON_ARGUMENTS],
  [
    '§8',
    followedBy({ role: 'assistant', content: '', tool_calls: [call('{}', null)] }),
    invalid('Field required: tool_calls.id'),
  ],
  ['§8', followedBy({ role: 'tool', content: 'x' }), invalid('Field required: tool_call_id')],
  [
    '§8',
    followedBy({ role: 'tool', content: 'x', tool_call_id: 'a' }),
    invalid('messages with role "tool" must be a response to a preceeding message with "tool_calls".'),
  ],
  [
    'page',
    followedBy({ role: 'assistant', content: '', tool_calls: [call('{}')] }, user),
    invalid(
      'An assistant message with "tool_calls" must be followed by tool messages responding to each "tool_call_id". The following tool_call_ids did not have response messages: message[2].role',
    ),
  ],
  ['page', asked('x'), invalid("'parameters' must be Object")],
  ['page', asked({ temperature: 'hot' }), invalid("'temperature' must be Float")],
  ['page', asked({ top_k: 1.5 }), invalid("'top_k' must be Integer")],
  ['page', asked({ incremental_output: 'true' }), invalid("'incremental_output' must be Boolean")],
  ['page', asked({ enable_thinking: 1 }), invalid("'enable_thinking' must be Boolean")],
  ['page', asked({ search_options: [] }), invalid("'search_options' must be Object")],
  ['page', asked({ skill: {} }), invalid("'skill' must be Array")],
  ['page', asked({ logit_bias: { 1: 'a' } }), invalid("'logit_bias' must be Object")],
  ['page', asked({ result_format: 'xml' }), invalid('result_format should be one of ["text", "message"]')],
  ['§8', asked({ seed: -1 }), SEED],
  ['§8', asked({ seed: 1.5 }), SEED],
  ['§8', asked({ seed: 1e30 }), SEED],
  ['§3.2', asked({ stop: ['a', 1] }), STOP],
  ['§3.2', asked({ stop: [[1], 2] }), STOP],
  ['§3.2', asked({ tool_choice: 'required' }), TOOL_CHOICE],
  ['§3.2', asked({ tool_choice: { type: 'function' } }), TOOL_CHOICE],
  ['§8', asked({ tools: [tool('search')] }), invalid('Tool names are not allowed to be [search]')],
  ['page', asked({ tools: [] }), invalid("[] is too short - 'tools'")],
  ['page', asked({ tools: [{ type: 'web_search' }] }), generic('tools.[0].type')],
  [
    'page',
    asked({ tools: [tool('ok'), tool('two words')] }),
    invalid("Invalid 'tools.[1].function.name': expected 1 to 64 characters out of A-Z, a-z, 0-9, _ and -."),
  ],
  [
    'page',
    asked({ response_format: { type: 'xml' } }),
    invalid(
      "Unknown format of response_format, response_format should be a dict, includes 'type' and an optional key 'json_schema'. The response_format type from user is xml.",
    ),
  ],
];

describe('refusals', () => {
  test.each(
    REFUSALS.map(([source, body, expected]) => [source, JSON.stringify(body)?.slice(0, 120), body, expected] as const),
  )('%s %s', (_source, _shown, body, expected) => {
    expect(refusal(body)).toBe(expected);
  });

  test.each([
    [{ tools: [tool('f')] }, 'tools is set'],
    [{ n: 2 }, 'n is greater than 1'],
    [{ logprobs: true }, 'logprobs is true'],
    [{ enable_thinking: true }, 'enable_thinking is true'],
  ])('a text has no room for %j', (parameters, what) => {
    const body = asked({ result_format: 'text', ...parameters });
    const expected = invalid(`The result_format parameter must be "message" when ${what}`);
    expect(refusal(body, {}, 'text-generation')).toBe(expected);
  });

  test('a call that is to be answered later', () => {
    const expected = 'access-denied | Current user api does not support asynchronous calls.';
    expect(refusal(plain, { 'x-dashscope-async': 'enable' })).toBe(expected);
    expect(refusal(plain, { 'x-dashscope-async': 'disable' })).toBe('accepted');
  });
});

describe('order of checks', () => {
  const wrong = { model: '', input: { messages: [{ role: 'king' }] }, parameters: { stop: 5 } };
  test.each<[string, object, object, RegExp]>([
    ['later', wrong, { 'x-dashscope-async': 'enable' }, /asynchronous/],
    ['model', wrong, { 'x-dashscope-encryptionkey': '{}' }, /"model"/],
    ['encryption', { ...wrong, model: 'm' }, { 'x-dashscope-encryptionkey': '{}' }, /EncryptionKey/],
    ['input', { ...wrong, model: 'm' }, {}, /^invalid-parameter \| Role/],
    ['parameters', { ...plain, parameters: { stop: 5, result_format: 'text', n: 2 } }, {}, /"stop"/],
    ['form', { ...plain, parameters: { result_format: 'text', n: 2 } }, {}, /result_format/],
  ])('%s', (_name, body, headers, expected) => {
    expect(refusal(body, headers, 'text-generation')).toMatch(expected);
  });
});

describe('accepted', () => {
  test.each<[string, object]>([
    ['no parameters', plain],
    ['null parameters', asked(null)],
    ['unknown members', { ...asked({ foo: 1, stream: 'x', user_agent: 'x' }), task: 'x' }],
    ['unknown members of the input', input({ messages: [user], temperature: 'hot', customized_model_id: 'x' })],
    [
      'parameters that nothing here reads, of any type',
      asked({ tool_stream: 'x', max_input_tokens: 'x', asr_options: 5 }),
    ],
    ['an empty system message', messages({ role: 'system', content: '' }, user)],
    ['an empty assistant message', followedBy({ role: 'assistant', content: '' }, user)],
    [
      'an empty list beside calls',
      followedBy(
        { role: 'assistant', content: [], tool_calls: [call('')] },
        { role: 'tool', content: '', tool_call_id: 'a' },
      ),
    ],
    ['a prompt after messages', input({ prompt: 'x', messages: [user] })],
    ['the largest inline data', content([{ image: `data:,${'A'.repeat(10_485_754)}` }])],
    ['the largest seed', asked({ seed: 2 ** 63 })],
  ])('%s', (_name, body) => {
    expect(refusal(body)).toBe('accepted');
  });
});

describe('who is streamed to', () => {
  test.each<[object, boolean]>([
    [{}, false],
    [{ accept: 'application/json' }, false],
    [{ 'x-dashscope-sse': 'enable' }, true],
    [{ 'x-dashscope-sse': 'Enable' }, true],
    [{ 'x-dashscope-sse': 'disable' }, false],
    [{ accept: 'text/event-stream' }, true],
    [{ accept: 'application/json, text/event-stream;q=0.9' }, true],
  ])('%j: %s', (headers, expected) => {
    const info = goldenInfo(headers as { [name: string]: string });
    expect(decodeGeneration('text-generation', plain, info, ports).plan.isStreaming).toBe(expected);
  });
});
