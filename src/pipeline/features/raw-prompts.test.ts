/** What the features do with a raw prompt: no messages are asked for, nothing that needs messages is let through. */
import { describe, expect, it } from 'vitest';
import { testContext } from '../../../test/support/context.ts';
import { recordingNext, testRoute } from '../../../test/support/streams.ts';
import { loadCatalogue } from '../../catalogue/load.ts';
import { StudioError } from '../../core/errors.ts';
import { type GenerationRequest, plainRequest } from '../../core/generation.ts';
import { permissiveCard } from '../../core/models.ts';
import { thinking } from './thinking.ts';
import { RAW_PROMPT_CHECKS, validation } from './validation.ts';

const catalogue = loadCatalogue();
const cardOf = (model: string) => catalogue.find(model) ?? permissiveCard(model);
const able = testRoute({ rawPrompts: true });

type Changes = Partial<GenerationRequest>;

function requestOf(model: string, changes: Changes): GenerationRequest {
  return { ...plainRequest(model, []), rawPrompt: { text: 'x = ' }, ...changes };
}

function refusal(model: string, changes: Changes = {}, route = able): StudioError | undefined {
  const { next, requests } = recordingNext();
  const request = requestOf(model, changes);
  try {
    validation.apply(request, testContext({ card: cardOf(model), route }), next);
  } catch (thrown) {
    if (thrown instanceof StudioError) return thrown;
    throw thrown;
  }
  expect(requests).toEqual([request]);
  return undefined;
}

const MODEL = 'qwen-coder-turbo';

describe('validation of a raw prompt', () => {
  it.each([
    'qwen-coder-turbo',
    'qwen-coder-turbo-latest',
    'qwen-coder-turbo-0919',
    'qwen2.5-coder-7b-instruct',
    'scripted/echo',
  ])('lets it through without messages to a model that fills in the middle: %s', (model) => {
    expect(refusal(model)).toBeUndefined();
    expect(refusal(model, { rawPrompt: { text: 'x', suffix: 'y' } })).toBeUndefined();
  });

  it.each(['qwen-plus', 'qwen3-coder-plus', 'qwen-coder-plus', 'deepseek-v3'])(
    'does not know other models on this wire: %s',
    (model) => {
      expect(refusal(model)).toMatchObject({ code: 'model-not-supported', message: `Unsupported model \`${model}\`` });
    },
  );

  it('is refused where the server behind the model takes none', () => {
    expect(refusal(MODEL, {}, testRoute())).toMatchObject({
      code: 'invalid-parameter',
      message: 'The server that answers for qwen-coder-turbo here does not take raw prompts.',
    });
  });

  const cases: readonly [Changes, string][] = [
    [{ turns: [{ role: 'user', parts: [] }] }, 'Only one of the parameters "prompt" and "messages" can be present'],
    [
      { instructions: [{ type: 'text', text: 'be brief' }] },
      'Only one of the parameters "prompt" and "messages" can be present',
    ],
    [{ tools: [{ type: 'function', name: 'f', inputSchema: {} }] }, 'The tools parameter is not supported'],
    [{ output: { type: 'json-object' } }, 'The response_format parameter is not supported'],
    [{ thinking: { switch: 'on' } }, 'The enable_thinking parameter is not supported'],
    [{ continuation: { previousResponseId: 'r' } }, 'The previous_response_id parameter is not supported'],
    [{ extensions: { search: {} } }, 'The search parameter is not supported'],
    [{ sampling: { temperature: 2 } }, 'Temperature should be in [0.0, 2.0)'],
    [{ sampling: { topP: 0 } }, 'Range of top_p should be (0.0, 1.0]'],
    [{ sampling: { topK: -1 } }, 'Parameter top_k be greater than or equal to 0'],
    [{ sampling: { minP: 2 } }, 'Range of min_p'],
    [{ sampling: { presencePenalty: 3 } }, 'Presence_penalty should be in [-2.0, 2.0]'],
    [{ sampling: { repetitionPenalty: 0 } }, 'Repetition_penalty should be greater than 0.0'],
    [{ sampling: { choices: 5 } }, 'Range of n should be [1, 4]'],
    [{ sampling: { seed: -1 } }, "-1 is lesser than the minimum of 0 - 'seed'"],
    [{ sampling: { logprobs: { top: 6 } } }, "Invalid 'top_logprobs': 6"],
    [{ sampling: { stopTexts: [''] } }, 'The "stop" parameter must be of type'],
    [{ limits: { maxOutputTokens: 8193 } }, 'Range of max_tokens should be [1, 8192]'],
    [{ limits: { maxTotalOutputTokens: 0 } }, 'Range of max_completion_tokens'],
  ];

  it.each(cases)('refuses %j', (changes, message) => {
    expect(refusal(MODEL, changes)?.message).toContain(message);
  });

  it('has a case for every check', () => {
    const refusing = new Set(['rawPromptIsPossible']);
    for (const [changes] of cases) {
      for (const check of RAW_PROMPT_CHECKS) {
        try {
          check(requestOf(MODEL, changes), cardOf(MODEL), testContext({ route: able }));
        } catch {
          refusing.add(check.name);
        }
      }
    }
    expect(RAW_PROMPT_CHECKS.map((check) => check.name).filter((name) => !refusing.has(name))).toEqual([]);
  });
});

it('never thinks, whatever the card says', () => {
  const { next, requests } = recordingNext();
  const card = { ...permissiveCard('own/model'), thinking: 'always' as const };
  thinking.apply(requestOf('own/model', {}), testContext({ card, route: able }), next);
  expect(requests[0]?.thinking).toEqual({ switch: 'off' });
});
