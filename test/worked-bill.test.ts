/**
 * A bill worked out by hand: calls of all kinds through the pipeline, the ledger and the database, to the nano-yuan. No number
 * of the sheet was computed by the program. A yuan a million tokens is 1,000 nano-yuan a token.
 *
 * Prices in Beijing, in and out, a million tokens: qwen-plus 2 / 4; qwen3-max 2.5 / 10 up to 32K, 4 / 16 up to 128K, 7 / 28
 * above; qwen-flash 0.15 / 1.5 up to 128K; qwen3.7-max 12 / 36; qwen-turbo 0.5 / 1; qwen-max 4 / 8; qwen3-8b 0.5 / 2, thinking
 * 5; qwen3-vl-plus 1 / 10 up to 32K; deepseek-v4-pro 2 / 4, a cached token 8.3%; qwen3-coder-plus 2 / 4, a batch as dear as
 * any call. qwen-plus elsewhere: Singapore 2.936 / 8.807, thinking 29.357; Frankfurt 2.998 / 8.993; Virginia 0.8 / 2.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { openLedger, type RunningLedger } from '../src/billing/ledger.ts';
import { createPriceBook } from '../src/billing/price-book.ts';
import { loadCatalogue } from '../src/catalogue/load.ts';
import { StudioError } from '../src/core/errors.ts';
import type { GenerationStream } from '../src/core/events.ts';
import { plainRequest } from '../src/core/generation.ts';
import type { PriceOverride } from '../src/core/platform.ts';
import { type Backend, type CallContext, endingOf, type IdSource, startOf } from '../src/core/ports.ts';
import type { ChargeLine } from '../src/core/prices.ts';
import type { Region } from '../src/core/regions.ts';
import { type Usage, usageOf } from '../src/core/usage.ts';
import { featuresInOrder } from '../src/pipeline/order.ts';
import { createPipeline, generateByRoute } from '../src/pipeline/pipeline.ts';
import type { Database } from '../src/stores/sql/database.ts';
import { createReceiptStore } from '../src/stores/sql/receipts.ts';
import { countingIds, fixedClock, silentLog, testContext } from './support/context.ts';
import { onEachDatabase } from './support/databases.ts';
import { platformWatch } from './support/ledger.ts';
import { sumsThatDisagree } from './support/sums.ts';
import { noBlobs, noUploads } from './support/wires.ts';

/** How a call ends. `leaves`: the client goes while text comes; `killed`: this process does. */
type Way = 'completes' | 'cancelled' | 'leaves' | 'gone' | 'breaks' | 'killed';

interface Counts {
  readonly input: number;
  readonly output: number;
  readonly cachedRead?: number;
  readonly markedRead?: number;
  readonly cacheWritten?: number;
  readonly reasoning?: number;
  readonly image?: number;
  readonly toolDefinitions?: number;
}

interface Row {
  readonly what: string;
  readonly model: string;
  readonly counts: Counts;
  /** Items of the bill: name, tokens, nano-yuan; `free` in the place of an amount. */
  readonly bill: readonly (readonly [string, number, number | 'free'])[];
  readonly way?: Way;
  readonly region?: Region;
  readonly isPlain?: true;
  readonly isBatch?: true;
  readonly key?: string;
  /** Hours before the call, and while it runs. */
  readonly afterHours?: number;
  readonly takesHours?: number;
  readonly isThinking?: true;
}

const DAY = 24;

/** Every model's free quota begins with its first call and is long over when the sheet begins. */
const FIRST_USES: readonly Row[] = [
  'qwen-plus',
  'qwen3-max',
  'qwen-flash',
  'qwen3.7-max',
  'qwen-turbo',
  'qwen3-8b',
  'qwen3-vl-plus',
  'deepseek-v4-pro',
  'qwen3-coder-plus',
].map((model) => ({
  what: `the first use of ${model}`,
  model,
  counts: { input: 9, output: 1 },
  bill:
    model === 'qwen3-max' || model === 'qwen3-vl-plus'
      ? [
          ['context_0-32k_input_token', 9, 'free'],
          ['context_0-32k_output_token', 1, 'free'],
        ]
      : model === 'qwen-flash'
        ? [
            ['context_0-128k_input_token', 9, 'free'],
            ['context_0-128k_output_token', 1, 'free'],
          ]
        : [
            ['input_token', 9, 'free'],
            ['output_token', 1, 'free'],
          ],
}));

