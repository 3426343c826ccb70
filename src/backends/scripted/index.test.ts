import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fixedClock, testContext } from '../../../test/support/context.ts';
import { collect, streamOf, textsOf } from '../../../test/support/streams.ts';
import { assemble, type GenerationResult } from '../../core/assemble.ts';
import { StudioError } from '../../core/errors.ts';
import { EventGrammar } from '../../core/event-grammar.ts';
import type { GenerationEvent } from '../../core/events.ts';
import { type FunctionTool, type GenerationRequest, plainRequest, type Turn } from '../../core/generation.ts';
import { compileSchema } from '../../core/json-schema.ts';
import { usageOf } from '../../core/usage.ts';
import { createScriptedBackend, SCRIPTED_MODELS, scriptedModel } from './index.ts';
import { tokenise } from './tokens.ts';

const user = (text: string): Turn => ({ role: 'user', parts: [{ type: 'text', text }] });
const weather: FunctionTool = {
  type: 'function',
  name: 'get_weather',
  inputSchema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};
const time: FunctionTool = { type: 'function', name: 'get_time', inputSchema: {} };

type Changes = Partial<GenerationRequest>;

function open(model: string, changes: Changes = {}, signal?: AbortSignal) {
  const clock = fixedClock();
  const waits: number[] = [];
  const backend = createScriptedBackend({
    clock,
    sleep: async (milliseconds) => {
      waits.push(milliseconds);
      clock.advance(milliseconds);
    },
  });
  const request = { ...plainRequest(model, [user('Hello there, world!')]), ...changes };
  const context = testContext({ clock, ...(signal ? { signal } : {}) });
  return { stream: backend.generate(request, context), waits };
}

async function run(model: string, changes: Changes = {}) {
  const { stream, waits } = open(model, changes);
  const events = await collect(stream);
  return { events, waits, result: await assemble(streamOf(events)) };
}

const text = (result: GenerationResult): string =>
  result.choices.flatMap(({ blocks }) => blocks.map((block) => (block.type === 'text' ? block.text : ''))).join('');
const reasonOf = (result: GenerationResult) => result.choices[0]?.reason;

function tokensIn(events: readonly GenerationEvent[]): { output: number; reasoning: number } {
  const reasoning = events.filter((event) => event.type === 'reasoning-delta').length;
  return { output: events.filter((event) => event.type.endsWith('-delta')).length, reasoning };
}

describe('scripted/echo', () => {
  it('says what the user said last, a token a delta', async () => {
    const { events, result } = await run('scripted/echo');
    expect(textsOf(events, 'text-delta')).toEqual(['Hello', ' there', ',', ' world', '!']);
    expect(reasonOf(result)).toBe('stop');
    expect(result.usage).toEqual(usageOf({ input: 5, output: 5 }));
    expect(result).toMatchObject({ ending: 'completed', start: { model: 'scripted/echo' } });
  });

  it('stands behind the route, whatever the model is called', async () => {
    const backend = createScriptedBackend({ clock: fixedClock() });
    const route = { backend, target: 'text-3', servedBy: 'scripted/text-3', isStandIn: true };
    const events = await collect(backend.generate(plainRequest('qwen-plus', [user('a')]), testContext({ route })));
    expect(tokensIn(events).output).toBe(3);
  });

  it('counts tool definitions, pictures and every other text as input', async () => {
    const turns: Turn[] = [
      {
        role: 'user',
        parts: [
          { type: 'text', text: 'one two' },
          { type: 'image', url: 'u' },
        ],
      },
      {
        role: 'assistant',
        parts: [{ type: 'tool-call', callId: 'c', name: 'f', inputText: '{}', executedBy: 'client' }],
      },
      {
        role: 'tool',
        parts: [{ type: 'tool-result', callId: 'c', isError: false, parts: [{ type: 'text', text: 'ok' }] }],
      },
    ];
    const { result } = await run('scripted/echo', {
      turns,
      tools: [time],
      instructions: [{ type: 'text', text: 'be brief' }],
    });
    const { total, toolDefinitions, image } = result.usage.input;
    expect(toolDefinitions).toBe(tokenise(JSON.stringify(time)).length);
    expect(image).toBe(256);
    expect(total).toBe(2 + 256 + 1 + 2 + 1 + 2 + toolDefinitions);
  });

  it('gives sure log probabilities where they are asked for', async () => {
    const { events } = await run('scripted/echo', { sampling: { logprobs: { top: 2 } }, turns: [user('é')] });
    const sure = { token: 'é', bytes: [195, 169], logprob: 0 };
    expect(events.find((event) => event.type === 'text-delta')).toMatchObject({ logprobs: [{ ...sure, top: [sure] }] });
  });
});

