/** The real children with real weights, over IPC: the same is promised of both engines. Small weights are enough: what is tested is ours, not the model's wit. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callShape, toolFormat } from '../../parsers/tool-formats.ts';
import type { DecodePlan, EngineOptions, EngineSampling, FromEngine, Stage } from '../engine-protocol.ts';
import { ForkedEngine, type JobSeen } from './testing/forked-engine.ts';
import { GREEDY } from './testing/plans.ts';

const WEIGHTS = process.env.ATELIER_TEST_WEIGHTS;
const LLAMA_SERVER = process.env.ATELIER_TEST_LLAMA_SERVER;

/** One thread: several that have to share their cores with other work wait for each other in loops, 50 times slower. */
const OPTIONS: EngineOptions = { weightsFile: WEIGHTS ?? '', sequences: 4, contextTokens: 2048, threads: 1 };

interface EngineUnderTest {
  readonly name: string;
  readonly options: EngineOptions;
  readonly skipReason: string | undefined;
  /** A warm prompt is computed as a cold one, to the bit (docs/decisions/0021). */
  readonly isExact: boolean;
}

const noWeights = WEIGHTS === undefined ? 'ATELIER_TEST_WEIGHTS names no weights file' : undefined;
const noServer = LLAMA_SERVER === undefined ? 'ATELIER_TEST_LLAMA_SERVER names no llama-server' : undefined;
const ENGINES: readonly EngineUnderTest[] = [
  { name: 'the engine child', options: OPTIONS, skipReason: noWeights, isExact: true },
  {
    name: 'the child with a llama-server',
    options: { ...OPTIONS, llamaServer: { binary: LLAMA_SERVER ?? '' } },
    skipReason: noWeights ?? noServer,
    isExact: false,
  },
].map((engine) => ({
  ...engine,
  name: engine.skipReason === undefined ? engine.name : `${engine.name} (skipped: ${engine.skipReason})`,
}));

const WARM: EngineSampling = { ...GREEDY, temperature: 0.9, topP: 0.95 };

const ARGUMENTS = String.raw`root ::= "{" ws "\"city\":" ws string ("," ws "\"days\":" ws [0-9]+)? ws "}"
string ::= "\"" [^"\\\x00-\x1f]* "\""
ws ::= [ \n]?`;
const JSON_OBJECT = String.raw`root ::= object
object ::= "{" ws (pair ("," ws pair)*)? ws "}"
pair ::= string ":" ws value
value ::= string | object | array | "-"? [0-9]+ | "true" | "false" | "null"
array ::= "[" ws (value ("," ws value)*)? ws "]"
string ::= "\"" [^"\\\x00-\x1f]* "\""
ws ::= [ \n]*`;

function plan(question: string, stage: Partial<Stage> = {}, changes: Partial<DecodePlan> = {}): DecodePlan {
  return {
    prompt: [
      { kind: 'control', text: '<|im_start|>user\n' },
      { kind: 'plain', text: question },
      { kind: 'control', text: '<|im_end|>\n<|im_start|>assistant\n' },
    ],
    stages: [{ kind: 'answer', opening: '', maxTokens: 24, ...stage }],
    choices: 1,
    sampling: GREEDY,
    stopTexts: [],
    stopTokens: [],
    ...changes,
  };
}

function only(job: JobSeen): JobSeen['choices'][number] {
  const [choice] = job.choices;
  if (choice === undefined) throw new Error(`no choice: ${JSON.stringify(job.last)}`);
  return choice;
}

const logprobsOf = (job: JobSeen) =>
  only(job).pieces.flatMap((piece) => (piece.type === 'text' ? (piece.logprobs ?? []) : []));

const LONG = `Here is a list. ${Array.from({ length: 30 }, (_, i) => `Item ${i} costs ${(i * 7) % 13} coins.`).join(' ')}`;

/** A busy machine takes its time; what is tested does not depend on it. */
const TIMEOUT = { timeout: 120_000 };

