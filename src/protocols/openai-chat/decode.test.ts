import { describe, expect, test } from 'vitest';
import { StudioError } from '../../core/errors.ts';
import { decodeChatRequest } from './decode.ts';

const user = { role: 'user', content: 'Who are you?' };
const plain = { model: 'qwen-plus', messages: [user] };
const tool = (name: unknown) => ({ type: 'function', function: { name } });
const call = (inputText: unknown) => ({ id: 'a', type: 'function', function: { name: 'f', arguments: inputText } });

/** What the wire answers, as `code | message` (and `| param` where one is named). */
function refusal(body: unknown): string {
  try {
    decodeChatRequest(body);
  } catch (thrown) {
    if (!(thrown instanceof StudioError)) throw thrown;
    return [thrown.code, thrown.message, ...(thrown.param === undefined ? [] : [thrown.param])].join(' | ');
  }
  return 'accepted';
}

const MODEL_LAYER = 'invalid-parameter | <400> InternalError.Algo.InvalidParameter: ';
const FORMAT =
  "invalid-parameter | Unknown format of response_format, response_format should be a dict, includes 'type' and an optional key 'json_schema'. The response_format type from user is ";
const STOP =
  'invalid-parameter | The "stop" parameter must be of type "str", "list[str]", "list[int]", or "list[list[int]]", and all elements within the list must be of the same type.';
const BODY = 'malformed-body | Required body invalid, please check the request body format.';
const JSON_ARGUMENTS = `${MODEL_LAYER}The "function.arguments" parameter of the code model must be in JSON format.`;
const TOOL_CHOICE = `${MODEL_LAYER}tool_choice is one of the strings that should be ["none", "auto"]`;
const EMPTY = 'invalid-parameter | Role must be user or assistant and Content length must be greater than 0';
const UNEXPECTED = `${MODEL_LAYER}The provided messages input is invalid. The error info is [Unexpected item type in content.]`;
const BAD_URL = `${MODEL_LAYER}The provided URL does not appear to be valid. Ensure it is correctly formatted.`;
const parts = (...content: unknown[]) => ({ ...plain, messages: [{ role: 'user', content }] });
const followedBy = (...messages: unknown[]) => ({ ...plain, messages: [user, ...messages] });
const generic = (name: string) =>
  `invalid-parameter | Required parameter(${name}) missing or invalid, please check the request parameters.`;

