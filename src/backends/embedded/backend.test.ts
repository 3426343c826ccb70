/** The backend over a fake engine: what a call sees when all goes well, when it leaves, and when the engine dies. */

import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { assemble } from '../../core/assemble.ts';
import { checkedStream } from '../../core/event-grammar.ts';
import type { GenerationEvent } from '../../core/events.ts';
import type { Route } from '../../core/ports.ts';
import type { DecodePlan } from './engine-protocol.ts';
import type { EmbeddedBackend, EmbeddedOptions, EngineState } from './index.ts';
import { ask, collect, contextOf, fakeBackend } from './testing/harness.ts';

const opened: EmbeddedBackend[] = [];

function open(start?: string, overrides?: Partial<EmbeddedOptions>): EmbeddedBackend {
  const backend = fakeBackend(start, overrides);
  opened.push(backend);
  return backend;
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((backend) => backend.close()));
});

function textsOf(events: readonly GenerationEvent[]): string {
  return events.flatMap((event) => (event.type === 'text-delta' ? [event.text] : [])).join('');
}

/** Reads until the first text, and hands the rest over. */
async function untilText(stream: AsyncIterator<GenerationEvent>): Promise<void> {
  for (;;) {
    const step = await stream.next();
    if (step.done) throw new Error('the stream ended without text');
    if (step.value.type === 'text-delta') return;
  }
}

/** What is left of a stream that is being checked already. */
async function restOf(stream: AsyncIterable<GenerationEvent>): Promise<GenerationEvent[]> {
  const events: GenerationEvent[] = [];
  for await (const event of stream) events.push(event);
  return events;
}

/** Resolves once the backend's state is as wanted. */
function stateWatcher(): {
  onState: (state: EngineState) => void;
  until: (isWanted: (state: EngineState) => boolean) => Promise<void>;
} {
  let latest: EngineState | undefined;
  let wake = (): void => {};
  return {
    onState: (state) => {
      latest = state;
      wake();
    },
    until: async (isWanted) => {
      while (!latest || !isWanted(latest))
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    },
  };
}

