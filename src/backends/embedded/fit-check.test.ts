import { describe, expect, it } from 'vitest';
import type { GenerationRequest, Turn } from '../../core/generation.ts';
import type { Job, JobMessage } from './engine-client.ts';
import type { DecodePlan } from './engine-protocol.ts';
import { FitCheck, measuredOf } from './fit-check.ts';
import { Mailbox } from './mailbox.ts';
import { ask, collect, contextOf, fakeBackend, planInputOf, WEATHER } from './testing/harness.ts';

const CODER = 'qwen2.5-coder-0.5b-instruct';

const asked = (overrides: Parameters<typeof ask>[1] = {}) => ask('Is it cold?', { tools: [WEATHER], ...overrides });
const user = (text: string): Turn => ({ role: 'user', parts: [{ type: 'text', text }] });
const jobOf = (...messages: JobMessage[]): Job => {
  const mailbox = new Mailbox<JobMessage>();
  for (const message of messages) mailbox.push(message);
  mailbox.close();
  return { messages: mailbox, cancel: () => {} };
};
const CALL: Turn = {
  role: 'assistant',
  parts: [{ type: 'tool-call', callId: 'c', name: WEATHER.name, inputText: '{}', executedBy: 'client' }],
};

describe('whether a call is due', () => {
  const isMeasuredFor = (request: GenerationRequest, name = CODER): boolean =>
    measuredOf(planInputOf(request), name) !== undefined;

  it('is asked of weights whose bias was measured, at the first step of a plain request', () => {
    expect(isMeasuredFor(asked())).toBe(true);
    expect(isMeasuredFor(asked(), 'some-other-7b')).toBe(false);
    expect(isMeasuredFor(asked({ turns: [user('a'), CALL, user('b')] }))).toBe(false);
    expect(isMeasuredFor(asked({ turns: [user('a'), { role: 'assistant', parts: [] }, user('b')] }))).toBe(false);
    const many = Array.from({ length: 13 }, (_, index) => ({ ...WEATHER, name: `f${index}` }));
    expect(isMeasuredFor(asked({ tools: many }))).toBe(false);
  });

  it('is not asked of weights that were trained on the spelling', () => {
    const chatTemplate = "{{ '<tool_call>' }}{% for m in messages %}{{ m.content }}{% endfor %}";
    const input = planInputOf(asked(), { chatTemplate, spelling: 'hermes' });
    expect(measuredOf(input, CODER)).toBeUndefined();
  });

  it('is asked of every answer in text of the smallest weights, and of one that was near to a call of others', () => {
    const nearChanceOf = (name: string) => measuredOf(planInputOf(asked()), name)?.nearChance;
    expect(nearChanceOf('qwen2.5-coder-0.5b-instruct')).toBe(0);
    expect(nearChanceOf('Qwen2.5 Coder 1.5B Instruct')).toBe(0.1);
  });
});