/** Source: section of the openai-chat reference, or docs/decisions/0006 where that is silent. */
const REFUSALS: readonly (readonly [source: string, body: unknown, expected: string])[] = [
  ['§18.2', 'text', BODY],
  ['§18.2', null, BODY],
  ['§18.2', [plain], BODY],
  ['§18.2', { messages: [user] }, 'missing-parameter | you must provide a model parameter. | model'],
  ['§18.2', { ...plain, model: '' }, 'missing-parameter | you must provide a model parameter. | model'],
  ['§18.2', { ...plain, model: null }, 'missing-parameter | you must provide a model parameter. | model'],
  ['§18.2', { ...plain, model: 5 }, 'invalid-parameter | Model not exist.'],
  ['§18.2', { model: 'm' }, 'missing-parameter | you must provide a messages parameter | message'],
  ['§18.2', { model: 'm', messages: null }, 'missing-parameter | you must provide a messages parameter | message'],
  ['§18.3', { model: 'm', messages: 'hello' }, generic('messages')],
  ['§18.3', { model: 'm', messages: [] }, "invalid-parameter | [] is too short - 'messages'"],
  ['§18.3', followedBy('hello'), 'invalid-parameter | Input should be a valid dictionary or instance of GPT3Message'],
  ['§18.3', followedBy({ content: 'hello' }), EMPTY],
  ['§18.3', followedBy({ role: 'user', content: '' }), EMPTY],
  ['§18.3', followedBy({ role: 'user', content: [] }), EMPTY],
  [
    '0006',
    followedBy({ role: 'king', content: 'x' }),
    "invalid-parameter | king is not one of ['system', 'assistant', 'user', 'tool', 'function'] - 'messages.[1].role'",
  ],
  [
    '0006',
    followedBy({ role: 'function', name: 'f', content: 'x' }),
    "invalid-parameter | Messages with role 'function' are not supported; send the result as role 'tool' with its 'tool_call_id'.",
  ],
  ['§18.3', followedBy({ role: 'user' }), `${MODEL_LAYER}The content field is a required field.`],
  ['§18.3', followedBy({ role: 'system', content: null }), `${MODEL_LAYER}The content field is a required field.`],
  ['§18.3', followedBy({ role: 'assistant' }), `${MODEL_LAYER}The content field is a required field.`],
  ['§18.3', followedBy({ role: 'assistant', content: null }), `${MODEL_LAYER}The content field is a required field.`],
  ['§18.3', followedBy({ role: 'tool', tool_call_id: 'a' }), `${MODEL_LAYER}The content field is a required field.`],
  [
    '0006',
    followedBy({ role: 'user', content: { text: 'x' } }),
    "invalid-parameter | Invalid type for 'messages.[1].content': expected one of a string or array of objects, but got an object instead.",
  ],
  ['§2', parts({ type: 'file', file: { file_id: 'x' } }), UNEXPECTED],
  ['§2', parts('text'), UNEXPECTED],
  ['§9', followedBy({ role: 'system', content: [{ type: 'image_url', image_url: { url: 'x' } }] }), UNEXPECTED],
  ['§18.3', parts({ type: 'text' }), generic('messages.content.text')],
  ['§9', parts({ type: 'image_url', image_url: 'https://example.org/a.png' }), BAD_URL],
  ['§9', parts({ type: 'video_url', video_url: {} }), BAD_URL],
  ['§9', parts({ type: 'video', video: [] }), `${MODEL_LAYER}Invalid video file.`],
  ['0006', parts({ type: 'input_audio', input_audio: {} }), `${MODEL_LAYER}The audio is empty`],
  [
    '§6',
    followedBy({ role: 'assistant', content: 'x', tool_calls: [] }),
    `${MODEL_LAYER}Empty tool_calls is not supported in message.`,
  ],
  ['§6', followedBy({ role: 'assistant', content: null, tool_calls: [call('{"a":')] }), JSON_ARGUMENTS],
  ['§6', followedBy({ role: 'assistant', content: null, tool_calls: [call({ a: 1 })] }), JSON_ARGUMENTS],
  ['§18.3', followedBy({ role: 'assistant', content: '', tool_calls: [{ function: {} }] }), generic('tool_calls.id')],
  ['§18.3', followedBy({ role: 'tool', content: 'x' }), generic('tool_call_id')],
  [
    '§6',
    followedBy({ role: 'tool', content: 'x', tool_call_id: 'a' }),
    `${MODEL_LAYER}messages with role "tool" must be a response to a preceeding message with "tool_calls".`,
  ],
  [
    '§6',
    followedBy({ role: 'assistant', content: null, tool_calls: [call('{}')] }, user),
    `${MODEL_LAYER}An assistant message with "tool_calls" must be followed by tool messages responding to each "tool_call_id". The following tool_call_ids did not have response messages: message[2].role`,
  ],
  ['§18.3', { ...plain, temperature: 'hot' }, "invalid-value | 'temperature' must be Float"],
  ['§18.3', { ...plain, top_p: '0.9' }, "invalid-value | 'top_p' must be Float"],
  ['§18.3', { ...plain, presence_penalty: true }, "invalid-value | 'presence_penalty' must be Float"],
  ['§18.3', { ...plain, repetition_penalty: [] }, "invalid-value | 'repetition_penalty' must be Float"],
  ['§18.2', { ...plain, seed: '1' }, "invalid-value | 'seed' must be Integer"],
  ['§18.2', { ...plain, seed: 1.5 }, "invalid-value | 'seed' must be Integer"],
  ['§18.2', { ...plain, top_k: 1.5 }, "invalid-value | 'top_k' must be Integer"],
  ['§18.2', { ...plain, min_p: 'x' }, "invalid-value | 'min_p' must be Float"],
  ['§18.2', { ...plain, n: '2' }, "invalid-value | 'n' must be Integer"],
  ['§18.2', { ...plain, max_tokens: 'many' }, "invalid-value | 'max_tokens' must be Integer"],
  ['§18.2', { ...plain, max_completion_tokens: 0.5 }, "invalid-value | 'max_completion_tokens' must be Integer"],
  ['§18.2', { ...plain, thinking_budget: '1k' }, "invalid-value | 'thinking_budget' must be Integer"],
  ['§18.2', { ...plain, top_logprobs: '5' }, "invalid-value | 'top_logprobs' must be Integer"],
  ['§18.2', { ...plain, stream: 'true' }, "invalid-value | 'stream' must be Boolean"],
  ['§18.2', { ...plain, enable_thinking: 1 }, "invalid-value | 'enable_thinking' must be Boolean"],
  ['§18.2', { ...plain, enable_search: 'yes' }, "invalid-value | 'enable_search' must be Boolean"],
  ['§18.2', { ...plain, parallel_tool_calls: 'no' }, "invalid-value | 'parallel_tool_calls' must be Boolean"],
  ['§18.2', { ...plain, reasoning_effort: 3 }, "invalid-value | 'reasoning_effort' must be String"],
  ['§18.2', { ...plain, logit_bias: { 1: 'a' } }, "invalid-value | 'logit_bias' must be Object"],
  ['§18.2', { ...plain, stream_options: true }, "invalid-value | 'stream_options' must be Object"],
  ['§18.2', { ...plain, skill: {} }, "invalid-value | 'skill' must be Array"],
  ['§18.3', { ...plain, stop: 5 }, STOP],
  ['§18.3', { ...plain, stop: ['a', 1] }, STOP],
  ['§18.3', { ...plain, stop: [[1], 2] }, STOP],
  ['§7', { ...plain, response_format: 'json' }, `${FORMAT}json.`],
  ['§7', { ...plain, response_format: { type: 'xml' } }, `${FORMAT}xml.`],
  ['§7', { ...plain, response_format: {} }, `${FORMAT}None.`],
  ['§7', { ...plain, response_format: { type: 'json_schema' } }, `${FORMAT}json_schema.`],
  ['§7', { ...plain, response_format: { type: 'json_schema', json_schema: { name: 'x' } } }, `${FORMAT}json_schema.`],
  ['0006', { ...plain, tools: [] }, "invalid-parameter | [] is too short - 'tools'"],
  ['§6', { ...plain, tools: [{ type: 'web_search' }] }, generic('tools.[0].type')],
  ['§6', { ...plain, tools: [tool('ok'), { type: 'function' }] }, generic('tools.[1].function')],
  ['§6', { ...plain, tools: [tool(undefined)] }, generic('tools.[0].function.name')],
  [
    '§6',
    { ...plain, tools: [{ type: 'function', function: { name: 'f', parameters: 'x' } }] },
    generic('tools.[0].function.parameters'),
  ],
  ['§6', { ...plain, tools: [tool('search')] }, `${MODEL_LAYER}Tool names are not allowed to be [search]`],
  ...['two words', '', 'ünicode', 'x'.repeat(65)].map(
    (name) =>
      [
        '0006',
        { ...plain, tools: [tool('ok'), tool(name)] },
        "invalid-parameter | Invalid 'tools.[1].function.name': expected 1 to 64 characters out of A-Z, a-z, 0-9, _ and -.",
      ] as const,
  ),
  ['§6', { ...plain, tools: [tool('f')], tool_choice: 'maybe' }, TOOL_CHOICE],
  ['§6', { ...plain, tools: [tool('f')], tool_choice: { type: 'function' } }, TOOL_CHOICE],
];

