import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { fixedClock } from '../../test/support/context.ts';
import { type MemoryReceiptStore, memoryReceiptStore, platformWatch } from '../../test/support/ledger.ts';
import { permissiveCard } from '../core/models.ts';
import type { Budget } from '../core/platform.ts';
import type { Account, ClosedCall, Logger, OpenedCall, Receipt } from '../core/ports.ts';
import type { FreeQuota, ModelPrices } from '../core/prices.ts';
import { type Usage, usageOf } from '../core/usage.ts';
import { type LedgerOptions, openLedger, type RunningLedger } from './ledger.ts';
import { createPriceBook } from './price-book.ts';

const DAY_MS = 86_400_000;

/** 1,000 nano-yuan a token in, 3,000 out. */
const PRICES: ModelPrices = {
  tiers: [
    { overTokens: 0, upToTokens: null, inputPico: 1_000_000, outputPico: 3_000_000, outputThinkingPico: 3_000_000 },
  ],
  cacheReadPermille: 200,
  explicitCacheReadPermille: 100,
  cacheWritePermille: 1250,
  batchPermille: 500,
};

const QUOTAS: { readonly [model: string]: FreeQuota } = {
  small: { tokens: 100, days: 90, isPaidAfter: true },
  'free-only': { tokens: 100, days: 90, isPaidAfter: false },
};

const catalogue = {
  find: (id: string) =>
    id === 'unknown'
      ? undefined
      : { ...permissiveCard(id), terms: { beijing: { prices: PRICES, freeQuota: QUOTAS[id] } } },
  list: () => [],
};

let folder: string;
let store: MemoryReceiptStore;
let lines: string[];
let clock: ReturnType<typeof fixedClock>;
let platform: ReturnType<typeof platformWatch>;
const running: RunningLedger[] = [];
const log: Logger = {
  debug: () => {},
  info: () => {},
  warn: (_, message) => lines.push(message),
  error: (_, message) => lines.push(message),
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'atelier-ledger-'));
  store = memoryReceiptStore();
  lines = [];
  clock = fixedClock(Date.parse('2026-11-30T12:00:00Z'));
  platform = platformWatch();
});
afterEach(async () => {
  store.failure = undefined;
  for (const ledger of running.splice(0)) await ledger.close();
  rmSync(folder, { recursive: true, force: true });
});

async function open(changes: Partial<LedgerOptions> = {}): Promise<RunningLedger> {
  const ledger = await openLedger({
    journal: { folder },
    store,
    prices: createPriceBook({ catalogue, modelOf: (id) => (id === 'other-name' ? 'small' : id), overrides: [] }),
    platform,
    clock,
    log,
    spoolReceipts: 1000,
    quota: { enabled: true, freeTierOnly: false },
    ...changes,
  });
  running.push(ledger);
  return ledger;
}

let calls = 0;
function callOf(changes: Partial<OpenedCall> = {}): OpenedCall {
  return {
    receiptId: `receipt-${++calls}`,
    requestId: `request-${calls}`,
    protocol: 'test',
    keyId: 'key-1',
    workspaceId: 'default',
    region: 'beijing',
    priority: 'live',
    model: 'paid',
    startedAtMs: clock.now(),
    isStreaming: true,
    ...changes,
  };
}

const ended = (usage: Usage, changes: Partial<ClosedCall> = {}): ClosedCall => ({
  servedBy: 'x',
  usage,
  ending: 'completed',
  totalMs: 5,
  ...changes,
});
const used = (input: number, output: number): Usage => usageOf({ input, output });
const noUsage = (): Usage => used(0, 0);

/** A whole call. */
function call(ledger: RunningLedger, usage: Usage, changes: Partial<OpenedCall> = {}): Receipt {
  return ledger.open(callOf(changes), () => usage).close(ended(usage));
}

const account = (changes: Partial<Account> = {}): Account => ({
  keyId: 'key-1',
  name: 'test',
  workspaceId: 'default',
  region: 'beijing',
  ...changes,
});

