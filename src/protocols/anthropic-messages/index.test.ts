import { describe, expect, it } from 'vitest';
import { callResource, testWirePorts } from '../../../test/support/wires.ts';
import { loadCatalogue } from '../../catalogue/load.ts';
import { StudioError } from '../../core/errors.ts';
import type { GenerationRequest } from '../../core/generation.ts';
import type { ListedModel } from '../protocol.ts';
import { createAnthropicMessagesWire } from './index.ts';

const catalogue = loadCatalogue();
const listed = (id: string): ListedModel | undefined => {
  const card = catalogue.find(id);
  return card && { card, servedBy: id === 'qwen-plus' ? 'scripted/echo' : undefined, isStandIn: id === 'qwen-plus' };
};
const models = ['qwen-plus', 'qwen3-max', 'kimi/kimi-k2.6'].flatMap((id) => listed(id) ?? []);
const counted: GenerationRequest[] = [];
const wire = createAnthropicMessagesWire(
  testWirePorts({
    catalogue,
    listModels: () => models,
    findModel: listed,
    tokens: {
      countInput: async (request) => {
        counted.push(request);
        return 42;
      },
      tokenise: async () => [],
    },
  }),
);

describe('paths', () => {
  it('are the service’s, what clients make of it, and Anthropic’s own', () => {
    expect(wire.generations.flatMap(({ paths }) => paths)).toEqual([
      '/apps/anthropic/v1/messages',
      '/apps/anthropic/messages',
      '/apps/anthropic/v1/v1/messages',
      '/v1/messages',
    ]);
  });

  it('say hello to whoever warms a connection up', async () => {
    expect(await callResource(wire, 'HEAD', '/apps/anthropic/api/hello')).toEqual({ status: 200 });
  });
});

describe('count_tokens', () => {
  const count = (body: unknown) => callResource(wire, 'POST', '/apps/anthropic/v1/messages/count_tokens', { body });
  const asked = { model: 'qwen-plus', system: 'Be brief.', messages: [{ role: 'user', content: 'Hello' }] };

  it('counts the very request that would be generated, without max_tokens', async () => {
    expect(await count(asked)).toEqual({ status: 200, headers: { 'request-id': 'req_r' }, body: { input_tokens: 42 } });
    const [protocol] = wire.generations;
    const info = { headers: {}, query: new URLSearchParams() } as never;
    const generated = protocol?.decodeRequest({ ...asked, max_tokens: 10 }, info).request;
    expect(counted.at(-1)).toEqual({ ...generated, limits: {} });
  });

  it('refuses what is nested too deeply to be written again', async () => {
    const deep = JSON.parse(`${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`) as object;
    const called = { role: 'assistant', content: [{ type: 'tool_use', id: 't', name: 'n', input: deep }] };
    for (const changes of [
      { messages: [...asked.messages, called] },
      { tools: [{ name: 'f', input_schema: deep }] },
      { tools: [{ type: 'web_search_20250305', name: 'web_search', user_location: deep }] },
      { output_config: { format: { type: 'json_schema', schema: deep } } },
    ])
      await expect(count({ ...asked, ...changes })).rejects.toThrow('nested too deeply');
    const foreign = { role: 'assistant', content: [{ type: 'mcp_tool_result', content: [deep], cache_control: null }] };
    expect(await count({ ...asked, messages: [...asked.messages, foreign] })).toMatchObject({ status: 200 });
  });

  it('refuses as messages are refused', async () => {
    await expect(count({ ...asked, messages: [] })).rejects.toThrow('messages: at least one message is required');
    await expect(count(undefined)).rejects.toThrow(StudioError);
  });
});

describe('models', () => {
  const get = async (query: string) => {
    const reply = await callResource(wire, 'GET', '/apps/anthropic/v1/models', { query: new URLSearchParams(query) });
    const { data, ...page } = reply.body as { data: { id: string }[] };
    return { ids: data.map(({ id }) => id), ...page };
  };

  it('come in pages', async () => {
    expect(await get('')).toEqual({
      ids: ['qwen-plus', 'qwen3-max', 'kimi/kimi-k2.6'],
      has_more: false,
      first_id: 'qwen-plus',
      last_id: 'kimi/kimi-k2.6',
    });
    expect(await get('limit=2')).toMatchObject({ ids: ['qwen-plus', 'qwen3-max'], has_more: true });
    expect(await get('limit=2&after_id=qwen3-max')).toMatchObject({ ids: ['kimi/kimi-k2.6'], has_more: false });
    expect(await get('limit=1&before_id=kimi/kimi-k2.6')).toMatchObject({ ids: ['qwen3-max'], has_more: true });
    expect(await get('before_id=qwen-plus')).toMatchObject({ ids: [], has_more: false, first_id: null });
    await expect(get('limit=0')).rejects.toThrow('limit: Input should be a whole number from 1 to 1000');
  });

  it('tell what is known of one', async () => {
    const one = (id: string) => callResource(wire, 'GET', '/apps/anthropic/v1/models/*', { params: { '*': id } });
    expect(await one('qwen-plus')).toEqual({
      status: 200,
      headers: { 'request-id': 'req_r' },
      body: {
        type: 'model',
        id: 'qwen-plus',
        display_name: 'Qwen-Plus',
        created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT00:00:00Z$/),
        max_input_tokens: expect.any(Number),
        max_tokens: 32_768,
        served_by: 'scripted/echo',
        is_stand_in: true,
      },
    });
    await expect(one('gpt-7')).rejects.toMatchObject({ code: 'model-not-found' });
  });
});
