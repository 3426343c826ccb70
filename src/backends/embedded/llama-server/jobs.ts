/**
 * Jobs of the engine protocol on the slots of a llama-server: who waits, who has which slots, what is told.
 *
 * llama-server batches whatever runs in its slots, so nothing here plans batches. A cancel is answered at once; the slot
 * is taken again at once, too, because llama-server lets a completion for a busy slot wait until it is free.
 */

import { rm } from 'node:fs/promises';
import path from 'node:path';
import { CacheBlocks, tokenMarksOf } from '../child/cache-blocks.ts';
import { ChoiceDecoder, type Move } from '../child/choice-decoder.ts';
import type { ClosingBias } from '../child/closing-bias.ts';
import { ExplicitCache } from '../child/explicit-cache.ts';
import { firstMoveOf } from '../child/foretold.ts';
import { argumentsGrammar, stageGrammar } from '../child/grammars.ts';
import { Job } from '../child/job.ts';
import { leastRecentlyUsed } from '../child/least-recently-used.ts';
import type { ModelVocabulary } from '../child/vocabulary.ts';
import type { DecodePlan, FromEngine, PromptSegment, StepItem } from '../engine-protocol.ts';
import { runChoice } from './choice-run.ts';
import { type CompletionClient, type CompletionEvent, LlamaServerError } from './completions.ts';
import { foretold } from './foretold.ts';
import { HeldGrammar, rulesOf } from './held-grammar.ts';
import { PartTokens } from './part-tokens.ts';
import { PicturePrompt } from './picture-prompt.ts';
import { CompletionSampling } from './sampling.ts';
import { chooseSlot, Slot, WORTH_A_COPY } from './slots.ts';

export interface LlamaJobsOptions {
  readonly client: Pick<CompletionClient, 'complete' | 'completeOne' | 'saveSlot' | 'restoreSlot'>;
  readonly vocabulary: ModelVocabulary;
  readonly closing: ClosingBias;
  readonly slots: number;
  /** Tokens a slot holds. */
  readonly contextTokens: number;
  /** Where the server keeps cells of slots for a moment, so that one choice reads the prompt for the others. */
  readonly slotFolder: string;
  /** Stands for a picture; undefined where the server does not see. */
  readonly imageMarker?: string | undefined;
  readonly send: (message: FromEngine) => void;
  readonly now?: (() => number) | undefined;
}

interface WaitingJob {
  readonly job: Job;
  readonly pictures: PicturePrompt | undefined;
}

interface RunningJob extends WaitingJob {
  readonly abort: AbortController;
  readonly slots: Set<Slot>;
  isAccepted: boolean;
}

interface ReadPrompt {
  readonly tokens: readonly number[];
  /** How many tokens the first segments are, by their number. */
  readonly ends: readonly number[];
  readonly pictures: PicturePrompt | undefined;
}

type Begun = Extract<CompletionEvent, { type: 'begun' }>;

const STATE_INTERVAL_MS = 1_000;
/** Nobody's: no caller's namespace is called so. */
const FORGOTTEN = '\0';

export class LlamaJobs {
  readonly #options: LlamaJobsOptions;
  readonly #slots: readonly Slot[];
  readonly #partTokens: PartTokens;
  readonly #jobs = new Map<string, RunningJob>();
  #waiting: WaitingJob[] = [];
  /** Blocks of marked prompts, as far as slots hold them. */
  readonly #explicit: ExplicitCache;
  readonly #blocks = new CacheBlocks();
  #uses = 0;
  #stateSentMs = Number.NEGATIVE_INFINITY;
  /** What was said in this turn of the event loop: one message for all streams. */
  #items: StepItem[] = [];

  constructor(options: LlamaJobsOptions) {
    this.#options = options;
    this.#slots = Array.from({ length: options.slots }, (_, id) => new Slot(id));
    this.#partTokens = new PartTokens(options.vocabulary);
    this.#explicit = new ExplicitCache({ blocks: this.#blocks, cache: undefined, now: options.now ?? Date.now });
  }

  get slots(): number {
    return this.#slots.length;
  }

  get contextTokens(): number {
    return this.#options.contextTokens;
  }

  /** Pictures are counted by a guess: what they really take is known once they are looked at. */
  count(askId: string, prompt: readonly PromptSegment[]): void {
    this.#options.send({ type: 'counted', askId, tokens: this.#read(prompt).tokens.length });
  }

  tokenise(askId: string, text: readonly PromptSegment[]): void {
    this.#options.send({ type: 'tokenised', askId, tokens: this.#options.vocabulary.tokensOf(text) });
  }

  /** Nothing is kept beyond the slots, which have no entries of their own. */
  reportCache(askId: string): void {
    const totals = { entries: 0, bytes: 0, hits: 0, savedMs: 0 };
    this.#options.send({ type: 'cache-reported', askId, report: { entries: [], totals } });
  }