const SHEET: readonly Row[] = [
  {
    what: 'a streamed call, when the free quota is over',
    afterHours: 100 * DAY,
    model: 'qwen-plus',
    counts: { input: 1000, output: 500 },
    bill: [
      ['input_token', 1000, 2_000_000],
      ['output_token', 500, 2_000_000],
    ],
  },
  {
    what: 'a plain call',
    model: 'qwen-plus',
    isPlain: true,
    counts: { input: 1, output: 1 },
    bill: [
      ['input_token', 1, 2000],
      ['output_token', 1, 4000],
    ],
  },
  {
    what: 'a call that thought: reasoning is output',
    model: 'qwen3.7-max',
    isThinking: true,
    counts: { input: 200, output: 1200, reasoning: 1000 },
    bill: [
      ['thinking_input_token', 200, 2_400_000],
      ['thinking_output_token', 1200, 43_200_000],
    ],
  },
  {
    what: 'a call that thought, where thinking has a price of its own',
    model: 'qwen3-8b',
    isThinking: true,
    counts: { input: 100, output: 300, reasoning: 250 },
    bill: [
      ['thinking_input_token', 100, 50_000],
      ['thinking_output_token', 300, 1_500_000],
    ],
  },
  {
    what: 'a call that was asked to think and did not',
    model: 'qwen3-8b',
    isThinking: true,
    counts: { input: 100, output: 40 },
    bill: [
      ['input_token', 100, 50_000],
      ['output_token', 40, 80_000],
    ],
  },
  {
    what: 'a prefix found without a mark, at a fifth',
    model: 'qwen-plus',
    counts: { input: 4096, cachedRead: 3072, output: 10 },
    bill: [
      ['input_token', 1024, 2_048_000],
      ['input_token_cache', 3072, 1_228_800],
      ['output_token', 10, 40_000],
    ],
  },
  {
    what: 'a prefix written by a mark, at five quarters',
    model: 'qwen-plus',
    counts: { input: 5000, cacheWritten: 4096, output: 10 },
    bill: [
      ['input_token', 904, 1_808_000],
      ['input_token_cache_creation_5m', 4096, 10_240_000],
      ['output_token', 10, 40_000],
    ],
  },
  {
    what: 'a prefix found by a mark, at a tenth',
    model: 'qwen-plus',
    counts: { input: 5000, cachedRead: 4096, markedRead: 4096, output: 10 },
    bill: [
      ['input_token', 904, 1_808_000],
      ['input_token_cache_read', 4096, 819_200],
      ['output_token', 10, 40_000],
    ],
  },
  {
    what: 'a prefix found by a mark, and what it grew by',
    model: 'qwen-plus',
    counts: { input: 6000, cachedRead: 4096, markedRead: 4096, cacheWritten: 1024, output: 20 },
    bill: [
      ['input_token', 880, 1_760_000],
      ['input_token_cache_read', 4096, 819_200],
      ['input_token_cache_creation_5m', 1024, 2_560_000],
      ['output_token', 20, 80_000],
    ],
  },
  {
    what: 'a cached prefix of a model with a factor of its own',
    model: 'deepseek-v4-pro',
    counts: { input: 10_000, cachedRead: 9000, output: 100 },
    bill: [
      ['input_token', 1000, 2_000_000],
      ['input_token_cache', 9000, 1_494_000],
      ['output_token', 100, 400_000],
    ],
  },
  {
    what: 'the last token of the first tier',
    model: 'qwen3-max',
    counts: { input: 32_768, output: 100 },
    bill: [
      ['context_0-32k_input_token', 32_768, 81_920_000],
      ['context_0-32k_output_token', 100, 1_000_000],
    ],
  },
  {
    what: 'the first of the second, for output too',
    model: 'qwen3-max',
    counts: { input: 32_769, output: 100 },
    bill: [
      ['context_32k-128k_input_token', 32_769, 131_076_000],
      ['context_32k-128k_output_token', 100, 1_600_000],
    ],
  },
  {
    what: 'the first of the third',
    model: 'qwen3-max',
    counts: { input: 131_073, output: 1 },
    bill: [
      ['context_128k-256k_input_token', 131_073, 917_511_000],
      ['context_128k-256k_output_token', 1, 28_000],
    ],
  },
  {
    what: 'more than the last tier has',
    model: 'qwen3-max',
    counts: { input: 262_145, output: 1 },
    bill: [
      ['context_128k-256k_input_token', 262_145, 1_835_015_000],
      ['context_128k-256k_output_token', 1, 28_000],
    ],
  },
  {
    what: 'a tier by the whole input, cached tokens and all',
    model: 'qwen3-max',
    counts: { input: 40_000, cachedRead: 30_000, output: 1 },
    bill: [
      ['context_32k-128k_input_token', 10_000, 40_000_000],
      ['context_32k-128k_input_token_cache', 30_000, 24_000_000],
      ['context_32k-128k_output_token', 1, 16_000],
    ],
  },
  {
    what: 'prices that are parts of a fen a thousand tokens',
    model: 'qwen-flash',
    counts: { input: 7, output: 3 },
    bill: [
      ['context_0-128k_input_token', 7, 1050],
      ['context_0-128k_output_token', 3, 4500],
    ],
  },
  {
    what: 'a fifth of such a price',
    model: 'qwen-flash',
    counts: { input: 333, cachedRead: 333, output: 1 },
    bill: [
      ['context_0-128k_input_token_cache', 333, 9990],
      ['context_0-128k_output_token', 1, 1500],
    ],
  },
  {
    what: 'a line of a batch, at half',
    model: 'qwen-flash',
    isBatch: true,
    counts: { input: 101, output: 7 },
    bill: [
      ['context_0-128k_input_token_batch', 101, 7575],
      ['context_0-128k_output_token_batch', 7, 5250],
    ],
  },
  {
    what: 'a line of a batch, which knows no cache price',
    model: 'qwen-plus',
    isBatch: true,
    counts: { input: 1000, cachedRead: 900, output: 10 },
    bill: [
      ['input_token_batch', 1000, 1_000_000],
      ['output_token_batch', 10, 20_000],
    ],
  },
  {
    what: 'a line of a batch in a higher tier',
    model: 'qwen3-max',
    isBatch: true,
    counts: { input: 33_000, output: 10 },
    bill: [
      ['context_32k-128k_input_token_batch', 33_000, 66_000_000],
      ['context_32k-128k_output_token_batch', 10, 80_000],
    ],
  },
  {
    what: 'a line of a batch of a model that has no batch price',
    model: 'qwen3-coder-plus',
    isBatch: true,
    counts: { input: 100, output: 10 },
    bill: [
      ['input_token_batch', 100, 200_000],
      ['output_token_batch', 10, 40_000],
    ],
  },
  {
    what: 'a failed line of a batch',
    model: 'qwen-flash',
    isBatch: true,
    way: 'breaks',
    counts: { input: 101, output: 7 },
    bill: [],
  },
  {
    what: 'a cancelled call',
    model: 'qwen-plus',
    way: 'cancelled',
    counts: { input: 100, output: 3 },
    bill: [
      ['input_token', 100, 200_000],
      ['output_token', 3, 12_000],
    ],
  },
  {
    what: 'a client that goes while text comes: what had come is billed',
    model: 'qwen-plus',
    way: 'leaves',
    counts: { input: 100, output: 5 },
    bill: [
      ['input_token', 100, 200_000],
      ['output_token', 5, 20_000],
    ],
  },
  {
    what: 'a client that goes and waits for a plain answer',
    model: 'qwen-plus',
    way: 'gone',
    isPlain: true,
    counts: { input: 100, output: 8 },
    bill: [
      ['input_token', 100, 200_000],
      ['output_token', 8, 32_000],
    ],
  },
  {
    what: 'a stream whose upstream breaks after output',
    model: 'qwen-plus',
    way: 'breaks',
    counts: { input: 100, output: 12 },
    bill: [
      ['input_token', 100, 200_000],
      ['output_token', 12, 48_000],
    ],
  },
  {
    what: 'a stream whose upstream breaks before output',
    model: 'qwen-plus',
    way: 'breaks',
    counts: { input: 100, output: 0 },
    bill: [],
  },
  {
    what: 'a plain answer whose upstream breaks: its client got nothing',
    model: 'qwen-plus',
    way: 'breaks',
    isPlain: true,
    counts: { input: 100, output: 12 },
    bill: [],
  },
  { what: 'a refused call', model: 'no-such-model', counts: { input: 0, output: 0 }, bill: [] },
  {
    what: 'tool definitions, which are input',
    model: 'qwen-plus',
    counts: { input: 850, toolDefinitions: 600, output: 30 },
    bill: [
      ['input_token', 850, 1_700_000],
      ['output_token', 30, 120_000],
    ],
  },
  {
    what: 'a picture, which is input',
    model: 'qwen3-vl-plus',
    counts: { input: 1300, image: 1280, output: 20 },
    bill: [
      ['context_0-32k_input_token', 1300, 1_300_000],
      ['context_0-32k_output_token', 20, 200_000],
    ],
  },
  {
    what: 'two choices: the prompt once, both answers',
    model: 'qwen-plus',
    counts: { input: 50, output: 80 },
    bill: [
      ['input_token', 50, 100_000],
      ['output_token', 80, 320_000],
    ],
  },
  {
    what: 'the price of Singapore',
    model: 'qwen-plus',
    region: 'singapore',
    counts: { input: 1000, output: 100 },
    bill: [
      ['context_0-256k_input_token', 1000, 2_936_000],
      ['context_0-256k_output_token', 100, 880_700],
    ],
  },
  {
    what: 'the price of thinking in Singapore',
    model: 'qwen-plus',
    region: 'singapore',
    isThinking: true,
    counts: { input: 1000, output: 100, reasoning: 60 },
    bill: [
      ['context_0-256k_thinking_input_token', 1000, 2_936_000],
      ['context_0-256k_thinking_output_token', 100, 2_935_700],
    ],
  },
  {
    what: 'the price of Frankfurt',
    model: 'qwen-plus',
    region: 'frankfurt',
    counts: { input: 1001, output: 1 },
    bill: [
      ['context_0-256k_input_token', 1001, 3_000_998],
      ['context_0-256k_output_token', 1, 8993],
    ],
  },
  {
    what: 'the price of Virginia',
    model: 'qwen-plus',
    region: 'virginia',
    key: 'key-2',
    counts: { input: 999, output: 1 },
    bill: [
      ['context_0-128k_input_token', 999, 799_200],
      ['context_0-128k_output_token', 1, 2000],
    ],
  },
  {
    what: 'a model before its new price',
    model: 'qwen-turbo',
    counts: { input: 100, output: 100 },
    bill: [
      ['input_token', 100, 50_000],
      ['output_token', 100, 100_000],
    ],
  },
  {
    what: 'a call during which the price changes',
    model: 'qwen-turbo',
    takesHours: 2,
    counts: { input: 100, output: 100 },
    bill: [
      ['input_token', 100, 50_000],
      ['output_token', 100, 100_000],
    ],
  },
  {
    what: 'a call at the new price, which rounds: 333 tokens at 1.5005 yuan are 499,666.5 nano-yuan',
    model: 'qwen-turbo',
    counts: { input: 333, output: 100 },
    bill: [
      ['input_token', 333, 499_667],
      ['output_token', 100, 250_000],
    ],
  },
  {
    what: 'a free call',
    model: 'qwen-max',
    key: 'key-2',
    counts: { input: 600_000, output: 399_900 },
    bill: [
      ['input_token', 600_000, 'free'],
      ['output_token', 399_900, 'free'],
    ],
  },
  {
    what: 'a call that crosses the end of its free quota',
    model: 'qwen-max',
    key: 'key-2',
    counts: { input: 80, output: 40 },
    bill: [
      ['input_token', 80, 'free'],
      ['output_token', 20, 'free'],
      ['output_token', 20, 160_000],
    ],
  },
  {
    what: 'a call behind it',
    model: 'qwen-max',
    key: 'key-2',
    counts: { input: 10, output: 5 },
    bill: [
      ['input_token', 10, 40_000],
      ['output_token', 5, 40_000],
    ],
  },
  {
    what: 'a free call with a cached prefix, which is not free',
    model: 'qwen-plus-latest',
    counts: { input: 1100, cachedRead: 1000, output: 50 },
    bill: [
      ['input_token', 100, 'free'],
      ['input_token_cache', 1000, 400_000],
      ['output_token', 50, 'free'],
    ],
  },
  {
    what: 'a line of a batch of a model with free quota',
    model: 'qwen-plus-latest',
    isBatch: true,
    counts: { input: 100, output: 50 },
    bill: [
      ['input_token_batch', 100, 100_000],
      ['output_token_batch', 50, 100_000],
    ],
  },
  {
    what: 'a model that has free tokens only',
    model: 'qwen2.5-0.5b-instruct',
    counts: { input: 20, output: 30 },
    bill: [
      ['input_token', 20, 'free'],
      ['output_token', 30, 'free'],
    ],
  },
  {
    what: 'a stream that a kill of this process cuts after six tokens',
    model: 'qwen-plus',
    way: 'killed',
    counts: { input: 100, output: 6 },
    bill: [
      ['input_token', 100, 200_000],
      ['output_token', 6, 24_000],
    ],
  },
  {
    what: 'a plain answer that a kill of this process cuts',
    model: 'qwen-plus',
    way: 'killed',
    isPlain: true,
    counts: { input: 100, output: 6 },
    bill: [],
  },
];

