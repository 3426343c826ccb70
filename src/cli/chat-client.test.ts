import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { ask, ChatError, type ChatPiece, type ChatQuestion } from './chat-client.ts';

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function serve(
  handler: (request: IncomingMessage, response: ServerResponse, body: string) => void,
): Promise<string> {
  server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    handler(request, response, body);
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function piecesOf(baseUrl: string, changes: Partial<ChatQuestion> = {}): Promise<ChatPiece[]> {
  const pieces: ChatPiece[] = [];
  const messages = [{ role: 'user', content: 'hi' } as const];
  const question = {
    baseUrl,
    key: 'sk-1',
    model: 'm',
    messages,
    isThinking: false,
    signal: new AbortController().signal,
  };
  for await (const piece of ask({ ...question, ...changes })) pieces.push(piece);
  return pieces;
}

it('reads thinking, text and usage, however the bytes are cut', async () => {
  const frames = [
    { choices: [{ delta: { role: 'assistant', content: null } }] },
    { choices: [{ delta: { reasoning_content: 'hm 想' } }] },
    { choices: [{ delta: { content: 'Hi' } }] },
    { choices: [], usage: { prompt_tokens: 3, completion_tokens: 2 } },
  ];
  const bytes = Buffer.from(`${frames.map((frame) => `data: ${JSON.stringify(frame)}\n\n`).join('')}data: [DONE]\n\n`);
  let asked: unknown;
  const baseUrl = await serve((request, response, body) => {
    asked = { body: JSON.parse(body), authorization: request.headers.authorization, url: request.url };
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const byte of bytes) response.write(Buffer.of(byte));
    response.end();
  });
  expect(await piecesOf(baseUrl, { isThinking: true })).toEqual([
    { type: 'reasoning', text: 'hm 想' },
    { type: 'text', text: 'Hi' },
    { type: 'usage', inputTokens: 3, outputTokens: 2 },
  ]);
  expect(asked).toMatchObject({
    url: '/compatible-mode/v1/chat/completions',
    authorization: 'Bearer sk-1',
    body: { model: 'm', stream: true, enable_thinking: true },
  });
});

it('passes on the server’s word, before and amid an answer', async () => {
  const refusing = await serve((_, response) =>
    response.writeHead(401).end('{"error":{"message":"Incorrect API key"}}'),
  );
  await expect(piecesOf(refusing)).rejects.toThrow(new ChatError('Incorrect API key'));
  server?.close();
  const breaking = await serve((_, response) =>
    response.end('data: {"error":{"message":"inference internal error."}}\n\n'),
  );
  await expect(piecesOf(breaking)).rejects.toThrow(new ChatError('inference internal error.'));
});

it('ends quietly when it is stopped', async () => {
  const interrupt = new AbortController();
  const baseUrl = await serve((_, response) => response.write('data: {"choices":[{"delta":{"content":"a"}}]}\n\n'));
  const pieces: ChatPiece[] = [];
  const messages = [{ role: 'user', content: 'hi' } as const];
  const question = { baseUrl, key: '', model: 'm', messages, isThinking: false, signal: interrupt.signal };
  for await (const piece of ask(question)) {
    pieces.push(piece);
    interrupt.abort();
  }
  expect(pieces).toEqual([{ type: 'text', text: 'a' }]);
});

it('says who does not answer', async () => {
  const baseUrl = await serve(() => {});
  await new Promise((resolve) => server?.close(resolve));
  await expect(piecesOf(baseUrl)).rejects.toThrow(/^http:\/\/127\.0\.0\.1:\d+ does not answer: .*ECONNREFUSED/);
});
