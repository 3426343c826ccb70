import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import { settingsText } from './settings-text.ts';

const text = stripVTControlCharacters(
  settingsText({
    version: '1.2.3',
    baseUrl: 'http://127.0.0.1:8787',
    secret: 'sk-1',
    keyNote: 'kept here',
    answeredBy: 'a model answers.',
    model: 'qwen-plus',
  }),
);

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
