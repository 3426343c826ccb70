import { describe, expect, it } from 'vitest';
import { testContext } from '../../../test/support/context.ts';
import { recordingNext, testRoute } from '../../../test/support/streams.ts';
import { loadCatalogue } from '../../catalogue/load.ts';
import { StudioError } from '../../core/errors.ts';
import { type FunctionTool, type GenerationRequest, plainRequest, type Turn } from '../../core/generation.ts';
import { permissiveCard } from '../../core/models.ts';
import type { CallContext } from '../../core/ports.ts';
import { CHECKS, validation } from './validation.ts';

const catalogue = loadCatalogue();
const PREFIX = '<400> InternalError.Algo.InvalidParameter: ';

const user = (text: string): Turn => ({ role: 'user', parts: [{ type: 'text', text }] });
const system = (text: string): Turn => ({ role: 'system', parts: [{ type: 'text', text }] });
const prefix: Turn = { role: 'assistant', parts: [{ type: 'text', text: 'Once' }], isPartial: true };
const tool: FunctionTool = { type: 'function', name: 'get_weather', inputSchema: {} };
const image: Turn = { role: 'user', parts: [{ type: 'image', url: 'https://example.com/a.png' }] };
const json = { type: 'json-object' } as const;

type Changes = Partial<GenerationRequest>;

/** The request goes through (undefined), or what it is refused with. */
function refusal(model: string, changes: Changes = {}, call: Partial<CallContext> = {}): StudioError | undefined {
  const request = { ...plainRequest(model, [user('hello')]), ...changes };
  const card = catalogue.find(model) ?? permissiveCard(model);
  const context = testContext({ card, route: testRoute(), ...call });
  const { next, requests } = recordingNext();
  try {
    validation.apply(request, context, next);
  } catch (thrown) {
    if (thrown instanceof StudioError) return thrown;
    throw thrown;
  }
  expect(requests).toEqual([request]);
  return undefined;
}

interface Case {
  readonly what: string;
  readonly model?: string;
  readonly changes?: Changes;
  readonly isStreaming?: boolean;
  readonly message: string;
  readonly code?: string;
  readonly status?: number;
}

const STOP_TEXT =
  'The "stop" parameter must be of type "str", "list[str]", "list[int]", or "list[list[int]]", and all elements within the list must be of the same type.';
const UNEXPECTED_ITEM = `${PREFIX}The provided messages input is invalid. The error info is [Unexpected item type in content.]`;

