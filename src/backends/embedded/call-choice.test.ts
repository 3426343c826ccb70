import { describe, expect, it } from 'vitest';
import type { FunctionTool, Turn } from '../../core/generation.ts';
import { type CallChoice, chooseCall } from './call-choice.ts';
import { decidedPlanOf } from './call-decision.ts';
import { decodePlanOf } from './decode-plan.ts';
import type { Job, JobMessage } from './engine-client.ts';
import type { DecodePlan, Piece } from './engine-protocol.ts';
import type { Fit, FitQuestion } from './fit-check.ts';
import { Mailbox } from './mailbox.ts';
import { ask, planInputOf, WEATHER } from './testing/harness.ts';

const CODER = 'qwen2.5-coder-1.5b-instruct';
const SMALLEST = 'qwen2.5-coder-0.5b-instruct';
const OTHER = { ...WEATHER, name: 'get_time' };
const accepted: JobMessage = { type: 'accepted', jobId: 'job', promptTokens: 9, cachedTokens: 2 };

function jobSaying(...pieces: Piece[]): Job {
  const mailbox = new Mailbox<JobMessage>();
  mailbox.push(accepted);
  const item = { jobId: 'job', choice: 0, pieces, counts: { output: 1, reasoning: 0 } };
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
  /** Those that ask what a call would say. */
  readonly argumentPlans: readonly DecodePlan[];
  /** The functions whose fit was measured. */
  readonly measured: readonly string[];
  /** How likely calls of them are told to have been. */
  readonly chances: readonly (number | undefined)[];
  /** The functions of which it was asked outright whether they do what is wanted. */
  readonly outright: readonly string[];
}

/** What is chosen where the jobs say this, one after the other, a function fits so well, and calls would have these arguments. */
async function chosen(
  said: readonly Piece[],
  measuredFit: Fit | undefined | ((name: string) => Fit),
  request: Parameters<typeof ask>[1] = {},
  weightsName = CODER,
  inputText?: string,
  yesOdds?: number,
): Promise<Seen> {
  const input = planInputOf(ask('Is it cold?', { tools: [WEATHER], ...request }));
  const plans: DecodePlan[] = [];
  const argumentPlans: DecodePlan[] = [];
  const measured: string[] = [];
  const chances: (number | undefined)[] = [];
  const outright: string[] = [];
  const start = (plan: DecodePlan): Job => {
    const [stage] = plan.stages;
    if (stage?.calls?.mode === 'required' && stage.maxTokens === 192) {
      argumentPlans.push(plan);
      if (inputText === undefined) return jobSaying();
      return jobSaying(
        call(WEATHER.name),
        { type: 'call-input', text: inputText },
        { type: 'call-end', isValidJson: true },
      );
    }
    const piece = said[plans.length];
    plans.push(plan);
    if (!piece) throw new Error('one job too many');
    return jobSaying(piece);
  };
  const fitCheck = {
    fitOf: async ({ name, callChance }: FitQuestion) => {
      measured.push(name);
      chances.push(callChance);
      return typeof measuredFit === 'function' ? measuredFit(name) : measuredFit;
    },
    yesOddsOf: async ({ name }: { readonly name: string }) => {
      outright.push(name);
      return yesOdds;
    },
  };
  const { signal } = new AbortController();
  return {
    choice: await chooseCall(decodePlanOf(input), { input, weightsName, fitCheck, start, signal }),
    plans,
    argumentPlans,
    measured,
    chances,
    outright,
  };
}

const WELL: Fit = { evidence: 1.8, due: 0.95, isDue: true };
const ENOUGH: Fit = { evidence: 1.2, due: 0.95, isDue: true };
const BADLY: Fit = { evidence: 0.4, due: 0.95, isDue: false };

