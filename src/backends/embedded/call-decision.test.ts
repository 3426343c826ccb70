import { describe, expect, it } from 'vitest';
import type { ToolCallPart, Turn } from '../../core/generation.ts';
import { answeredCallsOf, decidedPlanOf, decisionOf, decisionPlanOf } from './call-decision.ts';
import { decodePlanOf } from './decode-plan.ts';
import type { Job, JobMessage } from './engine-client.ts';
import type { DecodePlan, Piece } from './engine-protocol.ts';
import { Mailbox } from './mailbox.ts';
import { ask, collect, contextOf, fakeBackend, planInputOf, WEATHER } from './testing/harness.ts';

const accepted: JobMessage = { type: 'accepted', jobId: 'job', promptTokens: 9, cachedTokens: 2 };

function step(output: number, ...pieces: Piece[]): JobMessage {
  return { type: 'step-item', item: { jobId: 'job', choice: 0, pieces, counts: { output, reasoning: 0 } } };
}

/** A job that has said all this already. */
function jobOf(...messages: JobMessage[]): Job & { wasCancelled: boolean } {
  const mailbox = new Mailbox<JobMessage>();
  for (const message of messages) mailbox.push(message);
  mailbox.close();
  const job = {
    messages: mailbox,
    wasCancelled: false,
    cancel: () => {
      job.wasCancelled = true;
    },
  };
  return job;
}

function planOf(overrides: Parameters<typeof ask>[1] = {}): DecodePlan {
  return decodePlanOf(planInputOf(ask('hi', { tools: [WEATHER], ...overrides })));
}

function calling(name: string, inputText: string): Turn {
  const part: ToolCallPart = { type: 'tool-call', callId: 'c1', name, inputText, executedBy: 'client' };
  return { role: 'assistant', parts: [part] };
}

const RESULT: Turn = {
  role: 'tool',
  parts: [{ type: 'tool-result', callId: 'c1', parts: [{ type: 'text', text: 'sunny' }], isError: false }],
};

describe('when to decide', () => {
  it('decides at temperature 0 for an open choice of calls', () => {
    const decision = decisionPlanOf(planOf(), 'fenced-json', []);
    expect(decision).toMatchObject({ sampling: { temperature: 0 }, stages: [{ maxTokens: 32 }] });
  });

  it('leaves alone what is decided, or what the weights were trained to decide', () => {
    expect(decisionPlanOf(planOf(), 'hermes', [])).toBeUndefined();
    expect(decisionPlanOf(planOf({ toolChoice: 'required' }), 'fenced-json', [])).toBeUndefined();
    expect(decisionPlanOf(planOf({ toolChoice: 'none' }), 'fenced-json', [])).toBeUndefined();
    expect(decisionPlanOf(planOf({ tools: [] }), 'fenced-json', [])).toBeUndefined();
    expect(decisionPlanOf(planOf({ thinking: { switch: 'on' } }), 'fenced-json', [])).toBeUndefined();
    expect(decisionPlanOf(planOf({ sampling: { temperature: 0 } }), 'fenced-json', [])).toBeUndefined();
  });

  it('decides at temperature 0, too, where several calls may come: names and what stands between are held then', () => {
    const plan = planOf({ sampling: { temperature: 0 }, allowsParallelCalls: true });
    expect(decisionPlanOf(plan, 'fenced-json', [])).toBeDefined();
  });

  it('looks at calls that were just answered, at temperature 0 too', () => {
    const answered = answeredCallsOf([calling('get_current_weather', '{}'), RESULT]);
    expect(answered).toMatchObject([{ name: 'get_current_weather' }]);
    expect(decisionPlanOf(planOf({ sampling: { temperature: 0 } }), 'fenced-json', answered)).toBeDefined();
    const isAsked: Turn = { role: 'user', parts: [{ type: 'text', text: 'again' }] };
    expect(answeredCallsOf([calling('get_current_weather', '{}'), RESULT, isAsked])).toEqual([]);
    expect(answeredCallsOf([isAsked])).toEqual([]);
  });
});

