/** The scheduler with prefixes on disk: real files, a scripted engine that notices when cells are mixed up. */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CachePlan, CacheReport, DecodePlan, FromEngine } from '../engine-protocol.ts';
import { CacheBlocks } from './cache-blocks.ts';
import { closingBiasOf } from './closing-bias.ts';
import { PrefixCache } from './prefix-cache.ts';
import { Scheduler } from './scheduler.ts';
import type { SaveDelays } from './sequence-saver.ts';
import { StateFiles } from './state-files.ts';
import {
  END_TOKEN,
  letterTokeniser,
  type Script,
  type ScriptedEngine,
  type ScriptedEngineOptions,
  scriptedEngine,
} from './testing/letter-model.ts';
import { greedyPlan } from './testing/plans.ts';
import { ThreadGovernor } from './thread-governor.ts';
import { ModelVocabulary } from './vocabulary.ts';

let root = '';
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'atelier-cache-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Answers one letter that depends on every token before it. */
const sum: Script = (tokens) =>
  tokens.at(-1) === 0x21 ? 0x61 + (tokens.reduce((total, token, i) => total + token * (i + 1), 0) % 26) : END_TOKEN;

interface Setting extends Partial<ScriptedEngineOptions> {
  readonly maxBytes?: number;
  readonly saveDelays?: SaveDelays;
  readonly now?: () => number;
  readonly fingerprint?: string;
}

/** One life of an engine. */
class Life {
  readonly engine: ScriptedEngine;
  readonly cache: PrefixCache;
  readonly scheduler: Scheduler;
  readonly complaints: string[] = [];
  readonly #messages: FromEngine[] = [];
  readonly #listeners = new Set<() => void>();
  #lastJob = 0;
  #lastId = 0;

  private constructor(setting: Setting) {
    const { maxBytes = 1e9, saveDelays = { much: 0, some: 0 }, now = () => 1_000, sequences = 2 } = setting;
    const engine = scriptedEngine({ contextTokens: 4_000, script: sum, ...setting, sequences });
    const vocabulary = new ModelVocabulary(letterTokeniser());
    const blocks = new CacheBlocks();
    const complain = (complaint: string): void => void this.complaints.push(complaint);
    const newId = (): string => `id${process.hrtime.bigint()}${++this.#lastId}`;
    this.engine = engine;
    this.cache = new PrefixCache({
      engine,
      blocks,
      maxBytes,
      maxAgeMs: 1e9,
      bytesPerToken: 12,
      minTokens: 32,
      now,
      newId,
      complain,
    });
    this.scheduler = new Scheduler({
      engine,
      vocabulary,
      closing: closingBiasOf(vocabulary),
      sequences,
      governor: new ThreadGovernor(1, 1),
      blocks,
      cache: this.cache,
      saveDelays,
      now,
      send: (message) => {
        this.#messages.push(message);
        for (const listener of this.#listeners) listener();
      },
    });
  }

  static async begin(setting: Setting = {}): Promise<Life> {
    const life = new Life(setting);
    await life.cache.open(new StateFiles(root, setting.fingerprint ?? 'f'));
    return life;
  }

  start(prompt: string, cache: Partial<CachePlan> = {}, changes: Partial<DecodePlan> = {}): string {
    const jobId = `j${++this.#lastJob}`;
    this.scheduler.generate(jobId, planOf(prompt, { mode: 'implicit', namespace: 'a', ...cache }, changes));
    return jobId;
  }

  async ended(jobId: string): Promise<Heard> {
    const last = await this.#first(
      (message) => (message.type === 'done' || message.type === 'failed') && message.jobId === jobId,
    );
    const accepted = this.#messages.find((message) => message.type === 'accepted' && message.jobId === jobId);
    const text = this.#messages
      .flatMap((message) => (message.type === 'step' ? message.items : []))
      .filter((item) => item.jobId === jobId && item.choice === 0)
      .flatMap(({ pieces }) => pieces.map((piece) => ('text' in piece ? piece.text : '')))
      .join('');
    return {
      text,
      ending: last.type === 'done' ? last.ending : last.type === 'failed' ? last.message : '',
      cachedTokens: accepted?.type === 'accepted' ? accepted.cachedTokens : -1,
      report: accepted?.type === 'accepted' ? accepted.cache : undefined,
      created: last.type === 'done' ? last.cache : undefined,
    };
  }

