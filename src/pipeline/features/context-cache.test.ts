import { describe, expect, it } from 'vitest';
import { testContext } from '../../../test/support/context.ts';
import { collect, recordingNext, START, textAnswer } from '../../../test/support/streams.ts';
import { StudioError } from '../../core/errors.ts';
import type { GenerationEvent } from '../../core/events.ts';
import { type GenerationRequest, plainRequest, type TextPart } from '../../core/generation.ts';
import { type ModelCache, permissiveCard } from '../../core/models.ts';
import type { CallContext } from '../../core/ports.ts';
import { NO_USAGE, type Usage } from '../../core/usage.ts';
import { contextCache } from './context-cache.ts';

const marked: TextPart = { type: 'text', text: 'kept', cacheMark: { ttlSeconds: 3600 } };
const plain: TextPart = { type: 'text', text: 'new' };
const asked = (parts: readonly TextPart[], changes: Partial<GenerationRequest> = {}): GenerationRequest => ({
  ...plainRequest('qwen-plus', [{ role: 'user', parts }]),
  ...changes,
});
const contextOf = (cache?: Partial<ModelCache>, changes: Partial<CallContext> = {}): CallContext =>
  testContext({
    card: {
      ...permissiveCard('qwen-plus'),
      cache: {
        explicit: true,
        implicit: true,
        session: true,
        explicitMinTokens: 1024,
        implicitMinTokens: 512,
        ...cache,
      },
    },
    ...changes,
  });

async function passed(request: GenerationRequest, context = contextOf()): Promise<GenerationRequest> {
  const { next, requests } = recordingNext(textAnswer(['ok']));
  await collect(contextCache.apply(request, context, next));
  const [given] = requests;
  if (!given) throw new Error('nobody was asked');
  return given;
}

describe('the cache that a call uses', () => {
  const cases: [
    name: string,
    request: GenerationRequest,
    cache: Partial<ModelCache>,
    mode: string,
    minTokens: number,
  ][] = [
    ['nothing said', asked([plain]), {}, 'implicit', 512],
    ['a mark', asked([marked, plain]), {}, 'explicit', 1024],
    ['a mark in the instructions', asked([plain], { instructions: [marked] }), {}, 'explicit', 1024],
    ['a mark the model does not know', asked([marked]), { explicit: false }, 'implicit', 512],
    ['a model without any', asked([marked]), { explicit: false, implicit: false }, 'off', 512],
    ['a session', asked([plain], { cacheWish: { keepsSession: true } }), {}, 'session', 1024],
    ['a session and a mark', asked([marked], { cacheWish: { keepsSession: true } }), {}, 'explicit', 1024],
    [
      'a session of a model without',
      asked([plain], { cacheWish: { keepsSession: true } }),
      { session: false },
      'implicit',
      512,
    ],
    ['a session key', asked([plain], { cacheWish: { sessionKey: 's' } }), { implicit: false }, 'implicit', 512],
  ];
  it.each(cases)('%s', async (_name, request, cache, mode, minTokens) => {
    const given = await passed(request, contextOf(cache));
    expect(given.contextCache).toMatchObject({ mode, minTokens, lifetimeMs: 300_000 });
    const marks = JSON.stringify([given.instructions, given.turns]).split('cacheMark').length - 1;
    expect(marks).toBe(mode === 'explicit' ? 1 : 0);
  });

  it('is the usual one where nobody knows the model', async () => {
    const context = testContext({ card: permissiveCard('own') });
    expect((await passed(asked([marked]), context)).contextCache).toMatchObject({ mode: 'explicit', minTokens: 1024 });
    expect((await passed(asked([plain]), context)).contextCache).toMatchObject({ mode: 'implicit', minTokens: 256 });
  });
});

describe('the name things are kept under', () => {
  const nameOf = async (request: GenerationRequest, account: Partial<CallContext['account']> = {}) => {
    const context = contextOf();
    const given = await passed(request, { ...context, account: { ...context.account, ...account } });
    return given.contextCache?.namespace;
  };

  it('is one for the keys of a workspace, with and without marks', async () => {
    const name = await nameOf(asked([plain]));
    expect(name).toBe('default/beijing/qwen-plus');
    expect(await nameOf(asked([marked]))).toBe(name);
    expect(await nameOf(asked([plain]), { keyId: 'other' })).toBe(name);
  });

  it('is another for each workspace, region, model and session', async () => {
    const names = await Promise.all([
      nameOf(asked([plain])),
      nameOf(asked([plain]), { workspaceId: 'other' }),
      nameOf(asked([plain]), { region: 'singapore' }),
      nameOf(asked([plain], { cacheWish: { sessionKey: 'a' } })),
      nameOf(asked([plain], { cacheWish: { sessionKey: 'b' } })),
    ]);
    const other = await passed(asked([plain]), contextOf({}, { card: permissiveCard('qwen-flash') }));
    expect(new Set([...names, other.contextCache?.namespace]).size).toBe(6);
  });
});

describe('what was to be written', () => {
  const usage: Usage = { ...NO_USAGE, input: { ...NO_USAGE.input, total: 2000, markedRead: 0, cacheWritten: 1500 } };
  const cut = (end: GenerationEvent): readonly GenerationEvent[] => [
    START,
    { type: 'usage', usage },
    { type: 'choice-end', choice: 0, reason: 'stop' },
    end,
  ];
  const endOf = async (end: GenerationEvent, parts = [marked]) => {
    const { next } = recordingNext(cut(end));
    return (await collect(contextCache.apply(asked(parts), contextOf(), next))).at(-1);
  };

  it('is owed when the answer has ended, and by no call that was cut', async () => {
    const finish = { type: 'finish', usage, timings: {} } as const;
    const error = new StudioError('engine-failed');
    expect(await endOf({ ...finish, ending: 'completed' })).toMatchObject({ usage: { input: { cacheWritten: 1500 } } });
    for (const end of [
      { ...finish, ending: 'client-gone' },
      { ...finish, ending: 'cancelled' },
      { type: 'error', usage, error },
    ] as const)
      expect(await endOf(end)).toMatchObject({ usage: { input: { total: 2000, cacheWritten: 0 } } });
  });
});
