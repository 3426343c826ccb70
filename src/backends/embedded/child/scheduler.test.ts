import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DecodePlan, EngineSampling, FromEngine } from '../engine-protocol.ts';
import { CacheBlocks } from './cache-blocks.ts';
import { closingBiasOf } from './closing-bias.ts';
import { Scheduler } from './scheduler.ts';
import {
  END_TOKEN,
  letterTokeniser,
  type Script,
  type ScriptedEngine,
  scriptedEngine,
} from './testing/letter-model.ts';
import { GREEDY, greedyPlan } from './testing/plans.ts';
import { ThreadGovernor } from './thread-governor.ts';
import { ModelVocabulary } from './vocabulary.ts';

/** Answers `n` letters to a prompt that ends in the digit n; each letter depends on all tokens before it. */
const countdown: Script = (tokens) => {
  const start = tokens.findLastIndex((token) => token >= 0x30 && token <= 0x39);
  const said = tokens.length - start - 1;
  if (said >= (tokens[start] ?? 0x30) - 0x30) return END_TOKEN;
  return 0x61 + (tokens.reduce((sum, token, i) => sum + token * (i + 1), 0) % 26);
};

interface Bench {
  readonly scheduler: Scheduler;
  readonly engine: ScriptedEngine;
  readonly messages: FromEngine[];
  /** Resolves when nothing is left to do. */
  idle(): Promise<void>;
  of(jobId: string): FromEngine[];
  text(jobId: string, choice?: number): string;
  busy(): number | undefined;
}

function bench({ sequences = 2, contextTokens = 3000, script = countdown } = {}): Bench {
  const engine = scriptedEngine({ sequences, contextTokens, script });
  const vocabulary = new ModelVocabulary(letterTokeniser());
  const messages: FromEngine[] = [];
  const send = (message: FromEngine): void => void messages.push(message);
  const governor = new ThreadGovernor(1, 1);
  const closing = closingBiasOf(vocabulary);
  const blocks = new CacheBlocks();
  const scheduler = new Scheduler({ engine, vocabulary, closing, sequences, governor, blocks, send });
  const isOpen = (jobId: string): boolean => !messages.some((message) => isLast(message) && message.jobId === jobId);
  const of = (jobId: string): FromEngine[] =>
    messages.flatMap((message): FromEngine[] => {
      if (message.type !== 'step') return 'jobId' in message && message.jobId === jobId ? [message] : [];
      const items = message.items.filter((item) => item.jobId === jobId);
      return items.length > 0 ? [{ type: 'step', items }] : [];
    });
  return {
    scheduler,
    engine,
    messages,
    of,
    async idle() {
      const known = new Set(messages.flatMap((message) => ('jobId' in message ? [message.jobId] : [])));
      do await new Promise(setImmediate);
      while ([...known].some(isOpen) || engine.liveSamplers.count > 0);
    },
    text: (jobId, choice = 0) =>
      of(jobId)
        .flatMap((message) => (message.type === 'step' ? message.items : []))
        .flatMap((item) => (item.choice === choice ? item.pieces : []))
        .map((piece) => ('text' in piece ? piece.text : ''))
        .join(''),
    busy: () => messages.findLast((message) => message.type === 'state')?.busySequences,
  };
}

function isLast(message: FromEngine): message is Extract<FromEngine, { type: 'done' | 'failed' | 'refused' }> {
  return message.type === 'done' || message.type === 'failed' || message.type === 'refused';
}

function plan(prompt: string, changes: Partial<DecodePlan> = {}): DecodePlan {
  return greedyPlan([{ kind: 'plain', text: prompt }], changes);
}

async function alone(prompt: string): Promise<string> {
  const { scheduler, idle, text } = bench();
  scheduler.generate('j', plan(prompt));
  await idleAfterStart(idle);
  return text('j');
}

/** `idle` sees only jobs that have said something; the first word comes with the first step. */
async function idleAfterStart(idle: () => Promise<void>): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise(setImmediate);
  await idle();
}

