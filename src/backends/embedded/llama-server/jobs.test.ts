import { afterEach, describe, expect, it } from 'vitest';
import { closingBiasOf } from '../child/closing-bias.ts';
import { END_TOKEN, letterTokeniser } from '../child/testing/letter-model.ts';
import { GREEDY } from '../child/testing/plans.ts';
import { ModelVocabulary } from '../child/vocabulary.ts';
import type { CachePlan, DecodePlan, FromEngine, Piece, PromptSegment, Stage } from '../engine-protocol.ts';
import { CompletionClient } from './completions.ts';
import { LlamaJobs } from './jobs.ts';
import { type FakeLlamaServer, type Preferences, startFakeLlamaServer } from './testing/fake-llama-server.ts';

const OBJECT = 'root ::= "{\\"city\\": \\"" [a-z]+ "\\"}"\n';

interface Engine {
  readonly jobs: LlamaJobs;
  readonly server: FakeLlamaServer;
  readonly said: FromEngine[];
  /** Resolves when the job has ended. */
  ended(jobId: string): Promise<FromEngine[]>;
}

let closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers) await close();
  closers = [];
});

async function engine(
  prefers: Preferences,
  options: { slots?: number; contextTokens?: number; words?: readonly string[]; sees?: boolean } = {},
): Promise<Engine> {
  const tokeniser = letterTokeniser(options.words);
  const vocabulary = new ModelVocabulary(tokeniser);
  const server = await startFakeLlamaServer({ tokeniser, prefers, ...options });
  const client = new CompletionClient(server);
  const said: FromEngine[] = [];
  const waits: { jobId: string; resolve: (messages: FromEngine[]) => void }[] = [];
  const send = (message: FromEngine): void => {
    said.push(message);
    if (message.type !== 'done' && message.type !== 'failed' && message.type !== 'refused') return;
    for (const { jobId, resolve } of waits) if (jobId === message.jobId) resolve(ofJob(said, jobId));
  };
  const { contextTokens, imageMarker } = await client.facts(new AbortController().signal);
  const jobs = new LlamaJobs({
    client,
    vocabulary,
    closing: closingBiasOf(vocabulary),
    slots: options.slots ?? 2,
    contextTokens: contextTokens - 1,
    slotFolder: '/nowhere',
    imageMarker,
    send,
  });
  closers.push(async () => {
    jobs.shutdown();
    client.close();
    await server.close();
  });
  return {
    jobs,
    server,
    said,
    ended: (jobId) =>
      new Promise((resolve) => {
        const isOver = said.some((message) => isLast(message) && message.jobId === jobId);
        if (isOver) resolve(ofJob(said, jobId));
        else waits.push({ jobId, resolve });
      }),
  };
}

function isLast(message: FromEngine): message is Extract<FromEngine, { type: 'done' | 'failed' | 'refused' }> {
  return message.type === 'done' || message.type === 'failed' || message.type === 'refused';
}

function ofJob(said: readonly FromEngine[], jobId: string): FromEngine[] {
  return said.filter((message) =>
    message.type === 'step'
      ? message.items.some((item) => item.jobId === jobId)
      : 'jobId' in message && message.jobId === jobId,
  );
}

function plan(prompt: string, stage: Partial<Stage> = {}, changes: Partial<DecodePlan> = {}): DecodePlan {
  return {
    prompt: [{ kind: 'control', text: prompt }],
    stages: [{ kind: 'answer', opening: '', ...stage }],
    choices: 1,
    sampling: GREEDY,
    stopTexts: [],
    stopTokens: [],
    ...changes,
  };
}

async function run({ jobs, ended }: Engine, wanted: DecodePlan, jobId = 'job'): Promise<FromEngine[]> {
  jobs.generate(jobId, wanted);
  return ended(jobId);
}

function piecesOf(messages: readonly FromEngine[], jobId = 'job', choice = 0): Piece[] {
  return messages.flatMap((message) =>
    message.type === 'step'
      ? message.items.filter((item) => item.jobId === jobId && item.choice === choice).flatMap(({ pieces }) => pieces)
      : [],
  );
}