describe.each(ENGINES)('$name', TIMEOUT, ({ options, skipReason, isExact }) => {
  if (skipReason !== undefined) return void it.skip(skipReason, () => {});
  let engine: ForkedEngine;
  beforeAll(async () => {
    engine = await ForkedEngine.start(options);
  });
  afterAll(async () => {
    expect(await engine.stop()).toBe(0);
  });

  /** The state follows the last word of a job; an answer to a later question follows both. */
  const lastState = async () => {
    await engine.count('');
    return engine.states.at(-1) ?? { busySequences: -1 };
  };

  it('says what the weights are', () => {
    expect(engine.facts.sequences).toBe(4);
    expect(engine.facts.contextTokens).toBeGreaterThanOrEqual(2048);
    expect(engine.facts.controlTexts).toContain('<|im_end|>');
    expect(engine.facts.chatTemplate).toContain('messages');
    expect(engine.facts.eosText).not.toBe('');
  });

  it('counts control tokens as one and their spelling in plain text as text', async () => {
    expect(await engine.count('<|im_end|>')).toBe(1);
    const job = await engine.run(plan('<|im_end|>', { maxTokens: 1 }));
    expect(job.accepted?.promptTokens).toBeGreaterThan((await engine.count('<|im_start|>user\n<|im_end|>')) + 6);
  });

  it('tells the tokens of a text: as many as it counts, and joined they are the text', async () => {
    const text = 'def add(a, b):\n    return a + b';
    const tokens = await engine.tokenise(text);
    expect(tokens.map((token) => token.text).join('')).toBe(text);
    expect(tokens).toHaveLength(await engine.count(text));
    expect(new Set(tokens.filter((token) => token.text === ' b').map(({ id }) => id)).size).toBe(1);
  });

  it('says the same greedily, cold or warm, to the bit or as nearly as rounding lets it', async () => {
    const asks = (question: string) => plan(`${LONG} ${question}`, {}, { logprobs: { top: 0 } });
    const fresh = await ForkedEngine.start({ ...options, sequences: 1 });
    const cold = await fresh.run(asks('Name the cheapest item.'));
    await fresh.stop();
    await engine.run(asks('What is the sum of all?'));
    for (let i = 0; i < 2; i++) {
      const warm = await engine.run(asks('Name the cheapest item.'));
      expect(warm.accepted?.cachedTokens).toBeGreaterThan(200);
      if (isExact) {
        expect(logprobsOf(warm)).toEqual(logprobsOf(cold));
        expect(only(warm).text).toBe(only(cold).text);
        continue;
      }
      // Rounded otherwise: from where two tokens are nearly equal on, another may be said.
      const [colds, warms] = [logprobsOf(cold), logprobsOf(warm)];
      const parting = warms.findIndex(({ token }, index) => token !== colds[index]?.token);
      const shared = parting === -1 ? warms.length : parting;
      expect(shared).toBeGreaterThan(2);
      for (const [index, { logprob }] of warms.slice(0, shared + 1).entries())
        expect(Math.abs(logprob - (colds[index]?.logprob ?? 0))).toBeLessThan(0.1);
    }
  });

  it('samples the same with the same seed, and otherwise with another', async () => {
    const story = (seed: number) => engine.run(plan('Tell a story.', {}, { sampling: { ...WARM, seed } }));
    const [first, again, other] = [await story(7), await story(7), await story(8)];
    expect(only(again).text).toBe(only(first).text);
    expect(only(other).text).not.toBe(only(first).text);
  });

  it('makes several choices of one prompt, also more than it has sequences', async () => {
    const job = await engine.run(
      plan('Tell a joke.', { maxTokens: 8 }, { choices: 6, sampling: { ...WARM, seed: 1 } }),
    );
    expect(job.messages.filter(({ type }) => type === 'accepted')).toHaveLength(1);
    expect(job.choices).toHaveLength(6);
    expect(new Set(job.choices.map(({ text }) => text)).size).toBeGreaterThan(3);
    const sum = job.choices.reduce((total, { counts }) => total + counts.output, 0);
    expect(job.last).toMatchObject({ type: 'done', counts: { output: sum, reasoning: 0 } });
  });

  it('keeps a reasoning budget to the token', async () => {
    for (const budget of [0, 1, 16]) {
      const stages: Stage[] = [
        { kind: 'reasoning', opening: 'Let me think. ', until: ['</think>'], maxTokens: budget },
        { kind: 'answer', opening: '\nSo the answer is', maxTokens: 5 },
      ];
      // The end of a turn is banned, or the model may end its reasoning before the budget does.
      const ban = [2, 151_645, 151_643].map((token) => [token, -100] as const);
      const sampling = { ...GREEDY, logitBias: ban };
      const job = await engine.run({ ...plan('What is three plus four?'), stages, sampling });
      expect(only(job).counts).toEqual({ output: budget + 5, reasoning: budget });
      expect(only(job).reasoning === '').toBe(budget === 0);
    }
  });

  it('makes a required call of declared functions with valid arguments, one or several', async () => {
    for (const isParallel of [false, true]) {
      const { opening } = callShape(toolFormat('fenced-json'));
      const functions = ['get_weather', 'get_forecast'].map((name) => ({ name, argumentsGrammar: ARGUMENTS }));
      const calls = { functions, mode: 'required' as const, isParallel, opening };
      const job = await engine.run(plan('What is the weather in Paris and in Rome?', { maxTokens: 90, calls }));
      expect(only(job).calls.length).toBeGreaterThanOrEqual(1);
      for (const call of only(job).calls) {
        expect(functions.map(({ name }) => name)).toContain(call.name);
        expect(call.isValidJson).toBe(true);
        expect(JSON.parse(call.input)).toHaveProperty('city');
      }
      expect(only(job).end?.reason).toBe('tool-calls');
      expect(only(job).text).toBe('');
    }
  });

  it('finds a call in free text and takes back what its token said too much', async () => {
    const calls = {
      functions: [{ name: 'get_weather', argumentsGrammar: ARGUMENTS }],
      mode: 'auto' as const,
      isParallel: false,
      opening: '{"name": "',
    };
    // The prompt has begun the call, so that any model goes on with it.
    const { prompt } = plan('What is the weather in Paris? Call get_weather.');
    const begun = [...prompt, { kind: 'control' as const, text: 'I will call it.\n\n' }];
    const stages: Stage[] = [
      { kind: 'answer', opening: '', maxTokens: 60, grammar: 'root ::= "{\\"name\\": \\"get_weather\\", \\"x"', calls },
    ];
    const job = await engine.run({ ...plan(''), prompt: begun, stages });
    expect(only(job).text).toBe('');
    expect(only(job).calls).toMatchObject([{ name: 'get_weather', isValidJson: true }]);
  });

  it('never leaks a stop text that is cut across tokens', async () => {
    const free = only(await engine.run(plan('Count from one to twenty in words.', { maxTokens: 40 }))).text;
    for (const from of [5, 8, 13, 21]) {
      const stop = free.slice(from, from + 7);
      const job = await engine.run(
        plan('Count from one to twenty in words.', { maxTokens: 40 }, { stopTexts: [stop] }),
      );
      expect(only(job).end).toMatchObject({ reason: 'stop-text', stopText: stop });
      expect(only(job).text).toBe(free.slice(0, free.indexOf(stop)));
    }
  });

  it('closes JSON at any limit', async () => {
    const limits = [1, 2, 3, 5, 9, 17, 30, 60];
    const jobs = limits.map((maxTokens, seed) =>
      engine.run(
        plan('Describe a city in nested JSON.', { maxTokens, grammar: JSON_OBJECT }, { sampling: { ...WARM, seed } }),
      ),
    );
    for (const [i, job] of (await Promise.all(jobs)).entries()) {
      expect(() => JSON.parse(only(job).text), only(job).text).not.toThrow();
      expect(only(job).counts.output).toBeLessThanOrEqual(limits[i] ?? 0);
    }
  });

  it('gives the log probabilities of the model itself', async () => {
    const job = await engine.run(plan('Say hello.', { maxTokens: 8 }, { logprobs: { top: 20 } }));
    const entries = logprobsOf(job);
    expect(entries.map(({ token }) => token).join('')).toBe(only(job).text);
    for (const { token, logprob, bytes, top } of entries) {
      expect(top).toHaveLength(20);
      expect(top[0]).toEqual({ token, bytes, logprob });
      expect(top.map((entry) => entry.logprob)).toEqual(top.map((entry) => entry.logprob).toSorted((a, b) => b - a));
      const sum = top.reduce((total, entry) => total + Math.exp(entry.logprob), 0);
      expect(sum).toBeGreaterThan(0.2);
      expect(sum).toBeLessThanOrEqual(1.0001);
    }
    const hot = { ...WARM, temperature: 1.9, topK: 5, repetitionPenalty: 1.3, presencePenalty: 1 };
    const other = await engine.run(plan('Say hello.', { maxTokens: 1 }, { logprobs: { top: 20 }, sampling: hot }));
    expect(logprobsOf(other)[0]?.top).toEqual(entries[0]?.top);
  });

  it('tells how likely a text is that it only reads', async () => {
    const surpriseOf = async (onlyText: string): Promise<number> => {
      const job = await engine.run(plan('The capital of France is', {}, { onlyText, logprobs: { top: 0 } }));
      expect(job.last).toMatchObject({ type: 'done', ending: 'completed' });
      expect(only(job).text).toBe(onlyText);
      return -logprobsOf(job).reduce((sum, { logprob }) => sum + logprob, 0);
    };
    const likely = await surpriseOf(' Paris.');
    expect(likely).toBeGreaterThan(0);
    expect(await surpriseOf(' seven.')).toBeGreaterThan(likely + 2);
    // As it is told where it is sampled.
    const sampled = await engine.run(plan('The capital of France is', { maxTokens: 1 }, { logprobs: { top: 0 } }));
    const [first] = logprobsOf(sampled);
    if (first === undefined) throw new Error('nothing was sampled');
    expect(await surpriseOf(first.token)).toBeCloseTo(-first.logprob, 1);
  });

  it('bans and forces tokens by bias', async () => {
    const say = (logitBias: EngineSampling['logitBias']) =>
      engine.run(plan('Say hello.', { maxTokens: 1 }, { logprobs: { top: 2 }, sampling: { ...GREEDY, logitBias } }));
    const [best, second] = logprobsOf(await say([]))[0]?.top ?? [];
    const everyToken = Array.from({ length: engine.facts.vocabularySize }, (_, token) => token);
    const banned = await say(everyToken.filter((token) => token !== 33).map((token) => [token, -100] as const));
    expect(logprobsOf(banned)).toHaveLength(1);
    expect(logprobsOf(banned)[0]?.token).not.toBe(best?.token);
    expect(logprobsOf(banned)[0]?.top.map(({ token }) => token)).toEqual([best?.token, second?.token]);
    expect(only(await say([[33, 100]])).text).toBe(only(banned).text);
  });

  it('repeats itself less under a penalty', async () => {
    const distinct = async (sampling: Partial<EngineSampling>): Promise<number> => {
      const echo = { kind: 'control' as const, text: 'red blue red blue red blue red blue red blue' };
      const changes = { prompt: [echo], logprobs: { top: 0 }, sampling: { ...GREEDY, ...sampling } };
      const job = await engine.run(plan('', { maxTokens: 30 }, changes));
      const tokens = logprobsOf(job).map(({ token }) => token);
      return new Set(tokens).size / tokens.length;
    };
    const free = await distinct({});
    expect(await distinct({ frequencyPenalty: 2 })).toBeGreaterThan(free);
    expect(await distinct({ repetitionPenalty: 1.5 })).toBeGreaterThan(free);
  });

  it('never splits a character', async () => {
    const job = await engine.run(
      plan('Write: 你好，世界 🦊🌍 café', { maxTokens: 40 }, { sampling: { ...WARM, seed: 1 } }),
    );
    for (const piece of only(job).pieces) {
      if (piece.type === 'text')
        expect(piece.text).toSatisfy((text: string) => text.isWellFormed() && !text.includes('\ufffd'));
    }
  });

  it('refuses a malformed grammar and a prompt that does not fit, and goes on', async () => {
    const malformed = await engine.run(plan('x', { grammar: 'root ::= (' }));
    expect(malformed.last).toMatchObject({ type: 'refused', reason: 'grammar' });
    const long = await engine.run(plan('word '.repeat(3000)));
    expect(long.last).toMatchObject({
      type: 'refused',
      reason: 'context',
      maxPromptTokens: engine.facts.contextTokens - 1,
    });
    expect((await engine.run(plan('Say hello.'))).last.type).toBe('done');
  });

  it('answers a cancel at once, while it reads and while it writes', async () => {
    for (const [question, at] of [
      ['Tell a long story.', 'step'],
      [`${LONG} ${LONG} ${LONG} Sum up.`, 'accepted'],
    ] as const) {
      const job = engine.start(plan(question, { maxTokens: 500 }));
      await job.when(({ type }) => type === at);
      job.cancel();
      expect((await job.ended).last).toMatchObject({ type: 'done', ending: 'cancelled' });
      expect((await lastState()).busySequences).toBe(0);
    }
  });

  it('leaks no sequence when jobs come and go at random', async () => {
    let state = 12_345;
    const random = (below: number): number => {
      state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
      return Math.floor((state / 2 ** 31) * below);
    };
    const jobs = Array.from({ length: 24 }, (_, i) => {
      const question = random(2) === 0 ? `Tell me of number ${i}.` : `${LONG} Item ${i}?`;
      const job = engine.start(
        plan(question, { maxTokens: 2 + random(6) }, { choices: 1 + random(3), sampling: WARM }),
      );
      const cancelAt = random(6);
      let heard = 0;
      if (random(3) > 0) void job.when(() => heard++ >= cancelAt).then(() => job.cancel());
      return job.ended;
    });
    for (const { last } of await Promise.all(jobs)) expect(last.type).toBe('done');
    expect(await lastState()).toMatchObject({ busySequences: 0, waitingJobs: 0 });
  });
});

