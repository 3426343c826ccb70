/**
 * The loop: all choices of all jobs advance together, one batch a step.
 *
 *     admit waiting jobs → plan a batch → decode → sample every choice whose tokens are in → tell → again
 *
 * Messages are heard while a batch is being computed, but they only change the books; sequences are touched between
 * batches. So a cancel is answered at once, and what a batch still computes for it just makes its sequence warmer.
 */
import type { CacheReport, DecodePlan, FromEngine, Piece, PromptSegment, StepItem } from '../engine-protocol.ts';
import { lastPieceOf, orderBatch, planBatch } from './batch-plan.ts';
import type { BatchEntry, DecodingEngine } from './binding.ts';
import { type CacheBlocks, tokenMarksOf } from './cache-blocks.ts';
import { ChoiceDecoder, type Move } from './choice-decoder.ts';
import type { ClosingBias } from './closing-bias.ts';
import { ExplicitCache } from './explicit-cache.ts';
import { firstMoveOf, foretell, logitsWanted } from './foretold.ts';
import { GrammarCache } from './grammar-cache.ts';
import { argumentsGrammar, stageGrammar } from './grammars.ts';
import { type Choice, Job } from './job.ts';
import type { PrefixCache } from './prefix-cache.ts';
import { PrefixRestores, type Restore } from './prefix-restores.ts';
import type { FoundPrefix } from './prefix-store.ts';
import { ReadingPace } from './reading-pace.ts';
import { ChoiceSampler, type Sampled } from './sampling.ts';
import { SequencePool } from './sequence-pool.ts';
import { type SaveDelays, SequenceSaver } from './sequence-saver.ts';
import { planSequence, type Sequence } from './sequences.ts';
import type { ThreadGovernor } from './thread-governor.ts';
import { commonPrefix } from './token-tree.ts';
import type { ModelVocabulary } from './vocabulary.ts';

const STATE_INTERVAL_MS = 1_000;
/** Every so many batches the prompt that came first is read on, however much of it is left. */
const OLDEST_EVERY = 4;

export interface SchedulerOptions {
  readonly engine: DecodingEngine;
  readonly vocabulary: ModelVocabulary;
  readonly closing: ClosingBias;
  readonly sequences: number;
  readonly governor: ThreadGovernor;
  readonly blocks: CacheBlocks;
  /** Absent: nothing is kept on disk. */
  readonly cache?: PrefixCache | undefined;
  readonly saveDelays?: SaveDelays | undefined;
  /** By the clock on the wall: blocks outlive this process. */
  readonly now?: (() => number) | undefined;
  readonly send: (message: FromEngine) => void;
}

interface StepEntry {
  readonly choice: Choice;
  readonly tokens: readonly number[];
}

export class Scheduler {
  readonly #engine: DecodingEngine;
  readonly #vocabulary: ModelVocabulary;
  readonly #closing: ClosingBias;
  readonly #grammars: GrammarCache;
  readonly #send: (message: FromEngine) => void;
  readonly #pool: SequencePool;
  readonly #governor: ThreadGovernor;
  #threads: number;
  readonly #jobs = new Map<string, Job>();
  #waiting: Job[] = [];
  /** Choices that have a sequence, in order of arrival. */
  #choices: Choice[] = [];
  /** A native sampler must not be freed while it samples; these are freed between steps. */
  #retired: ChoiceSampler[] = [];
  #loop: Promise<void> | undefined;
  /** Ends the loop's wait for files. */
  #nudge: () => void = () => {};
  #stateSentMs = Number.NEGATIVE_INFINITY;
  readonly #cache: PrefixCache | undefined;
  readonly #saver: SequenceSaver | undefined;
  readonly #blocks: CacheBlocks;
  readonly #explicit: ExplicitCache;
  readonly #restores: PrefixRestores | undefined;
  #saveTimer: NodeJS.Timeout | undefined;
  #isStopping = false;
  #clears: (() => void)[] = [];
  readonly #pace: ReadingPace;
  #batches = 0;

