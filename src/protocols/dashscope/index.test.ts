import { describe, expect, test } from 'vitest';
import { callResource, testWirePorts } from '../../../test/support/wires.ts';
import { loadCatalogue } from '../../catalogue/load.ts';
import { modelNotFound, StudioError } from '../../core/errors.ts';
import type { ListedModel } from '../protocol.ts';
import { createDashScopeWire } from './index.ts';

const catalogue = loadCatalogue();
const models = ['qwen-plus', 'qwen-vl-plus', 'qwen3-max'].flatMap((id): ListedModel[] => {
  const card = catalogue.find(id);
  return card ? [{ card, servedBy: 'scripted/echo', isStandIn: false }] : [];
});
const wire = createDashScopeWire(
  testWirePorts({
    catalogue,
    listModels: () => models,
    findModel: (id) => models.find(({ card }) => card.id === id),
    tokens: {
      countInput: async () => 0,
      tokenise: async (model, text) => {
        if (model !== 'qwen-plus') throw modelNotFound(model);
        return [...text.matchAll(/\S+/g)].map(([word], index) => ({ id: 100 + index, text: word }));
      },
    },
  }),
);

test('both services under the native prefix', () => {
  expect(wire.generations.flatMap(({ paths }) => paths)).toEqual([
    '/api/v1/services/aigc/text-generation/generation',
    '/api/v1/services/aigc/multimodal-generation/generation',
  ]);
  expect(new Set(wire.generations.map(({ id }) => id))).toEqual(new Set(['dashscope']));
});

describe('models', () => {
  const list = async (query: string) => {
    const { body } = await callResource(wire, 'GET', '/api/v1/models', { query: new URLSearchParams(query) });
    return body as { output: { total: number; page_no: number; page_size: number; models: { model: string }[] } };
  };
  const idsOf = async (query: string) => (await list(query)).output.models.map(({ model }) => model);

  test('come by pages', async () => {
    expect(await list('')).toMatchObject({ output: { total: 3, page_no: 1, page_size: 10 }, request_id: 'r' });
    expect(await idsOf('page_no=1&page_size=2')).toEqual(['qwen-plus', 'qwen-vl-plus']);
    expect(await idsOf('page_no=2&page_size=2')).toEqual(['qwen3-max']);
    expect(await idsOf('page_no=3&page_size=2')).toEqual([]);
  });

  test('are found by name', async () => {
    expect(await idsOf('model=qwen3-max&page_no=1&page_size=1')).toEqual(['qwen3-max']);
    expect(await idsOf('model=nobody')).toEqual([]);
  });

  test('tell what is known of them', async () => {
    expect((await list('model=qwen-vl-plus')).output.models[0]).toEqual({
      model: 'qwen-vl-plus',
      name: 'qwen-vl-plus',
      display_name: models[1]?.card.name,
      owner: models[1]?.card.owner,
      model_info: {
        context_window: models[1]?.card.contextWindow,
        max_input_tokens: models[1]?.card.maxInput,
        max_output_tokens: models[1]?.card.maxOutput,
      },
      capabilities: ['vision'],
      input_modalities: ['text', 'image', 'video'],
      thinking_mode: 'none',
      service: 'multimodal-generation',
      prices: [{ over_tokens: 0, up_to_tokens: null, currency: 'CNY', input: 0.8, output: 2 }],
      served_by: 'scripted/echo',
      is_stand_in: false,
    });
  });

  test.each(['page_no=0', 'page_no=x', 'page_size=0', 'page_size=101', 'page_size=1.5'])('refuse %s', async (query) => {
    await expect(list(query)).rejects.toThrow(/^Range of page_(no|size) should be \[1, /);
  });
});

describe('tokens', () => {
  const tokenise = (body: unknown) => callResource(wire, 'POST', '/api/v1/tokenizer', { body });

  test('are those of the raw text, message by message', async () => {
    const messages = [
      { role: 'system', content: 'be brief' },
      { role: 'user', content: [{ text: 'hi' }] },
    ];
    expect((await tokenise({ model: 'qwen-plus', input: { messages }, parameters: {} })).body).toEqual({
      output: { token_ids: [100, 101, 100], tokens: ['be', 'brief', 'hi'] },
      usage: { input_tokens: 3 },
      request_id: 'r',
    });
    expect((await tokenise({ model: 'qwen-plus', input: { prompt: 'hi' } })).body).toMatchObject({
      output: { tokens: ['hi'] },
    });
  });

  test.each<[unknown, RegExp]>([
    [undefined, /body/],
    [{ input: { prompt: 'x' } }, /"model"/],
    [{ model: 'qwen-plus' }, /input/],
    [{ model: 'qwen-plus', input: {} }, /prompt/],
    [{ model: 'nobody', input: { prompt: 'x' } }, /does not exist/],
  ])('refuse %j', async (body, expected) => {
    const thrown = await tokenise(body).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(thrown).toBeInstanceOf(StudioError);
    expect((thrown as StudioError).message).toMatch(expected);
  });
});

test('the public key is DER in base64', async () => {
  const { body } = await callResource(wire, 'GET', '/api/v1/public-keys/latest');
  const { data } = body as { data: { public_key_id: string; public_key: string } };
  expect(data.public_key_id).toMatch(/^[0-9a-f]{16}$/);
  expect(Buffer.from(data.public_key, 'base64').subarray(0, 2)).toEqual(Buffer.from([0x30, 0x82]));
});
