/**
 * The loop: all choices of all jobs advance together, one batch a step.
 *
 *     admit waiting jobs → plan a batch → decode → sample every choice whose tokens are in → tell → again
 *
 * Messages are heard while a batch is being computed, but they only change the books; sequences are touched between
 * batches. So a cancel is answered at once, and what a batch still computes for it just makes its sequence warmer.
 */
import type { DecodePlan, FromEngine, PromptSegment, StepItem } from '../engine-protocol.ts';
import { orderBatch, planBatch } from './batch-plan.ts';
import type { BatchEntry, DecodingEngine } from './binding.ts';
import { ChoiceDecoder, type Move } from './choice-decoder.ts';
import type { ClosingBias } from './closing-bias.ts';
import { GrammarCache } from './grammar-cache.ts';
import { argumentsGrammar, stageGrammar } from './grammars.ts';
import { type Choice, Job } from './job.ts';
import { ChoiceSampler, type Sampled } from './sampling.ts';
import { leastRecentlyUsed, planSequence, Sequence } from './sequences.ts';
import type { ThreadGovernor } from './thread-governor.ts';
import type { ModelVocabulary } from './vocabulary.ts';

const STATE_INTERVAL_MS = 1_000;

export interface SchedulerOptions {
  readonly engine: DecodingEngine;
  readonly vocabulary: ModelVocabulary;
  readonly closing: ClosingBias;
  readonly sequences: number;
  readonly governor: ThreadGovernor;
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
  readonly #sequences: readonly Sequence[];
  readonly #governor: ThreadGovernor;
  #threads: number;
  readonly #jobs = new Map<string, Job>();
  #waiting: Job[] = [];
  /** Choices that have a sequence, in order of arrival. */
  #choices: Choice[] = [];
  /** A native sampler must not be freed while it samples; these are freed between steps. */
  #retired: ChoiceSampler[] = [];
  #uses = 0;
  #loop: Promise<void> | undefined;
  #stateSentMs = Number.NEGATIVE_INFINITY;

  constructor({ engine, vocabulary, closing, sequences, governor, send }: SchedulerOptions) {
    this.#engine = engine;
    this.#vocabulary = vocabulary;
    this.#closing = closing;
    this.#grammars = new GrammarCache(engine);
    this.#send = send;
    this.#governor = governor;
    this.#threads = governor.threads;
    this.#sequences = Array.from({ length: sequences }, (_, id) => new Sequence(id));
  }

  count(askId: string, prompt: readonly PromptSegment[]): void {
    this.#send({ type: 'counted', askId, tokens: this.#vocabulary.tokenisePrompt(prompt).length });
  }

  tokenise(askId: string, text: readonly PromptSegment[]): void {
    this.#send({ type: 'tokenised', askId, tokens: this.#vocabulary.tokensOf(text) });
  }