  run(prompt: string, cache: Partial<CachePlan> = {}, changes: Partial<DecodePlan> = {}): Promise<Heard> {
    return this.ended(this.start(prompt, cache, changes));
  }

  async clear(): Promise<void> {
    this.scheduler.clearCache('c');
    await this.#first(({ type }) => type === 'cache-cleared');
  }

  /** Resolves when all that is due has been written. */
  idle(): Promise<void> {
    return this.scheduler.idle();
  }

  /** The end that says goodbye. */
  async end(): Promise<void> {
    await this.scheduler.shutdown();
  }

  #first(test: (message: FromEngine) => boolean): Promise<FromEngine> {
    return new Promise((resolve) => {
      const look = (): void => {
        const found = this.#messages.find(test);
        if (found === undefined) return;
        this.#listeners.delete(look);
        resolve(found);
      };
      this.#listeners.add(look);
      look();
    });
  }
}

interface Heard {
  readonly text: string;
  readonly ending: string;
  readonly cachedTokens: number;
  readonly report: CacheReport | undefined;
  readonly created: CacheReport | undefined;
}

/** Segments are cut at bars. */
function planOf(prompt: string, cache: CachePlan, changes: Partial<DecodePlan>): DecodePlan {
  const segments = prompt.split('|').map((text) => ({ kind: 'plain', text }) as const);
  return greedyPlan(segments, { cache, ...changes });
}

const answerTo = (prompt: string): string =>
  String.fromCharCode(sum([...new TextEncoder().encode(prompt.replaceAll('|', ''))]));

const LONG = 'once upon a time '.repeat(30);
const OTHER = 'in another place '.repeat(30);
const NEVER: SaveDelays = { much: 1e9, some: 1e9 };

const bytesOnDisk = (): number =>
  readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((name) => statSync(path.join(root, name)))
    .filter((facts) => facts.isFile())
    .reduce((total, { size }) => total + size, 0);