describe('a text that is only read', () => {
  /** A letter is followed by the next one of the alphabet. */
  const alphabet: Script = (tokens) => (tokens.at(-1) ?? 0) + 1;
  const HALF = Math.log(1 / 2);
  const SMALL = Math.log(Math.exp(1) / (2 * Math.exp(3)));
  const onlyText = (text: string): Partial<DecodePlan> => ({ onlyText: text, logprobs: { top: 0 } });
  const logprobsOf = (messages: readonly FromEngine[]): readonly number[] =>
    messages
      .flatMap((message) => (message.type === 'step' ? message.items : []))
      .flatMap(({ pieces }) => pieces.flatMap((piece) => (piece.type === 'text' ? (piece.logprobs ?? []) : [])))
      .map(({ logprob }) => logprob);

  it('is told with how likely each of its tokens is behind those before it, and nothing is sampled', async () => {
    const { scheduler, engine, of, idle, busy } = bench({ script: alphabet });
    scheduler.generate('j', plan('say a', onlyText('bcxy')));
    await idleAfterStart(idle);
    expect(of('j').map(({ type }) => type)).toEqual(['accepted', 'step', 'choice-end', 'done']);
    const logprobs = logprobsOf(of('j'));
    expect(logprobs).toHaveLength(4);
    for (const [index, expected] of [HALF, HALF, SMALL, HALF].entries()) expect(logprobs[index]).toBeCloseTo(expected);
    expect(of('j').find(({ type }) => type === 'choice-end')).toMatchObject({ reason: 'stop', counts: { output: 0 } });
    expect(engine.computed.tokens).toBe('say abcxy'.length);
    expect(busy()).toBe(0);
  });

  it('says the same in several pieces, warm, and beside others', async () => {
    const { scheduler, engine, of, idle } = bench({ script: alphabet });
    const prompt = `${'x'.repeat(150)}a`;
    const text = 'bcdefghijklmnopqrstuvwxyz'.repeat(6);
    scheduler.generate('cold', plan(prompt, onlyText(text)));
    scheduler.generate('other', plan('say a', { stages: [{ kind: 'answer', opening: '', maxTokens: 20 }] }));
    await idleAfterStart(idle);
    const cold = engine.computed.tokens;
    scheduler.generate('warm', plan(prompt, onlyText(text)));
    await idleAfterStart(idle);
    expect(logprobsOf(of('cold'))).toHaveLength(text.length);
    expect(logprobsOf(of('cold')).filter((logprob) => logprob < -1)).toHaveLength(5);
    expect(logprobsOf(of('warm'))).toEqual(logprobsOf(of('cold')));
    expect(of('warm')[0]).toMatchObject({ type: 'accepted', promptTokens: 151, cachedTokens: 128 });
    expect(engine.computed.tokens - cold).toBe(prompt.length + text.length - 128);
  });

  it('is plain, whatever it spells, and needs no grammar', async () => {
    const { scheduler, of, idle } = bench({ script: alphabet });
    const stages = [{ kind: 'answer', opening: '', grammar: 'malformed' }] as const;
    scheduler.generate('j', plan('say a', { ...onlyText('b<|end|>'), stages }));
    await idleAfterStart(idle);
    expect(logprobsOf(of('j'))).toHaveLength('b<|end|>'.length);
  });

  it('ends as any job does when it is cancelled, or its batch fails', async () => {
    const { scheduler, engine, of, idle, busy } = bench({ script: alphabet });
    scheduler.generate('j', plan('say a', onlyText('bc')));
    scheduler.cancel('j');
    engine.failNextBatch();
    scheduler.generate('k', plan('say a', onlyText('bc')));
    await idleAfterStart(idle);
    expect(of('j').at(-1)).toMatchObject({ type: 'done', ending: 'cancelled' });
    expect(of('k').at(-1)).toMatchObject({ type: 'failed' });
    scheduler.generate('l', plan('say a', onlyText('bc')));
    await idleAfterStart(idle);
    expect(of('l').at(-1)).toMatchObject({ type: 'done', ending: 'completed' });
    expect(busy()).toBe(0);
  });
});