/**
 * The sheet added up by hand. key-1: in Beijing 3,184,560,732 (3,098,274,000 of it for qwen3-max) and abroad 12,698,391; key-2:
 * 801,200 in Virginia, 240,000 for qwen-max.
 */
const SPENT = { 'key-1': 3_197_259_123, 'key-2': 1_041_200, default: 3_198_300_323 };

const START_MS = Date.parse('2026-08-01T00:00:00Z');

/** From an hour into the call during which it changes. */
const NEW_PRICE: PriceOverride = {
  model: 'qwen-turbo',
  region: 'beijing',
  validFromMs: START_MS + (100 * DAY + 1) * 3_600_000,
  prices: {
    tiers: [
      { overTokens: 0, upToTokens: null, inputPico: 1_500_500, outputPico: 2_500_000, outputThinkingPico: 2_500_000 },
    ],
    cacheReadPermille: 200,
    explicitCacheReadPermille: 100,
    cacheWritePermille: 1250,
    batchPermille: 500,
  },
};

let home: string;
let clock: ReturnType<typeof fixedClock>;
let ids: IdSource;
let ledger: RunningLedger;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'atelier-bill-'));
  clock = fixedClock(START_MS);
  ids = countingIds();
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(home, { recursive: true, force: true });
});

const catalogue = loadCatalogue();