describe('refusals', () => {
  test.each(REFUSALS)('%s %j', (_source, body, expected) => {
    expect(refusal(body)).toBe(expected);
  });
});

describe('order of checks (§18.3)', () => {
  const everythingWrong = {
    messages: [{ role: 'tool', content: 'x', tool_call_id: 'a' }, { role: 'king' }],
    temperature: 'hot',
    stop: 5,
  };
  const steps: readonly (readonly [string, object, RegExp])[] = [
    ['model', everythingWrong, /model parameter/],
    ['messages', { ...everythingWrong, model: 'm', messages: undefined }, /messages parameter/],
    ['form of messages', { ...everythingWrong, model: 'm' }, /^invalid-parameter \| king/],
    ['types', { ...everythingWrong, model: 'm', messages: everythingWrong.messages.slice(0, 1) }, /temperature/],
    [
      'structures',
      { ...everythingWrong, model: 'm', messages: everythingWrong.messages.slice(0, 1), temperature: 1 },
      /"stop"/,
    ],
    ['history', { model: 'm', messages: everythingWrong.messages.slice(0, 1) }, /role "tool"/],
  ];

  test.each(steps)('%s', (_name, body, expected) => {
    expect(refusal(body)).toMatch(expected);
  });
});

describe('accepted', () => {
  test.each<[string, object]>([
    ['unknown members', { ...plain, foo: 1, store: 'x', frequency_penalty: 'x', web_search_options: 7 }],
    ['members the service ignores, of any type', { ...plain, user: 5, metadata: 'x', thinking: 'x' }],
    ['an empty system message', { ...plain, messages: [{ role: 'system', content: '' }, user] }],
    ['an empty assistant message', followedBy({ role: 'assistant', content: '' }, user)],
    ['null members of a message', followedBy({ role: 'assistant', content: 'x', tool_calls: null, name: null }, user)],
    ['whole numbers as Float', { ...plain, temperature: 1, top_p: 1 }],
    ['tool_choice without tools', { ...plain, tool_choice: 'none' }],
    ['a name of 64 characters', { ...plain, tools: [tool('x'.repeat(64))] }],
  ])('%s', (_name, body) => {
    expect(refusal(body)).toBe('accepted');
  });
});
