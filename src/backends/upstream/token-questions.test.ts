/** Token questions against faithful fakes of vLLM and llama-server: their paths, bodies and replies. */
import { afterEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../test/support/context.ts';
import { jsonReply, type MockReply, type MockRequest } from '../../../test/support/mock-replies.ts';
import { type MockUpstream, startMockUpstream } from '../../../test/support/mock-upstream.ts';
import { type FunctionTool, type GenerationRequest, plainRequest, type Turn } from '../../core/generation.ts';
import type { Backend, Route } from '../../core/ports.ts';
import { createUpstreamBackend } from './index.ts';
import type { UpstreamKind } from './quirks.ts';

const open: { close(): Promise<unknown> | unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

async function serverOf(
  kind: UpstreamKind | undefined,
  reply: (request: MockRequest) => MockReply | undefined,
  basePath = '/v1',
): Promise<{ backend: Backend; route: Route; mock: MockUpstream }> {
  const mock = await startMockUpstream({ isRecording: true, reply });
  const backend = createUpstreamBackend({
    id: 'mock',
    baseUrl: mock.url + basePath,
    apiKey: 'sk-test',
    quirks: kind,
    log: silentLog,
  });
  open.push(mock, backend);
  return { backend, mock, route: { backend, target: 'Qwen/Coder', servedBy: 'mock/Qwen/Coder', isStandIn: false } };
}

const user: Turn = { role: 'user', parts: [{ type: 'text', text: 'Hello' }] };
const chat: GenerationRequest = plainRequest('qwen-plus', [user]);
const raw: GenerationRequest = {
  ...plainRequest('qwen2.5-coder-7b-instruct', []),
  rawPrompt: { text: 'a', suffix: 'b' },
};
const SPELT = '<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>';
const tool: FunctionTool = { type: 'function', name: 'f', inputSchema: { type: 'object' } };

describe('vLLM', () => {
  const answer = (tokens: readonly number[], spellings: readonly string[] | null = null) =>
    jsonReply(200, { count: tokens.length, max_model_len: 32_768, tokens, token_strs: spellings });

  it('counts a chat with everything that its prompt depends on', async () => {
    const { backend, route, mock } = await serverOf('vllm', () => answer([1, 2, 3]));
    const request: GenerationRequest = {
      ...chat,
      tools: [tool],
      thinking: { switch: 'off' },
      sampling: { temperature: 0.5 },
      limits: { maxOutputTokens: 5 },
    };
    expect(await backend.countTokens?.(request, route, undefined)).toBe(3);
    expect(mock.requests[0]).toMatchObject({ path: '/tokenize', headers: { authorization: 'Bearer sk-test' } });
    expect(mock.requests[0]?.body).toEqual({
      model: 'Qwen/Coder',
      messages: [{ role: 'user', content: 'Hello' }],
      tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }],
      chat_template_kwargs: { enable_thinking: false },
    });
  });

  it('counts a raw prompt as it would be sent', async () => {
    const { backend, route, mock } = await serverOf('vllm', () => answer([1, 2, 3, 4, 5]));
    expect(await backend.countTokens?.(raw, route, undefined)).toBe(5);
    expect(mock.requests[0]?.body).toEqual({ model: 'Qwen/Coder', prompt: SPELT });
  });

  it('tells the tokens of a text, their spellings read', async () => {
    const { backend, route, mock } = await serverOf('vllm', () => answer([9707, 1879], ['Hello', 'Ġworld']));
    expect(await backend.tokenise?.('Hello world', route)).toEqual([
      { id: 9707, text: 'Hello' },
      { id: 1879, text: ' world' },
    ]);
    expect(mock.requests[0]?.body).toEqual({
      model: 'Qwen/Coder',
      prompt: 'Hello world',
      add_special_tokens: false,
      return_token_strs: true,
    });
  });

  it('cannot tell the texts when it is too old to spell them', async () => {
    const { backend, route } = await serverOf('vllm', () => answer([1]));
    await expect(backend.tokenise?.('x', route)).rejects.toMatchObject({ code: 'upstream-failed' });
  });
});