describe('a call', () => {
  it('is made by a child that keeps few heaps, as long as nobody wants it otherwise', async () => {
    const textOf = async (): Promise<string> => {
      const events = await collect(open().generate(ask('[[env MALLOC_ARENA_MAX]]'), contextOf()));
      return events.map((event) => (event.type === 'text-delta' ? event.text : '')).join('');
    };
    vi.stubEnv('MALLOC_ARENA_MAX', undefined);
    expect(await textOf()).toBe('2');
    vi.stubEnv('MALLOC_ARENA_MAX', '7');
    expect(await textOf()).toBe('7');
    vi.unstubAllEnvs();
  });

  it('streams start, usage, the text and the end with exact counts', async () => {
    const events = await collect(open().generate(ask('[[say 3]]'), contextOf()));
    expect(events.map((event) => event.type)).toEqual([
      'start',
      'usage',
      'text-start',
      'text-delta',
      'text-delta',
      'text-delta',
      'text-end',
      'choice-end',
      'finish',
    ]);
    expect(events[1]).toMatchObject({ usage: { input: { total: 11, cachedRead: 4 }, output: { total: 0 } } });
    expect(events.at(-1)).toMatchObject({
      ending: 'completed',
      usage: { input: { total: 11, cachedRead: 4 }, output: { total: 3, reasoning: 0 } },
      timings: { promptMs: 3 },
    });
  });

  it('keeps reasoning apart from an answer that starts with its first visible text', async () => {
    const request = ask('[[think 2 1]]', { thinking: { switch: 'on' } });
    const result = await assemble(checkedStream(open().generate(request, contextOf())));
    expect(result.choices[0]?.blocks).toMatchObject([
      { type: 'reasoning', text: 'r0\nr1' },
      { type: 'text', text: 't0 ' },
    ]);
    expect(result.usage.output).toEqual({ total: 4, reasoning: 2, audio: 0 });
  });

  it('gives calls with ids of the context', async () => {
    const result = await assemble(checkedStream(open().generate(ask('[[call look_up]]'), contextOf())));
    expect(result.choices[0]).toMatchObject({
      reason: 'tool-calls',
      blocks: [{ type: 'tool-call', name: 'look_up', inputText: '{"a":1}', isValidJson: true, executedBy: 'client' }],
    });
    expect(result.choices[0]?.blocks[0]).toHaveProperty('callId', expect.stringMatching(/^call_/));
  });

  it('counts the prompt once and the output of all choices', async () => {
    const request = ask('[[say 2]]', { sampling: { choices: 2 } });
    const result = await assemble(checkedStream(open().generate(request, contextOf())));
    expect(result.choices.map((choice) => choice.index)).toEqual([0, 1]);
    expect(result.usage).toMatchObject({ input: { total: 11 }, output: { total: 4 } });
  });

  it('refuses a prompt that does not fit before the first event, in the words of the service', async () => {
    const refused = collect(open().generate(ask('[[refuse]]'), contextOf()));
    await expect(refused).rejects.toMatchObject({
      code: 'context-too-long',
      message: 'Range of input length should be [1, 8191]',
      promptTokens: 9000,
      maxPromptTokens: 8191,
    });
  });

  it('takes a grammar that the engine cannot read for our fault', async () => {
    await expect(collect(open().generate(ask('[[bad-grammar]]'), contextOf()))).rejects.toMatchObject({
      code: 'internal',
    });
  });

  it('refuses pictures before it waits for anything', async () => {
    const backend = open('hang');
    const request = ask('');
    const withPicture = {
      ...request,
      turns: [{ role: 'user' as const, parts: [{ type: 'image' as const, url: 'data:' }] }],
    };
    await expect(collect(open().generate(withPicture, contextOf()))).rejects.toMatchObject({
      code: 'invalid-parameter',
      message: 'The provided messages input is invalid. The error info is [Unexpected item type in content.]',
    });
    expect(backend.health()).toEqual({ isReady: false, detail: expect.stringContaining('loading') });
  });

  it('ends with an error event when the engine breaks it off', async () => {
    const events = await collect(open().generate(ask('[[fail 2]]'), contextOf()));
    expect(textsOf(events)).toBe('t0 t1 ');
    expect(events.at(-1)).toMatchObject({
      type: 'error',
      error: { code: 'engine-failed' },
      usage: { output: { total: 2 } },
    });
  });

  it('counts the tokens of a request', async () => {
    const backend = open();
    const route: Route = { backend, target: '', servedBy: '', isStandIn: false };
    const count = (text: string): Promise<number> | undefined => backend.countTokens?.(ask(text), route, undefined);
    await expect(count('hello')).rejects.toMatchObject({ code: 'overloaded' });
    await backend.ready();
    const empty = (await count('')) ?? 0;
    expect(await count('hello')).toBe(empty + 5);
  });

  it('hands a plan over as it is', async () => {
    const request = ask('[[echo]]', {
      sampling: { seed: 7, temperature: 0, stopTexts: ['END'] },
      limits: { maxOutputTokens: 5 },
    });
    const plan = JSON.parse(textsOf(await collect(open().generate(request, contextOf())))) as DecodePlan;
    expect(plan).toMatchObject({
      choices: 1,
      stopTexts: ['END'],
      sampling: { seed: 7, temperature: 0 },
      stages: [{ maxTokens: 5 }],
    });
  });
});

