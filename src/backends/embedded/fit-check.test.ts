import { describe, expect, it } from 'vitest';
import type { GenerationRequest, Turn } from '../../core/generation.ts';
import type { Job, JobMessage } from './engine-client.ts';
import type { DecodePlan } from './engine-protocol.ts';
import { type FitBounds, FitCheck, fitBoundsOf, isFit, isVeryFit } from './fit-check.ts';
import { Mailbox } from './mailbox.ts';
import { ask, collect, contextOf, fakeBackend, planInputOf, WEATHER } from './testing/harness.ts';

const CODER = 'qwen2.5-coder-0.5b-instruct';

function boundsOf(request: GenerationRequest, name = CODER): FitBounds | undefined {
  return fitBoundsOf(planInputOf(request), name);
}

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

describe('whether a function fits', () => {
  it('is asked of weights whose bias was measured, at the first step of a plain request', () => {
    expect(boundsOf(asked())?.called.whole).toBeGreaterThan(0);
    expect(boundsOf(asked(), 'some-other-7b')).toBeUndefined();
    expect(boundsOf(asked({ turns: [user('a'), CALL, user('b')] }))).toBeUndefined();
    expect(boundsOf(asked({ turns: [user('a'), { role: 'assistant', parts: [] }, user('b')] }))).toBeUndefined();
    const many = Array.from({ length: 13 }, (_, index) => ({ ...WEATHER, name: `f${index}` }));
    expect(boundsOf(asked({ tools: many }))).toBeUndefined();
  });

  it('is not asked of weights that were trained on the spelling', () => {
    const chatTemplate = "{{ '<tool_call>' }}{% for m in messages %}{{ m.content }}{% endfor %}";
    const input = planInputOf(asked(), { chatTemplate, spelling: 'hermes' });
    expect(fitBoundsOf(input, CODER)).toBeUndefined();
  });
});