describe('one job', () => {
  it('is accepted, says its pieces, ends its choice, is done, and leaves its sequence free', async () => {
    const { scheduler, of, idle, busy, text } = bench();
    scheduler.generate('j', plan('say 5'));
    await idleAfterStart(idle);
    expect(of('j').map(({ type }) => type)).toEqual(['accepted', ...Array(6).fill('step'), 'choice-end', 'done']);
    expect(text('j')).toHaveLength(5);
    expect(of('j').at(-1)).toMatchObject({ ending: 'completed', counts: { output: 5, reasoning: 0 } });
    expect(busy()).toBe(0);
  });

  it('finds its prompt warm the second time, and says the same', async () => {
    const { scheduler, of, idle, text } = bench();
    scheduler.generate('a', plan('once more 6'));
    await idleAfterStart(idle);
    scheduler.generate('b', plan('once more 6'));
    await idleAfterStart(idle);
    expect(of('a')[0]).toMatchObject({ promptTokens: 11, cachedTokens: 0 });
    expect(of('b')[0]).toMatchObject({ promptTokens: 11, cachedTokens: 8 });
    expect(text('b')).toBe(text('a'));
  });

  it('reads no more than the last token of it again where nobody compares', async () => {
    const { scheduler, of, idle, text } = bench();
    const sampled = (changes: Partial<EngineSampling>): DecodePlan => ({
      ...plan('once more 6'),
      sampling: { ...GREEDY, temperature: 1, ...changes },
    });
    for (const [jobId, changes] of Object.entries({
      cold: { isSeedOurs: true },
      warm: { isSeedOurs: true },
      seeded: {},
      greedy: { isSeedOurs: true, temperature: 0 },
    })) {
      scheduler.generate(jobId, sampled(changes));
      await idleAfterStart(idle);
    }
    expect(of('warm')[0]).toMatchObject({ promptTokens: 11, cachedTokens: 10 });
    expect(text('warm')).toBe(text('cold'));
    for (const jobId of ['seeded', 'greedy']) expect(of(jobId)[0]).toMatchObject({ cachedTokens: 8 });
  });

  it('is refused when not one token fits after its prompt', async () => {
    const { scheduler, messages } = bench({ contextTokens: 10 });
    scheduler.generate('j', plan('ten tokens'));
    expect(messages).toEqual([
      { type: 'refused', jobId: 'j', reason: 'context', promptTokens: 10, maxPromptTokens: 9 },
    ]);
  });

  it('is refused when the model takes no prompt as long, though it fits', () => {
    const { scheduler, messages } = bench({ contextTokens: 100 });
    scheduler.generate('j', plan('123456', { maxPromptTokens: 5 }));
    expect(messages).toEqual([{ type: 'refused', jobId: 'j', reason: 'context', promptTokens: 6, maxPromptTokens: 5 }]);
  });

  it('counts what is forced after the prompt against the context', () => {
    const { scheduler, messages } = bench({ contextTokens: 10 });
    scheduler.generate('j', plan('12345678', { stages: [{ kind: 'answer', opening: 'ab' }] }));
    expect(messages[0]).toMatchObject({ type: 'refused', promptTokens: 8, maxPromptTokens: 7 });
    scheduler.generate('k', plan('12345678', { stages: [{ kind: 'answer', opening: 'abcdef' }] }));
    expect(messages[1]).toMatchObject({ type: 'refused', promptTokens: 8, maxPromptTokens: 3 });
  });

  it('answers an empty prompt', async () => {
    const { scheduler, of, idle } = bench();
    scheduler.generate('j', plan(''));
    await idleAfterStart(idle);
    expect(of('j')[0]).toMatchObject({ type: 'accepted', promptTokens: 1 });
    expect(of('j').at(-1)).toMatchObject({ type: 'done', ending: 'completed' });
  });

  it('is refused for a malformed grammar', () => {
    const { scheduler, messages } = bench();
    scheduler.generate('j', plan('x', { stages: [{ kind: 'answer', opening: '', grammar: 'malformed' }] }));
    expect(messages).toEqual([{ type: 'refused', jobId: 'j', reason: 'grammar', message: 'Failed to parse grammar' }]);
  });

  it('samples nothing at a limit of 0', async () => {
    const { scheduler, of, idle, engine } = bench();
    scheduler.generate('j', plan('x 3', { choices: 2, maxTotalTokens: 0 }));
    await idleAfterStart(idle);
    expect(of('j').map(({ type }) => type)).toEqual(['accepted', 'choice-end', 'choice-end', 'done']);
    expect(engine.computed.tokens).toBe(0);
  });

  it('ends as `context-full` when its sequence is full', async () => {
    const { scheduler, of, idle, text } = bench({ contextTokens: 8 });
    scheduler.generate('j', plan('say 9'));
    await idleAfterStart(idle);
    expect(of('j').find(({ type }) => type === 'choice-end')).toMatchObject({ reason: 'context-full' });
    expect(text('j')).toHaveLength(4);
  });
});

