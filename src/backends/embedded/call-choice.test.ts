import { describe, expect, it } from 'vitest';
import { type CallChoice, chooseCall } from './call-choice.ts';
import { decidedPlanOf } from './call-decision.ts';
import { decodePlanOf } from './decode-plan.ts';
import type { Job, JobMessage } from './engine-client.ts';
import type { DecodePlan, Piece } from './engine-protocol.ts';
import type { Fit } from './fit-check.ts';
import { Mailbox } from './mailbox.ts';
import { ask, planInputOf, WEATHER } from './testing/harness.ts';

const CODER = 'qwen2.5-coder-0.5b-instruct';
const OTHER = { ...WEATHER, name: 'get_time' };
const accepted: JobMessage = { type: 'accepted', jobId: 'job', promptTokens: 9, cachedTokens: 2 };

function jobSaying(piece: Piece): Job {
  const mailbox = new Mailbox<JobMessage>();
  mailbox.push(accepted);
  const item = { jobId: 'job', choice: 0, pieces: [piece], counts: { output: 1, reasoning: 0 } };
  mailbox.push({ type: 'step-item', item });
  mailbox.close();
  return { messages: mailbox, cancel: () => {} };
}

/** Text whose first token had a call as the other way to begin, with this probability. */
function text(text: string, callChance: number): Piece {
  const top = [
    { token: text, bytes: [], logprob: Math.log(1 - callChance) },
    { token: '```', bytes: [], logprob: Math.log(callChance) },
  ];
  return { type: 'text', text, logprobs: [{ token: text, bytes: [], logprob: Math.log(1 - callChance), top }] };
}

const call = (name: string, chance = 1): Piece => ({
  type: 'call-start',
  name,
  first: { token: '```', bytes: [], logprob: Math.log(chance), top: [] },
});

interface Seen {
  readonly choice: CallChoice | undefined;
  readonly plans: readonly DecodePlan[];
  /** The functions whose fit was measured. */
  readonly measured: readonly string[];
}

/** What is chosen where the jobs say this, one after the other, and a function fits so well. */
async function chosen(
  said: readonly Piece[],
  measuredFit: Fit | undefined | ((name: string) => Fit),
  request: Parameters<typeof ask>[1] = {},
  weightsName = CODER,
): Promise<Seen> {
  const input = planInputOf(ask('Is it cold?', { tools: [WEATHER], ...request }));
  const plans: DecodePlan[] = [];
  const measured: string[] = [];
  const start = (plan: DecodePlan): Job => {
    const piece = said[plans.length];
    plans.push(plan);
    if (!piece) throw new Error('one job too many');
    return jobSaying(piece);
  };
  const fitCheck = {
    fitOf: async (name: string) => {
      measured.push(name);
      return typeof measuredFit === 'function' ? measuredFit(name) : measuredFit;
    },
  };
  const { signal } = new AbortController();
  return {
    choice: await chooseCall(decodePlanOf(input), { input, weightsName, fitCheck, start, signal }),
    plans,
    measured,
  };
}

const WELL: Fit = { name: 0.9, whole: 0.9, near: 0.9 };
const PARTLY: Fit = { name: 0.6, whole: 0.6, near: 0.6 };
const BADLY: Fit = { name: 0.1, whole: 0.1, near: 0.1 };

