import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StudioError } from '../../core/errors.ts';
import { decodeCompletionRequest } from './decode.ts';

const base = { model: 'qwen-coder-turbo', prompt: 'x = ' };

function refusal(body: unknown): StudioError {
  try {
    decodeCompletionRequest(body);
  } catch (thrown) {
    if (thrown instanceof StudioError) return thrown;
    throw thrown;
  }
  throw new Error('it was accepted');
}

describe('a completion request', () => {
  it('is a raw prompt without turns', () => {
    const { request, plan } = decodeCompletionRequest({ ...base, suffix: '\n' });
    expect(request).toMatchObject({ turns: [], tools: [], rawPrompt: { text: 'x = ', suffix: '\n' } });
    expect(plan).toEqual({ isStreaming: false, includesUsage: false, echoedText: '' });
  });

  it('passes a prompt through as it is, control spellings and line ends too', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1 }), fc.option(fc.string()), (prompt, suffix) => {
        fc.pre(!prompt.includes('<|fim_'));
        const { rawPrompt } = decodeCompletionRequest({ ...base, prompt, suffix }).request;
        expect(rawPrompt).toEqual({ text: prompt, suffix: suffix ?? undefined });
      }),
    );
  });

  it('has a usage chunk only when it streams', () => {
    const options = { stream_options: { include_usage: true } };
    expect(decodeCompletionRequest({ ...base, ...options }).plan.includesUsage).toBe(false);
    expect(decodeCompletionRequest({ ...base, ...options, stream: true }).plan.includesUsage).toBe(true);
  });

  it('switches top_k off with an explicit null, as on Chat Completions', () => {
    expect(decodeCompletionRequest({ ...base, top_k: null }).request.sampling.topK).toBe(0);
    expect(decodeCompletionRequest(base).request.sampling.topK).toBeUndefined();
  });

  it.each([null, 'text', 7, []])('is no object: %j', (body) => {
    expect(refusal(body).code).toBe('malformed-body');
  });

  it.each([
    [{ prompt: 'x' }, 'missing-parameter', 'model'],
    [{ ...base, model: '' }, 'missing-parameter', 'model'],
    [{ ...base, model: 7 }, 'invalid-parameter', undefined],
    [{ ...base, prompt: null }, 'missing-parameter', 'prompt'],
    [{ ...base, prompt: [] }, 'missing-parameter', 'prompt'],
    [{ ...base, prompt: [''] }, 'missing-parameter', 'prompt'],
    [{ ...base, prompt: '', suffix: '' }, 'invalid-parameter', 'prompt'],
    [{ ...base, prompt: [[1, 2]] }, 'invalid-value', undefined],
    [{ ...base, prompt: { text: 'x' } }, 'invalid-value', undefined],
    [{ ...base, prompt: ['a', 7] }, 'invalid-value', undefined],
    [{ ...base, suffix: 7 }, 'invalid-value', undefined],
    [{ ...base, echo: 'yes' }, 'invalid-value', undefined],
    [{ ...base, max_tokens: 1.5 }, 'invalid-value', undefined],
    [{ ...base, logit_bias: { 5: 'x' } }, 'invalid-value', undefined],
    [{ ...base, stop: 7 }, 'invalid-parameter', undefined],
  ])('is refused: %j', (body, code, param) => {
    expect(refusal(body)).toMatchObject({ code, param });
  });
});