function open(database: Database): Promise<RunningLedger> {
  const platform = platformWatch();
  platform.set({ prices: [NEW_PRICE] });
  return openLedger({
    journal: { folder: join(home, 'journal') },
    store: createReceiptStore(database),
    prices: createPriceBook({ catalogue, modelOf: (id) => id, overrides: [] }),
    platform,
    clock,
    log: silentLog,
    spoolReceipts: 1000,
    quota: { enabled: true, freeTierOnly: false },
  });
}

function usageFor({ counts }: Row): Usage {
  const { input, output, cachedRead, reasoning, markedRead, cacheWritten = 0, image = 0, toolDefinitions = 0 } = counts;
  const usage = usageOf({ input, output, cachedRead, reasoning });
  const marked = markedRead === undefined ? {} : { markedRead };
  return { ...usage, input: { ...usage.input, ...marked, cacheWritten, image, toolDefinitions } };
}

/** Answers as a row says: tokens one by one where somebody watches them come, otherwise in one piece. */
function backendOf(row: Row): Backend {
  return {
    id: 'sheet',
    abilities: { choices: true, structuredOutput: true, thinkingBudget: true, toolChoice: true, images: true },
    async *generate(request, context) {
      const usage = usageFor(row);
      yield startOf(request, context);
      yield { type: 'usage', usage: { ...usage, output: { total: 0, reasoning: 0, audio: 0 } } };
      clock.advance((row.takesHours ?? 0) * 3_600_000);
      const deltas = row.way === 'leaves' || row.way === 'killed' ? usage.output.total : 1;
      if (usage.output.total > 0) {
        yield { type: 'text-start', choice: 0, blockId: 'b' };
        for (let delta = 0; delta < deltas; delta++) yield { type: 'text-delta', choice: 0, blockId: 'b', text: 'a' };
      }
      if (row.way === 'breaks') {
        yield { type: 'error', error: new StudioError('upstream-failed'), usage };
        return;
      }
      if (usage.output.total > 0) yield { type: 'text-end', choice: 0, blockId: 'b' };
      yield { type: 'choice-end', choice: 0, reason: 'stop' };
      const ending = context.signal.aborted ? endingOf(context.signal) : 'completed';
      yield { type: 'finish', usage, timings: {}, ending };
    },
    health: () => ({ isReady: true, detail: '' }),
    close: async () => {},
  };
}