describe('how well a function fits', () => {
  /** A job that says tokens with these log probabilities, and ends. The first is the name. */
  const saying =
    (...logprobs: readonly number[]) =>
    (): Job =>
      jobOf(
        { type: 'accepted', jobId: 'j', promptTokens: 1, cachedTokens: 0 },
        ...logprobs.map((logprob, index): JobMessage => {
          const token = index === 0 ? ` ${WEATHER.name}:` : ' x';
          return {
            type: 'step-item',
            item: {
              jobId: 'j',
              choice: 0,
              counts: { output: index + 1, reasoning: 0 },
              pieces: [{ type: 'text', text: token, logprobs: [{ token, bytes: [], logprob, top: [] }] }],
            },
          };
        }),
        {
          type: 'choice-end',
          jobId: 'j',
          choice: 0,
          reason: 'stop',
          counts: { output: logprobs.length, reasoning: 0 },
        },
      );
  /** The jobs: behind the request, and behind the other requests; the last is repeated. */
  const look = async (jobs: (() => Job)[], request = asked(), check = new FitCheck(), name = WEATHER.name) => {
    const plans: DecodePlan[] = [];
    const start = (plan: DecodePlan): Job => {
      plans.push(plan);
      return (jobs.length > 1 ? jobs.shift() : jobs[0])?.() ?? jobOf();
    };
    const fit = await check.fitOf(name, planInputOf(request), start, new AbortController().signal);
    return { fit, plans, texts: plans.map(({ prompt }) => prompt.map(({ text }) => text).join('')) };
  };

  it('is the share of the surprise that the request takes away, of the name and of all that is told', async () => {
    const halves = (await look([saying(-1, -15), saying(-4, -16)])).fit;
    expect(halves?.name).toBeCloseTo(0.75);
    expect(halves?.whole).toBeCloseTo(0.2);
    expect((await look([saying(-20, -1), saying(-20, -1)])).fit).toEqual({ name: 0, whole: 0, near: 0 });
    expect((await look([saying(-30), saying(-20)])).fit?.name).toBeCloseTo(-0.5);
    expect((await look([saying(-1), saying(0)])).fit).toEqual({ name: 0, whole: 0, near: 0 });
  });

  it('is told from the other request that the function is farther from', async () => {
    const { fit } = await look([saying(-2, -2), saying(-8, -2), saying(-4, -8)]);
    expect(fit?.name).toBeCloseTo(0.75);
    expect(fit?.whole).toBeCloseTo(1 - 4 / 12);
    expect(fit?.near).toBeCloseTo(0.5);
  });

  it('has to be better where the weights were not sure of calling', () => {
    const bounds = { called: { name: 0.4, whole: 0.15 }, unsurely: { chance: 0.7, name: 0.78 } };
    const fit = { name: 0.6, whole: 0.6, near: 0 };
    expect(isFit(fit, bounds, 0.6)).toBe(false);
    expect(isFit({ ...fit, name: 0.8 }, bounds, 0.6)).toBe(true);
    expect(isFit(fit, bounds, 0.7)).toBe(true);
    expect(isFit(fit, bounds)).toBe(true);
  });

  it('may be worse where the weights were sure of calling', () => {
    const bounds = { called: { name: 0.4, whole: 0.15 }, surely: { chance: 0.95, name: 0.1 } };
    const fit = { name: 0.2, whole: 0, near: 0 };
    expect(isFit(fit, bounds, 0.95)).toBe(true);
    expect(isFit(fit, bounds, 0.9)).toBe(false);
    expect(isFit(fit, bounds)).toBe(false);
    expect(isFit({ ...fit, name: 0 }, bounds, 0.99)).toBe(false);
  });

  it('is enough when either the name or all of it is explained', () => {
    const bounds = { called: { name: 0.5, whole: 0.3 } };
    expect(isFit({ name: 0.5, whole: -1, near: -1 }, bounds)).toBe(true);
    expect(isFit({ name: -1, whole: 0.3, near: -1 }, bounds)).toBe(true);
    expect(isFit({ name: 0.49, whole: 0.29, near: 1 }, bounds)).toBe(false);
  });

  it('is very good when the name is told from every other request', () => {
    const bounds = { called: { name: 0, whole: 0 }, uncalled: { chance: 0.1, name: 0.7, near: 0.4 } };
    expect(isVeryFit({ name: 0.7, whole: -1, near: 0.4 }, bounds)).toBe(true);
    expect(isVeryFit({ name: 0.9, whole: 1, near: 0.3 }, bounds)).toBe(false);
    expect(isVeryFit({ name: 0.6, whole: 1, near: 0.6 }, bounds)).toBe(false);
    expect(isVeryFit({ name: 1, whole: 1, near: 1 }, { called: bounds.called })).toBe(false);
  });

  it.each([
    ['query', 'string', true],
    ['file_path', 'string', true],
    ['limit', 'integer', false],
    ['city', 'string', false],
  ])('is not told of a function that must be told a %s of type %s: %s', async (name, type, isFree) => {
    const inputSchema = { type: 'object', properties: { [name]: { type } }, required: [name] };
    const request = asked({ tools: [{ ...WEATHER, inputSchema }] });
    expect((await look([saying(-1), saying(-2)], request)).fit === undefined).toBe(isFree);
    const optional = asked({ tools: [{ ...WEATHER, inputSchema: { ...inputSchema, required: [] } }] });
    expect((await look([saying(-1), saying(-2)], optional)).fit).toBeDefined();
  });

  it('is looked at with and without the request, and without it only once for a function', async () => {
    const check = new FitCheck();
    const first = await look([saying(-1), saying(-4)], asked({ sampling: { temperature: 0.9, seed: 3 } }), check);
    expect(first.texts).toHaveLength(3);
    expect(first.texts[0]).toMatch(/Request: Is it cold\?\nFunction:$/);
    expect(first.texts[1]).toMatch(/Request: Hello, how are you\?\nFunction:$/);
    expect(first.texts[2]).toMatch(/Request: Write a poem about the sea\.\nFunction:$/);
    for (const plan of first.plans) {
      expect(plan).toMatchObject({ sampling: { temperature: 0 }, choices: 1, logprobs: { top: 0 } });
      expect(plan.stages).toHaveLength(1);
      expect(plan.stages[0]?.calls).toBeUndefined();
      expect(plan.stages[0]?.grammar).toBe(`root ::= " ${WEATHER.name}: ${WEATHER.description?.replace(/\.$/, '')}"`);
    }
    const second = await look([saying(-3)], asked(), check);
    expect(second.texts).toHaveLength(1);
    expect(second.fit?.name).toBeCloseTo(0.25);
  });

  it.each([
    ['Books a table. Also cancels one.', 'Books a table'],
    ['Version 1.5 of it', 'Version 1.5 of it'],
    ['查询天气。也查温度。', '查询天气'],
    ['One line\nand more', 'One line'],
    [`Says "${'word '.repeat(30)}"`, `Says \\"${'word '.repeat(10).trimEnd()}`],
    [undefined, ''],
  ])('tells the function by its name and the beginning of %j', async (description, told) => {
    const request = asked({ tools: [{ ...WEATHER, description }] });
    const { plans } = await look([saying(-1), saying(-2)], request);
    expect(plans[0]?.stages[0]?.grammar).toBe(`root ::= " ${WEATHER.name}: ${told}"`.replace(': "', ':"'));
  });

  it('is not known when no job, no probability or no such function is there', async () => {
    expect((await look([])).fit).toBeUndefined();
    expect((await look([saying(), saying(-1)])).fit).toBeUndefined();
    expect((await look([saying(-1), () => jobOf({ type: 'failed', jobId: 'j', message: 'x' })])).fit).toBeUndefined();
    expect(await look([saying(-1)], asked(), new FitCheck(), 'nobody')).toMatchObject({
      fit: undefined,
      plans: [],
    });
  });

  it('leaves nothing warm for other callers', async () => {
    const contextCache = { mode: 'implicit', namespace: 'mine', minTokens: 256, lifetimeMs: 1 } as const;
    const { plans } = await look([saying(-1), saying(-2)], asked({ contextCache }));
    for (const { cache } of plans) expect(cache).toEqual({ mode: 'off', namespace: 'mine' });
  });

  it('shows a long request by its beginning and its end', async () => {
    const request = ask(`begin ${'x '.repeat(2_000)}end`, { tools: [WEATHER] });
    const { texts } = await look([saying(-1), saying(-2)], request);
    expect(texts[0]).toMatch(/begin x .*… .*x end/);
    expect(texts[0]?.length).toBeLessThan(2_000);
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