  constructor(options: SchedulerOptions) {
    const { engine, vocabulary, closing, sequences, governor, blocks, cache, send } = options;
    this.#engine = engine;
    this.#vocabulary = vocabulary;
    this.#closing = closing;
    this.#grammars = new GrammarCache(engine);
    this.#send = send;
    this.#governor = governor;
    this.#threads = governor.threads;
    this.#pace = new ReadingPace(governor.stepMs);
    this.#pool = new SequencePool(engine, sequences);
    this.#blocks = blocks;
    this.#explicit = new ExplicitCache({ blocks, cache, now: options.now ?? Date.now });
    this.#cache = cache;
    const makeCopies = (): Promise<void> => this.#makeCopies();
    const { saveDelays: delays } = options;
    const saver = cache && new SequenceSaver({ sequences: this.#pool.all, cache, delays, makeCopies });
    this.#saver = saver;
    const release = (sequence: Sequence): void => this.#release(sequence);
    const parts = { pool: this.#pool, explicit: this.#explicit, makeCopies, release };
    this.#restores = cache && saver && new PrefixRestores({ ...parts, cache, saver });
  }

  count(askId: string, prompt: readonly PromptSegment[]): void {
    this.#send({ type: 'counted', askId, tokens: this.#vocabulary.tokenisePrompt(prompt).length });
  }

  tokenise(askId: string, text: readonly PromptSegment[]): void {
    this.#send({ type: 'tokenised', askId, tokens: this.#vocabulary.tokensOf(text) });
  }

  generate(jobId: string, plan: DecodePlan): void {
    try {
      const { tokens, ends } = this.#vocabulary.tokenisePromptBySegment(plan.prompt);
      const prompt = tokens.length > 0 ? tokens : this.#vocabulary.emptyPrompt;
      const grammarError = this.#grammarError(plan);
      if (grammarError !== undefined) {
        this.#send({ type: 'refused', jobId, reason: 'grammar', message: grammarError });
        return;
      }
      // Without a limit on the context: whether prompt and forced text fit is for `isTooLong` to say.
      const start = (): Move => this.#newDecoder(plan, prompt.length, Number.POSITIVE_INFINITY).start();
      const first = firstMoveOf(plan, this.#vocabulary, start);
      const job = new Job(jobId, plan, prompt, first, tokenMarksOf(plan.cache, ends));
      if (this.#isTooLong(job)) return;
      this.#jobs.set(jobId, job);
      this.#waiting.push(job);
    } catch (error) {
      this.#send({ type: 'failed', jobId, message: messageOf(error) });
      return;
    }
    this.#wake();
  }

  /** Answers at once; a job that is not known has ended already. */
  cancel(jobId: string): void {
    const job = this.#jobs.get(jobId);
    if (job !== undefined) this.#endJob(job, { type: 'done', jobId, ending: 'cancelled', ...summaryOf(job) });
  }

  reportCache(askId: string): void {
    const none = { entries: [], totals: { entries: 0, bytes: 0, hits: 0, savedMs: 0 } };
    this.#send({ type: 'cache-reported', askId, report: this.#cache?.report() ?? none });
  }

  /** Forgets all that no running job needs, warm and stored. */
  clearCache(askId: string): void {
    this.#clears.push(() => {
      this.#blocks.clear();
      for (const sequence of this.#pool.all) {
        if (sequence.isFree) this.#pool.empty(sequence);
        sequence.mayBeStored = false;
      }
      void (this.#cache?.clear() ?? Promise.resolve({ entries: 0, bytes: 0 })).then((cleared) => {
        this.#send({ type: 'cache-cleared', askId, ...cleared });
        this.#sendState();
      });
    });
    this.#wake();
  }

  /** Resolves when there is nothing to do, or only later. */
  async idle(): Promise<void> {
    while (this.#loop !== undefined) await this.#loop;
    await this.#cache?.settled();
  }

  /** So many engines compute on this machine: each takes its part of the threads. */
  share(engines: number): void {
    this.#governor.share(engines);
  }

  /** Cancels everything, writes what would be lost; resolves when no native call is running any more. */
  async shutdown(): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#saveTimer);
    for (const jobId of [...this.#jobs.keys()]) this.cancel(jobId);
    await this.idle();
    await this.#saver?.saveAll();
  }

  #wake(): void {
    this.#nudge();
    this.#loop ??= this.#run()
      .catch((error: unknown) => {
        for (const job of this.#jobs.values()) this.#fail(job, error);
      })
      .finally(() => {
        this.#loop = undefined;
        if (this.#jobs.size > 0 || this.#clears.length > 0) this.#wake();
        else this.#saveLater();
      });
  }

  async #run(): Promise<void> {
    // Jobs that arrive in one turn of the event loop begin together.
    await new Promise(setImmediate);
    while (this.#jobs.size > 0) {
      this.#clear();
      await this.#admit();
      await this.#restores?.finish((restore, isRestored) => this.#endRestore(restore, isRestored));
      await this.#saver?.saveOne({ isBusy: this.#choices.length > 0 });
      if (this.#choices.length > 0) await this.#step();
      else if (this.#restores?.isEmpty === false) await this.#filesOrWork(this.#restores);
      this.#freeRetired();
    }
    this.#clear();
    while (this.#jobs.size === 0 && (await this.#saver?.saveOne({ isBusy: false }))) {
      // One after the other, as long as nobody comes.
    }
  }

  #clear(): void {
    for (const clear of this.#clears.splice(0)) clear();
  }

  // Admission

  #grammarError(plan: DecodePlan): string | undefined {
    if (plan.onlyText !== undefined) return undefined;
    try {
      for (const stage of plan.stages) {
        const { grammar, calls } = stage;
        if (grammar !== undefined) this.#grammars.compile(stageGrammar(grammar, stage));
        for (const callable of calls?.functions ?? []) this.#grammars.compile(argumentsGrammar(callable));
      }
      return undefined;
    } catch (error) {
      return messageOf(error);
    }
  }

  /** At least one token has to fit after the prompt and what is forced after it; and the model may take less than fits. */
  #isTooLong(job: Job): boolean {
    const forced = job.base.length - job.prompt.length;
    const room = this.#engine.contextTokens - 1 - forced;
    const maxPromptTokens = Math.min(room, job.plan.maxPromptTokens ?? room);
    if (job.prompt.length <= maxPromptTokens) return false;
    this.#send({ type: 'refused', jobId: job.id, reason: 'context', promptTokens: job.prompt.length, maxPromptTokens });
    return true;
  }

  #newDecoder(plan: DecodePlan, promptTokens: number, contextTokens = this.#engine.contextTokens): ChoiceDecoder {
    return new ChoiceDecoder(plan, {
      vocabulary: this.#vocabulary,
      openGrammar: (grammar) => this.#grammars.open(grammar),
      promptTokens,
      contextTokens,
    });
  }

  /** Starts waiting jobs in their order while there are sequences for them. */
  async #admit(): Promise<void> {
    for (let job = this.#waiting[0]; job !== undefined; job = this.#waiting[0]) {
      const free = this.#pool.free.length;
      const wanted = Math.min(job.plan.choices, this.#pool.all.length);
      if (free < wanted) return;
      this.#waiting.shift();
      try {
        await this.#start(job, wanted);
      } catch (error) {
        this.#fail(job, error);
      }
    }
  }

  async #start(job: Job, wanted: number): Promise<void> {
    if (job.firstMove.kind === 'end') {
      this.#endWithoutSampling(job, job.firstMove);
      return;
    }
    const plan = planSequence(this.#pool.all, job.base, job.namespace, job.rowWishes);
    if (plan === undefined) throw new Error('no free sequence');
    const found = this.#restores?.worthFetching(job, plan);
    if (found !== undefined) {
      this.#restores?.begin(job, plan, found, wanted);
      return;
    }
    const { target, copyFrom, keep } = plan;
    const others = this.#pool.freeBeside(target, wanted - 1);
    await this.#saver?.beforeLoss(target, copyFrom === undefined ? keep : 0);
    for (const other of others) await this.#saver?.beforeLoss(other, 0);
    // Taken only once nothing can fail or be cancelled any more; nobody else takes sequences in the meantime.
    if (job.isEnded) return;
    if (copyFrom !== undefined) await this.#pool.copy(copyFrom, target);
    this.#begin(job, target, others, keep);
  }

  /** The job goes on in `target`, which holds what it can use and perhaps more. */
  #begin(job: Job, target: Sequence, others: readonly Sequence[], keep: number, restored?: FoundPrefix): void {
    // Looked at once more: while files were written, other choices went on, and one may have been begun anew in here.
    const common = target.namespace === job.namespace ? commonPrefix(target.tokens, job.base) : 0;
    const usable = Math.min(keep, common);
    this.#pool.trim(target, usable < target.floor ? 0 : usable);
    target.giveTo(job);
    if (job.isEnded) return;
    this.#pool.take(target);
    // A trim may have emptied it; what is computed again for exactness alone was there all the same.
    const there = target.tokens.length === 0 ? 0 : common;
    job.cacheReport = this.#explicit.begin(job, there);
    const cachedTokens = Math.min(target.tokens.length, job.prompt.length);
    this.#noteHit(job, cachedTokens, restored);
    this.#send({
      type: 'accepted',
      jobId: job.id,
      promptTokens: job.prompt.length,
      cachedTokens,
      ...(job.cacheReport && { cache: job.cacheReport }),
    });
    this.#addChoice(job, target, false);
    for (const other of others) {
      other.giveTo(job);
      this.#pool.take(other);
      this.#addChoice(job, other, true);
    }
  }