  generate(jobId: string, plan: DecodePlan): void {
    try {
      const tokens = this.#vocabulary.tokenisePrompt(plan.prompt);
      const prompt = tokens.length > 0 ? tokens : this.#vocabulary.emptyPrompt;
      const grammarError = this.#grammarError(plan);
      if (grammarError !== undefined) {
        this.#send({ type: 'refused', jobId, reason: 'grammar', message: grammarError });
        return;
      }
      // Without a limit on the context: whether prompt and forced text fit is for `isTooLong` to say.
      const first = this.#newDecoder(plan, prompt.length, Number.POSITIVE_INFINITY);
      const job = new Job(jobId, plan, prompt, first.start());
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

  /** Cancels everything; resolves when no native call is running any more. */
  async shutdown(): Promise<void> {
    for (const jobId of [...this.#jobs.keys()]) this.cancel(jobId);
    await this.#loop;
  }

  #wake(): void {
    this.#loop ??= this.#run()
      .catch((error: unknown) => {
        for (const job of this.#jobs.values()) this.#fail(job, error);
      })
      .finally(() => {
        this.#loop = undefined;
        if (this.#jobs.size > 0) this.#wake();
      });
  }

  async #run(): Promise<void> {
    // Jobs that arrive in one turn of the event loop begin together.
    await new Promise(setImmediate);
    while (this.#jobs.size > 0) {
      await this.#admit();
      if (this.#choices.length > 0) await this.#step();
      this.#freeRetired();
    }
  }

  // Admission

  #grammarError(plan: DecodePlan): string | undefined {
    try {
      for (const { grammar, calls } of plan.stages) {
        if (grammar !== undefined) this.#grammars.compile(stageGrammar(grammar, calls));
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
      const free = this.#sequences.filter((sequence) => sequence.isFree).length;
      const wanted = Math.min(job.plan.choices, this.#sequences.length);
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
    const plan = planSequence(this.#sequences, job.base);
    if (plan === undefined) throw new Error('no free sequence');
    const { target, copyFrom, keep } = plan;
    // Taken only once nothing can fail or be cancelled any more; nobody else takes sequences in the meantime.
    if (copyFrom !== undefined) await this.#copy(copyFrom, target);
    this.#trim(target, keep);
    if (job.isEnded) return;
    this.#take(target);
    const cachedTokens = Math.min(target.tokens.length, job.prompt.length);
    this.#send({ type: 'accepted', jobId: job.id, promptTokens: job.prompt.length, cachedTokens });
    this.#addChoice(job, target, false);
    for (let i = 1; i < wanted; i++) {
      const sequence = leastRecentlyUsed(this.#sequences.filter(({ isFree }) => isFree));
      if (sequence === undefined) break;
      this.#take(sequence);
      this.#addChoice(job, sequence, true);
    }
  }

  #endWithoutSampling(job: Job, move: Extract<Move, { kind: 'end' }>): void {
    this.#send({ type: 'accepted', jobId: job.id, promptTokens: job.prompt.length, cachedTokens: 0 });
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
    decoder.start();
    const sampler = new ChoiceSampler(this.#engine, this.#vocabulary, this.#closing, sampling, {
      index,
      topLogprobs: logprobs?.top ?? 0,
    });
    this.#choices.push({ job, index, sequence, decoder, sampler, tokens: [...job.base], waitsForPrompt });
  }

  // A step

  async #step(): Promise<void> {
    const entries = this.#planEntries();
    if (entries.length === 0) throw new Error('no choice has a token to compute');
    const places = await this.#decode(entries);
    if (places === undefined) return;
    const sampled: { choice: Choice; result: PromiseSettledResult<Sampled> }[] = [];
    await Promise.all(
      entries.flatMap(({ choice }) => {
        const place = places.get(choice) ?? -1;
        if (place < 0 || choice.job.isEnded) return [];
        choice.job.promptRead();
        return this.#sharersOf(choice).map(async (sharer) => {
          const [result] = await Promise.allSettled([
            sharer.sampler.sample(place, sharer.decoder.wishes, sharer.tokens),
          ]);
          sampled.push({ choice: sharer, result });
        });
      }),
    );
    await this.#copyPrompts(entries.map(({ choice }) => choice));
    this.#apply(sampled.toSorted((a, b) => a.choice.index - b.choice.index));
    this.#sendStateNowAndThen();
  }

  #planEntries(): StepEntry[] {
    const choices = this.#choices.filter(({ waitsForPrompt }) => !waitsForPrompt);
    const sizes = planBatch(
      choices.map((choice) => ({
        pending: choice.tokens.length - choice.sequence.tokens.length,
        isPrompt: isReading(choice),
      })),
    );
    return choices.flatMap((choice, i) => {
      const from = choice.sequence.tokens.length;
      const tokens = choice.tokens.slice(from, from + (sizes[i] ?? 0));
      return tokens.length === 0 ? [] : [{ choice, tokens }];
    });
  }

  /** Computes the batch. If that fails, its jobs fail and their sequences are emptied; the others go on. */
  async #decode(entries: readonly StepEntry[]): Promise<Map<Choice, number> | undefined> {
    const batch = entries.map(({ choice, tokens }) => ({
      choice,
      sequence: choice.sequence.id,
      firstPosition: choice.sequence.tokens.length,
      tokens,
      wantsLogits: choice.sequence.tokens.length + tokens.length === choice.tokens.length,
    }));
    try {
      const ordered = orderBatch(batch);
      const places = await this.#compute(ordered);
      for (const { choice, tokens } of entries) choice.sequence.append(tokens, isReading(choice));
      return new Map(ordered.map(({ choice }, i) => [choice, places[i] ?? -1]));
    } catch (error) {
      for (const { choice } of entries) {
        this.#empty(choice.sequence);
        this.#fail(choice.job, error);
      }
      return undefined;
    }
  }

  async #compute(batch: readonly BatchEntry[]): Promise<number[]> {
    const { threads } = this.#governor;
    if (threads !== this.#threads) this.#engine.setThreads(threads);
    this.#threads = threads;
    const startedMs = performance.now();
    const places = await this.#engine.decode(batch);
    this.#governor.note(batch, performance.now() - startedMs);
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
        await this.#copy(reader.sequence, choice.sequence);
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
      // The last token of the prompt is computed again for its logits.
      this.#trim(sequence, job.base.length - 1);
      this.#addChoice(job, sequence, false);
      return;
    }
    this.#release(sequence);
    if (job.endedChoices < job.plan.choices) return;
    this.#endJob(job, { type: 'done', jobId: job.id, ending: 'completed', ...summaryOf(job) });
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

  #take(sequence: Sequence): void {
    sequence.isFree = false;
    sequence.lastUse = ++this.#uses;
  }

  #release(sequence: Sequence): void {
    sequence.isFree = true;
    sequence.lastUse = ++this.#uses;
  }

  async #copy(source: Sequence, target: Sequence): Promise<void> {
    await this.#engine.copy(target.id, source.id);
    target.copyFrom(source);
  }

  /** Keeps the first `length` tokens; architectures that cannot go back start from nothing. */
  #trim(sequence: Sequence, length: number): void {
    if (sequence.tokens.length <= length) return;
    if (this.#engine.trim(sequence.id, length)) sequence.cutTo(length);
    else this.#empty(sequence);
  }

  #empty(sequence: Sequence): void {
    this.#engine.clear(sequence.id);
    sequence.cutTo(0);
  }

  // State

  #sendStateNowAndThen(): void {
    if (performance.now() - this.#stateSentMs >= STATE_INTERVAL_MS) this.#sendState();
  }

  #sendState(): void {
    this.#stateSentMs = performance.now();
    this.#send({
      type: 'state',
      busySequences: this.#sequences.filter(({ isFree }) => !isFree).length,
      waitingJobs: this.#waiting.length,
      warmTokens: this.#sequences.reduce((sum, { tokens }) => sum + tokens.length, 0),
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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