describe('how well a function fits', () => {
  /** What is made behind a prompt, and how surprising it is. */
  interface Surprises {
    /** Of the function's name, behind the request, and behind each of the others. */
    readonly name?: readonly [here: number, greeting: number, poem: number];
    /** Of the request, behind the function and behind none. */
    readonly request?: readonly [here: number, none: number];
  }

  function surpriseIn(prompt: string, { name = [1, 10, 10], request = [5, 10] }: Surprises): number {
    if (prompt.endsWith('Request:')) return prompt.includes('none: Answers by itself.') ? request[1] : request[0];
    return prompt.includes('Hello, how are you?') ? name[1] : prompt.includes('poem') ? name[2] : name[0];
  }

  /** A job that says its text in two tokens, and ends. */
  const saying = (surprise: number): Job =>
    jobOf(
      { type: 'accepted', jobId: 'j', promptTokens: 1, cachedTokens: 0 },
      ...[surprise / 4, (surprise * 3) / 4].map((part, index): JobMessage => {
        const logprobs = [{ token: 'x', bytes: [], logprob: -part, top: [] }];
        const counts = { output: index + 1, reasoning: 0 };
        return {
          type: 'step-item',
          item: { jobId: 'j', choice: 0, counts, pieces: [{ type: 'text', text: 'x', logprobs }] },
        };
      }),
      { type: 'choice-end', jobId: 'j', choice: 0, reason: 'stop', counts: { output: 2, reasoning: 0 } },
    );

  interface Look {
    readonly request?: GenerationRequest;
    readonly check?: FitCheck;
    readonly name?: string;
    readonly callChance?: number | undefined;
    readonly due?: number;
    readonly jobFor?: (prompt: string) => Job;
  }

  const look = async (surprises: Surprises, options: Look = {}) => {
    const { request = asked(), check = new FitCheck(), name = WEATHER.name, callChance = 0.5, due = 0.95 } = options;
    const plans: DecodePlan[] = [];
    const promptOf = ({ prompt }: DecodePlan): string => prompt.map(({ text }) => text).join('');
    const start = (plan: DecodePlan): Job => {
      plans.push(plan);
      return (options.jobFor ?? ((prompt) => saying(surpriseIn(prompt, surprises))))(promptOf(plan));
    };
    const { signal } = new AbortController();
    const fit = await check.fitOf({ name, callChance, due, input: planInputOf(request), start, signal });
    return { fit, plans, prompts: plans.map(promptOf) };
  };

  it('is what the request tells of the name, and the function of the request', async () => {
    const { fit } = await look({ name: [2, 8, 8], request: [6, 10] });
    expect(fit?.evidence).toBeCloseTo(0.75 + 0.4);
    expect(fit?.isDue).toBe(true);
    expect((await look({ name: [2, 8, 8], request: [8.5, 10] })).fit?.isDue).toBe(false);
    expect((await look({ name: [2, 8, 8], request: [14, 10] })).fit?.evidence).toBeCloseTo(0.75 - 0.4);
    expect((await look({ name: [2, 8, 8], request: [1, 0] })).fit?.evidence).toBeCloseTo(0.75);
  });

  it('is less where the function takes nothing that could be looked up', async () => {
    const request = asked({ tools: [{ ...WEATHER, inputSchema: { type: 'object', properties: {} } }] });
    const { fit } = await look({ name: [2, 8, 8], request: [6, 10] }, { request });
    expect(fit?.evidence).toBeCloseTo(0.75 + 0.4 - 0.25);
  });

  it('is told from the other request that the function is farther from', async () => {
    expect((await look({ name: [2, 4, 8] })).fit?.evidence).toBeCloseTo(0.75 + 0.5);
    expect((await look({ name: [2, 8, 4] })).fit?.evidence).toBeCloseTo(0.75 + 0.5);
  });

  it('needs more for weights that call too readily', async () => {
    const isDueAt = async (due: number) => (await look({ name: [2, 8, 8], request: [7, 10] }, { due })).fit?.isDue;
    expect([await isDueAt(0.95), await isDueAt(1.2)]).toEqual([true, false]);
    const dueOf = (name: string) => measuredOf(planInputOf(asked()), name)?.due;
    expect(dueOf('Qwen2.5 Coder 1.5B Instruct')).toBeGreaterThan(dueOf('qwen2.5-coder-0.5b-instruct') ?? 9);
  });

  it('is also what the weights say, asked outright', async () => {
    const prompts: string[] = [];
    const start = (plan: DecodePlan): Job => {
      prompts.push(plan.prompt.map(({ text }) => text).join(''));
      return saying(plan.onlyText === ' yes' ? 0.5 : 2);
    };
    const { signal } = new AbortController();
    const question = { input: planInputOf(asked()), start, signal };
    expect(await new FitCheck().yesOddsOf({ name: WEATHER.name, ...question })).toBeCloseTo(1.5);
    const [prompt = '', again] = prompts;
    expect(again).toBe(prompt);
    expect(prompt).toMatch(/Function: get_current_weather: .*\nRequest: Is it cold\?\nDoes what is wanted:$/);
    expect(prompt.match(/Does what is wanted: yes/g)?.length).toBe(prompt.match(/Does what is wanted: no/g)?.length);
    expect(await new FitCheck().yesOddsOf({ name: 'no_such', ...question })).toBeUndefined();
  });

  it('needs less where the weights were sure of calling, and more where they were not', async () => {
    const dueAt = async (callChance: number | undefined, share: number) =>
      (await look({ name: [2, 8, 8], request: [10 - share * 10, 10] }, { callChance })).fit?.isDue;
    expect([await dueAt(0.5, 0.15), await dueAt(0.9, 0.15)]).toEqual([false, true]);
    expect([await dueAt(0.1, 0.35), await dueAt(0.5, 0.35)]).toEqual([false, true]);
    expect([await dueAt(0, 0.8), await dueAt(1, -0.4)]).toEqual([true, false]);
    expect([await dueAt(0, 0.45), await dueAt(0, 0.4)]).toEqual([true, false]);
  });

  it('is looked at no further where the name says enough', async () => {
    const badly = await look({ name: [10, 8, 8] });
    expect(badly.fit?.isDue).toBe(false);
    expect(badly.prompts.some((prompt) => prompt.endsWith('Request:'))).toBe(false);
    const well = await look({ name: [0.5, 8, 8], request: [20, 10] }, { callChance: 0.97 });
    expect(well.fit?.isDue).toBe(true);
    expect(well.plans).toHaveLength(3);
    expect((await look({ name: [0.5, 8, 8], request: [20, 10] }, { callChance: 0.9 })).fit?.isDue).toBe(false);
  });

  it.each([
    ['query', 'string', true],
    ['file_path', 'string', true],
    ['limit', 'integer', false],
    ['city', 'string', false],
  ])('is not told of a function that must be told a %s of type %s: %s', async (name, type, isFree) => {
    const inputSchema = { type: 'object', properties: { [name]: { type } }, required: [name] };
    const request = asked({ tools: [{ ...WEATHER, inputSchema }] });
    expect((await look({}, { request })).fit === undefined).toBe(isFree);
    const optional = asked({ tools: [{ ...WEATHER, inputSchema: { ...inputSchema, required: [] } }] });
    expect((await look({}, { request: optional })).fit).toBeDefined();
  });

  it('is looked at with and without the request, and without it only once for a function', async () => {
    const check = new FitCheck();
    const first = await look({}, { request: asked({ sampling: { temperature: 0.9, seed: 3 } }), check });
    expect(first.prompts).toHaveLength(5);
    expect(first.prompts[0]).toMatch(/Request: Is it cold\?\nFunction:$/);
    expect(first.prompts[1]).toMatch(/Request: Hello, how are you\?\nFunction:$/);
    expect(first.prompts[2]).toMatch(/Request: Write a poem about the sea\.\nFunction:$/);
    const told = `Function: ${WEATHER.name}: ${WEATHER.description}\nArguments: location\nRequest:`;
    expect(first.prompts[3]?.endsWith(told)).toBe(true);
    expect(first.prompts[4]).toMatch(/Function: none: Answers by itself\.\nArguments: none\nRequest:$/);
    for (const [index, plan] of first.plans.entries()) {
      expect(plan).toMatchObject({ sampling: { temperature: 0 }, choices: 1, logprobs: { top: 0 } });
      expect(plan.stages).toHaveLength(1);
      expect(plan.stages[0]?.calls).toBeUndefined();
      expect(plan.onlyText).toBe(index < 3 ? ` ${WEATHER.name}:` : ' Is it cold?');
    }
    expect((await look({}, { check })).prompts).toHaveLength(3);
  });

  it('holds a function that is told in Chinese against none that is, and expects less for a request in Chinese', async () => {
    const told = { ...WEATHER, description: '查询天气' };
    const request = ask('杭州冷吗？', { tools: [told, WEATHER] });
    const prompts: string[] = [];
    const jobFor = (prompt: string): Job => {
      prompts.push(prompt);
      return saying(
        prompt.includes('none: 直接') ? 10 : prompt.endsWith('Request:') ? 5 : prompt.includes('冷') ? 1 : 4,
      );
    };
    const { fit } = await look({}, { request, jobFor });
    expect(fit?.evidence).toBeCloseTo(0.75 + 0.5 + 0.25);
    expect(prompts.some((prompt) => prompt.includes('Answers by itself.'))).toBe(false);
  });

  it('holds a request in Chinese against others in Chinese', async () => {
    const check = new FitCheck();
    const request = ask('杭州冷吗？', { tools: [WEATHER] });
    const { prompts } = await look({}, { request, check });
    expect(prompts.slice(0, 3).map((prompt) => prompt.split('\n').at(-2))).toEqual([
      'Request: 杭州冷吗？',
      'Request: 你好，最近怎么样？',
      'Request: 写一首关于大海的诗。',
    ]);
    // What is remembered of the name is of one language.
    expect((await look({}, { check })).prompts).toHaveLength(5);
    const again = await look({}, { request: ask('杭州热吗？', { tools: [WEATHER] }), check });
    expect(again.prompts.filter((prompt) => prompt.includes('大海'))).toEqual([]);
  });

  it('looks at a request without a function once for all of them', async () => {
    const check = new FitCheck();
    const request = asked({ tools: [WEATHER, { ...WEATHER, name: 'get_time', description: 'One line\nand   more' }] });
    await look({}, { request, check });
    const { prompts } = await look({}, { request, check, name: 'get_time' });
    expect(prompts.some((prompt) => prompt.includes('none: Answers by itself.'))).toBe(false);
    expect(prompts.at(-1)).toContain('Function: get_time: One line and more\nArguments: location\n');
  });

  it('is not known when no job, no probability or no such function is there', async () => {
    expect((await look({}, { jobFor: () => jobOf() })).fit).toBeUndefined();
    const silent = jobOf({
      type: 'choice-end',
      jobId: 'j',
      choice: 0,
      reason: 'stop',
      counts: { output: 0, reasoning: 0 },
    });
    expect((await look({}, { jobFor: () => silent })).fit).toBeUndefined();
    const failing = (prompt: string): Job =>
      prompt.endsWith('Request:')
        ? jobOf({ type: 'failed', jobId: 'j', message: 'x' })
        : saying(prompt.includes('cold') ? 1 : 8);
    expect((await look({}, { jobFor: failing })).fit).toBeUndefined();
    expect(await look({}, { name: 'nobody' })).toMatchObject({ fit: undefined, plans: [] });
  });

  it('leaves nothing warm for other callers', async () => {
    const contextCache = { mode: 'implicit', namespace: 'mine', minTokens: 256, lifetimeMs: 1 } as const;
    const { plans } = await look({}, { request: asked({ contextCache }) });
    expect(plans).toHaveLength(5);
    for (const { cache } of plans) expect(cache).toEqual({ mode: 'off', namespace: 'mine', isRecurring: true });
  });

  it('is told of a long request by its beginning and its end, and by nothing that the function tells', async () => {
    const request = ask(`begin ${'x '.repeat(2_000)}end`, { tools: [WEATHER] });
    const { fit, prompts, plans } = await look({}, { request });
    expect(prompts[0]).toMatch(/begin x .*… .*x end/);
    expect(prompts[0]?.length).toBeLessThan(2_000);
    // What it tells is not looked at: 0.9 of the name and 0.4 as most requests have.
    expect(plans).toHaveLength(3);
    expect(fit?.evidence).toBeCloseTo(1.35);
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