const CASES: readonly Case[] = [
  { what: 'no messages', changes: { turns: [] }, message: '[] is too short' },
  {
    what: 'no user message',
    changes: { turns: [system('be brief')] },
    message: `${PREFIX}The input messages do not contain elements with the role of user.`,
  },
  {
    what: 'a system message for a translation model',
    model: 'qwen-mt-plus',
    changes: { turns: [system('translate'), user('hello')] },
    message: 'Role must be in [user, assistant].',
  },
  { what: 'a picture for a text model', changes: { turns: [image] }, message: UNEXPECTED_ITEM },
  {
    what: 'a picture that only text weights could answer',
    model: 'qwen-vl-max',
    changes: { turns: [image] },
    message: `${PREFIX}The provided messages input is invalid. The error info is [The weights that answer for qwen-vl-max here read text only: no image in content.]`,
  },
  {
    what: 'a picture in a tool result',
    changes: {
      turns: [
        user('look'),
        {
          role: 'tool',
          parts: [{ type: 'tool-result', callId: 'a', isError: false, parts: [{ type: 'image', url: 'u' }] }],
        },
      ],
    },
    message: UNEXPECTED_ITEM,
  },
  {
    what: 'a video for a model of still pictures',
    model: 'qwen-vl-ocr',
    changes: { turns: [{ role: 'user', parts: [{ type: 'video', url: 'u' }] }] },
    message: UNEXPECTED_ITEM,
  },
  {
    what: 'sound',
    model: 'qwen-vl-max',
    changes: { turns: [{ role: 'user', parts: [{ type: 'audio', url: 'u' }] }] },
    message: UNEXPECTED_ITEM,
  },
  {
    what: 'a document part',
    model: 'scripted/echo',
    changes: { turns: [{ role: 'user', parts: [{ type: 'file', fileId: 'f' }] }] },
    message: UNEXPECTED_ITEM,
  },
  {
    what: 'a stored document',
    model: 'qwen-long',
    changes: { turns: [system('fileid://file-fe-1,fileid://file-fe-2'), user('sum up')] },
    message: 'Invalid file [id:file-fe-1].',
  },
  { what: 'temperature 2', changes: { sampling: { temperature: 2 } }, message: 'Temperature should be in [0.0, 2.0)' },
  {
    what: 'temperature NaN',
    changes: { sampling: { temperature: Number.NaN } },
    message: 'Temperature should be in [0.0, 2.0)',
  },
  {
    what: 'temperature 1.6 for a narrower model',
    model: 'xiaomi/mimo-v2.5-pro',
    changes: { sampling: { temperature: 1.6 } },
    message: 'Temperature should be in [0.0, 1.5]',
  },
  { what: 'top_p 0', changes: { sampling: { topP: 0 } }, message: 'Range of top_p should be (0.0, 1.0]' },
  { what: 'top_p 1.01', changes: { sampling: { topP: 1.01 } }, message: 'Range of top_p should be (0.0, 1.0]' },
  {
    what: 'top_k -1',
    changes: { sampling: { topK: -1 } },
    message: 'Parameter top_k be greater than or equal to 0',
  },
  { what: 'min_p 2', changes: { sampling: { minP: 2 } }, message: 'Range of min_p should be [0.0, 1.0]' },
  {
    what: 'presence_penalty 2.1',
    changes: { sampling: { presencePenalty: 2.1 } },
    message: 'Presence_penalty should be in [-2.0, 2.0]',
  },
  {
    what: 'repetition_penalty 0',
    changes: { sampling: { repetitionPenalty: 0 } },
    message: 'Repetition_penalty should be greater than 0.0',
  },
  { what: 'n 0', changes: { sampling: { choices: 0 } }, message: 'Range of n should be [1, 4]' },
  { what: 'n 5', changes: { sampling: { choices: 5 } }, message: 'Range of n should be [1, 4]' },
  {
    what: 'seed -1',
    changes: { sampling: { seed: -1 } },
    message: "-1 is lesser than the minimum of 0 - 'seed'",
    code: 'invalid-value',
  },
  {
    what: 'seed 2^31',
    changes: { sampling: { seed: 2 ** 31 } },
    message: "2147483648 is greater than the maximum of 2147483647 - 'seed'",
    code: 'invalid-value',
  },
  { what: 'seed 1.5', changes: { sampling: { seed: 1.5 } }, message: "'seed' must be Integer", code: 'invalid-value' },
  {
    what: 'max_tokens 0',
    changes: { limits: { maxOutputTokens: 0 } },
    message: 'Range of max_tokens should be [1, 32768]',
  },
  {
    what: 'max_tokens above the limit',
    model: 'qwen3.8-max',
    changes: { limits: { maxOutputTokens: 131073 } },
    message: 'Range of max_tokens should be [1, 131072]',
  },
  {
    what: 'max_completion_tokens above the limit where it is known',
    model: 'qwen3.5-plus',
    changes: { limits: { maxTotalOutputTokens: 65537 } },
    message: 'Range of max_completion_tokens should be [1, 65536]',
  },
  {
    what: 'max_completion_tokens 0 where it is ignored',
    changes: { limits: { maxTotalOutputTokens: 0 } },
    message: 'Range of max_completion_tokens should be [1, 2147483647]',
  },
  {
    what: 'top_logprobs 20',
    changes: { sampling: { logprobs: { top: 20 } } },
    message: "Invalid 'top_logprobs': 20. Expected an integer in range [0, 5]",
  },
  { what: 'mixed stops', changes: { sampling: { stopTexts: ['a'], stopTokens: [[1]] } }, message: STOP_TEXT },
  { what: 'an empty stop', changes: { sampling: { stopTexts: [''] } }, message: STOP_TEXT },
  { what: 'a negative stop token', changes: { sampling: { stopTokens: [[-1]] } }, message: STOP_TEXT },
  {
    what: 'thinking on a model that never thinks',
    model: 'qwen-max',
    changes: { thinking: { switch: 'on' } },
    message: 'The model qwen-max does not support enable_thinking.',
    code: 'thinking-unsupported',
  },
  {
    what: 'no thinking on a model that always thinks',
    model: 'deepseek-r1',
    changes: { thinking: { switch: 'off' } },
    message: 'The value of the enable_thinking parameter is restricted to True.',
  },
  {
    what: 'thinking_budget below 0',
    changes: { thinking: { switch: 'on', budgetTokens: -1 } },
    message: 'The thinking_budget parameter must be a positive integer and not greater than 81920',
  },
  {
    what: 'thinking_budget above the longest chain',
    model: 'qwen-turbo',
    changes: { thinking: { switch: 'on', budgetTokens: 77824 } },
    message: 'The thinking_budget parameter must be a positive integer and not greater than 38912',
  },
  {
    what: 'an effort the model does not know',
    model: 'glm-5.1',
    changes: { thinking: { switch: 'default', effort: 'enormous' } },
    message: 'Required parameter(reasoning_effort) missing or invalid, please check the request parameters.',
  },
  {
    what: 'effort and budget on qwen3.8',
    model: 'qwen3.8-max',
    changes: { thinking: { switch: 'on', effort: 'low', budgetTokens: 100 } },
    message: "'reasoning_effort' and 'thinking_budget' cannot be set simultaneously",
  },
  {
    what: 'no stream on a stream-only model',
    model: 'qwq-plus',
    isStreaming: false,
    message: 'This model only support stream mode, please enable the stream parameter to access the model. ',
  },
  {
    what: 'no stream while an open-source hybrid thinks by default',
    model: 'qwen3-8b',
    isStreaming: false,
    message: 'parameter.enable_thinking must be set to false for non-streaming calls',
  },
  {
    what: 'tools on a model without',
    model: 'qwen-math-plus',
    changes: { tools: [tool] },
    message: `${PREFIX}The tool call is not supported.`,
  },
  {
    what: 'a tool_choice that is not declared',
    changes: { tools: [tool], toolChoice: { name: 'AgentOutput' } },
    message: `${PREFIX}Invalid value for "tool_choice": no function named "AgentOutput" was specified in the "tools" parameter.`,
  },
  {
    what: 'tool_choice required while thinking',
    changes: { tools: [tool], toolChoice: 'required', thinking: { switch: 'on' } },
    message: 'The tool_choice parameter does not support being set to required or object in thinking mode',
  },
  {
    what: 'a named tool while thinking by default',
    model: 'glm-5.1',
    changes: { tools: [tool], toolChoice: { name: 'get_weather' } },
    message: 'The tool_choice parameter does not support being set to required or object in thinking mode',
  },
  {
    what: 'n 2 with tools',
    changes: { tools: [tool], sampling: { choices: 2 } },
    message: 'The n parameter must be 1 when tools is set.',
  },
  {
    what: 'n 2 while thinking',
    changes: { sampling: { choices: 2 }, thinking: { switch: 'on' } },
    message: 'The n parameter must be 1 when enable_thinking is true.',
  },
  {
    what: 'json_object without the word',
    changes: {
      output: json,
      turns: [user('give me an object'), { role: 'assistant', parts: [{ type: 'text', text: 'json?' }] }],
    },
    message: `${PREFIX}'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.`,
  },
  {
    what: 'json_object while an open-source hybrid thinks',
    model: 'qwen3-32b',
    changes: { output: json, turns: [user('json')] },
    message: `${PREFIX}Json mode response is not supported when enable_thinking is true`,
  },
  {
    what: 'partial on a user message',
    changes: { turns: [{ ...user('a'), isPartial: true }] },
    message: 'The partial parameter is only supported for messages with role "assistant".',
  },
  {
    what: 'partial with a tool call',
    changes: {
      turns: [
        user('a'),
        {
          role: 'assistant',
          isPartial: true,
          parts: [{ type: 'tool-call', callId: 'c', name: 'f', inputText: '{}', executedBy: 'client' }],
        },
      ],
    },
    message: 'The partial parameter is not supported together with "tool_calls".',
  },
  {
    what: 'partial on a model without',
    model: 'qwen-math-plus',
    changes: { turns: [user('a'), prefix] },
    message: 'This model does not support partial mode.',
  },
  {
    what: 'partial while thinking',
    model: 'qwen3.5-plus',
    changes: { turns: [user('a'), prefix] },
    message: 'Partial mode is not supported when enable_thinking is true',
  },
  {
    what: 'web search',
    changes: { extensions: { search: {} } },
    message: 'This model does not support enable_search.',
  },
  {
    what: 'the code interpreter',
    changes: { extensions: { codeInterpreter: {} } },
    message: 'This model does not support enable_code_interpreter.',
  },
  {
    what: 'translation options',
    model: 'qwen-mt-plus',
    changes: { extensions: { translation: { target_lang: 'English' } } },
    message: 'This model does not support translation_options.',
  },
  {
    what: 'character options',
    model: 'qwen-plus-character',
    changes: { extensions: { character: {} } },
    message: 'This model does not support character_options.',
  },
  { what: 'a skill', changes: { extensions: { skills: {} } }, message: 'This model does not support skill.' },
  { what: 'speech', changes: { extensions: { speech: {} } }, message: 'This model does not support audio output.' },
  { what: 'ocr options', changes: { extensions: { ocr: {} } }, message: 'This model does not support ocr_options.' },
  {
    what: 'deep research',
    model: 'qwen-deep-research',
    message: 'Unsupported model `qwen-deep-research`',
    code: 'model-not-supported',
    status: 404,
  },
  {
    what: 'a hosted tool',
    changes: { tools: [{ type: 'hosted', kind: 'web_search', options: {} }] },
    message: 'This model does not support the web_search tool.',
  },
  {
    what: 'an earlier response',
    changes: { continuation: { previousResponseId: 'resp_1' } },
    message: 'This model does not support stored conversations.',
  },
];