describe('a call that the weights make', () => {
  it('stands where its function fits, and goes where it does not', async () => {
    const { choice, chances } = await chosen([call(WEATHER.name, 0.5)], ENOUGH);
    expect(choice).toMatchObject({ kind: 'call', name: WEATHER.name });
    expect(chances).toEqual([0.5]);
    expect((await chosen([call(WEATHER.name)], BADLY)).choice).toEqual({ kind: 'without-calls' });
  });

  it('is one of another function where that fits and the named one does not: of the one that fits best', async () => {
    const third = { ...WEATHER, name: 'get_date' };
    const tools = [WEATHER, third, OTHER];
    const byName = (name: string): Fit => (name === OTHER.name ? WELL : name === third.name ? ENOUGH : BADLY);
    const { choice, measured, chances } = await chosen([call(WEATHER.name, 0.75)], byName, { tools });
    expect(choice).toMatchObject({ kind: 'call', name: OTHER.name });
    expect(measured).toEqual([WEATHER.name, third.name, OTHER.name]);
    expect(chances).toEqual([0.75, 0.75, 0.75]);
    const plan = decodePlanOf(planInputOf(ask('Is it cold?', { tools })));
    const decided = choice?.kind === 'call' ? decidedPlanOf(plan, choice) : undefined;
    expect(decided?.stages[0]?.calls).toMatchObject({ mode: 'required', functions: [{ name: OTHER.name }] });
    expect((await chosen([call(WEATHER.name)], BADLY, { tools })).choice).toEqual({ kind: 'without-calls' });
  });

  it('is one of another function where that fits better, unless the named one is clearly meant', async () => {
    const tools = [WEATHER, OTHER];
    const fits = (named: number, other: number) => (name: string) => ({
      evidence: name === WEATHER.name ? named : other,
      due: 0.95,
      isDue: true,
    });
    const nameOf = ({ choice }: Seen) => choice?.kind === 'call' && choice.name;
    expect(nameOf(await chosen([call(WEATHER.name)], fits(1.1, 1.3), { tools }))).toBe(OTHER.name);
    expect(nameOf(await chosen([call(WEATHER.name)], fits(1.1, 1.15), { tools }))).toBe(WEATHER.name);
    const clear = await chosen([call(WEATHER.name)], fits(1.5, 1.9), { tools });
    expect(nameOf(clear)).toBe(WEATHER.name);
    expect(clear.measured).toEqual([WEATHER.name]);
  });

  it('is one of another function where only that can be told the date of the request', async () => {
    const dated = { ...OTHER, inputSchema: { type: 'object', properties: { date: { type: 'string' } } } };
    const fits = (name: string): Fit => ({ evidence: name === WEATHER.name ? 1.2 : 1.15, due: 0.95, isDue: true });
    const nameFor = async (text: string, tools: readonly FunctionTool[]) => {
      const turns: Turn[] = [{ role: 'user', parts: [{ type: 'text', text }] }];
      const { choice } = await chosen([call(WEATHER.name)], fits, { tools, turns });
      return choice?.kind === 'call' && choice.name;
    };
    const tools = [WEATHER, dated];
    expect(await nameFor('Was it cold on January 1, 2022?', tools)).toBe(dated.name);
    expect(await nameFor('Was it cold in January?', tools)).toBe(WEATHER.name);
    expect(await nameFor('Was it cold on January 1, 2022?', [WEATHER, OTHER])).toBe(WEATHER.name);
  });

  describe('where one function tells more words of the request than others', () => {
    const art = { ...WEATHER, name: 'find_art', description: 'Finds paintings and sculptures in a city' };
    const sight = { ...WEATHER, name: 'find_sight', description: 'Finds attractions for tourists in a city' };
    const tools = [art, sight];
    const turns: Turn[] = [
      { role: 'user', parts: [{ type: 'text', text: 'Famous sculptures and paintings in Rome' }] },
    ];
    const named = async (name: string, evidence: Readonly<Record<string, number>>, others: FunctionTool[] = []) => {
      const fits = (of: string): Fit => ({ evidence: evidence[of] ?? 1.3, due: 0.95, isDue: true });
      return chosen([call(name)], fits, { tools: [...tools, ...others], turns });
    };

    it('is not replaced by one that tells less, unless that fits much better', async () => {
      expect((await named('find_art', { find_art: 1.2, find_sight: 1.5 })).choice).toMatchObject({ name: 'find_art' });
      expect((await named('find_art', { find_art: 1.2, find_sight: 1.8 })).choice).toMatchObject({
        name: 'find_sight',
      });
    });

    it('is one of that, also where the named one fits well', async () => {
      expect((await named('find_sight', { find_sight: 1.5, find_art: 1.3 })).choice).toMatchObject({
        name: 'find_art',
      });
      const much = await named('find_sight', { find_sight: 1.8, find_art: 1.3 });
      expect(much.choice).toMatchObject({ name: 'find_sight' });
      expect(much.measured).toEqual(['find_sight', 'find_art']);
    });

    it('is the first of several calls, where several may be made and the named one fits well', async () => {
      const fits = (name: string): Fit => ({ evidence: name === 'find_sight' ? 1.5 : 1.4, due: 0.95, isDue: true });
      const request = { tools, turns, allowsParallelCalls: true };
      const { choice, measured } = await chosen([call('find_sight')], fits, request);
      expect(choice).toMatchObject({ name: 'find_sight' });
      expect(measured).toEqual(['find_sight']);
      expect(
        (await chosen([call('find_sight')], fits, { ...request, allowsParallelCalls: false })).choice,
      ).toMatchObject({
        name: 'find_art',
        isOnly: true,
      });
    });

    it('is looked at alone beside the named one of many', async () => {
      const many = Array.from({ length: 4 }, (_, index) => ({ ...OTHER, name: `other_${index}` }));
      const { choice, measured } = await named('find_sight', { find_sight: 1.2, find_art: 1.2 }, many);
      expect(choice).toMatchObject({ name: 'find_art' });
      expect(measured).toEqual(['find_sight', 'find_art']);
    });
  });

  it('is none of many others, which nobody looks at', async () => {
    const tools = [WEATHER, ...Array.from({ length: 4 }, (_, index) => ({ ...OTHER, name: `other_${index}` }))];
    const byName = (name: string): Fit => (name === WEATHER.name ? BADLY : WELL);
    expect((await chosen([call(WEATHER.name)], byName, { tools })).choice).toEqual({ kind: 'without-calls' });
    const { choice, measured } = await chosen([call(WEATHER.name)], ENOUGH, { tools });
    expect(choice).toMatchObject({ kind: 'call', name: WEATHER.name });
    expect(measured).toEqual([WEATHER.name]);
  });

  describe('whose fit does not settle it', () => {
    const turns: Turn[] = [{ role: 'user', parts: [{ type: 'text', text: 'Is it cold in Paris?' }] }];
    const kindAt = async (
      evidence: number,
      input: string | undefined,
      request: Parameters<typeof ask>[1] = { turns },
    ) => {
      const fit = { evidence, due: 0.95, isDue: evidence >= 0.95 };
      const { choice, argumentPlans } = await chosen([call(WEATHER.name)], fit, request, CODER, input);
      return [choice?.kind, argumentPlans.length];
    };

    it('is one where all is said that it must hold, and none where some of it is made up', async () => {
      expect(await kindAt(0.9, '{"location": "Paris"}')).toEqual(['call', 1]);
      expect(await kindAt(0.9, '{"location": "Berlin"}')).toEqual(['without-calls', 1]);
      expect(await kindAt(1.3, '{"location": "Paris"}')).toEqual(['call', 1]);
      expect(await kindAt(1.1, '{"location": "Berlin"}')).toEqual(['without-calls', 1]);
      // A place may be what one knows.
      expect(await kindAt(1.3, '{"location": "Berlin"}')).toEqual(['call', 1]);
      expect(await kindAt(1.3, '{"location": 7}')).toEqual(['without-calls', 1]);
    });

    it('is what the fit says where nobody can tell what it would say', async () => {
      expect(await kindAt(0.9, undefined)).toEqual(['without-calls', 1]);
      expect(await kindAt(1.3, undefined)).toEqual(['call', 1]);
    });

    it('is the only one that is asked what it would say', async () => {
      expect(await kindAt(0.7, '{"location": "Paris"}')).toEqual(['without-calls', 0]);
      expect(await kindAt(1.7, '{"location": "Berlin"}')).toEqual(['call', 0]);
      const long = Array.from({ length: 3_000 }, () => 'Paris').join(' ');
      const many: Turn[] = [{ role: 'user', parts: [{ type: 'text', text: long }] }];
      expect(await kindAt(1.3, '{"location": "Berlin"}', { turns: many })).toEqual(['call', 0]);
    });

    it('is asked for one call of that function, at temperature 0', async () => {
      const request = { turns, tools: [WEATHER, OTHER], sampling: { temperature: 1, logprobs: { top: 2 } } };
      const { argumentPlans } = await chosen([call(WEATHER.name)], ENOUGH, request);
      expect(argumentPlans[0]).toMatchObject({
        sampling: { temperature: 0 },
        logprobs: undefined,
        choices: 1,
        stages: [{ calls: { mode: 'required', isParallel: false, functions: [{ name: WEATHER.name }] } }],
      });
    });
  });

  it('stands where nobody can tell how it fits', async () => {
    expect((await chosen([call(WEATHER.name)], undefined)).choice).toMatchObject({ kind: 'call' });
    const { choice, measured } = await chosen([call(WEATHER.name)], BADLY, {}, 'some-other-7b');
    expect(choice).toMatchObject({ kind: 'call' });
    expect(measured).toEqual([]);
  });
});

