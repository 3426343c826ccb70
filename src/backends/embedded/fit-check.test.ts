import { describe, expect, it } from 'vitest';
import type { TokenLogprob } from '../../core/events.ts';
import type { GenerationRequest, Turn } from '../../core/generation.ts';
import { decodePlanOf } from './decode-plan.ts';
import type { Job, JobMessage } from './engine-client.ts';
import { firstTokenOf, fitQuestions, leastFitOf } from './fit-check.ts';
import { Mailbox } from './mailbox.ts';
import { ask, collect, contextOf, fakeBackend, planInputOf, WEATHER } from './testing/harness.ts';

const CODER = 'qwen2.5-coder-0.5b-instruct';

function leastFit(request: GenerationRequest, name = CODER): number | undefined {
  return leastFitOf(request, planInputOf(request), name);
}

const asked = (overrides: Parameters<typeof ask>[1] = {}) => ask('Is it cold?', { tools: [WEATHER], ...overrides });
const user = (text: string): Turn => ({ role: 'user', parts: [{ type: 'text', text }] });
const CALL: Turn = {
  role: 'assistant',
  parts: [{ type: 'tool-call', callId: 'c', name: WEATHER.name, inputText: '{}', executedBy: 'client' }],
};

describe('whether a function fits', () => {
  it('is asked of weights whose bias was measured, at the first step of a plain request', () => {
    expect(leastFit(asked())).toBeGreaterThan(0);
    expect(leastFit(asked(), 'some-other-7b')).toBeUndefined();
    expect(leastFit(asked({ turns: [user('a'), CALL, user('b')] }))).toBeUndefined();
    expect(leastFit(asked({ turns: [user('a'), { role: 'assistant', parts: [] }, user('b')] }))).toBeUndefined();
    const many = Array.from({ length: 13 }, (_, index) => ({ ...WEATHER, name: `f${index}` }));
    expect(leastFit(asked({ tools: many }))).toBeUndefined();
  });

  it('is not asked of weights that were trained on the spelling', () => {
    const chatTemplate = "{{ '<tool_call>' }}{% for m in messages %}{{ m.content }}{% endfor %}";
    const input = planInputOf(asked(), { chatTemplate, spelling: 'hermes' });
    expect(leastFitOf(asked(), input, CODER)).toBeUndefined();
  });

  it('is asked in prompts of their own, about one function, with one token each', () => {
    const request = asked({ sampling: { temperature: 0.9, seed: 3 } });
    const input = planInputOf(request);
    const questions = fitQuestions(request, input, decodePlanOf(input), WEATHER.name);
    expect(questions).toHaveLength(3);
    for (const { plan } of questions) {
      expect(plan).toMatchObject({ stages: [{ maxTokens: 1 }], sampling: { temperature: 0 }, choices: 1 });
      expect(plan.stages[0]?.calls).toBeUndefined();
      const text = plan.prompt.map((segment) => segment.text).join('');
      expect(text).toContain('Is it cold?');
      expect(text).toContain(WEATHER.description);
    }
    expect(fitQuestions(request, input, decodePlanOf(input), 'nobody')).toEqual([]);
  });

  it('is told by how much one word is favoured over the other, however it is written', () => {
    const request = asked();
    const input = planInputOf(request);
    const [first] = fitQuestions(request, input, decodePlanOf(input), WEATHER.name);
    const token = (text: string, share: number) => ({ token: text, bytes: [], logprob: Math.log(share) });
    const seen = (...top: TokenLogprob['top']): TokenLogprob => ({ ...token('x', 0.1), top });
    const even = seen(token('Yes', 0.2), token(' yes', 0.1), token('No', 0.3));
    expect(first?.oddsOf(even)).toBeCloseTo(0);
    expect(first?.oddsOf(seen(token('No', 0.9)))).toBeLessThan(-5);
    expect(first?.oddsOf(undefined)).toBe(Number.POSITIVE_INFINITY);
  });

  it('shows a long request by its beginning and its end', () => {
    const request = ask(`begin ${'x '.repeat(2_000)}end`, { tools: [WEATHER] });
    const input = planInputOf(request);
    const [first] = fitQuestions(request, input, decodePlanOf(input), WEATHER.name);
    const text = first?.plan.prompt.map((segment) => segment.text).join('') ?? '';
    expect(text).toMatch(/begin x .*… .*x end/);
    expect(text.length).toBeLessThan(2_000);
  });
});

it('lets a call stand where the engine tells no probabilities, and frees its place', async () => {
  const backend = fakeBackend('ok', {
    weightsName: CODER,
    engine: { weightsFile: 'ok', sequences: 1, contextTokens: 'auto', threads: 'auto' },
  });
  for (let round = 0; round < 2; round++) {
    const request = ask(`[[call ${WEATHER.name}]]`, { tools: [WEATHER], sampling: { temperature: 0 } });
    const events = await collect(backend.generate(request, contextOf()));
    expect(events.map(({ type }) => type)).toContain('tool-input-start');
  }
  await backend.close();
});

describe('the first token of a job', () => {
  const jobOf = (...messages: JobMessage[]): Job => {
    const mailbox = new Mailbox<JobMessage>();
    for (const message of messages) mailbox.push(message);
    mailbox.close();
    return { messages: mailbox, cancel: () => {} };
  };

  it('is that of its first text; none when it failed or was given up', async () => {
    const logprob: TokenLogprob = { token: 'Yes', bytes: [], logprob: -1, top: [] };
    const step: JobMessage = {
      type: 'step-item',
      item: {
        jobId: 'j',
        choice: 0,
        counts: { output: 1, reasoning: 0 },
        pieces: [{ type: 'text', text: 'Yes', logprobs: [logprob] }],
      },
    };
    expect(await firstTokenOf(jobOf({ type: 'accepted', jobId: 'j', promptTokens: 1, cachedTokens: 0 }, step))).toBe(
      logprob,
    );
    expect(await firstTokenOf(jobOf({ type: 'failed', jobId: 'j', message: 'x' }, step))).toBeUndefined();
    expect(await firstTokenOf(jobOf())).toBeUndefined();
  });
});