describe('a caller who leaves', () => {
  it('is let go at once, and its sequence comes back', async () => {
    const watcher = stateWatcher();
    const backend = open('ok', { onState: watcher.onState });
    const leaver = new AbortController();
    const stream = checkedStream(backend.generate(ask('[[hold]]'), contextOf({ signal: leaver.signal })));
    await untilText(stream);
    leaver.abort('client-gone');
    const rest = await restOf(stream);
    expect(rest).toEqual([expect.objectContaining({ type: 'finish', ending: 'client-gone' })]);
    expect(rest[0]).toMatchObject({ usage: { input: { total: 11 }, output: { total: 1 } } });
    await watcher.until((state) => state.runningCalls === 0 && state.busySequences === 0);
  });

  it('who cancels reads closed blocks and ended choices', async () => {
    const leaver = new AbortController();
    const stream = checkedStream(open().generate(ask('[[hold]]'), contextOf({ signal: leaver.signal })));
    await untilText(stream);
    leaver.abort('cancelled');
    const rest = await restOf(stream);
    expect(rest.map((event) => event.type)).toEqual(['text-end', 'choice-end', 'finish']);
    expect(rest.at(-1)).toMatchObject({ ending: 'cancelled' });
  });

  it('leaves the queue when it still waits', async () => {
    const watcher = stateWatcher();
    const backend = open('ok', {
      engine: { weightsFile: 'ok', sequences: 1, contextTokens: 'auto', threads: 'auto' },
      onState: watcher.onState,
    });
    const holder = new AbortController();
    const holding = collect(backend.generate(ask('[[hold]]'), contextOf({ signal: holder.signal })));
    await watcher.until((state) => state.runningCalls === 1);
    const leaver = new AbortController();
    const leaving = collect(backend.generate(ask('[[say 1]]'), contextOf({ signal: leaver.signal })));
    expect(backend.state().waitingCalls).toBe(1);
    leaver.abort('client-gone');
    expect((await leaving).map((event) => event.type)).toEqual(['start', 'finish']);
    expect(backend.state().waitingCalls).toBe(0);
    holder.abort('client-gone');
    await holding;
  });

  it('costs nothing when it was gone before it came', async () => {
    const events = await collect(
      open().generate(ask('[[say 1]]'), contextOf({ signal: AbortSignal.abort('client-gone') })),
    );
    expect(events.map((event) => event.type)).toEqual(['start', 'finish']);
  });

  it('without an abort, by not reading on, frees the sequence too', async () => {
    const watcher = stateWatcher();
    const backend = open('ok', { onState: watcher.onState });
    for await (const event of backend.generate(ask('[[hold]]'), contextOf())) if (event.type === 'text-delta') break;
    await watcher.until((state) => state.runningCalls === 0 && state.busySequences === 0);
  });

  it('may leave at any event: the grammar holds and the usage is that of what was sent', async () => {
    const backend = open();
    const property = fc.asyncProperty(fc.integer({ min: 0, max: 12 }), fc.boolean(), async (leavesAt, isCancel) => {
      const leaver = new AbortController();
      const context = contextOf({ signal: leaver.signal });
      const request = ask('[[think 3 4]]', { thinking: { switch: 'on' } });
      let position = 0;
      let last: GenerationEvent | undefined;
      let deltas = 0;
      for await (const event of checkedStream(backend.generate(request, context))) {
        if (position++ === leavesAt) leaver.abort(isCancel ? 'cancelled' : 'client-gone');
        if (event.type === 'text-delta' || event.type === 'reasoning-delta') deltas++;
        last = event;
      }
      if (last?.type !== 'finish') throw new Error('no finish');
      if (last.ending !== 'completed') {
        expect(last.ending).toBe(isCancel ? 'cancelled' : 'client-gone');
        // The blank token between reasoning and answer shows nothing.
        expect(last.usage.output.total - deltas).toBeGreaterThanOrEqual(0);
        expect(last.usage.output.total - deltas).toBeLessThanOrEqual(1);
      } else {
        expect(last.usage.output.total).toBe(8);
      }
    });
    await fc.assert(property, { numRuns: 40 });
  });
});