describe('asked outright', () => {
  const outcome = async (fit: Fit, yesOdds: number | undefined, weightsName = CODER): Promise<unknown> => {
    const { choice, outright } = await chosen([call(WEATHER.name)], fit, {}, weightsName, undefined, yesOdds);
    return [choice?.kind, outright.length];
  };

  it('weights may say that a function does not do what is wanted, where the measures do not settle it', async () => {
    expect(await outcome(ENOUGH, 2)).toEqual(['call', 1]);
    expect(await outcome(ENOUGH, 0.2)).toEqual(['without-calls', 1]);
    expect(await outcome(ENOUGH, undefined)).toEqual(['call', 1]);
    expect(await outcome({ evidence: 1.3, due: 0.95, isDue: true }, 0.2)).toEqual(['without-calls', 1]);
    expect(await outcome(WELL, -2)).toEqual(['call', 0]);
    expect(await outcome(BADLY, 2)).toEqual(['without-calls', 0]);
  });

  it('the smallest say nothing that would be worth it', async () => {
    expect(await outcome(ENOUGH, -2, SMALLEST)).toEqual(['call', 0]);
  });

  it('what a call would say is not looked at where they say no', async () => {
    const { argumentPlans } = await chosen([call(WEATHER.name)], ENOUGH, {}, CODER, '{"location":"Oslo"}', -1);
    expect(argumentPlans).toEqual([]);
  });
});