describe('a prefix', () => {
  it('is there after a restart, and the answer is the cold one', async () => {
    const first = await Life.begin();
    const cold = await first.run(`${LONG}first!`);
    expect(cold).toMatchObject({ cachedTokens: 0, text: answerTo(`${LONG}first!`) });
    await first.idle();
    // No goodbye: killed.
    const second = await Life.begin();
    const warm = await second.run(`${LONG}second!`);
    expect(warm.text).toBe(answerTo(`${LONG}second!`));
    expect(warm.cachedTokens).toBeGreaterThan(LONG.length - 64);
    expect(second.engine.computed.tokens).toBeLessThan(80);
    expect(second.cache.totals()).toMatchObject({ entries: 1, hits: 1 });
  });

  it('is written before its sequence is given to another, and at the end', async () => {
    const first = await Life.begin({ sequences: 1, saveDelays: NEVER });
    await first.run(`${LONG}!`);
    await first.run(`${OTHER}!`);
    expect(first.engine.files.saved).toBe(1);
    await first.end();
    expect(first.engine.files.saved).toBe(2);
    const second = await Life.begin();
    for (const prompt of [LONG, OTHER]) {
      const warm = await second.run(`${prompt}?!`);
      expect(warm).toMatchObject({ text: answerTo(`${prompt}?!`) });
      expect(warm.cachedTokens).toBeGreaterThan(400);
    }
  });

  it('is not written again for the little that a turn adds', async () => {
    const life = await Life.begin();
    let talk = LONG;
    for (let turn = 0; turn < 5; turn++) {
      talk += 'and so on ';
      await life.run(`${talk}!`);
      await life.idle();
    }
    expect(life.engine.files.saved).toBeLessThanOrEqual(2);
    expect(life.cache.totals().entries).toBe(1);
  });

  it('is not found by another namespace, warm or stored', async () => {
    const first = await Life.begin();
    await first.run(`${LONG}!`);
    expect(await first.run(`${LONG}!`, { namespace: 'b' })).toMatchObject({
      cachedTokens: 0,
      text: answerTo(`${LONG}!`),
    });
    await first.idle();
    const second = await Life.begin();
    expect((await second.run(`${LONG}!`, { namespace: 'c' })).cachedTokens).toBe(0);
    expect((await second.run(`${LONG}!`, { namespace: 'b' })).cachedTokens).toBeGreaterThan(400);
  });

  it('is neither stored nor fetched for a plan that does not want it', async () => {
    const first = await Life.begin();
    await first.run(`${LONG}!`, { mode: 'off' });
    await first.run(`${OTHER}!`, undefined, { cache: undefined });
    await first.idle();
    expect(first.engine.files.saved).toBe(0);
    await first.run(`${LONG}!`);
    await first.idle();
    const second = await Life.begin();
    expect((await second.run(`${LONG}!`, { mode: 'off' })).cachedTokens).toBe(0);
    expect(second.engine.files.loaded).toBe(0);
  });

  it('stays warm beside other prompts where many requests bring it', async () => {
    const warmAfterOthers = async (isRecurring: boolean): Promise<number> => {
      const life = await Life.begin({ sequences: 2 });
      const recurring = { mode: 'off', isRecurring } as const;
      await life.run(`${LONG}!`, recurring);
      for (const prompt of ['One', 'Another', 'A third']) await life.run(`${prompt}. ${OTHER}`);
      return (await life.run(`${LONG}?`, recurring)).cachedTokens;
    };
    expect(await warmAfterOthers(true)).toBeGreaterThan(400);
    expect(await warmAfterOthers(false)).toBe(0);
  });

  it('is not fetched where a sequence has as much', async () => {
    const life = await Life.begin();
    await life.run(`${LONG}!`);
    await life.idle();
    expect((await life.run(`${LONG}!`)).cachedTokens).toBeGreaterThan(400);
    expect(life.engine.files).toMatchObject({ saved: 1, loaded: 0 });
  });

  it('costs a miss when its file is damaged, and is gone then', async () => {
    const first = await Life.begin();
    await first.run(`${LONG}!`);
    await first.idle();
    const [cells = ''] = readdirSync(path.join(root, 'f')).filter((name) => name.endsWith('.kv'));
    const file = path.join(root, 'f', cells);
    writeFileSync(file, readFileSync(file, 'utf8').replace('1', '2'));
    const second = await Life.begin({ saveDelays: NEVER });
    expect(await second.run(`${LONG}!`)).toMatchObject({ cachedTokens: 0, text: answerTo(`${LONG}!`) });
    expect(second.engine.files.loaded).toBe(0);
    await second.idle();
    expect(second.cache.totals().entries).toBe(0);
    expect(readdirSync(path.join(root, 'f'))).toEqual([]);
  });

  it('is of one fingerprint', async () => {
    const first = await Life.begin();
    await first.run(`${LONG}!`);
    await first.idle();
    const other = await Life.begin({ fingerprint: 'g' });
    expect((await other.run(`${LONG}!`)).cachedTokens).toBe(0);
  });

  it('is used whole or not at all where files hold a window of it', async () => {
    const first = await Life.begin({ isWindowed: true });
    await first.run(`${LONG}!`, undefined, { stages: [{ kind: 'answer', opening: '', maxTokens: 1 }] });
    await first.idle();
    const second = await Life.begin({ isWindowed: true, saveDelays: NEVER });
    const parted = await second.run(`${LONG.slice(0, -60)}other!`);
    expect(parted).toMatchObject({ cachedTokens: 0, text: answerTo(`${LONG.slice(0, -60)}other!`) });
    const third = await Life.begin({ isWindowed: true, saveDelays: NEVER });
    const more = `${LONG}!${OTHER}!`;
    expect(await third.run(more)).toMatchObject({ text: answerTo(more) });
    expect(await third.run(`${LONG.slice(0, -60)}other!`)).toMatchObject({ cachedTokens: 0 });
  });

  it('is forgotten by a clear, warm and stored', async () => {
    const life = await Life.begin();
    await life.run(`${LONG}!`);
    await life.idle();
    await life.clear();
    expect(life.cache.totals()).toMatchObject({ entries: 0, bytes: 0 });
    expect(readdirSync(path.join(root, 'f'))).toEqual([]);
    expect((await life.run(`${LONG}!`)).cachedTokens).toBe(0);
  });
});