describe('several choices', () => {
  it('compute the prompt once, each in its sequence', async () => {
    const { scheduler, of, idle, engine, text } = bench({ sequences: 3 });
    scheduler.generate('j', plan(`${'p'.repeat(300)}4`, { choices: 3 }));
    await idleAfterStart(idle);
    expect(engine.computed.tokens).toBe(301 + 3 * 4);
    expect(new Set([0, 1, 2].map((choice) => text('j', choice)))).toEqual(new Set([text('j')]));
    expect(of('j').at(-1)).toMatchObject({ type: 'done', counts: { output: 12 } });
  });

  it('run in waves when there are more than sequences; a later one computes the last piece of the prompt', async () => {
    const { scheduler, of, idle, engine, busy } = bench({ sequences: 2 });
    scheduler.generate('j', plan(`${'p'.repeat(200)}2`, { choices: 5 }));
    await idleAfterStart(idle);
    expect(engine.computed.tokens).toBe(201 + 3 * 5 + 5 * 2);
    expect(of('j').filter(({ type }) => type === 'choice-end')).toHaveLength(5);
    expect(busy()).toBe(0);
  });
});

describe('many jobs', () => {
  it('wait in their order and say what they would say alone', async () => {
    const { scheduler, messages, idle, text } = bench({ sequences: 2 });
    const prompts = ['first 9', 'second 5', 'third 7', `${'long '.repeat(60)}3`, 'fifth 1'];
    for (const prompt of prompts) scheduler.generate(prompt, plan(prompt));
    await idleAfterStart(idle);
    await idle();
    for (const prompt of prompts) expect(text(prompt)).toBe(await alone(prompt));
    const accepted = messages.flatMap((message) => (message.type === 'accepted' ? [message.jobId] : []));
    expect(accepted).toEqual(prompts);
    expect(messages.some((message) => message.type === 'state' && message.waitingJobs > 0)).toBe(true);
  });

  it('read a long prompt in slices while another streams', async () => {
    const { scheduler, messages, idle, of } = bench();
    scheduler.generate('stream', plan('say 9'));
    for (let i = 0; i < 6; i++) await new Promise(setImmediate);
    scheduler.generate('long', plan(`${'p'.repeat(400)}1`));
    await idleAfterStart(idle);
    const long = messages.findIndex((message) => message.type === 'accepted' && message.jobId === 'long');
    const stepsBetween = messages
      .slice(long)
      .findIndex((message) => message.type === 'step' && message.items.some(({ jobId }) => jobId === 'long'));
    expect(stepsBetween).toBeGreaterThan(3);
    expect(of('long').at(-1)?.type).toBe('done');
  });

  it('do not let a short prompt wait until a long one is read, nor forget the long one', async () => {
    const { scheduler, messages, idle, of } = bench();
    scheduler.generate('long', plan(`${'p'.repeat(2000)}1`));
    for (let i = 0; i < 3; i++) await new Promise(setImmediate);
    for (const name of ['a', 'b', 'c']) scheduler.generate(name, plan(`${name}${'q'.repeat(50)}2`));
    await idleAfterStart(idle);
    const ends = messages.flatMap((message) => (message.type === 'done' ? [message.jobId] : []));
    expect(ends.at(-1)).toBe('long');
    expect(of('long').filter(({ type }) => type === 'step')).toHaveLength(2);
  });

  it('copy a long prefix from a busy sequence', async () => {
    const { scheduler, of, idle, engine } = bench();
    scheduler.generate('a', plan(`${'p'.repeat(300)}9`));
    for (let i = 0; i < 12; i++) await new Promise(setImmediate);
    scheduler.generate('b', plan(`${'p'.repeat(300)}${'q'.repeat(100)}1`));
    await idleAfterStart(idle);
    expect(of('b')[0]).toMatchObject({ type: 'accepted', cachedTokens: 256 });
    expect(engine.computed.tokens).toBe(301 + 9 + (401 - 256) + 1);
  });
});