describe('scripted answers obey', () => {
  it.each([
    [1, 'length', 'Hello'],
    [4, 'length', 'Hello there, world'],
    [5, 'stop', 'Hello there, world!'],
  ])('a limit of %i tokens', async (maxOutputTokens, reason, said) => {
    const { result } = await run('scripted/echo', { limits: { maxOutputTokens } });
    expect([reasonOf(result), text(result)]).toEqual([reason, said]);
    expect(result.usage.output.total).toBe(tokenise(said).length);
  });

  it('a total limit, which reasoning uses up', async () => {
    const { events, result } = await run('scripted/reasoning?thoughts=8', { limits: { maxTotalOutputTokens: 10 } });
    expect(tokensIn(events)).toEqual({ output: 10, reasoning: 8 });
    expect(reasonOf(result)).toBe('length');
    const none = await run('scripted/reasoning?thoughts=8', { limits: { maxTotalOutputTokens: 5 } });
    expect(tokensIn(none.events)).toEqual({ output: 5, reasoning: 5 });
  });

  it.each([
    [['there'], 'Hello ', 'there'],
    [['o t', 'lo th'], 'Hell', 'o t'],
    [['Hello'], '', 'Hello'],
    [['world!', ','], 'Hello there', ','],
    [['absent'], 'Hello there, world!', undefined],
    [['world!!'], 'Hello there, world!', undefined],
  ])('stop texts %j', async (stopTexts, said, stopText) => {
    const { result } = await run('scripted/echo', { sampling: { stopTexts } });
    expect(text(result)).toBe(said);
    expect(reasonOf(result)).toBe(stopText === undefined ? 'stop' : 'stop-text');
    expect(result.choices[0]?.stopText).toBe(stopText);
  });

  it('the limit before a stop text that would come later', async () => {
    const { result } = await run('scripted/echo', {
      sampling: { stopTexts: ['world'] },
      limits: { maxOutputTokens: 2 },
    });
    expect([reasonOf(result), text(result)]).toEqual(['length', 'Hello there']);
  });

  it('thinking, with its budget', async () => {
    const { events } = await run('scripted/echo', { thinking: { switch: 'on', budgetTokens: 3 } });
    expect(textsOf(events, 'reasoning-delta')).toEqual(['Let', ' me', ' think']);
    expect(textsOf(events, 'text-delta')).toHaveLength(5);
    expect(tokensIn((await run('scripted/echo', { thinking: { switch: 'off' } })).events).reasoning).toBe(0);
  });

  it('a tool choice', async () => {
    const required = await run('scripted/echo', { tools: [time, weather], toolChoice: 'required' });
    expect(required.result.choices[0]?.blocks).toMatchObject([
      { type: 'tool-call', name: 'get_time', inputText: '{}' },
    ]);
    const named = await run('scripted/echo', { tools: [time, weather], toolChoice: { name: 'get_weather' } });
    expect(named.result.choices[0]?.blocks).toMatchObject([{ type: 'tool-call', name: 'get_weather' }]);
    expect(reasonOf(named.result)).toBe('tool-calls');
  });

  it('an output format', async () => {
    expect(text((await run('scripted/echo', { output: { type: 'json-object' } })).result)).toBe(
      '{"text":"Hello there, world!"}',
    );
    const schema = { type: 'object', properties: { age: { type: 'integer', minimum: 18 } }, required: ['age'] };
    const { result } = await run('scripted/text-5', {
      output: { type: 'json-schema', name: 'a', schema, isStrict: true },
    });
    expect(text(result)).toBe('{"age":18}');
  });

  it('a prefix', async () => {
    const turns: Turn[] = [
      user('Hello there'),
      { role: 'assistant', parts: [{ type: 'text', text: 'Hello' }], isPartial: true },
    ];
    expect(text((await run('scripted/echo', { turns })).result)).toBe(' there');
  });

  it('everything but stop tokens, which it refuses', () => {
    expect(() => open('scripted/echo', { sampling: { stopTokens: [[1]] } })).toThrow(StudioError);
  });
});

