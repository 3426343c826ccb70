/**
 * Trials of the prefixes on disk: prompts at random over ten times as many prefixes as the cap has room for, so that most
 * answers come from a file that was written, pushed out and written again; and kills without warning in between. Every
 * answer, with its log probabilities, has to be the cold one to the last bit, and the folder never above its cap.
 *
 * By default on weights of random numbers, a millisecond a step; `--weights` names real ones.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { entryFilesIn } from '../src/backends/embedded/cache-folder.ts';
import { ForkedEngine, type JobSeen } from '../src/backends/embedded/child/testing/forked-engine.ts';
import { greedyPlan } from '../src/backends/embedded/child/testing/plans.ts';
import { writeTinyWeights } from '../src/backends/embedded/child/testing/tiny-weights.ts';
import type { CachePlan, DecodePlan, EngineOptions } from '../src/backends/embedded/engine-protocol.ts';
import { randomFrom } from '../src/backends/embedded/testing/random.ts';

export interface TrialSetting {
  /** Undefined: weights of random numbers. */
  readonly weightsFile?: string | undefined;
  readonly trials: number;
  readonly seed: number;
  /** A kill after so many trials, with calls running. */
  readonly killEvery: number;
}

export interface TrialReport {
  readonly trials: number;
  /** Answers of other tokens, and those with the same tokens and other log probabilities. */
  readonly wrong: number;
  readonly rounded: number;
  readonly fromFile: number;
  readonly warm: number;
  readonly cold: number;
  readonly kills: number;
  readonly prefixes: number;
  readonly mostEntries: number;
  readonly mostBytes: number;
  readonly capBytes: number;
}

const OVERSUBSCRIPTION = 10;
const PREFIXES = 200;
const TAILS = 4;
const ANSWER_TOKENS = 2;
const LOOK_EVERY = 25;
/** Both ways of computing a prompt: in one short piece, and in long ones. */
const SHORT_TOKENS = 44;
const LONG_TOKENS = 90;

export async function proveCache({ weightsFile, trials, seed, killEvery }: TrialSetting): Promise<TrialReport> {
  const folder = mkdtempSync(join(tmpdir(), 'atelier-trials-'));
  const weights = weightsFile ?? join(folder, 'tiny.gguf');
  if (weightsFile === undefined) writeTinyWeights(weights);
  const cacheFolder = join(folder, 'cache');
  const random = randomFrom(seed);
  const pick = (below: number): number => Math.floor(random() * below);
  const options = (maxBytes: number): EngineOptions => ({
    weightsFile: weights,
    sequences: 2,
    contextTokens: 1_024,
    threads: 1,
    cache: { folder: cacheFolder, maxBytes, maxAgeMs: 3_600_000, minTokens: 32 },
  });
  try {
    const capBytes = Math.ceil((await bytesOfAll(options(1e12))) / OVERSUBSCRIPTION);
    rmSync(cacheFolder, { recursive: true, force: true });
    let engine = await openEngine(options(capBytes));
    const expected = new Map<string, string>();
    const counts = { wrong: 0, rounded: 0, fromFile: 0, warm: 0, cold: 0, kills: 0, mostEntries: 0, mostBytes: 0 };
    const warmOf = new Map<number, number>();
    for (let trial = 1; trial <= trials; trial++) {
      // Some prefixes come often, most seldom.
      const prefix = Math.floor(PREFIXES * random() ** 3);
      const text = `${prefixText(prefix)}${tailText(pick(TAILS))}`;
      let cold = expected.get(text);
      if (cold === undefined) {
        cold = answerOf(await engine.run(planOf(text, { mode: 'off', namespace: `cold ${trial}` })));
        expected.set(text, cold);
      }
      const seen = await engine.run(planOf(text, { mode: 'implicit', namespace: namespaceOf(prefix) }));
      const answer = answerOf(seen);
      if (tokensOf(answer) !== tokensOf(cold)) counts.wrong++;
      else if (answer !== cold) counts.rounded++;
      const cached = seen.accepted?.cachedTokens ?? 0;
      const wasWarm = [...warmOf.values()].includes(prefix);
      if (cached < SHORT_TOKENS / 2) counts.cold++;
      else if (wasWarm) counts.warm++;
      else counts.fromFile++;
      warmOf.set(trial % 2, prefix);
      if (trial % LOOK_EVERY === 0) {
        const files = await entryFilesIn(cacheFolder);
        counts.mostEntries = Math.max(counts.mostEntries, files.length);
        counts.mostBytes = Math.max(counts.mostBytes, sum(files.map(({ bytes }) => bytes)));
      }
      if (trial % killEvery === 0) {
        for (let call = 0; call < 3; call++) {
          engine.start(planOf(`${prefixText(pick(PREFIXES))}x`, { mode: 'implicit', namespace: 'a' }));
        }
        // Between none and a few steps later.
        for (let step = pick(4); step > 0; step--) await engine.count('a moment');
        await engine.kill();
        engine = await openEngine(options(capBytes));
        warmOf.clear();
        counts.kills++;
      }
    }
    await engine.stop();
    return { trials, prefixes: PREFIXES, capBytes, ...counts };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What all prefixes together take, measured on one of each length. */
async function bytesOfAll(options: EngineOptions): Promise<number> {
  const engine = await openEngine(options);
  for (const prefix of [0, 1]) {
    await engine.run(
      planOf(`${prefixText(prefix)}${tailText(0)}`, { mode: 'implicit', namespace: namespaceOf(prefix) }),
    );
  }
  await engine.stop();
  const files = await entryFilesIn(options.cache?.folder ?? '');
  return (sum(files.map(({ bytes }) => bytes)) / files.length) * PREFIXES;
}

/** The cache of weights that were never hashed opens a moment later than the engine. */
async function openEngine(options: EngineOptions): Promise<ForkedEngine> {
  const engine = await ForkedEngine.start(options);
  for (let turn = 0; (engine.states.at(-1)?.cache?.maxBytes ?? 0) === 0; turn++) {
    await engine.run(planOf('a', { mode: 'off', namespace: `open ${turn}` }));
  }
  return engine;
}

/** Even ones are short, odd ones long; neighbours begin alike for a while, as prompts do. */
function prefixText(prefix: number): string {
  const length = prefix % 2 === 0 ? SHORT_TOKENS : LONG_TOKENS;
  const family = Math.floor(prefix / 4);
  const common = `family ${family} `.repeat(40).slice(0, Math.floor(length / 2));
  return `${common}${`member ${prefix} `.repeat(40)}`.slice(0, length);
}

function tailText(tail: number): string {
  return `, tail ${tail}?`;
}

function namespaceOf(prefix: number): string {
  return prefix % 8 < 4 ? 'a' : 'b';
}

function planOf(text: string, cache: CachePlan): DecodePlan {
  const stages = [{ kind: 'answer', opening: '', maxTokens: ANSWER_TOKENS }] as const;
  return greedyPlan([{ kind: 'plain', text }], { stages, logprobs: { top: 0 }, cache });
}

/** Bytes and log probabilities of the tokens. */
function answerOf({ last, choices }: JobSeen): string {
  if (last.type !== 'done') return last.type;
  const logprobs = (choices[0]?.pieces ?? []).flatMap((piece) => (piece.type === 'text' ? (piece.logprobs ?? []) : []));
  return logprobs.map(({ bytes, logprob }) => `${bytes.join('.')}:${logprob}`).join(' ');
}

function tokensOf(answer: string): string {
  return answer.replaceAll(/:\S+/g, '');
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