function refusalOf(ledger: RunningLedger, model: string, changes: Partial<Account> = {}): string | undefined {
  try {
    ledger.funds.check({ account: account(changes), model, priority: 'live' });
    return undefined;
  } catch (error) {
    return `${(error as { code: string }).code}: ${(error as Error).message}`;
  }
}

const QUOTA_EXCEEDED = 'quota-exceeded: You exceeded your current quota, please check your plan and billing details.';

describe('a call', () => {
  it('costs what held when it began', async () => {
    const ledger = await open();
    const account = ledger.open(callOf(), noUsage);
    const dear = { ...PRICES, tiers: PRICES.tiers.map((tier) => ({ ...tier, inputPico: 9_000_000 })) };
    const price = { model: 'paid', region: null, validFromMs: clock.now() + 1, prices: dear };
    platform.set({ prices: [price] });
    clock.advance(1);
    expect(account.close(ended(used(10, 1))).charge.totalNano).toBe(13_000);
    expect(call(ledger, used(10, 1)).charge.totalNano).toBe(93_000);
  });

  it('costs nothing where nobody knows a price', async () => {
    expect(call(await open(), used(10, 1), { model: 'unknown' }).charge).toEqual({
      lines: [],
      totalNano: 0,
      freeTokens: 0,
    });
  });

  it('has a receipt of all that was known of it', async () => {
    const ledger = await open();
    const opened = callOf({ keyId: 'key-9', workspaceId: 'ws-1', region: 'singapore' });
    const { isStreaming, ...known } = opened;
    const closed = ended(used(1, 2), { firstTokenMs: 2 });
    const receipt = ledger.open(opened, noUsage).close(closed);
    expect(receipt).toEqual({ ...known, ...closed, charge: { lines: [], totalNano: 0, freeTokens: 0 } });
    await ledger.flush();
    expect(store.receipts).toEqual([receipt]);
  });

  it('that failed is billed when its client had something of the answer, and free otherwise', async () => {
    const ledger = await open();
    const fail = (opened: Partial<OpenedCall>, firstTokenMs: number | undefined) =>
      ledger
        .open(callOf(opened), noUsage)
        .close(ended(used(10, 1), { ending: 'failed', errorCode: 'upstream-failed', firstTokenMs })).charge.totalNano;
    expect(fail({}, 3)).toBe(13_000);
    expect(fail({}, undefined)).toBe(0);
    expect(fail({ isStreaming: false }, 3)).toBe(0);
    expect(fail({ priority: 'batch' }, 3)).toBe(0);
  });

  it('has no longer a model name than an index takes', async () => {
    expect(call(await open(), used(1, 1), { model: 'm'.repeat(5000) }).model).toHaveLength(256);
  });
});