/** Runs the call of a row; gives the id that its receipt has. */
async function run(row: Row): Promise<string> {
  clock.advance((row.afterHours ?? 0) * 3_600_000);
  const backend = backendOf(row);
  const generate = createPipeline(
    featuresInOrder({
      ledger,
      metrics: { callStarted() {}, callEnded() {} },
      catalogue,
      router: { resolve: () => ({ backend, target: row.model, servedBy: 'sheet', isStandIn: false }) },
      policies: { policyOf: () => ({ mayUse: (model) => model !== 'no-such-model', limits: {}, keepsBodies: false }) },
      funds: ledger.funds,
      bodies: { keep() {} },
      bodiesRetentionMs: 0,
      uploads: noUploads,
      uploadBlobs: noBlobs,
    }),
    generateByRoute,
  );
  const abort = new AbortController();
  if (row.way === 'cancelled') abort.abort('cancelled');
  if (row.way === 'gone') abort.abort('client-gone');
  const context: CallContext = testContext({
    clock,
    ids,
    requestId: row.what,
    account: { keyId: row.key ?? 'key-1', name: 'test', workspaceId: 'default', region: row.region ?? 'beijing' },
    isStreaming: !row.isPlain,
    priority: row.isBatch ? 'batch' : 'live',
    signal: abort.signal,
  });
  const request = { ...plainRequest(row.model, [{ role: 'user', parts: [{ type: 'text', text: 'a' }] }]) };
  const thinking = row.isThinking ? { thinking: { switch: 'on' as const } } : {};
  try {
    await read(row, generate({ ...request, ...thinking }, context));
  } catch (error) {
    // What is refused before it begins is thrown.
    if (!(error instanceof StudioError)) throw error;
  }
  return context.receiptId ?? '';
}