function textOf(
  messages: readonly FromEngine[],
  type: 'text' | 'reasoning' | 'call-input' = 'text',
  jobId = 'job',
  choice = 0,
): string {
  return piecesOf(messages, jobId, choice)
    .map((piece) => (piece.type === type ? piece.text : ''))
    .join('');
}

const find = <Type extends FromEngine['type']>(messages: readonly FromEngine[], type: Type) =>
  messages.find((message): message is Extract<FromEngine, { type: Type }> => message.type === type);

/** Says `answer` after whatever came, each answer after its prompt, then ends. */
function saying(answers: Readonly<Record<string, string>>): Preferences {
  return (tokens) => {
    const text = Buffer.from(tokens.filter((token) => token < 256)).toString('latin1');
    for (const [prompt, answer] of Object.entries(answers)) {
      const at = text.lastIndexOf(prompt);
      if (at < 0) continue;
      const said = text.slice(at + prompt.length);
      const bytes = Buffer.from(answer).toString('latin1');
      if (!bytes.startsWith(said)) continue;
      const next = bytes.charCodeAt(said.length);
      return Number.isNaN(next) ? [END_TOKEN] : [next, END_TOKEN];
    }
    return [END_TOKEN];
  };
}

describe('a job on llama-server', () => {
  it('streams what the model says, counts it, and keeps one completion for it', async () => {
    const own = await engine(saying({ 'Q:': 'hello there' }));
    const messages = await run(own, plan('Q:'));
    expect(messages[0]).toMatchObject({ type: 'accepted', promptTokens: 2, cachedTokens: 0 });
    expect(textOf(messages)).toBe('hello there');
    expect(find(messages, 'choice-end')).toMatchObject({ reason: 'stop', counts: { output: 11, reasoning: 0 } });
    expect(messages.at(-1)).toMatchObject({ type: 'done', ending: 'completed', counts: { output: 11 } });
    expect(own.server.completions).toHaveLength(1);
    expect(own.server.completions[0]).toMatchObject({ prompt: [0x51, 0x3a], id_slot: 0, logit_bias: [], n_probs: 0 });
  });

  it('finds a prefix again in its slot, but not what another caller left there', async () => {
    const own = await engine(saying({ 'A long beginning. One?': 'one', 'A long beginning. Two?': 'two' }), {
      slots: 1,
    });
    const of = (namespace: string): CachePlan => ({ mode: 'implicit', namespace });
    await run(own, plan('A long beginning. One?', {}, { cache: of('a') }), 'first');
    const warm = await run(own, plan('A long beginning. Two?', {}, { cache: of('a') }), 'second');
    expect(find(warm, 'accepted')).toMatchObject({ cachedTokens: 18 });
    const other = await run(own, plan('A long beginning. Two?', {}, { cache: of('b') }), 'third');
    expect(find(other, 'accepted')).toMatchObject({ cachedTokens: 0 });
    own.jobs.clearCache('ask');
    const cleared = await run(own, plan('A long beginning. Two?', {}, { cache: of('b') }), 'fourth');
    expect(find(cleared, 'accepted')).toMatchObject({ cachedTokens: 0 });
  });

  it('keeps the slot of what many requests bring longer than others', async () => {
    const warmAfterOthers = async (isRecurring: boolean): Promise<number | undefined> => {
      const own = await engine(saying({}), { slots: 2 });
      const cache = { mode: 'off', namespace: 'a', isRecurring } as const;
      await run(own, plan('A long beginning. One?', {}, { cache }), 'first');
      for (const other of ['Chess', 'Birds', 'Water'])
        await run(own, plan(other, {}, { cache: { mode: 'off', namespace: 'a' } }), other);
      return find(await run(own, plan('A long beginning. Two?', {}, { cache }), 'last'), 'accepted')?.cachedTokens;
    };
    expect(await warmAfterOthers(true)).toBe(18);
    expect(await warmAfterOthers(false)).toBe(0);
  });

  it('books the blocks of marked prompts while slots hold them', async () => {
    const own = await engine(saying({ 'marked. One?': 'one', 'marked. Two?': 'two' }), { slots: 1 });
    const cache = { mode: 'explicit', namespace: 'a', minTokens: 4, marks: [{ segments: 1, lookBack: [] }] } as const;
    const marked = (question: string): DecodePlan => ({
      ...plan('', {}, { cache }),
      prompt: [
        { kind: 'control', text: 'marked.' },
        { kind: 'control', text: question },
      ],
    });
    const cold = await run(own, marked(' One?'), 'first');
    expect(find(cold, 'done')?.cache?.marks).toEqual([{ tokens: 7, hitTokens: 0, createdTokens: 7 }]);
    const warm = await run(own, marked(' Two?'), 'second');
    expect(find(warm, 'accepted')?.cache?.marks).toEqual([{ tokens: 7, hitTokens: 7, createdTokens: 0 }]);
    own.jobs.clearCache('ask');
    const cleared = await run(own, marked(' Two?'), 'third');
    expect(find(cleared, 'accepted')?.cache?.marks).toEqual([{ tokens: 7, hitTokens: 0, createdTokens: 7 }]);
  });

  it('closes reasoning at its budget and goes on with the answer from the warm slot', async () => {
    const own = await engine(saying({ 'Q:<think>': 'I wonder and wonder', '</think>': 'Yes.' }));
    const stages: Stage[] = [
      { kind: 'reasoning', opening: '<think>', until: ['</think>'], maxTokens: 8 },
      { kind: 'answer', opening: '</think>' },
    ];
    const messages = await run(own, { ...plan('Q:'), stages });
    expect(textOf(messages, 'reasoning')).toBe('I wonder');
    expect(textOf(messages)).toBe('Yes.');
    expect(find(messages, 'choice-end')).toMatchObject({ reason: 'stop', counts: { output: 12, reasoning: 8 } });
    expect(find(messages, 'accepted')).toMatchObject({ promptTokens: 2 });
    expect(own.server.completions).toHaveLength(2);
  });

  it('ends at a stop text that is cut across tokens, at a limit, and at the end of the context', async () => {
    const own = await engine(saying({ 'Q:': 'one two three' }), { contextTokens: 12 });
    const stopped = await run(own, plan('Q:', {}, { stopTexts: [' tw'] }), 'a');
    expect(textOf(stopped, 'text', 'a')).toBe('one');
    expect(find(stopped, 'choice-end')).toMatchObject({ reason: 'stop-text', stopText: ' tw' });
    const limited = await run(own, plan('Q:', { maxTokens: 4 }), 'b');
    expect(textOf(limited, 'text', 'b')).toBe('one ');
    expect(find(limited, 'choice-end')).toMatchObject({ reason: 'length', counts: { output: 4 } });
    const full = await run(own, plan('Q:'), 'c');
    expect(find(full, 'choice-end')).toMatchObject({ reason: 'context-full' });
    expect('one two three'.startsWith(textOf(full, 'text', 'c'))).toBe(true);
  });

  it('never splits a character, though its tokens come without their ids', async () => {
    const own = await engine(saying({ 'Q:': 'a🦊é你b' }));
    const messages = await run(own, plan('Q:'));
    expect(textOf(messages)).toBe('a🦊é你b');
    expect(find(messages, 'choice-end')).toMatchObject({ counts: { output: 11 } });
    for (const piece of piecesOf(messages)) if (piece.type === 'text') expect(piece.text.isWellFormed()).toBe(true);
  });

  it('makes a required call: forced opening, held name, held arguments', async () => {
    const own = await engine(saying({ '{"name": "': 'get_weather"', '"arguments":': ' {"city": "rome"}' }));
    const functions = ['get_weather', 'get_news'].map((name) => ({ name, argumentsGrammar: OBJECT }));
    const calls = { functions, mode: 'required' as const, isParallel: false, opening: '{"name": "' };
    const messages = await run(own, plan('Q:', { calls }));
    expect(piecesOf(messages)[0]).toEqual({ type: 'call-start', name: 'get_weather' });
    expect(textOf(messages, 'call-input')).toBe('{"city": "rome"}');
    expect(find(messages, 'choice-end')?.reason).toBe('tool-calls');
    expect(own.server.completions.map(({ grammar }) => grammar !== undefined)).toEqual([true, true]);
  });

  it('finds a call in free text and holds it from there', async () => {
    const own = await engine(
      saying({ 'Q:': 'Sure.\n{"name": "get_weather", "argh', '"arguments":': ' {"city": "rome"}' }),
    );
    const functions = [{ name: 'get_weather', argumentsGrammar: OBJECT }];
    const calls = { functions, mode: 'auto' as const, isParallel: false, opening: '{"name": "' };
    const messages = await run(own, plan('Q:', { calls }));
    expect(textOf(messages)).toBe('Sure.');
    expect(textOf(messages, 'call-input')).toBe('{"city": "rome"}');
    expect(find(messages, 'choice-end')?.reason).toBe('tool-calls');
  });

  it('closes JSON in time: token by token, each held to what is left of the grammar', async () => {
    const own = await engine(saying({ 'Q:': `{"city": "${'a'.repeat(200)}"}` }));
    for (const maxTokens of [20, 40, 90]) {
      const jobId = `job-${maxTokens}`;
      const messages = await run(own, plan('Q:', { maxTokens, grammar: OBJECT }), jobId);
      expect(JSON.parse(textOf(messages, 'text', jobId))).toHaveProperty('city');
      expect(find(messages, 'choice-end')).toMatchObject({ reason: 'length' });
      expect(find(messages, 'choice-end')?.counts.output).toBeLessThanOrEqual(maxTokens);
    }
    expect(own.server.completions.some(({ n_predict, stream }) => n_predict === 1 && !stream)).toBe(true);
  });

  it('counts presence and frequency over the answer alone', async () => {
    const own = await engine(() => [0x61, 0x62, 0x63, END_TOKEN]);
    const sampling = { ...GREEDY, presencePenalty: 5 };
    const messages = await run(own, plan('aaa', { maxTokens: 3 }, { sampling }));
    expect(textOf(messages)).toBe('abc');
    const biases = own.server.completions.map(({ logit_bias }) => logit_bias.length);
    expect(biases).toEqual([0, 1, 2]);
  });

  it('tells log probabilities beside the text', async () => {
    const own = await engine(saying({ 'Q:': 'hi' }));
    const messages = await run(own, plan('Q:', {}, { logprobs: { top: 2 } }));
    const logprobs = piecesOf(messages).flatMap((piece) => (piece.type === 'text' ? (piece.logprobs ?? []) : []));
    expect(logprobs.map(({ token, top }) => [token, top.length])).toEqual([
      ['h', 2],
      ['i', 2],
    ]);
  });

  it('tells how likely a text is, each of its tokens made the only one', async () => {
    const own = await engine(saying({}));
    const cache: CachePlan = { mode: 'off', namespace: 'a' };
    const messages = await run(own, plan('Q:', {}, { cache, onlyText: 'xy', logprobs: { top: 0 } }));
    expect(messages.map(({ type }) => type)).toEqual(['accepted', 'step', 'choice-end', 'done']);
    expect(messages[0]).toMatchObject({ promptTokens: 2, cachedTokens: 0 });
    expect(piecesOf(messages)).toEqual([
      {
        type: 'text',
        text: 'xy',
        logprobs: [
          { token: 'x', bytes: [0x78], logprob: -0.5, top: [] },
          { token: 'y', bytes: [0x79], logprob: -0.5, top: [] },
        ],
      },
    ]);
    const [x, y] = own.server.completions;
    expect(x).toMatchObject({ prompt: [0x51, 0x3a], n_predict: 1, logit_bias: [[0x78, 1_000]], n_probs: 1 });
    expect(y).toMatchObject({ prompt: [0x51, 0x3a, 0x78], cache_prompt: true, logit_bias: [[0x79, 1_000]] });
    expect(x).not.toHaveProperty('grammar');
    const again = await run(own, plan('Q:', {}, { cache, onlyText: 'z' }), 'again');
    expect(find(again, 'accepted')).toMatchObject({ cachedTokens: 1 });
  });

  it('reads a prompt once for several choices, also more than there are slots', async () => {
    const long = 'x'.repeat(80);
    const own = await engine(saying({ [long]: 'ok' }), { slots: 2 });
    const messages = await run(own, plan(long, {}, { choices: 3 }));
    expect(messages.filter(({ type }) => type === 'accepted')).toHaveLength(1);
    expect([0, 1, 2].map((choice) => textOf(messages, 'text', 'job', choice))).toEqual(['ok', 'ok', 'ok']);
    expect(messages.filter(({ type }) => type === 'choice-end')).toHaveLength(3);
    expect(own.server.completions[0]).toMatchObject({ n_predict: 0 });
    expect(new Set(own.server.completions.slice(1).map(({ seed }) => seed)).size).toBe(3);
  });

  it('answers a cancel at once, frees the slot, and ends the completion', async () => {
    const own = await engine(() => [0x61]);
    own.jobs.generate('long', plan('Q:'));
    while (!own.said.some(({ type }) => type === 'step')) await new Promise(setImmediate);
    own.jobs.cancel('long');
    expect(own.said.findLast(isLast)).toMatchObject({ type: 'done', ending: 'cancelled' });
    expect(own.said.at(-1)).toMatchObject({ type: 'state', busySequences: 0, waitingJobs: 0 });
    while (own.server.running > 0) await new Promise(setImmediate);
    own.jobs.cancel('long');
    expect(own.said.filter(isLast)).toHaveLength(1);
  });

  it('lets jobs wait for slots in their order', async () => {
    const own = await engine(saying({ a: 'A', b: 'B', c: 'C' }), { slots: 1 });
    for (const name of ['a', 'b', 'c']) own.jobs.generate(name, plan(name));
    await own.ended('c');
    const order = own.said.flatMap((message) => (message.type === 'accepted' ? [message.jobId] : []));
    expect(order).toEqual(['a', 'b', 'c']);
  });

  it('refuses a malformed grammar and a prompt that does not fit', async () => {
    const own = await engine(saying({}), { contextTokens: 20 });
    expect((await run(own, plan('x', { grammar: 'root ::= (' }), 'a')).at(-1)).toMatchObject({ reason: 'grammar' });
    const long = await run(own, plan('x'.repeat(30)), 'b');
    expect(long.at(-1)).toMatchObject({ type: 'refused', reason: 'context', promptTokens: 30, maxPromptTokens: 18 });
  });

  it('fails when the server is gone', async () => {
    const own = await engine(saying({ 'Q:': 'hi' }));
    await own.server.close();
    expect((await run(own, plan('Q:'))).at(-1)).toMatchObject({ type: 'failed' });
  });
});