describe('the free quota', () => {
  it('pays until it is used up, and splits the line that crosses its end', async () => {
    const ledger = await open();
    expect(call(ledger, used(40, 20), { model: 'small' }).charge).toMatchObject({ totalNano: 0, freeTokens: 60 });
    const crossing = call(ledger, used(30, 20), { model: 'small' });
    expect(crossing.charge).toEqual({
      lines: [
        { item: 'input_token', tokens: 30, nano: 0, isFree: true },
        { item: 'output_token', tokens: 10, nano: 0, isFree: true },
        { item: 'output_token', tokens: 10, nano: 30_000 },
      ],
      totalNano: 30_000,
      freeTokens: 40,
    });
    expect(call(ledger, used(1, 0), { model: 'small' }).charge.totalNano).toBe(1000);
  });

  it('is told of when a fifth is left and when nothing is', async () => {
    const ledger = await open();
    for (const tokens of [79, 1, 19, 1, 5]) call(ledger, used(tokens, 0), { model: 'small' });
    expect(lines).toEqual(['a free quota is nearly used up', 'a free quota is used up']);
  });

  it('lets answers that run finish', async () => {
    const ledger = await open({ quota: { enabled: true, freeTierOnly: true } });
    const running = ledger.open(callOf({ model: 'small' }), noUsage);
    call(ledger, used(100, 0), { model: 'small' });
    expect(refusalOf(ledger, 'small')).toMatch(/^free-tier-exhausted/);
    expect(running.close(ended(used(1, 0))).charge.totalNano).toBe(1000);
  });

  it('is of live calls only', async () => {
    const ledger = await open();
    expect(call(ledger, used(10, 0), { model: 'small', priority: 'batch' }).charge).toMatchObject({
      totalNano: 5000,
      freeTokens: 0,
    });
  });

  it('ends so many days after its first use, for calls that begin later', async () => {
    const ledger = await open();
    call(ledger, used(10, 0), { model: 'small' });
    clock.advance(90 * DAY_MS - 1);
    const last = callOf({ model: 'small' });
    expect(call(ledger, used(10, 0), { model: 'small' }).charge.freeTokens).toBe(10);
    clock.advance(1);
    expect(call(ledger, used(10, 0), { model: 'small' }).charge.freeTokens).toBe(0);
    expect(ledger.open(last, noUsage).close(ended(used(10, 0))).charge.freeTokens).toBe(10);
  });

  it('is shared by the names of a model', async () => {
    const ledger = await open();
    call(ledger, used(70, 0), { model: 'small' });
    expect(call(ledger, used(70, 0), { model: 'other-name' }).charge.freeTokens).toBe(0);
    // The other name has no quota of its own here: a catalogue with aliases gives it the card of its model.
    expect(call(ledger, used(70, 0), { model: 'small' }).charge.freeTokens).toBe(30);
  });

  it('counts what the database has from before and what other servers have drawn', async () => {
    const grant = {
      region: 'beijing',
      model: 'small',
      tokens: 100,
      firstUsedAtMs: 0,
      expiresAtMs: clock.now() + DAY_MS,
    } as const;
    store.quotas = [{ ...grant, usedTokens: 75 }];
    const ledger = await open();
    expect(call(ledger, used(10, 0), { model: 'small' }).charge.freeTokens).toBe(10);
    await ledger.flush();
    // What was written is in what the database says; what waits is not.
    store.quotas = [{ ...grant, usedTokens: 90 }];
    store.failure = new Error('away');
    call(ledger, used(4, 0), { model: 'small' });
    await ledger.refresh();
    expect(call(ledger, used(10, 0), { model: 'small' }).charge.freeTokens).toBe(6);
  });

  it('can be switched off', async () => {
    const ledger = await open({ quota: { enabled: false, freeTierOnly: true } });
    expect(call(ledger, used(10, 0), { model: 'small' }).charge.totalNano).toBe(10_000);
    expect(refusalOf(ledger, 'small')).toBeUndefined();
    expect(refusalOf(ledger, 'free-only')).toBeUndefined();
  });

  it.each([
    ['of the configuration', async () => await open({ quota: { enabled: true, freeTierOnly: true } })],
    ['of the administrator, for the model', async () => withFreeTierOnly('small')],
    ['of the administrator, for every model', async () => withFreeTierOnly('*')],
  ])('stops calls when it is used up by the switch %s', async (_whose, openWith) => {
    const ledger = await openWith();
    call(ledger, used(99, 0), { model: 'small' });
    expect(refusalOf(ledger, 'small')).toBeUndefined();
    call(ledger, used(1, 0), { model: 'small' });
    expect(refusalOf(ledger, 'small')).toBe(
      'free-tier-exhausted: The free tier of the model has been exhausted. If you wish to continue access the model on a paid basis, please disable the "use free tier only" mode in the management console.',
    );
    expect(refusalOf(ledger, 'paid')).toBeUndefined();
  });

  it('used up is paid for without the switch, and not where the model cannot be paid for', async () => {
    const ledger = await withFreeTierOnly('another');
    for (const model of ['small', 'free-only']) call(ledger, used(100, 0), { model });
    expect(refusalOf(ledger, 'small')).toBeUndefined();
    expect(refusalOf(ledger, 'free-only')).toBe('quota-exceeded: Free allocated quota exceeded.');
  });

  async function withFreeTierOnly(model: string): Promise<RunningLedger> {
    const ledger = await open();
    platform.set({ freeTierOnly: [model] });
    return ledger;
  }
});