describe('an end before the end', () => {
  it('answers a cancel at once, also while a batch is being computed', async () => {
    const { scheduler, of, busy, idle } = bench();
    scheduler.generate('j', plan('say 9'));
    for (let i = 0; i < 5; i++) await new Promise(setImmediate);
    scheduler.cancel('j');
    expect(of('j').at(-1)).toMatchObject({ type: 'done', ending: 'cancelled' });
    expect(busy()).toBe(0);
    scheduler.cancel('j');
    await idle();
    expect(of('j').filter(isLast)).toHaveLength(1);
  });

  it('cancels a job that waits', async () => {
    const { scheduler, of, idle } = bench({ sequences: 1 });
    scheduler.generate('a', plan('say 3'));
    scheduler.generate('b', plan('say 3'));
    scheduler.cancel('b');
    await idleAfterStart(idle);
    expect(of('b')).toMatchObject([{ type: 'done', ending: 'cancelled', counts: { output: 0 } }]);
    expect(of('a').at(-1)).toMatchObject({ ending: 'completed' });
  });

  it('fails the jobs of a batch that failed, and goes on', async () => {
    const { scheduler, of, idle, engine, busy, text } = bench();
    scheduler.generate('a', plan('say 9'));
    for (let i = 0; i < 5; i++) await new Promise(setImmediate);
    engine.failNextBatch();
    await idleAfterStart(idle);
    expect(of('a').at(-1)).toEqual({ type: 'failed', jobId: 'a', message: 'the batch failed' });
    scheduler.generate('b', plan('say 9'));
    await idleAfterStart(idle);
    expect(text('b')).toBe(await alone('say 9'));
    expect(busy()).toBe(0);
  });

  it('fails only the job whose sampling throws', async () => {
    const script: Script = (tokens) => {
      if (tokens[0] === 0x21) throw new Error('no token could be sampled');
      return countdown(tokens);
    };
    const { scheduler, of, idle } = bench({ script });
    scheduler.generate('bad', plan('!5'));
    scheduler.generate('good', plan('say 5'));
    await idleAfterStart(idle);
    expect(of('bad').at(-1)).toMatchObject({ type: 'failed', message: 'no token could be sampled' });
    expect(of('good').at(-1)).toMatchObject({ type: 'done', counts: { output: 5 } });
  });

  it('leaks no sequence and mixes up no cells, whatever comes and goes', async () => {
    const event = fc.record({
      prompt: fc.constantFrom('a', 'ab', 'p'.repeat(80), 'p'.repeat(170), `${'p'.repeat(100)}q`),
      letters: fc.integer({ min: 0, max: 9 }),
      choices: fc.integer({ min: 1, max: 4 }),
      turnsBefore: fc.integer({ min: 0, max: 8 }),
      cancelsAfter: fc.option(fc.integer({ min: 0, max: 12 })),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 8 }), async (events) => {
        const { scheduler, idle, of, busy, text, engine } = bench({ sequences: 3 });
        const cancels: { turn: number; jobId: string }[] = [];
        let turn = 0;
        const nextTurn = async (): Promise<void> => {
          await new Promise(setImmediate);
          turn++;
          for (const cancel of cancels) if (cancel.turn === turn) scheduler.cancel(cancel.jobId);
        };
        for (const [i, { prompt, letters, choices, turnsBefore, cancelsAfter }] of events.entries()) {
          for (let t = 0; t < turnsBefore; t++) await nextTurn();
          const jobId = `${i}`;
          scheduler.generate(jobId, plan(`${prompt}${letters}`, { choices }));
          if (cancelsAfter !== null) cancels.push({ turn: turn + 1 + cancelsAfter, jobId });
        }
        for (let t = 0; t < 20; t++) await nextTurn();
        await idle();
        await idle();
        for (const [i, { prompt, letters, choices }] of events.entries()) {
          const last = of(`${i}`).filter(isLast);
          expect(last).toHaveLength(1);
          expect(last[0]?.type).toBe('done');
          if (last[0]?.type !== 'done' || last[0].ending === 'cancelled') continue;
          const expected = await alone(`${prompt}${letters}`);
          for (let choice = 0; choice < choices; choice++) expect(text(`${i}`, choice)).toBe(expected);
        }
        expect(busy()).toBe(0);
        expect(engine.liveSamplers.count).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it('resolves a shutdown when nothing is being computed any more', async () => {
    const { scheduler, of, engine } = bench();
    scheduler.generate('j', plan('say 9'));
    for (let i = 0; i < 5; i++) await new Promise(setImmediate);
    await scheduler.shutdown();
    expect(of('j').at(-1)).toMatchObject({ ending: 'cancelled' });
    expect(engine.liveSamplers.count).toBe(0);
  });
});

describe('counting', () => {
  it('counts a prompt as a job would', () => {
    const { scheduler, messages } = bench();
    scheduler.count('c', [{ kind: 'control', text: '<|start|>ab' }]);
    expect(messages).toEqual([{ type: 'counted', askId: 'c', tokens: 3 }]);
  });

  it('tells the tokens of a text', () => {
    const { scheduler, messages } = bench();
    scheduler.tokenise('t', [{ kind: 'plain', text: 'ab' }]);
    const tokens = [
      { id: 97, text: 'a' },
      { id: 98, text: 'b' },
    ];
    expect(messages).toEqual([{ type: 'tokenised', askId: 't', tokens }]);
  });
});
