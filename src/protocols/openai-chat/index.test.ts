import { expect, test } from 'vitest';
import { callResource, testWirePorts } from '../../../test/support/wires.ts';
import { StudioError } from '../../core/errors.ts';
import { type ModelCard, termsEverywhere } from '../../core/models.ts';
import type { ListedModel } from '../protocol.ts';
import { createOpenAiChatWire } from './index.ts';

const card: ModelCard = {
  id: 'kimi/kimi-k3',
  entryId: 'kimi/kimi-k3',
  name: 'Kimi K3',
  family: 'kimi',
  owner: 'moonshot',
  kinds: ['chat'],
  status: 'current',
  isOpenWeights: false,
  releasedAtSeconds: 1_770_000_000,
  inputModalities: ['text'],
  thinking: 'always',
  thinkingBudgetMax: 1000,
  isThinkingBudgetSettable: false,
  reasoningEfforts: ['max'],
  preservesThinking: false,
  streamRequired: 'no',
  contextWindow: 262_144,
  maxInput: null,
  maxInputThinking: null,
  maxOutput: 32_768,
  maxOutputIncludesReasoning: false,
  abilities: {
    tools: true,
    parallelTools: true,
    jsonObject: true,
    jsonSchema: false,
    partialMode: false,
    logprobs: false,
    fim: false,
    webSearch: false,
    codeInterpreter: false,
    vision: false,
    video: false,
  },
  defaultSampling: {
    temperature: null,
    temperatureThinking: null,
    topP: null,
    topPThinking: null,
    topK: null,
    repetitionPenalty: null,
    presencePenalty: null,
  },
  terms: termsEverywhere(),
  surfaces: { chat: true, responses: false, messages: false },
};

const models: readonly ListedModel[] = [
  { card, servedBy: 'embedded/qwen2.5-coder-1.5b', isStandIn: true },
  {
    card: { ...card, id: 'qwen-plus', abilities: { ...card.abilities, tools: false } },
    servedBy: undefined,
    isStandIn: false,
  },
];
const ports = testWirePorts({
  listModels: () => models,
  findModel: (id) => models.find((model) => model.card.id === id),
});
const wire = createOpenAiChatWire(ports);

const get = (path: string, params: { readonly [name: string]: string } = {}) =>
  callResource(wire, 'GET', path, { params });

test('paths under both prefixes', () => {
  expect(wire.generations.flatMap(({ paths }) => paths)).toEqual([
    '/compatible-mode/v1/chat/completions',
    '/v1/chat/completions',
  ]);
  expect(wire.resources.map(({ path }) => path)).toEqual([
    '/compatible-mode/v1/models',
    '/compatible-mode/v1/models/*',
    '/v1/models',
    '/v1/models/*',
  ]);
});

const listed = {
  id: 'kimi/kimi-k3',
  object: 'model',
  created: 1_770_000_000,
  owned_by: 'moonshot',
  name: 'Kimi K3',
  served_by: 'embedded/qwen2.5-coder-1.5b',
  is_stand_in: true,
  context_window: 262_144,
  max_input_tokens: null,
  max_output_tokens: 32_768,
  thinking_mode: 'always',
  input_modalities: ['text'],
  abilities: ['tools', 'parallel_tools', 'json_object'],
};

test('the list tells who would answer', async () => {
  expect(await get('/v1/models')).toEqual({
    status: 200,
    body: {
      object: 'list',
      data: [
        listed,
        {
          ...listed,
          id: 'qwen-plus',
          served_by: null,
          is_stand_in: false,
          abilities: ['parallel_tools', 'json_object'],
        },
      ],
    },
  });
});

test('one model, by an id with a slash', async () => {
  expect(await get('/compatible-mode/v1/models/*', { '*': 'kimi/kimi-k3' })).toEqual({ status: 200, body: listed });
});

test('an unknown model is a 404 with the id in backticks', async () => {
  const thrown = await get('/v1/models/*', { '*': 'gpt-7' }).catch((error: unknown) => error);
  expect(thrown).toBeInstanceOf(StudioError);
  const { status, body } = wire.encodeError(thrown as StudioError, 'r');
  expect(status).toBe(404);
  expect(body).toEqual({
    error: {
      message: 'The model `gpt-7` does not exist or you do not have access to it.',
      type: 'invalid_request_error',
      param: null,
      code: 'model_not_found',
    },
    request_id: 'r',
  });
});