  clearCache(askId: string): void {
    for (const slot of this.#slots) if (slot.isFree) hold(slot, [], FORGOTTEN);
    this.#blocks.clear();
    this.#options.send({ type: 'cache-cleared', askId, entries: 0, bytes: 0 });
  }

  generate(jobId: string, plan: DecodePlan): void {
    const { vocabulary, send } = this.#options;
    try {
      const { tokens, ends, pictures } = this.#read(plan.prompt);
      const prompt = tokens.length > 0 ? tokens : vocabulary.emptyPrompt;
      const grammarError = grammarErrorOf(plan);
      if (grammarError !== undefined) {
        send({ type: 'refused', jobId, reason: 'grammar', message: grammarError });
        return;
      }
      // Without a limit on the context: whether prompt and forced text fit is for `isTooLong` to say.
      const start = (): Move => this.#newDecoder(plan, prompt.length, Number.POSITIVE_INFINITY).start();
      const first = firstMoveOf(plan, vocabulary, start);
      const job = new Job(jobId, plan, prompt, first, tokenMarksOf(plan.cache, ends));
      if (pictures === undefined && this.#isTooLong(job)) return;
      this.#waiting.push({ job, pictures });
    } catch (error) {
      send({ type: 'failed', jobId, message: messageOf(error) });
      return;
    }
    this.#admit();
  }

  /** Answers at once; a job that is not known has ended already. */
  cancel(jobId: string): void {
    const { job } = this.#jobs.get(jobId) ?? this.#waiting.find((waiting) => waiting.job.id === jobId) ?? {};
    if (job) this.#endJob(job, { type: 'done', jobId, ending: 'cancelled', ...summaryOf(job) });
  }

  /** Nothing: the threads of a llama-server are fixed when it starts. */
  share(): void {}

  /** Cancels everything. */
  shutdown(): void {
    for (const { job } of [...this.#waiting]) this.cancel(job.id);
    for (const jobId of [...this.#jobs.keys()]) this.cancel(jobId);
  }

  // Admission

  #read(prompt: readonly PromptSegment[]): ReadPrompt {
    const { vocabulary, imageMarker } = this.#options;
    if (!prompt.some(({ kind }) => kind === 'image'))
      return { ...vocabulary.tokenisePromptBySegment(prompt), pictures: undefined };
    if (imageMarker === undefined) throw new Error('these weights see no pictures');
    const pictures = new PicturePrompt(prompt, imageMarker, vocabulary);
    return { tokens: pictures.estimate, ends: [], pictures };
  }

  /** At least one token has to fit after the prompt and what is forced after it; and the model may take less than fits. */
  #isTooLong(job: Job): boolean {
    const forced = job.base.length - job.prompt.length;
    const room = this.#options.contextTokens - 1 - forced;
    const maxPromptTokens = Math.min(room, job.plan.maxPromptTokens ?? room);
    if (job.prompt.length <= maxPromptTokens) return false;
    const promptTokens = job.prompt.length;
    this.#options.send({ type: 'refused', jobId: job.id, reason: 'context', promptTokens, maxPromptTokens });
    return true;
  }

  #newDecoder(plan: DecodePlan, promptTokens: number, contextTokens = this.#options.contextTokens): ChoiceDecoder {
    return new ChoiceDecoder(plan, {
      vocabulary: this.#options.vocabulary,
      openGrammar: (grammar) => new HeldGrammar(grammar),
      promptTokens,
      contextTokens,
    });
  }

  /** Starts waiting jobs in their order while there are slots for them. */
  #admit(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const { job } = next;
      const wanted = Math.min(job.plan.choices, this.#slots.length);
      if (this.#slots.filter(({ isFree }) => isFree).length < wanted) return;
      this.#waiting.shift();
      const running: RunningJob = { ...next, abort: new AbortController(), slots: new Set(), isAccepted: false };
      this.#jobs.set(job.id, running);
      if (job.firstMove.kind === 'end') this.#endWithoutSampling(running, job.firstMove);
      else void this.#run(running, wanted).catch((error: unknown) => this.#fail(running, error));
    }
  }

  #endWithoutSampling({ job }: RunningJob, { reason }: Extract<Move, { kind: 'end' }>): void {
    const { send } = this.#options;
    send({ type: 'accepted', jobId: job.id, promptTokens: job.prompt.length, cachedTokens: 0 });
    for (let choice = 0; choice < job.plan.choices; choice++)
      send({ type: 'choice-end', jobId: job.id, choice, reason, counts: { output: 0, reasoning: 0 } });
    this.#endJob(job, { type: 'done', jobId: job.id, ending: 'completed', ...summaryOf(job) });
  }

  // A job

  async #run(running: RunningJob, wanted: number): Promise<void> {
    const { job, pictures } = running;
    const first = chooseSlot(this.#slots, pictures ? [] : job.base, job.namespace);
    if (first === undefined) throw new Error('no free slot');
    this.#take(running, first);
    const others: Slot[] = [];
    while (others.length + 1 < wanted) {
      const next = leastRecentlyUsed(this.#slots.filter(({ isFree }) => isFree));
      if (next === undefined) break;
      this.#take(running, next);
      others.push(next);
    }
    const isWorthSharing = pictures === undefined && job.base.length >= WORTH_A_COPY;
    if (others.length > 0 && isWorthSharing) await this.#sharePrompt(running, first, others);
    if (job.plan.onlyText !== undefined) await this.#readOnly(running, job.plan.onlyText, first);
    else await Promise.all([first, ...others].map((slot) => this.#runChoices(running, slot)));
    if (job.isEnded) return;
    const cache = this.#explicit.complete(job, first);
    this.#endJob(job, { type: 'done', jobId: job.id, ending: 'completed', ...summaryOf(job), cache });
  }

  /** One slot reads the prompt, the others get its cells through a file. */
  async #sharePrompt(running: RunningJob, first: Slot, others: readonly Slot[]): Promise<void> {
    const { client, slotFolder } = this.#options;
    const { job, abort } = running;
    const { namespace } = job;
    const sampling = this.#samplingOf(job, 0);
    const body = {
      ...sampling.fields({ grammar: undefined, closing: 'no', logprob: false }),
      prompt: job.base,
      id_slot: first.id,
      cache_prompt: first.namespace === namespace,
      stream: true,
      n_predict: 0,
    };
    for await (const event of client.complete(body, abort.signal)) {
      if (event.type === 'begun') this.#accept(running, event);
    }
    hold(first, job.base, namespace);
    const file = `${job.id.replaceAll(/\W/g, '-')}.cells`;
    try {
      await client.saveSlot(first.id, file, abort.signal);
      for (const slot of others) {
        await client.restoreSlot(slot.id, file, abort.signal);
        hold(slot, job.base, namespace);
      }
    } finally {
      // It holds the prompt.
      await rm(path.join(slotFolder, file), { force: true });
    }
  }

  /** A text of which only is wanted how likely it is. */
  async #readOnly(running: RunningJob, text: string, slot: Slot): Promise<void> {
    const { client, vocabulary, send } = this.#options;
    const { job, abort } = running;
    const mayReuse = slot.namespace === job.namespace;
    hold(slot, job.base, job.namespace);
    const logprobs = await foretold({
      client,
      vocabulary,
      prompt: job.prompt,
      text: job.base.slice(job.prompt.length),
      slot: slot.id,
      mayReuse,
      fields: this.#samplingOf(job, 0).fields({ grammar: undefined, closing: 'no', logprob: true }),
      signal: abort.signal,
      onBegun: (event) => this.#accept(running, event),
    });
    if (job.isEnded) return;
    const counts = { output: 0, reasoning: 0 };
    job.promptRead();
    job.counted(0, counts);
    send({ type: 'step', items: [{ jobId: job.id, choice: 0, pieces: [{ type: 'text', text, logprobs }], counts }] });
    send({ type: 'choice-end', jobId: job.id, choice: 0, reason: 'stop', counts });
    job.endedChoices++;
    this.#release(running, slot);
    this.#admit();
  }

  /** Choices of the job one after another in one slot, until all have begun. */
  async #runChoices(running: RunningJob, slot: Slot): Promise<void> {
    const { job, pictures, abort } = running;
    const { namespace } = job;
    while (!job.isEnded && job.startedChoices < job.plan.choices) {
      const choice = job.startedChoices++;
      // How long a prompt with pictures is only the server knows; it ends the answer when the slot is full.
      const decoder = this.#newDecoder(job.plan, job.prompt.length, pictures && Number.POSITIVE_INFINITY);
      const tokens = pictures ? [] : [...job.prompt];
      const mayReuse = slot.namespace === namespace;
      hold(slot, pictures ? [] : tokens, namespace);
      const end = await runChoice(
        {
          client: this.#options.client,
          vocabulary: this.#options.vocabulary,
          partTokens: this.#partTokens,
          decoder,
          sampling: this.#samplingOf(job, choice),
          slot: slot.id,
          mayReuse,
          tokens,
          promptOf: (row) => pictures?.with(row) ?? row,
          signal: abort.signal,
          onBegun: (event) => this.#accept(running, event),
          onStep: () => this.#step(job, choice, decoder),
        },
        decoder.start(),
      );
      if (job.isEnded) return;
      this.#flush();
      const { reason, stopText } = end;
      const { send } = this.#options;
      send({ type: 'choice-end', jobId: job.id, choice, reason, stopText, counts: decoder.counts });
      job.endedChoices++;
    }
    if (job.isEnded) return;
    this.#release(running, slot);
    this.#admit();
  }

  #samplingOf({ plan }: Job, index: number): CompletionSampling {
    const topLogprobs = plan.logprobs?.top ?? 0;
    return new CompletionSampling(plan.sampling, this.#options.closing, { index, topLogprobs });
  }

  /** With the first thing that llama-server says of the prompt. */
  #accept(running: RunningJob, begun: Begun): void {
    const { job, pictures } = running;
    if (running.isAccepted || job.isEnded) return;
    running.isAccepted = true;
    const forced = job.base.length - job.prompt.length;
    const promptTokens = pictures ? Math.max(0, begun.promptTokens - forced) : job.prompt.length;
    const cachedTokens = Math.min(begun.cachedTokens, promptTokens);
    // Of a prompt that was there as a whole the last token is computed again, for what follows it.
    const isWhole = begun.cachedTokens >= begun.promptTokens - 1;
    job.cacheReport = this.#explicit.begin(job, isWhole ? promptTokens : cachedTokens);
    this.#options.send({ type: 'accepted', jobId: job.id, promptTokens, cachedTokens, cache: job.cacheReport });
    this.#sendState();
  }

  #step(job: Job, choice: number, decoder: ChoiceDecoder): void {
    if (job.isEnded) return;
    job.promptRead();
    const { counts } = decoder;
    job.counted(choice, counts);
    if (this.#items.length === 0) setImmediate(() => this.#flush());
    this.#items.push({ jobId: job.id, choice, pieces: decoder.takePieces(), counts });
  }

  #flush(): void {
    if (this.#items.length > 0) this.#options.send({ type: 'step', items: this.#items });
    this.#items = [];
    if (performance.now() - this.#stateSentMs >= STATE_INTERVAL_MS) this.#sendState();
  }

  // Endings

  #fail({ job, isAccepted }: RunningJob, error: unknown): void {
    const promptTokens = error instanceof LlamaServerError ? error.promptTokens : undefined;
    if (promptTokens === undefined || isAccepted) {
      this.#endJob(job, { type: 'failed', jobId: job.id, message: messageOf(error) });
      return;
    }
    // Only a prompt with pictures gets so far: how long it is could not be known before.
    const maxPromptTokens = this.#options.contextTokens - 1;
    this.#endJob(job, { type: 'refused', jobId: job.id, reason: 'context', promptTokens, maxPromptTokens });
  }

  /** The one way a job ends: books first, then the word, so that `state` shows its slots free. */
  #endJob(job: Job, last: Extract<FromEngine, { type: 'done' | 'failed' | 'refused' }>): void {
    if (job.isEnded) return;
    this.#flush();
    job.isEnded = true;
    const running = this.#jobs.get(job.id);
    this.#jobs.delete(job.id);
    this.#waiting = this.#waiting.filter((waiting) => waiting.job !== job);
    running?.abort.abort();
    if (running) for (const slot of [...running.slots]) this.#release(running, slot);
    this.#options.send(last);
    this.#sendState();
    this.#admit();
  }

