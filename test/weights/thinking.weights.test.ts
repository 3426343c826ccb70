/**
 * Budgets of reasoning on real weights, to the token, for three kinds of model: with a switch in its template, always
 * thinking, and a stand-in. The 0.5B is made to be the first two by templates of our own that behave as theirs do.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEEPSEEK_R1, QWEN3_HYBRID } from '../../src/backends/embedded/testing/thinking-templates.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

const WEIGHTS = process.env.ATELIER_TEST_WEIGHTS_CODER ?? '';
const hasWeights = existsSync(WEIGHTS);

const KINDS = [
  { kind: 'a switch', template: QWEN3_HYBRID },
  { kind: 'always', template: DEEPSEEK_R1 },
  { kind: 'a stand-in', template: undefined },
] as const;

/** The ends of a turn, and what a closing tag begins with: a thought goes on until its budget ends it. */
const ENDLESS = { 151643: -100, 151645: -100, 522: -100 };
const QUESTION = 'A train goes 120 km in 90 minutes. How fast is it?';

describe.skipIf(!hasWeights).each(KINDS)('weights that think: $kind', { timeout: 240_000 }, ({ template }) => {
  const folder = mkdtempSync(join(tmpdir(), 'atelier-thinking-'));
  let server: TestServer;
  beforeAll(async () => {
    const file = join(folder, 'chat.jinja');
    if (template !== undefined) writeFileSync(file, template);
    server = await startTestServer(
      { contextTokens: 2048, sequences: 1 },
      {
        weights: { file: WEIGHTS, name: 'qwen2.5-coder-0.5b-instruct' },
        environment: template === undefined ? {} : { ATELIER_ENGINE_CHAT_TEMPLATE: file },
      },
    );
  }, 120_000);
  afterAll(async () => {
    await server?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function think(budget: number, more: object = {}) {
    const response = await server.chat({
      model: 'qwen-plus',
      messages: [{ role: 'user', content: QUESTION }],
      enable_thinking: true,
      thinking_budget: budget,
      temperature: 0,
      max_tokens: 24,
      ...more,
    });
    const body = (await response.json()) as {
      choices: { message: { content: string; reasoning_content?: string } }[];
      usage: { completion_tokens: number; completion_tokens_details?: { reasoning_tokens?: number } };
    };
    const message = body.choices[0]?.message;
    return {
      reasoning: message?.reasoning_content ?? '',
      content: message?.content ?? '',
      reasoningTokens: body.usage.completion_tokens_details?.reasoning_tokens ?? 0,
      outputTokens: body.usage.completion_tokens,
    };
  }

  it.each([0, 1, 64, 512])('keeps a budget of %i to the token, and answers', async (budget) => {
    const reply = await think(budget, { logit_bias: ENDLESS });
    expect(reply.reasoningTokens).toBe(budget);
    expect(reply.outputTokens).toBe(budget + 24);
    expect(reply.reasoning.trim() === '').toBe(budget === 0);
    expect(reply.content.trim()).not.toBe('');
    expect(reply.content + reply.reasoning).not.toMatch(/<\/?think>/);
  });

  it('does not use up a budget larger than the thought', async () => {
    const reply = await think(1_000);
    expect(reply.reasoningTokens).toBeLessThan(1_000);
    expect(reply.content.trim()).not.toBe('');
    expect(reply.content + reply.reasoning).not.toMatch(/<\/?think>/);
  });
});