describe('a fetched prefix', () => {
  it('serves all choices', async () => {
    const first = await Life.begin();
    await first.run(`${LONG}!`);
    await first.idle();
    const second = await Life.begin({ sequences: 3 });
    const heard = await second.run(`${LONG}?!`, {}, { choices: 3 });
    expect(heard).toMatchObject({ text: answerTo(`${LONG}?!`), ending: 'completed' });
    expect(second.engine.computed.tokens).toBeLessThan(90);
  });

  it('leaves its sequence to others when its job is cancelled', async () => {
    const first = await Life.begin();
    await first.run(`${LONG}!`);
    await first.idle();
    const second = await Life.begin({ sequences: 1 });
    const job = second.start(`${LONG}?!`);
    for (let turn = 0; turn < 2; turn++) await new Promise(setImmediate);
    second.scheduler.cancel(job);
    expect((await second.ended(job)).ending).toBe('cancelled');
    expect(await second.run(`${OTHER}!`)).toMatchObject({ text: answerTo(`${OTHER}!`), ending: 'completed' });
    expect(await second.run(`${LONG}?!`)).toMatchObject({ text: answerTo(`${LONG}?!`), ending: 'completed' });
  });

  it('is not read into a sequence of which a copy is still to be made', async () => {
    const first = await Life.begin();
    await first.run(`${OTHER}!`);
    await first.idle();
    const second = await Life.begin({ sequences: 2, saveDelays: NEVER });
    await second.run(`${LONG}${'z'.repeat(1_500)}!`, { mode: 'off' });
    const looked = Promise.withResolvers<boolean>();
    second.cache.isWhole = () => looked.promise;
    await second.run('short!');
    const fetching = second.run(`${OTHER}x!`);
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
    // It is to be read over the long text, of which the next job takes a copy in the same turn of the loop.
    looked.resolve(true);
    const copying = second.run(`${LONG}y!`);
    expect((await fetching).text).toBe(answerTo(`${OTHER}x!`));
    expect((await copying).text).toBe(answerTo(`${LONG}y!`));
  });
});

describe('a copy that was never made', () => {
  it('is not written as what it was to be', async () => {
    const first = await Life.begin({ sequences: 2, saveDelays: NEVER });
    await first.run(`${OTHER}!`);
    await first.run(`${LONG}${'z'.repeat(2_500)}!`);
    const { copy } = first.engine;
    first.engine.copy = async (target, source) => {
      await copy(target, source);
      first.scheduler.cancel('j3');
    };
    expect(await first.run(`${LONG}y!`)).toMatchObject({ ending: 'cancelled' });
    await first.end();
    const second = await Life.begin();
    expect(await second.run(`${LONG}y!`)).toMatchObject({ text: answerTo(`${LONG}y!`), ending: 'completed' });
  });
});