describe('scripted behaviours', () => {
  it('text-N says exactly N tokens, another text for another seed', async () => {
    const { events, result } = await run('scripted/text-25');
    expect(tokensIn(events).output).toBe(25);
    expect(tokenise(text(result))).toEqual(textsOf(events, 'text-delta'));
    expect(text((await run('scripted/text-25')).result)).toBe(text(result));
    expect(text((await run('scripted/text-25', { sampling: { seed: 3 } })).result)).not.toBe(text(result));
    expect(tokensIn((await run('scripted/text?tokens=0')).events).output).toBe(0);
  });

  it('text keeps its rate by the clock', async () => {
    const { waits, result } = await run('scripted/text?tokens=4&rate=50');
    expect(waits).toEqual([20, 20, 20]);
    expect(result.timings).toMatchObject({ firstTokenMs: 0, totalMs: 60 });
  });

  it('slow-first waits before anything shows', async () => {
    const { events, waits, result } = await run('scripted/slow-first?ms=1500');
    expect(waits).toEqual([1500]);
    expect(result.timings.firstTokenMs).toBe(1500);
    expect(text(result)).toBe('Hello there, world!');
    expect((await run('scripted/slow-first')).waits).toEqual([3000]);
    expect(events.map((event) => event.type).slice(0, 2)).toEqual(['start', 'usage']);
  });

  it('reasoning thinks first unless it is told not to', async () => {
    const { events, result } = await run('scripted/reasoning?thoughts=6');
    expect(tokensIn(events)).toEqual({ output: 11, reasoning: 6 });
    expect(result.choices[0]?.blocks.map((block) => block.type)).toEqual(['reasoning', 'text']);
    expect(tokensIn((await run('scripted/reasoning', { thinking: { switch: 'off' } })).events).reasoning).toBe(0);
  });

  it('tool-call calls the first function with valid arguments, and answers its result', async () => {
    const { result } = await run('scripted/tool-call', { tools: [weather, time] });
    expect(result.choices[0]).toMatchObject({
      blocks: [
        {
          type: 'tool-call',
          name: 'get_weather',
          inputText: '{"city":"sample"}',
          isValidJson: true,
          executedBy: 'client',
        },
      ],
      reason: 'tool-calls',
    });
    const turns: Turn[] = [
      user('weather?'),
      {
        role: 'assistant',
        parts: [{ type: 'tool-call', callId: 'c', name: 'get_weather', inputText: '{}', executedBy: 'client' }],
      },
      {
        role: 'tool',
        parts: [{ type: 'tool-result', callId: 'c', isError: false, parts: [{ type: 'text', text: 'sunny' }] }],
      },
    ];
    expect(text((await run('scripted/tool-call', { tools: [weather], turns })).result)).toBe(
      'The tool answered: sunny',
    );
    expect(text((await run('scripted/tool-call', { tools: [weather], toolChoice: 'none' })).result)).toContain(
      'no function',
    );
    expect(text((await run('scripted/tool-call')).result)).toContain('no function');
  });

  it('tool-call calls the named function with the given arguments, good or bad', async () => {
    const tools = [weather, time];
    const callOf = async (model: string, changes: Changes = {}) =>
      (await run(model, { tools, ...changes })).result.choices[0]?.blocks[0];
    expect(await callOf('scripted/tool-call?name=get_time')).toMatchObject({ name: 'get_time', inputText: '{}' });
    expect(await callOf('scripted/echo?name=get_time', { toolChoice: 'required' })).toMatchObject({ name: 'get_time' });
    expect(await callOf('scripted/tool-call?name=get_time', { toolChoice: { name: 'get_weather' } })).toMatchObject({
      name: 'get_weather',
    });
    expect(await callOf('scripted/tool-call?input=%7B%22city%22%3A1%7D')).toMatchObject({
      name: 'get_weather',
      inputText: '{"city":1}',
      isValidJson: true,
    });
    expect(await callOf('scripted/tool-call?input=%7B%22city')).toMatchObject({ isValidJson: false });
    expect(await callOf('scripted/tool-call?input=')).toMatchObject({ inputText: '', isValidJson: false });
    expect(text((await run('scripted/tool-call?name=other', { tools })).result)).toContain('no function');
  });

  it('reports as many tokens of the prompt as cached as it was told, and not more than there are', async () => {
    expect((await run('scripted/echo?cached=3')).result.usage).toEqual(usageOf({ input: 5, output: 5, cachedRead: 3 }));
    expect((await run('scripted/echo?cached=99')).result.usage.input).toMatchObject({ total: 5, cachedRead: 5 });
  });

  it('tool-call that is cut says so', async () => {
    const { result } = await run('scripted/tool-call', { tools: [weather], limits: { maxOutputTokens: 3 } });
    expect(result.choices[0]).toMatchObject({ blocks: [{ isValidJson: false }], reason: 'length' });
  });

  it('parallel-calls makes two calls in fragments', async () => {
    const { events, result } = await run('scripted/parallel-calls', { tools: [weather] });
    expect(result.choices[0]?.blocks).toMatchObject([
      { name: 'get_weather', inputText: '{"city":"sample"}' },
      { name: 'get_weather', inputText: '{"city":"sample 2"}' },
    ]);
    const ids = events.flatMap((event) => (event.type === 'tool-input-start' ? [event.callId] : []));
    expect(new Set(ids).size).toBe(2);
    expect(textsOf(events, 'tool-input-delta').length).toBeGreaterThan(6);
    const two = await run('scripted/parallel-calls', { tools: [weather, time] });
    expect(two.result.choices[0]?.blocks).toMatchObject([{ name: 'get_weather' }, { name: 'get_time' }]);
  });

  it('json answers JSON with or without a schema', async () => {
    expect(JSON.parse(text((await run('scripted/json')).result))).toEqual({ text: 'Hello there, world!' });
    const schema = { type: 'array', items: { enum: ['a', 'b'] }, minItems: 2 };
    const { result } = await run('scripted/json', {
      output: { type: 'json-schema', name: 'a', schema, isStrict: true },
    });
    expect(compileSchema(schema).breachOf(JSON.parse(text(result)))).toBeUndefined();
  });

  it('refusal refuses, whatever the format', async () => {
    expect(text((await run('scripted/refusal', { output: { type: 'json-object' } })).result)).toBe(
      'I cannot help with that.',
    );
  });

  it('length ends with length, at the limit where there is one', async () => {
    const { events, result } = await run('scripted/length');
    expect([tokensIn(events).output, reasonOf(result)]).toEqual([16, 'length']);
    const limited = await run('scripted/length', { limits: { maxOutputTokens: 7 } });
    expect([tokensIn(limited.events).output, reasonOf(limited.result)]).toEqual([7, 'length']);
    const json = await run('scripted/length?tokens=4', { output: { type: 'json-object' } });
    expect([text(json.result), reasonOf(json.result)]).toEqual(['{"text"', 'length']);
  });

  it.each([
    ['error-429', 'rate-limited', 429],
    ['error-500', 'internal', 500],
    ['error-401', 'invalid-api-key', 401],
    ['error-queue-full', 'queue-full', 429],
    ['error-context-too-long', 'context-too-long', 400],
  ])('%s fails before the first event', (name, code, status) => {
    expect(() => open(`scripted/${name}`)).toThrow(expect.objectContaining({ code, status }));
  });

  it('error-429 says when to come back', () => {
    expect(() => open('scripted/error-429')).toThrow(expect.objectContaining({ retryAfterSeconds: 1 }));
  });

  it('error-mid-stream fails after some text, block closed', async () => {
    const { events } = await run('scripted/error-mid-stream?after=3&code=engine-failed');
    expect(events.slice(-2).map((event) => event.type)).toEqual(['text-end', 'error']);
    expect(events.at(-1)).toMatchObject({ error: { code: 'engine-failed' }, usage: usageOf({ input: 5, output: 3 }) });
  });

  it('cut breaks off inside a block', async () => {
    const { events } = await run('scripted/cut');
    expect(events.slice(-2).map((event) => event.type)).toEqual(['text-delta', 'error']);
    expect(events.at(-1)).toMatchObject({
      error: { code: 'upstream-failed' },
      usage: usageOf({ input: 5, output: 5 }),
    });
  });

  it.each(['scripted/sing', 'scripted/error-418', 'scripted/text-9999999', 'scripted/'])(
    '%s does not exist',
    (model) => {
      expect(() => open(model)).toThrow(`The model \`${model}\` does not exist or you do not have access to it.`);
    },
  );

  it.each(['scripted/text?tokens=many', 'scripted/text?rate=-1', 'scripted/echo?speed=3', 'scripted/echo?ms='])(
    '%s is refused',
    (model) => {
      expect(() => open(model)).toThrow(expect.objectContaining({ code: 'invalid-parameter' }));
    },
  );

  it('all listed models answer or fail as their names say', async () => {
    for (const model of SCRIPTED_MODELS) {
      if (model.includes('/error-4')) expect(() => open(model)).toThrow(StudioError);
      else expect((await run(model)).result.ending).toBe(/mid-stream|cut/.test(model) ? 'failed' : 'completed');
    }
  });

  it('only reasoning has a card that thinks', () => {
    expect(scriptedModel('scripted/reasoning?thoughts=3')?.thinking).toBe('hybrid-default-on');
    expect(scriptedModel('scripted/echo')?.thinking).toBeUndefined();
    expect(scriptedModel('qwen-plus')).toBeUndefined();
  });
});