describe('a budget', () => {
  const key = (budget: Budget | null) => ({ id: 'key-1', budget }) as never;
  const workspace = (budget: Budget | null) => ({ id: 'default', budget }) as never;

  it('stops a key when as much was spent, and lets it go on when it is raised', async () => {
    const ledger = await open();
    platform.set({ keys: [key({ nano: 5000, period: 'total' })] });
    call(ledger, used(4, 0));
    expect(refusalOf(ledger, 'paid')).toBeUndefined();
    call(ledger, used(1, 0));
    expect(refusalOf(ledger, 'paid')).toBe(QUOTA_EXCEEDED);
    expect(refusalOf(ledger, 'paid', { keyId: 'key-2' })).toBeUndefined();
    platform.set({ keys: [key({ nano: 5001, period: 'total' })] });
    expect(refusalOf(ledger, 'paid')).toBeUndefined();
  });

  it('of a workspace counts all its keys', async () => {
    const ledger = await open();
    platform.set({ workspaces: [workspace({ nano: 5000, period: 'month' })] });
    call(ledger, used(3, 0), { keyId: 'key-1' });
    call(ledger, used(3, 0), { keyId: 'key-2' });
    expect(refusalOf(ledger, 'paid', { keyId: 'key-3' })).toBe(QUOTA_EXCEEDED);
    expect(refusalOf(ledger, 'paid', { workspaceId: 'ws-2' })).toBeUndefined();
  });

  it('of a month begins again at midnight of the first in Beijing, one in all does not', async () => {
    const ledger = await open();
    platform.set({ keys: [key({ nano: 5000, period: 'month' })] });
    call(ledger, used(5, 0));
    expect(refusalOf(ledger, 'paid')).toBe(QUOTA_EXCEEDED);
    // 30 November, 12:00 UTC is 20:00 there.
    clock.advance(4 * 3_600_000 - 1);
    expect(refusalOf(ledger, 'paid')).toBe(QUOTA_EXCEEDED);
    clock.advance(1);
    expect(refusalOf(ledger, 'paid')).toBeUndefined();
    platform.set({ keys: [key({ nano: 5000, period: 'total' })] });
    expect(refusalOf(ledger, 'paid')).toBe(QUOTA_EXCEEDED);
  });

  it('counts what the database has, what waits for it, and what others have spent', async () => {
    store.spending = [{ scope: 'key', id: 'key-1', period: 'total', nano: 3000 }];
    const ledger = await open();
    platform.set({ keys: [key({ nano: 9000, period: 'total' })] });
    store.failure = new Error('away');
    call(ledger, used(2, 0));
    store.spending = [{ scope: 'key', id: 'key-1', period: 'total', nano: 6999 }];
    await ledger.refresh();
    expect(refusalOf(ledger, 'paid')).toBeUndefined();
    call(ledger, used(1, 0));
    expect(refusalOf(ledger, 'paid')).toBe(QUOTA_EXCEEDED);
  });
});