describe('the decision', () => {
  it('is text at the first visible text, and goes on behind it within what is left', async () => {
    const job = jobOf(accepted, step(1), step(3, { type: 'text', text: 'Hi' }), step(4, { type: 'text', text: '!' }));
    const decision = await decisionOf(job);
    expect(decision).toEqual({ kind: 'text', accepted, pieces: [{ type: 'text', text: 'Hi' }], outputTokens: 3 });
    expect(job.wasCancelled).toBe(true);
    if (decision?.kind !== 'text') throw new Error('not text');
    const plan = decidedPlanOf(planOf({ limits: { maxOutputTokens: 10, maxTotalOutputTokens: 2 } }), decision);
    expect(plan.prompt.at(-1)).toEqual({ kind: 'plain', text: 'Hi' });
    expect(plan).toMatchObject({ stages: [{ maxTokens: 7, calls: { mode: 'auto' } }], maxTotalTokens: 0 });
  });

  it('is a call at its name, which is then required', async () => {
    const decision = await decisionOf(jobOf(accepted, step(5, { type: 'call-start', name: 'get_current_weather' })));
    expect(decision).toEqual({ kind: 'call', name: 'get_current_weather', accepted });
    if (decision?.kind !== 'call') throw new Error('no call');
    expect(decidedPlanOf(planOf(), decision).stages).toMatchObject([{ calls: { mode: 'required' } }]);
  });

  it('was near to a call where its first token opens one, or begins the name of a function', async () => {
    const chance = async (token: string, names: readonly string[]): Promise<number | undefined> => {
      const top = [{ token, bytes: [], logprob: Math.log(0.3) }];
      const logprobs = [{ token: 'Of', bytes: [], logprob: Math.log(0.6), top }];
      const decision = await decisionOf(jobOf(accepted, step(1, { type: 'text', text: 'Of', logprobs })), { names });
      return decision?.kind === 'text' ? decision.callChance : undefined;
    };
    expect(await chance('{"', [])).toBeCloseTo(0.3);
    expect(await chance(' mutation', ['mutation_type_find'])).toBeCloseTo(0.3);
    expect(await chance('mutation', ['find_mutation'])).toBe(0);
    expect(await chance('mu', ['mutation_type_find'])).toBe(0);
  });

  it('is a repeat only for the call that was just answered', async () => {
    const answered = [{ name: 'look_up', inputText: '{"a": 1, "b": 2}' }];
    const made = (name: string, inputText: string): JobMessage[] => [
      accepted,
      step(1, { type: 'call-start', name }),
      step(2, { type: 'call-input', text: inputText.slice(0, 5) }),
      step(3, { type: 'call-input', text: inputText.slice(5) }, { type: 'call-end', isValidJson: true }),
    ];
    expect(await decisionOf(jobOf(...made('look_up', '{"b":2,"a":1}')), { answered })).toEqual({ kind: 'repeat' });
    expect(await decisionOf(jobOf(...made('look_up', '{"b":2,"a":7}')), { answered })).toMatchObject({ kind: 'call' });
    expect(await decisionOf(jobOf(...made('other', '{"b":2,"a":1}')), { answered })).toMatchObject({ kind: 'call' });
  });

  it('is unclear when the tokens ran out, over when the job failed, nothing when the caller left', async () => {
    const end: JobMessage = {
      type: 'choice-end',
      jobId: 'job',
      choice: 0,
      reason: 'length',
      counts: { output: 32, reasoning: 0 },
    };
    expect(await decisionOf(jobOf(accepted, end))).toEqual({ kind: 'unclear', accepted });
    const failed: JobMessage = { type: 'failed', jobId: 'job', message: 'broken' };
    expect(await decisionOf(jobOf(accepted, failed))).toEqual({ kind: 'ended', message: failed });
    expect(await decisionOf(jobOf(accepted))).toBeUndefined();
  });
});

describe('a call that is decided first', () => {
  it('shows one stream: the decided beginning, then the rest, every sampled token counted once', async () => {
    const backend = fakeBackend();
    const events = await collect(backend.generate(ask('[[say 2]]', { tools: [WEATHER] }), contextOf()));
    await backend.close();
    expect(events.flatMap((event) => (event.type === 'text-delta' ? [event.text] : []))).toEqual(['t0 ', 't0 ', 't1 ']);
    expect(events.filter((event) => event.type === 'text-start')).toHaveLength(1);
    expect(events.at(-1)).toMatchObject({ usage: { input: { total: 11, cachedRead: 4 }, output: { total: 3 } } });
  });

  it('frees its place whatever happens while it is decided', async () => {
    const backend = fakeBackend('ok', {
      engine: { weightsFile: 'ok', sequences: 1, contextTokens: 'auto', threads: 'auto' },
    });
    const tools = [WEATHER];
    await expect(collect(backend.generate(ask('[[refuse]]', { tools }), contextOf()))).rejects.toMatchObject({
      code: 'context-too-long',
    });
    await expect(collect(backend.generate(ask('[[die]]', { tools }), contextOf()))).rejects.toMatchObject({
      code: 'engine-failed',
    });
    const leaver = new AbortController();
    const leaving = collect(backend.generate(ask('[[hold-silent]]', { tools }), contextOf({ signal: leaver.signal })));
    setImmediate(() => leaver.abort('client-gone'));
    expect((await leaving).at(-1)).toMatchObject({ type: 'finish', ending: 'client-gone' });
    const after = await collect(backend.generate(ask('[[call get_current_weather]]', { tools }), contextOf()));
    expect(after.map((event) => event.type)).toContain('tool-input-start');
    await backend.close();
  });
});