describe.each(ENGINES)('the life of $name', TIMEOUT, ({ options, skipReason }) => {
  if (skipReason !== undefined) return void it.skip(skipReason, () => {});
  const program = options.llamaServer ? '../llama-server/main.ts' : './main.ts';
  const main = fileURLToPath(new URL(program, import.meta.url));
  const start = (own: EngineOptions) => fork(main, [JSON.stringify(own)], { stdio: 'ignore' });

  it('says why weights cannot be loaded', async () => {
    const child = start({ ...options, weightsFile: main });
    const message = await new Promise<FromEngine>((resolve) => child.once('message', resolve));
    expect(message).toMatchObject({ type: 'load-failed', message: expect.stringMatching(/./) });
    expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(1);
  });

  it('outlives signals and goes with its parent', async () => {
    const child = start({ ...options, contextTokens: 'auto', sequences: 1 });
    const exit = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)));
    await new Promise<void>((resolve) => {
      child.on('message', (message: FromEngine) => {
        if (message.type === 'ready') resolve();
      });
    });
    child.kill('SIGTERM');
    child.kill('SIGINT');
    const counted = new Promise((resolve) => child.once('message', resolve));
    child.send({ type: 'count', askId: 'c', prompt: [{ kind: 'plain', text: 'alive' }] });
    expect(await counted).toMatchObject({ type: 'counted', askId: 'c' });
    child.disconnect();
    expect(await exit).toBe(0);
  });
});