describe('blocks of the explicit cache', () => {
  const explicit = (segments: number, ...lookBack: number[]): Partial<CachePlan> => ({
    mode: 'explicit',
    marks: [{ segments, lookBack }],
    minTokens: 100,
    lifetimeMs: 300,
  });

  it('are created by the first answer, hit by the second, also after a restart', async () => {
    const first = await Life.begin();
    const made = await first.run(`${LONG}|ask!`, explicit(1));
    expect(made.report?.marks).toEqual([{ tokens: 510, hitTokens: 0, createdTokens: 510 }]);
    expect(made.created).toEqual(made.report);
    const hit = [{ tokens: 510, hitTokens: 510, createdTokens: 0 }];
    expect((await first.run(`${LONG}|other!`, explicit(1))).report?.marks).toEqual(hit);
    await first.idle();
    const second = await Life.begin();
    expect((await second.run(`${LONG}|third!`, explicit(1))).report?.marks).toEqual(hit);
  });

  it('are no hits of what was only warm or stored', async () => {
    const life = await Life.begin();
    await life.run(`${LONG}|ask!`);
    const heard = await life.run(`${LONG}|ask!`, explicit(1));
    expect(heard.cachedTokens).toBeGreaterThan(400);
    expect(heard.report?.marks[0]).toMatchObject({ hitTokens: 0, createdTokens: 510 });
  });

  it('grow: only what is new is created', async () => {
    const life = await Life.begin();
    await life.run(`${LONG}|ask!`, explicit(1));
    const grown = await life.run(`${LONG}|${OTHER}|ask!`, explicit(2, 1));
    expect(grown.report?.marks).toEqual([{ tokens: 1020, hitTokens: 510, createdTokens: 510 }]);
  });

  it('live so long after their last hit, and not longer', async () => {
    let nowMs = 1_000;
    const now = (): number => nowMs;
    const life = await Life.begin({ now });
    const hitAfter = async (ms: number, from = life): Promise<number | undefined> => {
      nowMs += ms;
      return (await from.run(`${LONG}|ask!`, explicit(1))).report?.marks[0]?.hitTokens;
    };
    expect(await hitAfter(0)).toBe(0);
    expect(await hitAfter(299)).toBe(510);
    expect(await hitAfter(299)).toBe(510);
    await life.idle();
    const second = await Life.begin({ now });
    expect(await hitAfter(299, second)).toBe(510);
    expect(await hitAfter(300, second)).toBe(0);
  });

  it('are not made by an answer that was cut short', async () => {
    const life = await Life.begin();
    const job = life.start(`${LONG}|ask!`, explicit(1));
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
    life.scheduler.cancel(job);
    expect(await life.ended(job)).toMatchObject({ ending: 'cancelled', created: undefined });
    expect((await life.run(`${LONG}|ask!`, explicit(1))).report?.marks[0]?.hitTokens).toBe(0);
  });

  it('are hits no more when their cells are gone', async () => {
    const life = await Life.begin({ sequences: 1, maxBytes: 0, saveDelays: NEVER });
    await life.run(`${LONG}|ask!`, explicit(1));
    await life.run(`${OTHER}!`);
    expect((await life.run(`${LONG}|ask!`, explicit(1))).report?.marks[0]).toMatchObject({ hitTokens: 0 });
  });
});