describe('an answer in text', () => {
  it('becomes a call where they were near to one and the function fits all the same', async () => {
    const { choice, plans, measured, chances } = await chosen([text('It', 0.2)], ENOUGH);
    expect(choice).toMatchObject({ kind: 'call', name: WEATHER.name, accepted });
    expect(plans).toHaveLength(1);
    expect(measured).toEqual([WEATHER.name]);
    expect(chances[0]).toBeCloseTo(0.2);
  });

  it('stands where the function does not fit', async () => {
    expect((await chosen([text('It', 0.2)], BADLY)).choice).toMatchObject({ kind: 'text' });
    expect((await chosen([text('It', 0.2)], undefined)).choice).toMatchObject({ kind: 'text' });
  });

  it('stands without a look at any function where no call was near', async () => {
    const { choice, measured } = await chosen([text('It', 0.02)], WELL);
    expect(choice).toMatchObject({ kind: 'text' });
    expect(measured).toEqual([]);
    expect((await chosen([{ type: 'text', text: 'It' }], WELL)).choice).toMatchObject({ kind: 'text' });
  });

  it('is looked at however far from a call it was, of weights that miss such calls', async () => {
    const { choice, chances } = await chosen([text('It', 0)], ENOUGH, {}, SMALLEST);
    expect(choice).toMatchObject({ kind: 'call', name: WEATHER.name });
    expect(chances).toEqual([0]);
    const untold = await chosen([{ type: 'text', text: 'It' }], WELL, {}, SMALLEST);
    expect(untold.choice).toMatchObject({ kind: 'text' });
  });

  it('may be a call of a function that nobody has: it is then asked which of the declared ones it would be', async () => {
    const undeclared = text('```json\n{"name": "no_such"', 0);
    const opened = { ...undeclared, logprobs: [{ token: '```', bytes: [], logprob: -0.1, top: [] }] } as Piece;
    const seen = await chosen([opened, call(OTHER.name)], ENOUGH, { tools: [WEATHER, OTHER] });
    expect(seen.choice).toMatchObject({ kind: 'call', name: OTHER.name });
    expect(seen.measured).toEqual([OTHER.name]);
    // That it opened as calls do speaks for none.
    expect(seen.chances).toEqual([0.25]);
    expect(seen.plans[1]).toMatchObject({
      sampling: { temperature: 0 },
      stages: [{ calls: { mode: 'required' }, maxTokens: 32 }],
    });
  });

  it('may be a call of one that tells more of the request than the one that would be called', async () => {
    const art = { ...WEATHER, name: 'find_art', description: 'Finds paintings and sculptures in a city' };
    const turns: Turn[] = [{ role: 'user', parts: [{ type: 'text', text: 'Famous sculptures in Rome' }] }];
    const request = { tools: [WEATHER, art], turns };
    const { choice, measured } = await chosen([text('In', 0.2), call(WEATHER.name)], ENOUGH, request);
    expect(choice).toMatchObject({ kind: 'call', name: 'find_art', isOnly: true });
    expect(measured).toEqual([WEATHER.name, 'find_art']);
    const other = await chosen([text('In', 0.2), call('find_art')], ENOUGH, request);
    expect(other.measured).toEqual(['find_art']);
  });

  it('is made without functions where it would be a call of one that nobody has', async () => {
    const opened = (said: string): Promise<Seen> => chosen([text(said, 0.02), call(WEATHER.name)], BADLY);
    expect((await opened('```json\n{"name": "no_such"')).choice).toEqual({ kind: 'without-calls' });
    expect((await opened('```json\n{\n  "name": "no_s')).choice).toEqual({ kind: 'without-calls' });
    expect((await opened('{"name": "no.such", "arguments": {')).choice).toEqual({ kind: 'without-calls' });
    expect((await opened('```json\n{"title": "no_such"')).choice).toMatchObject({ kind: 'text' });
    expect((await opened('Say {"name": "no_such"')).choice).toMatchObject({ kind: 'text' });
    const other = await chosen([text('```json\n{"name": "no_such"', 0.02)], BADLY, {}, 'some-other-7b');
    expect(other.choice).toMatchObject({ kind: 'text' });
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