describe('a database that takes nothing', () => {
  it('loses no receipt, and delays no call', async () => {
    const ledger = await open();
    store.failure = new Error('full');
    const receipts = [call(ledger, used(1, 0)), call(ledger, used(2, 0))];
    await ledger.flush();
    receipts.push(call(ledger, used(3, 0)));
    await ledger.flush();
    expect(lines).toEqual(['receipts cannot be written; they wait in memory and in the journal']);
    store.failure = undefined;
    await ledger.flush();
    expect(store.receipts).toEqual(receipts);
    expect(lines.slice(1)).toEqual(['receipts are written again']);
  });

  it('refuses new calls when too many receipts wait, with a 503 that tells when to try again', async () => {
    const ledger = await open({ spoolReceipts: 3 });
    store.failure = new Error('full');
    const late = ledger.open(callOf(), noUsage);
    for (let index = 0; index < 3; index++) call(ledger, used(1, 0));
    expect(() => ledger.open(callOf(), noUsage)).toThrow(
      expect.objectContaining({ code: 'overloaded', status: 503, retryAfterSeconds: 2 }),
    );
    expect(() => ledger.open(callOf(), noUsage)).toThrow();
    expect(lines.filter((line) => line.includes('refused'))).toHaveLength(1);
    // Calls that were let in are never forgotten.
    late.close(ended(used(1, 0)));
    store.failure = undefined;
    await ledger.flush();
    call(ledger, used(1, 0));
    await ledger.flush();
    expect(store.receipts).toHaveLength(5);
    expect(lines.at(-1)).toBe('receipts have found their way: calls are taken again');
  });

  it('leaves receipts in the journal when the server ends, and the next one writes them', async () => {
    const ledger = await open();
    store.failure = new Error('full');
    const receipt = call(ledger, used(1, 0));
    await ledger.close();
    expect(lines.at(-1)).toBe('receipts could not be written; the journal keeps them for the next start');
    store.failure = undefined;
    await open();
    expect(store.receipts).toEqual([receipt]);
  });

  it('does not keep a server from ending, even when it never answers', async () => {
    const ledger = await open();
    const receipt = call(ledger, used(1, 0));
    let release = () => {};
    store.hold = new Promise((resolve) => {
      release = resolve;
    });
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const closed = ledger.close();
      await vi.advanceTimersByTimeAsync(5000);
      await closed;
    } finally {
      vi.useRealTimers();
    }
    release();
    store.hold = undefined;
    await open();
    expect(store.receipts).toEqual([receipt]);
  });

  it('does not hold up the others for a receipt that it can never take', async () => {
    const ledger = await open();
    store.isUnwritable = ({ model }) => model === 'wrong';
    call(ledger, used(1, 0));
    call(ledger, used(1, 0), { model: 'wrong' });
    call(ledger, used(1, 0));
    await ledger.flush();
    expect(store.receipts.map(({ model }) => model)).toEqual(['paid', 'paid']);
    expect(lines).toEqual(['a receipt could not be stored and is only in this line']);
  });
});

describe('time', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('writes nothing while calls end, and everything after 100 ms', async () => {
    const ledger = await open();
    call(ledger, used(1, 0));
    call(ledger, used(1, 0));
    await vi.advanceTimersByTimeAsync(99);
    expect(store.receipts).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(store.receipts).toHaveLength(2);
  });

  it('writes a full batch in the next turn of the loop', async () => {
    const ledger = await open();
    for (let index = 0; index < 200; index++) call(ledger, used(1, 0));
    await vi.advanceTimersByTimeAsync(0);
    expect(store.receipts).toHaveLength(200);
  });

  it('tries a database that failed again after a second', async () => {
    const ledger = await open();
    store.failure = new Error('full');
    call(ledger, used(1, 0));
    await vi.advanceTimersByTimeAsync(100);
    store.failure = undefined;
    call(ledger, used(1, 0));
    await vi.advanceTimersByTimeAsync(999);
    expect(store.receipts).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(store.receipts).toHaveLength(2);
  });

  it('notes what open calls have used every 20 ms', async () => {
    const ledger = await open();
    let output = 0;
    ledger.open(callOf(), () => used(5, output));
    output = 7;
    await vi.advanceTimersByTimeAsync(19);
    output = 8;
    await vi.advanceTimersByTimeAsync(1);
    output = 9;
    await kill(ledger);
    expect(store.receipts[0]?.usage).toEqual(used(5, 8));
  });

  it('reads every so often what other servers have added', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const ledger = await open({ pollMs: 1000 });
    const grant = {
      region: 'beijing',
      model: 'small',
      tokens: 100,
      firstUsedAtMs: 0,
      expiresAtMs: clock.now() + DAY_MS,
    } as const;
    store.quotas = [{ ...grant, usedTokens: 100 }];
    expect(refusalOf(ledger, 'free-only')).toBeUndefined();
    await vi.advanceTimersByTimeAsync(1000);
    expect(call(ledger, used(1, 0), { model: 'small' }).charge.freeTokens).toBe(0);
  });
});