describe('llama-server', () => {
  const tokenise = ({ path, body }: MockRequest): MockReply | undefined => {
    if (path === '/apply-template') return jsonReply(200, { prompt: '<|im_start|>user\nHello<|im_end|>\n' });
    if (path !== '/tokenize') return undefined;
    const characters = [...String(body.content)];
    return jsonReply(200, {
      tokens: body.with_pieces ? characters.map((piece, id) => ({ id, piece })) : characters.map((_, id) => id),
    });
  };

  it('counts a chat through its template', async () => {
    const { backend, route, mock } = await serverOf('llama-server', tokenise);
    expect(await backend.countTokens?.(chat, route, undefined)).toBe('<|im_start|>user\nHello<|im_end|>\n'.length);
    expect(mock.requests.map(({ path }) => path)).toEqual(['/apply-template', '/tokenize']);
    expect(mock.requests[0]?.body.messages).toEqual([{ role: 'user', content: 'Hello' }]);
    expect(mock.requests[1]?.body).toMatchObject({ add_special: true, parse_special: true });
  });

  it('counts a raw prompt as it would be sent, without a template', async () => {
    const { backend, route, mock } = await serverOf('llama-server', tokenise, '');
    expect(await backend.countTokens?.(raw, route, undefined)).toBe(SPELT.length);
    expect(mock.requests.map(({ path }) => path)).toEqual(['/tokenize']);
  });

  it('tells the tokens of a text, halves of characters told as bytes', async () => {
    const tokens = [
      { id: 5, piece: 'a' },
      { id: 6, piece: [228, 189] },
    ];
    const { backend, route, mock } = await serverOf('llama-server', () => jsonReply(200, { tokens }));
    expect(await backend.tokenise?.('a你', route)).toEqual([
      { id: 5, text: 'a' },
      { id: 6, text: '\ufffd' },
    ]);
    expect(mock.requests[0]?.body).toEqual({
      content: 'a你',
      add_special: false,
      parse_special: false,
      with_pieces: true,
    });
  });
});

describe('what goes wrong', () => {
  it.each([404, 405, 501])('a server without the endpoint (%i) cannot tell', async (status) => {
    const { backend, route } = await serverOf('vllm', () => jsonReply(status, { detail: 'Not Found' }));
    const unable = { code: 'model-not-supported', message: 'Tokens of `qwen-plus` cannot be counted here' };
    await expect(backend.countTokens?.(chat, route, undefined)).rejects.toMatchObject(unable);
  });

  it.each([
    ['an error', jsonReply(500, { error: { message: 'no' } }), 'upstream-failed'],
    ['what is not JSON', { status: 200, chunks: ['<html>'] }, 'upstream-failed'],
    ['another shape', jsonReply(200, { tokens: 'x' }), 'upstream-failed'],
    ['a list', jsonReply(200, []), 'upstream-failed'],
    ['nothing', jsonReply(200, null), 'upstream-failed'],
    [
      'a body cut short',
      { headers: { 'content-length': '99' }, chunks: ['{'], ending: 'cut' } as const,
      'upstream-failed',
    ],
  ])('%s is a failure of the upstream', async (_what, reply, code) => {
    for (const kind of ['vllm', 'llama-server'] as const) {
      const { backend, route } = await serverOf(kind, () => reply);
      await expect(backend.countTokens?.(chat, route, undefined)).rejects.toMatchObject({ code });
      await expect(backend.tokenise?.('x', route)).rejects.toMatchObject({ code });
    }
  });

  it('a server that is not there is unavailable', async () => {
    const { backend, route, mock } = await serverOf('vllm', () => undefined);
    await mock.close();
    await expect(backend.countTokens?.(chat, route, undefined)).rejects.toMatchObject({ code: 'overloaded' });
  });

  it.each([undefined, 'generic', 'sglang', 'ollama', 'dashscope', 'openai'] as const)(
    'nobody knows how to ask %s',
    async (kind) => {
      const { backend } = await serverOf(kind, () => undefined);
      expect(backend.countTokens).toBeUndefined();
      expect(backend.tokenise).toBeUndefined();
    },
  );
});