describe('a scripted stream that is left', () => {
  const models = ['scripted/echo', 'scripted/reasoning', 'scripted/text?tokens=70&rate=100', 'scripted/parallel-calls'];

  it('ends once, with the usage of what was said', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...models),
        fc.nat(90),
        fc.constantFrom('client-gone' as const, 'cancelled' as const),
        async (model, position, ending) => {
          const abort = new AbortController();
          const { stream } = open(model, { tools: [weather, time] }, abort.signal);
          const grammar = new EventGrammar();
          const events: GenerationEvent[] = [];
          for await (const event of stream) {
            grammar.push(event);
            events.push(event);
            if (events.length === position + 1) abort.abort(ending);
          }
          grammar.end();
          const last = events.at(-1);
          if (last?.type !== 'finish') throw new Error('a left stream finishes');
          const { output, reasoning } = tokensIn(events);
          const input = events.find((event) => event.type === 'usage')?.usage.input.total ?? -1;
          expect(last.usage.input.total).toBe(input);
          expect([last.usage.output.total, last.usage.output.reasoning]).toEqual([output, reasoning]);
          if (events.length > position + 2) expect(last.ending).toBe(ending);
          if (last.ending === 'cancelled')
            expect(events.filter((event) => event.type.endsWith('-end') && event.type !== 'choice-end').length).toBe(
              events.filter((event) => event.type.endsWith('-start')).length,
            );
        },
      ),
      { numRuns: 80 },
    );
  });

  it('gives the same when it is assembled as when it streams', async () => {
    const { events, result } = await run('scripted/reasoning');
    expect(text(result)).toBe(textsOf(events, 'text-delta').join(''));
    expect(result.usage.output).toEqual({
      total: tokensIn(events).output,
      reasoning: tokensIn(events).reasoning,
      audio: 0,
    });
  });

  it('wakes from a wait when the client leaves', async () => {
    const abort = new AbortController();
    const backend = createScriptedBackend({ clock: { now: () => 0, monotonic: () => 0 } });
    const request = plainRequest('scripted/slow-first?ms=600000', [user('a')]);
    const events: GenerationEvent[] = [];
    for await (const event of backend.generate(request, testContext({ signal: abort.signal }))) {
      events.push(event);
      if (event.type === 'usage') queueMicrotask(() => abort.abort('client-gone'));
    }
    expect(events.map((event) => event.type)).toEqual(['start', 'usage', 'finish']);
    expect(events.at(-1)).toMatchObject({ ending: 'client-gone', usage: usageOf({ input: 1, output: 0 }) });
  });

  it('lets the event loop turn while it speaks without a rate', async () => {
    let turns = 0;
    const tick = () => {
      turns++;
      timer = setImmediate(tick);
    };
    let timer = setImmediate(tick);
    await collect(open('scripted/text-640').stream);
    clearImmediate(timer);
    expect(turns).toBeGreaterThan(3);
  });
});

describe('tokenise', () => {
  it('loses nothing and never splits a character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (value) => {
        const tokens = tokenise(value);
        expect(tokens.join('')).toBe(value);
        for (const token of tokens) expect(token.isWellFormed() && token !== '').toBe(true);
      }),
    );
    expect(tokenise('我爱 Paris, 3.5 °C ')).toEqual(['我', '爱', ' Paris', ',', ' 3', '.', '5', ' °', 'C', ' ']);
    expect(tokenise('a\ud800')).toEqual(['a', '\ufffd']);
  });
});
