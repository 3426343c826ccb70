import { describe, expect, it } from 'vitest';
import { type ContentPart, type Json, plainRequest } from './generation.ts';
import { estimateInput } from './token-estimate.ts';

const tokensOf = (...parts: ContentPart[]): number => estimateInput(plainRequest('m', [{ role: 'user', parts }]));
const text = (value: string): ContentPart => ({ type: 'text', text: value });

describe('the estimate of a prompt', () => {
  it.each([
    // Counted by the tokeniser of Qwen2.5, without a template.
    ['English', 'The quick brown fox jumps over the lazy dog and then rests in the warm afternoon sun.', 18],
    ['Chinese', '阿里云百炼是一站式的大模型开发与应用平台，可以调用多种模型。', 20],
    ['Japanese', 'こんにちは、世界。今日はとても良い天気ですね。', 11],
    ['Russian', 'Быстрая коричневая лиса перепрыгивает через ленивую собаку.', 24],
    ['code', 'for (const rate of rates) {\n  if (rate.kind !== "tokens") continue;\n  levels.push(level);\n}\n', 25],
  ])('is near what a tokeniser counts: %s', (_language, sentence, counted) => {
    const estimate = tokensOf(text(sentence)) - tokensOf(text(''));
    expect(estimate).toBeGreaterThan(counted * 0.6);
    expect(estimate).toBeLessThan(counted * 1.6);
  });

  it('grows with the length of a text, of which only a sample is looked at', () => {
    const once = tokensOf(text('字a'.repeat(5000)));
    expect(tokensOf(text('字a'.repeat(50_000))) / once).toBeCloseTo(10, 0);
  });

  it('counts pictures, tools, instructions and raw prompts', () => {
    const plain = plainRequest('m', [{ role: 'user', parts: [text('hi')] }]);
    const least = estimateInput(plain);
    expect(tokensOf(text('hi'), { type: 'image', url: 'data:,' })).toBeGreaterThan(least + 500);
    const inputSchema = {
      type: 'object',
      properties: { city: { type: 'string', description: 'A city. '.repeat(50) } },
    };
    expect(estimateInput({ ...plain, tools: [{ type: 'function', name: 'f', inputSchema }] })).toBeGreaterThan(
      least + 90,
    );
    expect(estimateInput({ ...plain, instructions: [{ type: 'text', text: 'x'.repeat(400) }] })).toBe(least + 100);
    expect(estimateInput({ ...plainRequest('m', []), rawPrompt: { text: 'x'.repeat(400) } })).toBe(100);
  });

  it('is at least one, and minds no depth', () => {
    expect(estimateInput(plainRequest('m', []))).toBe(1);
    let deep: Json = {};
    for (let level = 0; level < 100_000; level++) deep = { a: deep };
    const tools = [{ type: 'function' as const, name: 'f', inputSchema: deep }];
    expect(estimateInput({ ...plainRequest('m', []), tools })).toBeGreaterThan(100_000);
  });
});