describe('a call that the weights make', () => {
  it('stands where its function fits, and goes where it does not', async () => {
    expect((await chosen([call(WEATHER.name)], PARTLY)).choice).toMatchObject({ kind: 'call', name: WEATHER.name });
    expect((await chosen([call(WEATHER.name)], BADLY)).choice).toEqual({ kind: 'without-calls' });
  });

  it('is one of another function where that fits well and the named one does not', async () => {
    const tools = [WEATHER, OTHER];
    const byName = (name: string): Fit => (name === OTHER.name ? WELL : BADLY);
    const { choice, measured } = await chosen([call(WEATHER.name)], byName, { tools });
    expect(choice).toMatchObject({ kind: 'call', name: OTHER.name });
    expect(measured).toEqual([WEATHER.name, OTHER.name]);
    const plan = decodePlanOf(planInputOf(ask('Is it cold?', { tools })));
    const decided = choice?.kind === 'call' ? decidedPlanOf(plan, choice) : undefined;
    expect(decided?.stages[0]?.calls).toMatchObject({ mode: 'required', functions: [{ name: OTHER.name }] });
    const partly = (name: string): Fit => (name === OTHER.name ? PARTLY : BADLY);
    expect((await chosen([call(WEATHER.name)], partly, { tools })).choice).toEqual({ kind: 'without-calls' });
  });

  it('is none of many others, which nobody looks at', async () => {
    const tools = [WEATHER, ...Array.from({ length: 4 }, (_, index) => ({ ...OTHER, name: `other_${index}` }))];
    const byName = (name: string): Fit => (name === WEATHER.name ? BADLY : WELL);
    expect((await chosen([call(WEATHER.name)], byName, { tools })).choice).toEqual({ kind: 'without-calls' });
  });

  it('needs a function that fits well where they were not sure', async () => {
    expect((await chosen([call(WEATHER.name, 0.5)], PARTLY)).choice).toEqual({ kind: 'without-calls' });
    expect((await chosen([call(WEATHER.name, 0.5)], WELL)).choice).toMatchObject({ kind: 'call' });
    expect((await chosen([{ type: 'call-start', name: WEATHER.name }], PARTLY)).choice).toMatchObject({ kind: 'call' });
  });

  it('stands where nobody can tell how it fits', async () => {
    expect((await chosen([call(WEATHER.name)], undefined)).choice).toMatchObject({ kind: 'call' });
    const { choice, measured } = await chosen([call(WEATHER.name)], BADLY, {}, 'some-other-7b');
    expect(choice).toMatchObject({ kind: 'call' });
    expect(measured).toEqual([]);
  });
});

describe('an answer in text', () => {
  it('becomes a call where they were near to one and the function fits very well', async () => {
    const { choice, plans, measured } = await chosen([text('It', 0.2)], WELL);
    expect(choice).toMatchObject({ kind: 'call', name: WEATHER.name, accepted });
    expect(plans).toHaveLength(1);
    expect(measured).toEqual([WEATHER.name]);
  });

  it('stands where the function fits no more than partly', async () => {
    expect((await chosen([text('It', 0.2)], PARTLY)).choice).toMatchObject({ kind: 'text' });
    expect((await chosen([text('It', 0.2)], undefined)).choice).toMatchObject({ kind: 'text' });
    // As near to a greeting as to the request.
    expect((await chosen([text('Hi', 0.2)], { ...WELL, near: 0.3 })).choice).toMatchObject({ kind: 'text' });
  });

  it('stands without a look at any function where no call was near', async () => {
    const { choice, measured } = await chosen([text('It', 0.02)], WELL);
    expect(choice).toMatchObject({ kind: 'text' });
    expect(measured).toEqual([]);
    expect((await chosen([{ type: 'text', text: 'It' }], WELL)).choice).toMatchObject({ kind: 'text' });
  });

  it('may be a call of a function that nobody has: it is then asked which of the declared ones it would be', async () => {
    const undeclared = text('```json\n{"name": "no_such"', 0);
    const opened = { ...undeclared, logprobs: [{ token: '```', bytes: [], logprob: -0.1, top: [] }] } as Piece;
    const { choice, plans, measured } = await chosen([opened, call(OTHER.name)], WELL, { tools: [WEATHER, OTHER] });
    expect(choice).toMatchObject({ kind: 'call', name: OTHER.name });
    expect(measured).toEqual([OTHER.name]);
    expect(plans[1]).toMatchObject({
      sampling: { temperature: 0 },
      stages: [{ calls: { mode: 'required' }, maxTokens: 32 }],
    });
  });

  it('has the log probabilities that the caller asked for, and no others', async () => {
    const plain = (await chosen([text('It', 0.02)], WELL)).choice;
    expect(plain).toMatchObject({ pieces: [{ type: 'text', text: 'It' }] });
    expect(JSON.stringify(plain)).not.toContain('logprobs');
    const { choice, plans } = await chosen([text('It', 0.02)], WELL, { sampling: { logprobs: { top: 1 } } });
    expect(plans[0]?.logprobs).toEqual({ top: 5 });
    expect(choice).toMatchObject({ pieces: [{ logprobs: [{ token: 'It', top: [{ token: 'It' }] }] }] });
  });
});

describe('where there is nothing to choose', () => {
  it('nothing is asked', async () => {
    const { choice, plans } = await chosen([], WELL, { toolChoice: 'required' });
    expect(choice).toBeUndefined();
    expect(plans).toEqual([]);
  });
});