describe('a prompt with pictures', () => {
  const picture: PromptSegment = { kind: 'image', text: 'data:image/png;base64,AAAA' };

  it('goes as text with markers, with the pictures beside it', async () => {
    const own = await engine(saying({ '?': 'a cat' }), { sees: true });
    const prompt = [
      { kind: 'control', text: '<|start|>Look: ' } as const,
      picture,
      { kind: 'plain', text: ' What is it?' } as const,
    ];
    const messages = await run(own, { ...plan(''), prompt });
    expect(textOf(messages)).toBe('a cat');
    expect(own.server.completions[0]?.prompt).toEqual({
      prompt_string: '<|start|>Look: <__media_7__> What is it?',
      multimodal_data: ['AAAA'],
    });
    // As many tokens as the server says, pictures included.
    expect(find(messages, 'accepted')).toMatchObject({ promptTokens: 1 + 6 + 9 + 12 });
  });

  it('breaks up control tokens and markers that a caller spelt out', async () => {
    const own = await engine(saying({}), { sees: true });
    const texts = ['<|en', 'd|> <__media_7__>'].map((text) => ({ kind: 'plain', text }) as const);
    await run(own, { ...plan(''), prompt: [...texts, picture] });
    const { prompt } = own.server.completions[0] ?? {};
    const text = prompt && 'prompt_string' in prompt ? prompt.prompt_string : '';
    expect(text).not.toContain('<|end|>');
    expect(text.split('<__media_7__>')).toHaveLength(2);
  });

  it('is refused when it does not fit, once the server knows', async () => {
    const own = await engine(saying({}), { sees: true, contextTokens: 20 });
    const prompt = [picture, { kind: 'plain', text: 'x'.repeat(30) } as const];
    const messages = await run(own, { ...plan(''), prompt });
    expect(messages.at(-1)).toMatchObject({
      type: 'refused',
      reason: 'context',
      promptTokens: 39,
      maxPromptTokens: 18,
    });
  });

  it('fails where the server does not see', async () => {
    const own = await engine(saying({}));
    expect((await run(own, { ...plan(''), prompt: [picture] })).at(-1)).toMatchObject({ type: 'failed' });
  });
});