  #take(running: RunningJob, slot: Slot): void {
    slot.isFree = false;
    slot.isRecurring = running.job.isRecurring;
    slot.lastUse = ++this.#uses;
    running.slots.add(slot);
  }

  #release(running: RunningJob, slot: Slot): void {
    if (!running.slots.delete(slot)) return;
    slot.isFree = true;
    slot.lastUse = ++this.#uses;
  }

  #sendState(): void {
    this.#stateSentMs = performance.now();
    this.#blocks.prune((this.#options.now ?? Date.now)());
    this.#options.send({
      type: 'state',
      busySequences: this.#slots.filter(({ isFree }) => !isFree).length,
      waitingJobs: this.#waiting.length,
      warmTokens: this.#slots.reduce((sum, { tokens }) => sum + tokens.length, 0),
    });
  }
}

function hold(slot: Slot, tokens: readonly number[], namespace: string): void {
  slot.tokens = tokens;
  slot.namespace = namespace;
}

function grammarErrorOf(plan: DecodePlan): string | undefined {
  if (plan.onlyText !== undefined) return undefined;
  try {
    for (const stage of plan.stages) {
      const { grammar, calls } = stage;
      if (grammar !== undefined) rulesOf(stageGrammar(grammar, stage).gbnf);
      for (const callable of calls?.functions ?? []) rulesOf(argumentsGrammar(callable).gbnf);
    }
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function summaryOf(job: Job): Pick<Extract<FromEngine, { type: 'done' }>, 'timings' | 'counts'> {
  return { timings: job.timings, counts: job.counts };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
