import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import { type ServerFacts, settingsText } from './settings-text.ts';

const facts: ServerFacts = {
  version: '1.2.3',
  baseUrl: 'http://127.0.0.1:8787',
  region: 'beijing',
  secret: 'sk-1',
  keyNote: 'kept here',
  answeredBy: 'a model answers.',
  model: 'qwen-plus',
};
const textOf = (more: Partial<ServerFacts> = {}) => stripVTControlCharacters(settingsText({ ...facts, ...more }));
const text = textOf();

it('can be pasted into a shell for the SDKs of three vendors', () => {
  const exported = text.split('\n').filter((line) => line.startsWith('export '));
  expect(exported).toEqual([
    'export OPENAI_BASE_URL=http://127.0.0.1:8787/compatible-mode/v1',
    'export OPENAI_API_KEY=sk-1',
    'export ANTHROPIC_BASE_URL=http://127.0.0.1:8787/apps/anthropic',
    'export ANTHROPIC_AUTH_TOKEN=sk-1',
    'export ANTHROPIC_MODEL=qwen-plus',
    'export DASHSCOPE_HTTP_BASE_URL=http://127.0.0.1:8787/api/v1',
    'export DASHSCOPE_WEBSOCKET_BASE_URL=ws://127.0.0.1:8787/api-ws/v1/inference',
    'export DASHSCOPE_API_KEY=sk-1',
  ]);
});

it('shows code at the margin, where Python takes it', () => {
  expect(text).toMatch(
    /^client = OpenAI\(base_url="http:\/\/127\.0\.0\.1:8787\/compatible-mode\/v1", api_key="sk-1"\)$/m,
  );
});

it('tells the region, and the ports of others', () => {
  expect(text).toContain('Region    beijing; others by path or host name');
  expect(textOf({ regionPorts: { beijing: 8787, singapore: 8788 } })).toContain(
    'Region    beijing; singapore on port 8788; others',
  );
});

it('makes a shell trust a certificate that was made here', () => {
  expect(text).not.toContain('CA_CERTS');
  const file = "'/a home/ca.pem'";
  expect(textOf({ baseUrl: 'https://127.0.0.1:8787', trustFile: '/a home/ca.pem' })).toContain(
    `export NODE_EXTRA_CA_CERTS=${file} SSL_CERT_FILE=${file} REQUESTS_CA_BUNDLE=${file} CURL_CA_BUNDLE=${file}`,
  );
  expect(textOf({ baseUrl: 'https://127.0.0.1:8787' })).toContain('DASHSCOPE_WEBSOCKET_BASE_URL=wss://127.0.0.1:8787/');
});