describe('validation', () => {
  it.each(CASES)('refuses $what', ({ model = 'qwen-plus', changes, isStreaming = true, message, code, status }) => {
    const error = refusal(model, changes, { isStreaming });
    expect(error?.message).toBe(message);
    expect(error?.code).toBe(code ?? 'invalid-parameter');
    expect(error?.status).toBe(status ?? 400);
  });

  const ALLOWED: readonly { what: string; model?: string; changes?: Changes; isStreaming?: boolean }[] = [
    { what: 'a plain question' },
    {
      what: 'the edges of the ranges',
      changes: {
        sampling: { temperature: 0, topP: 1, topK: 0, presencePenalty: -2, seed: 0, choices: 4, logprobs: { top: 5 } },
        limits: { maxOutputTokens: 32768 },
      },
    },
    { what: 'temperature 1.99 and the highest seed', changes: { sampling: { temperature: 1.99, seed: 2 ** 31 - 1 } } },
    { what: 'thinking off on a model that never thinks', model: 'qwen-max', changes: { thinking: { switch: 'off' } } },
    {
      what: 'a budget on a model that never thinks',
      model: 'qwen-max',
      changes: { thinking: { switch: 'default', budgetTokens: 0 } },
    },
    { what: 'a budget of no reasoning at all', changes: { thinking: { switch: 'on', budgetTokens: 0 } } },
    { what: 'an effort on a model without efforts', changes: { thinking: { switch: 'default', effort: 'whatever' } } },
    {
      what: 'effort none on qwen3.8 without a stream',
      model: 'qwen3.8-max',
      changes: { thinking: { switch: 'default', effort: 'none' } },
      isStreaming: false,
    },
    { what: 'commercial thinking without a stream', changes: { thinking: { switch: 'on' } }, isStreaming: false },
    {
      what: 'an open-source hybrid switched off, without a stream',
      model: 'qwen3-8b',
      changes: { thinking: { switch: 'off' } },
      isStreaming: false,
    },
    {
      what: 'the word json in the instructions',
      changes: { output: json, instructions: [{ type: 'text', text: 'Answer in JSON.' }] },
    },
    {
      what: 'a schema without the word json',
      changes: { output: { type: 'json-schema', name: 'a', schema: {}, isStrict: true } },
    },
    {
      what: 'JSON while a newer hybrid thinks',
      model: 'qwen3.7-max',
      changes: { output: json, turns: [user('json')] },
    },
    { what: 'tool_choice required with tools', changes: { tools: [tool], toolChoice: 'required' } },
    { what: 'a prefix', changes: { turns: [user('a'), prefix] } },
    { what: 'an old prefix in the history', model: 'qwen3.5-plus', changes: { turns: [user('a'), prefix, user('b')] } },
    { what: 'a session key', changes: { continuation: { sessionKey: 's' } } },
    {
      what: 'max_completion_tokens above the limit where it is ignored',
      changes: { limits: { maxTotalOutputTokens: 100_000 } },
    },
    {
      what: 'anything on an own model',
      model: 'own/model',
      changes: {
        sampling: { temperature: 1 },
        limits: { maxOutputTokens: 1_000_000 },
        thinking: { switch: 'on', budgetTokens: 1_000_000, effort: 'high' },
      },
    },
  ];
  it.each(ALLOWED)('lets $what through', ({ model = 'qwen-plus', changes, isStreaming = true }) => {
    expect(refusal(model, changes, { isStreaming })).toBeUndefined();
  });

  it('lets a picture through to a backend that reads them', () => {
    expect(refusal('qwen-vl-max', { turns: [image] }, { route: testRoute({ images: true }) })).toBeUndefined();
    expect(refusal('qwen-plus', { turns: [image] }, { route: testRoute({ images: true }) })?.message).toBe(
      UNEXPECTED_ITEM,
    );
  });

  it('has a case for every check', () => {
    const card = catalogue.find('qwen-plus');
    if (!card) throw new Error('qwen-plus is in the catalogue');
    const refusing = new Set<string>();
    for (const { model = 'qwen-plus', changes, isStreaming = true } of CASES) {
      const request = { ...plainRequest(model, [user('hello')]), ...changes };
      const context = testContext({ route: testRoute(), isStreaming });
      for (const check of CHECKS) {
        try {
          check(request, catalogue.find(model) ?? permissiveCard(model), context);
        } catch {
          refusing.add(check.name);
        }
      }
    }
    expect(CHECKS.map((check) => check.name).filter((name) => !refusing.has(name))).toEqual([]);
  });
});