/** Reads the stream of a call: to its end, or to where its client leaves or this process is killed. */
async function read({ way, counts }: Row, stream: GenerationStream): Promise<void> {
  const events = stream[Symbol.asyncIterator]();
  let deltas = 0;
  for (let next = await events.next(); !next.done; next = await events.next()) {
    if (next.value.type === 'text-delta') deltas++;
    if (deltas < counts.output) continue;
    if (way === 'leaves') await events.return?.();
    if (way === 'leaves' || way === 'killed') return;
  }
}

/** Lets the journal note what calls have used, and begins anew as a process does after the last one was killed. */
async function kill(database: Database): Promise<void> {
  // Twice: a plain answer has to be under way for so long before a trace of it is kept.
  await vi.advanceTimersByTimeAsync(40);
  ledger = await open(database);
}

const linesOf = ({ bill }: Row): ChargeLine[] =>
  bill.map(([item, tokens, nano]) =>
    nano === 'free' ? { item, tokens, nano: 0, isFree: true } : { item, tokens, nano },
  );
const paidOf = ({ bill }: Row): number => bill.reduce((sum, [, , nano]) => sum + (nano === 'free' ? 0 : nano), 0);
const freeOf = ({ bill }: Row): number =>
  bill.reduce((sum, [, tokens, nano]) => sum + (nano === 'free' ? tokens : 0), 0);

onEachDatabase((databases) => {
  it(`is right to the nano-yuan, receipt by receipt and in every sum (${FIRST_USES.length + SHEET.length} calls)`, async () => {
    const database = await databases.open();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    ledger = await open(database);
    const rows = [...FIRST_USES, ...SHEET];
    const receiptIds = new Map<string, Row>();
    for (const row of rows.filter(({ way }) => way !== 'killed')) receiptIds.set(await run(row), row);
    await ledger.flush();
    for (const row of rows.filter(({ way }) => way === 'killed')) receiptIds.set(await run(row), row);
    await kill(database);
    vi.useRealTimers();
    await ledger.close();
    const receipts = await database.queries.selectFrom('receipts').selectAll().orderBy('id').execute();
    const byCall = receipts.map((receipt) => ({
      what: receipt.request_id,
      nano: receipt.charge_nano,
      free: receipt.free_tokens,
      lines: JSON.parse(receipt.charge_lines ?? '[]') as ChargeLine[],
    }));
    expect(byCall).toEqual(
      rows.map((row) => ({ what: row.what, nano: paidOf(row), free: freeOf(row), lines: linesOf(row) })),
    );
    expect(receipts.map(({ receipt_id }) => receiptIds.get(receipt_id ?? '')?.what)).toEqual(
      rows.map(({ what }) => what),
    );
    expect(await sumsThatDisagree(database)).toEqual([]);
    const spent = await database.queries.selectFrom('spending').selectAll().where('period', '=', 'total').execute();
    expect(Object.fromEntries(spent.map(({ scope_id, nano }) => [scope_id, nano]))).toEqual(SPENT);
    await database.close();
  });
});