  #endWithoutSampling(job: Job, move: Extract<Move, { kind: 'end' }>): void {
    job.cacheReport = this.#explicit.reportOf(job, 0);
    this.#send({
      type: 'accepted',
      jobId: job.id,
      promptTokens: job.prompt.length,
      cachedTokens: 0,
      ...(job.cacheReport && { cache: withoutCreated(job.cacheReport) }),
    });
    for (let choice = 0; choice < job.plan.choices; choice++) {
      this.#send({
        type: 'choice-end',
        jobId: job.id,
        choice,
        reason: move.reason,
        counts: { output: 0, reasoning: 0 },
      });
    }
    this.#endJob(job, { type: 'done', jobId: job.id, ending: 'completed', ...summaryOf(job) });
  }

  #addChoice(job: Job, sequence: Sequence, waitsForPrompt: boolean): void {
    const index = job.startedChoices++;
    const { sampling, logprobs } = job.plan;
    const decoder = this.#newDecoder(job.plan, job.prompt.length);
    if (job.plan.onlyText === undefined) decoder.start();
    const sampler = new ChoiceSampler(this.#engine, this.#vocabulary, this.#closing, sampling, {
      index,
      topLogprobs: logprobs?.top ?? 0,
    });
    const tokens = [...job.base];
    this.#choices.push({ job, index, sequence, decoder, sampler, tokens, foretold: [], waitsForPrompt });
  }

  // A step

  async #step(): Promise<void> {
    const entries = this.#planEntries();
    if (entries.length === 0) throw new Error('no choice has a token to compute');
    const places = await this.#decode(entries);
    if (places === undefined) return;
    const sampled: { choice: Choice; result: PromiseSettledResult<Sampled> }[] = [];
    await Promise.all(
      entries.flatMap(({ choice, tokens }) => {
        const own = places.get(choice) ?? [];
        if (own.length === 0 || choice.job.isEnded) return [];
        choice.job.promptRead();
        if (choice.job.logitsFrom !== undefined)
          return [foretell(choice, tokens.length, own).catch((error: unknown) => this.#fail(choice.job, error))];
        return this.#sharersOf(choice).map(async (sharer) => {
          const [result] = await Promise.allSettled([
            sharer.sampler.sample(own.at(-1) ?? -1, sharer.decoder.wishes, sharer.tokens),
          ]);
          sampled.push({ choice: sharer, result });
        });
      }),
    );
    await this.#copyPrompts(entries.map(({ choice }) => choice));
    this.#apply(sampled.toSorted((a, b) => a.choice.index - b.choice.index));
    for (const { choice } of entries) this.#endForetold(choice);
    this.#sendStateNowAndThen();
  }

  #endForetold(choice: Choice): void {
    const { job, sequence, tokens, foretold, index, decoder } = choice;
    const isWhole = sequence.tokens.length === tokens.length;
    if (job.plan.onlyText === undefined || job.isEnded || !isWhole) return;
    const { counts } = decoder;
    job.counted(index, counts);
    const pieces: Piece[] = [{ type: 'text', text: job.plan.onlyText, logprobs: foretold }];
    this.#send({ type: 'step', items: [{ jobId: job.id, choice: index, pieces, counts }] });
    this.#endChoice(choice, { kind: 'end', reason: 'stop' });
  }

  #planEntries(): StepEntry[] {
    const choices = this.#choices.filter(({ waitsForPrompt }) => !waitsForPrompt);
    const candidates = choices.map(({ tokens, sequence: { tokens: done } }) => ({
      from: done.length,
      pending: tokens.length - done.length,
    }));
    const streams = candidates.filter(({ pending }) => pending === 1).length;
    const first = ++this.#batches % OLDEST_EVERY === 0 ? 'oldest' : 'shortest';
    const sizes = planBatch(candidates, { slice: this.#pace.sliceBeside(streams), first });
    return choices.flatMap((choice, i) => {
      const from = choice.sequence.tokens.length;
      const tokens = choice.tokens.slice(from, from + (sizes[i] ?? 0));
      return tokens.length === 0 ? [] : [{ choice, tokens }];
    });
  }

  /** Computes the batch. If that fails, its jobs fail and their sequences are emptied; the others go on. */
  async #decode(entries: readonly StepEntry[]): Promise<Map<Choice, readonly number[]> | undefined> {
    const batch = entries.map(({ choice, tokens }) => ({
      choice,
      sequence: choice.sequence.id,
      firstPosition: choice.sequence.tokens.length,
      tokens,
      logitsAt: logitsWanted(choice.job, choice.sequence.tokens.length, tokens.length, choice.tokens.length),
    }));
    try {
      const ordered = orderBatch(batch);
      const places = await this.#compute(ordered);
      for (const { choice, tokens } of entries) choice.sequence.append(tokens, isReading(choice));
      return new Map(ordered.map(({ choice }, i) => [choice, places[i] ?? []]));
    } catch (error) {
      for (const { choice } of entries) {
        this.#pool.empty(choice.sequence);
        this.#fail(choice.job, error);
      }
      return undefined;
    }
  }

  async #compute(batch: readonly BatchEntry[]): Promise<(readonly number[])[]> {
    const { threads } = this.#governor;
    if (threads !== this.#threads) this.#engine.setThreads(threads);
    this.#threads = threads;
    const startedMs = performance.now();
    const places = await this.#engine.decode(batch);
    const tookMs = performance.now() - startedMs;
    this.#pool.noteBatch();
    this.#governor.note(batch, tookMs);
    this.#pace.note(batch, tookMs);
    return places;
  }

  /** The choice that read the prompt, and those of its job that begin where it has arrived. */
  #sharersOf(choice: Choice): Choice[] {
    return [choice, ...this.#choices.filter((other) => other.job === choice.job && other.waitsForPrompt)];
  }

  /** Gives the prompt to the choices that waited for it, before the one that read it goes on. */
  async #copyPrompts(readers: readonly Choice[]): Promise<void> {
    for (const reader of readers) {
      if (reader.sequence.tokens.length < reader.tokens.length) continue;
      for (const choice of this.#choices.filter((other) => other.job === reader.job && other.waitsForPrompt)) {
        await this.#pool.copy(reader.sequence, choice.sequence);
        choice.waitsForPrompt = false;
      }
    }
  }

  #apply(sampled: readonly { choice: Choice; result: PromiseSettledResult<Sampled> }[]): void {
    const items: StepItem[] = [];
    const ends: (() => void)[] = [];
    for (const { choice, result } of sampled) {
      const { job } = choice;
      if (job.isEnded) continue;
      try {
        if (result.status === 'rejected') throw result.reason;
        const move = choice.decoder.push(result.value.token, result.value);
        const { counts } = choice.decoder;
        job.counted(choice.index, counts);
        items.push({ jobId: job.id, choice: choice.index, pieces: choice.decoder.takePieces(), counts });
        if (move.kind === 'feed') choice.tokens.push(...move.tokens);
        else ends.push(() => this.#endChoice(choice, move));
      } catch (error) {
        ends.push(() => this.#fail(job, error));
      }
    }
    if (items.length > 0) this.#send({ type: 'step', items });
    for (const end of ends) end();
  }

  // Endings

  #endChoice(choice: Choice, move: Extract<Move, { kind: 'end' }>): void {
    const { job, index, sequence } = choice;
    if (job.isEnded) return;
    const { reason, stopText } = move;
    this.#send({ type: 'choice-end', jobId: job.id, choice: index, reason, stopText, counts: choice.decoder.counts });
    job.endedChoices++;
    this.#retire(choice);
    if (job.startedChoices < job.plan.choices) {
      // The last piece of the prompt is computed again for its logits.
      this.#pool.trim(sequence, lastPieceOf(job.base.length));
      this.#addChoice(job, sequence, false);
      return;
    }
    const isComplete = job.endedChoices === job.plan.choices;
    const cache = isComplete ? this.#explicit.complete(job, sequence) : undefined;
    this.#release(sequence);
    if (!isComplete) return;
    const facts = { ...summaryOf(job), ...(cache && { cache }) };
    this.#endJob(job, { type: 'done', jobId: job.id, ending: 'completed', ...facts });
  }

  #fail(job: Job, error: unknown): void {
    this.#endJob(job, { type: 'failed', jobId: job.id, message: messageOf(error) });
  }

  /** The one way a job ends: books first, then the word, so that `state` shows its sequences free. */
  #endJob(job: Job, last: Extract<FromEngine, { type: 'done' | 'failed' }>): void {
    if (job.isEnded) return;
    job.isEnded = true;
    this.#jobs.delete(job.id);
    this.#waiting = this.#waiting.filter((other) => other !== job);
    for (const choice of this.#choices.filter((other) => other.job === job)) {
      this.#retire(choice);
      this.#release(choice.sequence);
    }
    this.#restores?.endOf(job);
    this.#send(last);
    this.#sendState();
  }

  #retire(choice: Choice): void {
    this.#choices = this.#choices.filter((other) => other !== choice);
    this.#retired.push(choice.sampler);
  }

  #freeRetired(): void {
    for (const sampler of this.#retired) sampler.dispose();
    this.#retired = [];
  }

  // Sequences

  #release(sequence: Sequence): void {
    this.#pool.release(sequence);
    this.#saver?.noteFree(sequence);
  }

  // Prefixes on disk

  /** The job begins with what was restored, or as if it had just come. */
  #endRestore({ job, target, others, found }: Restore, isRestored: boolean): void {
    if (isRestored) this.#begin(job, target, others, target.usableFor(job.base, job.rowWishes), found);
    else this.#waiting.unshift(job);
  }

  /** Resolves when files have been looked at, or a message has come. */
  async #filesOrWork(restores: PrefixRestores): Promise<void> {
    const work = Promise.withResolvers<void>();
    this.#nudge = work.resolve;
    await Promise.race([work.promise, restores.looked()]);
  }

  /** Comes back when the next sequence is due. */
  #saveLater(): void {
    clearTimeout(this.#saveTimer);
    const dueMs = this.#saver?.nextDueMs ?? Number.POSITIVE_INFINITY;
    if (this.#isStopping || dueMs === Number.POSITIVE_INFINITY) return;
    this.#saveTimer = setTimeout(() => this.#wake(), Math.max(0, dueMs - performance.now()));
    this.#saveTimer.unref();
  }

  /**
   * Has all copies made. Until then a file of a copy would hold what was there before, and a copy of a sequence would be
   * one of what was read into it since.
   */
  async #makeCopies(): Promise<void> {
    for (let copies = this.#pool.unmadeCopies; copies.length > 0; copies = this.#pool.unmadeCopies) {
      if (this.#choices.length > 0) await this.#step();
      else await this.#computeNothing(copies);
    }
  }

  /** A batch whose result nobody wants, for what else happens with a batch. Nobody needs these sequences any more. */
  async #computeNothing(copies: readonly Sequence[]): Promise<void> {
    for (const copy of copies) this.#pool.empty(copy);
    const sequence = copies[0]?.id ?? 0;
    await this.#compute([{ sequence, firstPosition: 0, tokens: [0], logitsAt: [0] }]);
    this.#engine.clear(sequence);
  }

  #noteHit(job: Job, cachedTokens: number, restored: FoundPrefix | undefined): void {
    if (this.#cache === undefined || !job.usesDisk || cachedTokens < this.#cache.minTokens) return;
    const stored = restored ?? this.#cache.storedOf(job.namespace, job.base);
    const isInFile = stored !== undefined && stored.common >= cachedTokens;
    this.#cache.noteHit(isInFile ? stored : undefined, cachedTokens * this.#pace.tokenMs);
  }

  // State

  #sendStateNowAndThen(): void {
    if (performance.now() - this.#stateSentMs >= STATE_INTERVAL_MS) this.#sendState();
  }

  #sendState(): void {
    this.#stateSentMs = performance.now();
    this.#send({
      type: 'state',
      busySequences: this.#pool.all.length - this.#pool.free.length,
      waitingJobs: this.#waiting.length,
      warmTokens: this.#pool.all.reduce((sum, { tokens }) => sum + tokens.length, 0),
      ...(this.#cache && { cache: this.#cache.totals() }),
    });
  }
}

/** Nothing has been sampled yet. */
function isReading({ job, tokens }: Choice): boolean {
  return tokens.length === job.base.length;
}

function summaryOf(job: Job): Pick<Extract<FromEngine, { type: 'done' }>, 'timings' | 'counts'> {
  return { timings: job.timings, counts: job.counts };
}

/** Nothing was read, so nothing will be kept. */
function withoutCreated({ marks }: CacheReport): CacheReport {
  return { marks: marks.map((mark) => ({ ...mark, createdTokens: 0 })) };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