describe('whatever comes and goes', () => {
  it('the answer is the cold one, nobody finds what is not his, and the cap holds', async () => {
    const head = fc.constantFrom(LONG, OTHER, LONG + OTHER, `${LONG}${'x'.repeat(90)}`, 'short ');
    const event = fc.record({
      head,
      tail: fc.constantFrom('', 'a', 'bc'.repeat(40)),
      namespace: fc.constantFrom('a', 'b'),
      choices: fc.integer({ min: 1, max: 3 }),
      turnsBefore: fc.integer({ min: 0, max: 6 }),
      cancelsAfter: fc.option(fc.integer({ min: 0, max: 10 })),
      restarts: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
      isDamaged: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    });
    const setting = fc.record({
      sequences: fc.integer({ min: 1, max: 3 }),
      maxBytes: fc.constantFrom(30_000, 60_000, 1e9),
      saveDelays: fc.constantFrom({ much: 0, some: 0 }, NEVER),
    });
    await fc.assert(
      fc.asyncProperty(setting, fc.array(event, { minLength: 1, maxLength: 10 }), async (how, events) => {
        rmSync(root, { recursive: true, force: true });
        let life = await Life.begin(how);
        const jobs: { readonly prompt: string; readonly life: Life; readonly id: string }[] = [];
        const known = new Map<string, Set<string>>();
        const settle = async (): Promise<void> => {
          for (const job of jobs.splice(0)) {
            const heard = await job.life.ended(job.id);
            expect(['completed', 'cancelled']).toContain(heard.ending);
            if (heard.ending === 'completed') expect(heard.text).toBe(answerTo(job.prompt));
          }
        };
        for (const { head, tail, namespace, choices, turnsBefore, cancelsAfter, restarts, isDamaged } of events) {
          for (let turn = 0; turn < turnsBefore; turn++) await new Promise(setImmediate);
          if (restarts) {
            await settle();
            await life.idle();
            life = await Life.begin(how);
          }
          if (isDamaged) damageOne();
          const prompt = `${head}${tail}!`;
          const id = life.start(prompt, { namespace }, { choices });
          jobs.push({ prompt, life, id });
          if (!known.get(namespace)?.has(head)) known.set(namespace, (known.get(namespace) ?? new Set()).add(head));
          if (cancelsAfter !== null) {
            for (let turn = 0; turn < cancelsAfter; turn++) await new Promise(setImmediate);
            life.scheduler.cancel(id);
          }
        }
        await settle();
        await life.idle();
        expect(bytesOnDisk()).toBeLessThanOrEqual(how.maxBytes);
        const again = await Life.begin(how);
        expect(again.cache.totals().entries).toBe(readdirSync(path.join(root, 'f')).length / 2);
        expect(again.complaints).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });
});

describe('a folder as a kill leaves it', () => {
  it('has only whole entries, whenever the kill came', async () => {
    const life = await Life.begin({ maxBytes: 30_000 });
    let isDone = false;
    let snapshots = 0;
    const work = (async () => {
      // A busy machine takes fewer snapshots in the time.
      for (let i = 0; i < 12 || (snapshots < 8 && i < 200); i++) {
        await life.run(`${'abc'[i % 3]}${LONG}${'more '.repeat((i % 12) * 20)}|${i}!`, {
          mode: 'explicit',
          minTokens: 9,
          marks: [{ segments: 1, lookBack: [] }],
        });
      }
      await life.idle();
      isDone = true;
    })();
    const left = path.join(root, 'left');
    while (!isDone) {
      for (let turn = 0; turn < snapshots % 7; turn++) await new Promise(setImmediate);
      rmSync(left, { recursive: true, force: true });
      copyFolder(path.join(root, 'f'), path.join(left, 'f'));
      const files = new StateFiles(left, 'f');
      const records = await files.open();
      for (const record of records) expect(await files.isWhole(record)).toBe(true);
      expect(readdirSync(path.join(left, 'f'))).toHaveLength(records.length * 2);
      snapshots++;
    }
    await work;
    expect(snapshots).toBeGreaterThan(5);
  });
});

/** Files that go while they are copied are not there. */
function copyFolder(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from)) {
    try {
      copyFileSync(path.join(from, name), path.join(to, name));
    } catch (error) {
      expect((error as NodeJS.ErrnoException).code).toBe('ENOENT');
    }
  }
}

/** Not one that is being written: what is damaged before it is whole nobody can notice. */
function damageOne(): void {
  const folder = path.join(root, 'f');
  const [name] = readdirSync(folder).filter((each) => /\.(kv|entry)$/.test(each));
  if (name === undefined) return;
  const bytes = readFileSync(path.join(folder, name));
  const place = bytes.length >> 1;
  writeFileSync(path.join(folder, name), bytes.fill((bytes[place] ?? 0) ^ 1, place, place + 1));
}