/** The next process, after this one was killed where it stands. The old one is only kept from writing. */
async function kill(_ledger: RunningLedger): Promise<RunningLedger> {
  return open();
}

describe('a killed process', () => {
  it('leaves receipts that the next one writes, once', async () => {
    const ledger = await open();
    const first = call(ledger, used(1, 0));
    await ledger.flush();
    const second = call(ledger, used(2, 0));
    const next = await kill(ledger);
    expect(store.receipts).toEqual([first, second]);
    await kill(next);
    expect(store.receipts).toEqual([first, second]);
    expect(lines).toEqual(['the journal had receipts to write and calls to close']);
  });

  it('has not forgotten a receipt that the database got just before', async () => {
    const ledger = await open();
    const receipt = call(ledger, used(1, 0));
    store.receipts.push(receipt);
    await kill(ledger);
    expect(store.receipts).toEqual([receipt]);
  });

  it('leaves open calls that the next one closes: streams are billed for what was generated, others are free', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const ledger = await open();
    const usage = () => used(10, 2);
    ledger.open(callOf({ receiptId: 'stream' }), usage);
    ledger.open(callOf({ receiptId: 'silent stream' }), () => used(10, 0));
    ledger.open(callOf({ receiptId: 'plain', isStreaming: false }), usage);
    ledger.open(callOf({ receiptId: 'line', priority: 'batch' }), usage);
    for (let progress = 0; progress < 2; progress++) {
      clock.advance(20);
      await vi.advanceTimersByTimeAsync(20);
    }
    ledger.open(callOf({ receiptId: 'plain and new', isStreaming: false }), usage);
    vi.useRealTimers();
    await kill(ledger);
    expect(
      store.receipts.map(({ receiptId, ending, errorCode, charge, totalMs, usage: { output } }) => [
        receiptId,
        ending,
        errorCode,
        output.total,
        charge.totalNano,
        totalMs,
      ]),
    ).toEqual([
      ['stream', 'failed', 'process-killed', 2, 16_000, 40],
      ['silent stream', 'failed', 'process-killed', 0, 0, 40],
      ['plain', 'failed', 'process-killed', 2, 0, 40],
      ['line', 'failed', 'process-killed', 2, 0, 40],
    ]);
  });

  it('leaves calls that draw from what its receipts have left of a quota, at the prices of their time', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const ledger = await open();
    ledger.open(callOf({ model: 'small' }), () => used(30, 20));
    call(ledger, used(80, 0), { model: 'small' });
    await vi.advanceTimersByTimeAsync(20);
    vi.useRealTimers();
    const dear = { ...PRICES, tiers: PRICES.tiers.map((tier) => ({ ...tier, inputPico: 9_000_000 })) };
    platform.set({ prices: [{ model: 'small', region: null, validFromMs: clock.now() + 1, prices: dear }] });
    store.quotas = [
      {
        region: 'beijing',
        model: 'small',
        tokens: 100,
        firstUsedAtMs: 0,
        expiresAtMs: clock.now() + 1,
        usedTokens: 80,
      },
    ];
    await kill(ledger);
    expect(store.receipts[1]?.charge).toMatchObject({ freeTokens: 20, totalNano: 10 * 1000 + 20 * 3000 });
  });

  it('keeps what is left in the journal until the database takes it', async () => {
    const ledger = await open();
    const receipt = call(ledger, used(1, 0));
    ledger.open(callOf(), noUsage);
    store.failure = new Error('full');
    const second = await kill(ledger);
    store.failure = undefined;
    await kill(second);
    expect(store.receipts).toHaveLength(2);
    expect(store.receipts[0]).toEqual(receipt);
    expect(readdirSync(folder)).toHaveLength(1);
  });
});