describe('an engine that dies', () => {
  it('costs a running call one error event, after what it has said, and the next call is served', async () => {
    const backend = open();
    const events = await collect(backend.generate(ask('[[crash 2]]'), contextOf()));
    expect(textsOf(events)).toBe('t0 t1 ');
    expect(events.filter((event) => event.type === 'error')).toEqual([
      {
        type: 'error',
        error: expect.objectContaining({ code: 'engine-failed' }),
        usage: expect.objectContaining({ output: { total: 2, reasoning: 0, audio: 0 } }),
      },
    ]);
    const next = await collect(backend.generate(ask('[[say 1]]'), contextOf()));
    expect(next.at(-1)).toMatchObject({ type: 'finish', ending: 'completed' });
    expect(backend.state().restarts).toBe(1);
  });

  it('keeps the places of those who wait', async () => {
    const watcher = stateWatcher();
    const backend = open('ok', { onState: watcher.onState });
    const holding = [1, 2].map(() => collect(backend.generate(ask('[[hold]]'), contextOf())));
    await watcher.until((state) => state.busySequences === 2);
    const waiting = [1, 2, 3].map(() => collect(backend.generate(ask('[[say 2]]'), contextOf())));
    process.kill(backend.engineProcessId ?? 0, 'SIGKILL');
    for (const events of await Promise.all(holding)) expect(events.at(-1)).toMatchObject({ type: 'error' });
    for (const events of await Promise.all(waiting))
      expect(events.at(-1)).toMatchObject({ type: 'finish', ending: 'completed' });
  });

  it('throws to a call of which it had said nothing, and ends one that it had accepted', async () => {
    const backend = open();
    await expect(collect(backend.generate(ask('[[die]]'), contextOf()))).rejects.toMatchObject({
      code: 'engine-failed',
    });
    const events = await collect(backend.generate(ask('[[crash 0]]'), contextOf()));
    expect(events.map((event) => event.type)).toEqual(['start', 'usage', 'error']);
  });

  it('is given up after three failed starts in a row', async () => {
    const backend = open('exit');
    const waiting = collect(backend.generate(ask('[[say 1]]'), contextOf()));
    await expect(waiting).rejects.toMatchObject({ code: 'overloaded' });
    await expect(backend.ready()).rejects.toThrow(/failed 3 times while loading.*ended with code 3: out of memory/);
    await expect(collect(backend.generate(ask('[[say 1]]'), contextOf()))).rejects.toMatchObject({
      code: 'overloaded',
    });
    expect(backend.health()).toEqual({ isReady: false, detail: expect.stringContaining('not restarted any more') });
  });

  it('is not tried twice with a file that it cannot read', async () => {
    const backend = open('load-failed');
    await expect(backend.ready()).rejects.toThrow('the weights could not be loaded: not a GGUF file');
    expect(backend.state().restarts).toBe(0);
  });
});

describe('closing', () => {
  it('lets running calls end, refuses those who wait and those who come, and ends the child', async () => {
    const watcher = stateWatcher();
    const backend = open('ok', { onState: watcher.onState });
    const holder = new AbortController();
    const holding = collect(
      backend.generate(ask('[[hold]]', { sampling: { choices: 2 } }), contextOf({ signal: holder.signal })),
    );
    await watcher.until((state) => state.busySequences === 1);
    const waiting = collect(backend.generate(ask('[[say 1]]'), contextOf()));
    const closing = backend.close();
    await expect(waiting).rejects.toMatchObject({ code: 'shutting-down' });
    await expect(collect(backend.generate(ask('[[say 1]]'), contextOf()))).rejects.toMatchObject({
      code: 'shutting-down',
    });
    expect(backend.state().runningCalls).toBe(1);
    holder.abort('client-gone');
    await closing;
    expect((await holding).at(-1)).toMatchObject({ type: 'finish' });
    expect(backend.state().phase).toBe('stopped');
    expect(backend.engineProcessId).toBeUndefined();
  });

  it('breaks off what does not end in time', async () => {
    const backend = open('ok', { shutdownMs: 0 });
    const stream = checkedStream(backend.generate(ask('[[hold]]'), contextOf()));
    await untilText(stream);
    await backend.close();
    expect((await restOf(stream)).at(-1)).toMatchObject({ type: 'error', error: { code: 'shutting-down' } });
  });

  it('kills a child that does not listen', async () => {
    const backend = open('stubborn', { killAfterMs: 0 });
    await backend.ready();
    await backend.close();
    expect(backend.engineProcessId).toBeUndefined();
  });

  it('works before the weights are loaded', async () => {
    const backend = open('hang', { killAfterMs: 0 });
    const waiting = expect(collect(backend.generate(ask('[[say 1]]'), contextOf()))).rejects.toMatchObject({
      code: 'shutting-down',
    });
    await backend.close();
    await waiting;
    await expect(backend.ready()).rejects.toMatchObject({ code: 'shutting-down' });
  });
});
