/**
 * Runs jobs on the engine child: waits in the queue, hands the plan over, routes what the child says to its call.
 *
 * A job belongs to one child. When the child dies its jobs fail, each once; jobs that wait keep their places and are
 * served by the next child. After an abort the caller gets its stream back at once, while the sequences stay taken
 * until the child says that they are free.
 */
import type { CacheTotals, PromptCacheReport } from '../../core/context-cache.ts';
import { StudioError } from '../../core/errors.ts';
import type { CallContext, Clock, TextToken } from '../../core/ports.ts';
import type { DecodePlan, FromEngine, PromptSegment, ToEngine, WeightsFacts } from './engine-protocol.ts';
import { Mailbox } from './mailbox.ts';
import { type Door, FairQueue, type Slot } from './queue.ts';
import { EngineSupervisor, type SupervisorOptions, type SupervisorPhase } from './supervisor.ts';

/** What one job hears: the child's words about it, or that the child was lost. */
export type JobMessage =
  | Exclude<FromEngine, { type: 'step' | 'loading' | 'ready' | 'load-failed' | 'state' | Answer['type'] }>
  | { readonly type: 'step-item'; readonly item: Extract<FromEngine, { type: 'step' }>['items'][number] }
  | { readonly type: 'lost'; readonly error: StudioError };

export interface Job {
  readonly messages: Mailbox<JobMessage>;
  /** Stops the work; to be called in any case, at the end a no-op. */
  cancel(): void;
}

/** A call's place at the engine, as wide as its choices. */
export interface Place {
  readonly queueMs: number;
  readonly callsAhead: number;
  start(plan: DecodePlan): Job;
  /** No other job will follow. The place is free once the child has ended what runs in it, whoever still reads. */
  leave(): void;
}

/** Who waits, and how urgently. */
export type QueuedCall = Pick<CallContext, 'account' | 'priority' | 'signal'>;

/** Calls of one priority that wait. */
export interface QueueLine {
  readonly calls: number;
  /** How long the first has waited. */
  readonly oldestMs: number;
}

/** For /metrics and for tests of leaks. */
export interface EngineState {
  readonly phase: SupervisorPhase;
  readonly detail: string;
  readonly waitingCalls: number;
  readonly queue: { readonly live: QueueLine; readonly batch: QueueLine };
  readonly runningCalls: number;
  readonly busySequences: number;
  readonly warmTokens: number;
  /** Of the prefixes on disk; absent where none are kept. */
  readonly cache?: CacheTotals | undefined;
  /** Children lost since the start. */
  readonly restarts: number;
}

/** Who wants these weights, for the fleet that decides which are loaded. */
export interface EngineDemand {
  /** A call has a place, or a question is being answered. */
  readonly isInUse: boolean;
  /** When the oldest waiting call of each kind came, by the monotonic clock. Questions wait as live calls do. */
  readonly oldestLiveMs: number | undefined;
  readonly oldestBatchMs: number | undefined;
}

export interface EngineClientOptions extends SupervisorOptions {
  readonly clock: Clock;
  readonly queueLimit: number;
  /** How long running calls may go on after `close`. */
  readonly shutdownMs: number;
  readonly onState?: ((state: EngineState) => void) | undefined;
  /** A fleet says when to load; without it the weights are loaded at once. */
  readonly startsAsleep?: boolean | undefined;
  /** Something changed in what `demand` tells, or in the phase. */
  readonly onDemand?: (() => void) | undefined;
}

interface RunningJob {
  readonly messages: Mailbox<JobMessage>;
  readonly onEnd: () => void;
  isCancelled: boolean;
}

/** What is asked without a place at the engine. */
type Question = Extract<ToEngine, { readonly askId: string }>;
type Answer = Extract<FromEngine, { readonly askId: string }>;

interface PendingQuestion {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: StudioError) => void;
}

export class EngineClient {
  readonly #options: EngineClientOptions;
  readonly #supervisor: EngineSupervisor;
  readonly #queue: FairQueue;
  readonly #jobs = new Map<string, RunningJob>();
  readonly #questions = new Map<string, PendingQuestion>();
  readonly #readiness = Promise.withResolvers<WeightsFacts>();
  #facts: WeightsFacts | undefined;
  #engineState: Pick<EngineState, 'busySequences' | 'warmTokens' | 'cache'> = { busySequences: 0, warmTokens: 0 };
  #restarts = 0;
  #lastId = 0;
  #closing: Promise<void> | undefined;
  #onIdle: (() => void) | undefined;
  /** When the questions came that wait for the weights. */
  readonly #waitingQuestions = new Set<{ readonly sinceMs: number; readonly settle: (error?: StudioError) => void }>();

  constructor(options: EngineClientOptions) {
    this.#options = options;
    this.#queue = new FairQueue({ limit: options.queueLimit, clock: options.clock });
    this.#supervisor = new EngineSupervisor(options, {
      ready: (facts) => this.#engineIsReady(facts),
      lost: (detail) => this.#engineIsLost(detail),
      gaveUp: (detail) => this.#engineIsGivenUp(detail),
      message: (message) => this.#hear(message),
    });
    // Whoever does not wait for readiness must not die of its rejection.
    this.#readiness.promise.catch(() => {});
    if (!options.startsAsleep) this.#supervisor.start();
  }

  /** Loads the weights, if they are not. */
  wake(): void {
    if (this.#closing) return;
    this.#supervisor.start();
    this.#report();
  }

  /** Gives the weights' memory back until `wake`. For an engine that nobody uses; who comes meanwhile waits. */
  async sleep(): Promise<void> {
    this.#queue.pause();
    const gone = this.#supervisor.sleep();
    this.#engineState = { busySequences: 0, warmTokens: 0 };
    this.#report();
    await gone;
    this.#report();
  }

  get demand(): EngineDemand {
    const questions = [...this.#waitingQuestions].map(({ sinceMs }) => sinceMs);
    const live = this.#queue.oldestOf('live');
    const oldest = Math.min(...questions, live ?? Number.POSITIVE_INFINITY);
    return {
      isInUse: this.#queue.used > 0 || this.#jobs.size > 0 || this.#questions.size > 0,
      oldestLiveMs: Number.isFinite(oldest) ? oldest : undefined,
      oldestBatchMs: this.#queue.oldestOf('batch'),
    };
  }

  /** Lets in only calls that came in time. */
  setDoor(door: Door): void {
    this.#queue.setDoor(door);
  }

  /** So many engines compute at this moment: each leaves the others their part of the cores. */
  share(engines: number): void {
    this.#supervisor.send({ type: 'share', engines });
  }

  /** Resolves when the weights are loaded, however often they have been unloaded before. */
  awake(): Promise<void> {
    if (this.#supervisor.phase === 'ready') return Promise.resolve();
    if (this.#closing) return Promise.reject(new StudioError('shutting-down'));
    return new Promise((resolve, reject) => {
      const waiting = {
        sinceMs: this.#options.clock.monotonic(),
        settle: (error?: StudioError) => {
          this.#waitingQuestions.delete(waiting);
          if (error) reject(error);
          else resolve();
        },
      };
      this.#waitingQuestions.add(waiting);
      this.#report();
    });
  }

  /** Resolves when the weights are loaded for the first time; rejects when they cannot be. */
  get ready(): Promise<WeightsFacts> {
    return this.#readiness.promise;
  }

  /** The facts of the weights; undefined until they were loaded once. */
  get facts(): WeightsFacts | undefined {
    return this.#facts;
  }

  get engineProcessId(): number | undefined {
    return this.#supervisor.processId;
  }

  state(): EngineState {
    return {
      phase: this.#supervisor.phase,
      detail: this.#supervisor.detail,
      waitingCalls: this.#queue.waiting,
      queue: { live: this.#lineOf('live'), batch: this.#lineOf('batch') },
      runningCalls: this.#jobs.size,
      ...this.#engineState,
      restarts: this.#restarts,
    };
  }

  #lineOf(priority: CallContext['priority']): QueueLine {
    const oldest = this.#queue.oldestOf(priority);
    const oldestMs = oldest === undefined ? 0 : this.#options.clock.monotonic() - oldest;
    return { calls: this.#queue.waitingOf(priority), oldestMs };
  }

  /** Waits for a place. Undefined when the call's signal aborted first. */
  async enter(call: QueuedCall, choices: number): Promise<Place | undefined> {
    const { account, priority, signal } = call;
    const entering = this.#queue.enter({ keyId: account.keyId, weight: choices, priority, signal });
    this.#report();
    const slot = await entering;
    if (!slot) this.#report();
    return slot && this.#placeOf(slot);
  }

  /** How many tokens a prompt has. */
  async count(prompt: readonly PromptSegment[]): Promise<number> {
    return (await this.#ask<'counted'>({ type: 'count', askId: this.#nextId('ask'), prompt })).tokens;
  }

  /** The tokens of a text that no prompt surrounds. */
  async tokenise(text: readonly PromptSegment[]): Promise<readonly TextToken[]> {
    return (await this.#ask<'tokenised'>({ type: 'tokenise', askId: this.#nextId('ask'), text })).tokens;
  }

  /** The prefixes it keeps on disk. */
  async cacheReport(): Promise<PromptCacheReport> {
    return (await this.#ask<'cache-reported'>({ type: 'cache-report', askId: this.#nextId('ask') })).report;
  }

  /** Forgets all prefixes, warm and stored, that no running job needs. */
  async clearCache(): Promise<{ entries: number; bytes: number }> {
    const { entries, bytes } = await this.#ask<'cache-cleared'>({ type: 'cache-clear', askId: this.#nextId('ask') });
    return { entries, bytes };
  }

  /** The child answers every question in its kind. */
  #ask<Type extends Answer['type']>(question: Question): Promise<Extract<Answer, { type: Type }>> {
    return new Promise((resolve, reject) => {
      this.#questions.set(question.askId, { resolve: resolve as (answer: Answer) => void, reject });
      if (this.#supervisor.send(question)) return;
      this.#questions.delete(question.askId);
      reject(new StudioError('overloaded', undefined, { cause: new Error(this.#supervisor.detail) }));
    });
  }

  /** Admits nobody any more, lets running calls end within `shutdownMs`, then ends the child. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const error = new StudioError('shutting-down');
    this.#queue.close(error);
    this.#readiness.reject(error);
    for (const { settle } of this.#waitingQuestions) settle(error);
    if (this.#jobs.size > 0) {
      const timer = Promise.withResolvers<void>();
      const handle = setTimeout(timer.resolve, this.#options.shutdownMs);
      const idle = new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
      await Promise.race([idle, timer.promise]);
      clearTimeout(handle);
    }
    this.#failAll(error);
    await this.#supervisor.stop();
    this.#report();
  }

  /** Several jobs may follow one another in a place; it is given back when it is left and no job runs in it. */
  #placeOf(slot: Slot): Place {
    let running = 0;
    let isLeft = false;
    const settle = (): void => {
      if (!isLeft || running > 0) return;
      slot.release();
      this.#report();
    };
    return {
      queueMs: slot.queueMs,
      callsAhead: slot.callsAhead,
      start: (plan) => {
        const job = this.#start(plan, () => {
          running--;
          settle();
        });
        running++;
        return job;
      },
      leave: () => {
        isLeft = true;
        settle();
      },
    };
  }

  #start(plan: DecodePlan, onEnd: () => void): Job {
    const jobId = this.#nextId('job');
    const job: RunningJob = { messages: new Mailbox(), onEnd, isCancelled: false };
    if (!this.#supervisor.send({ type: 'generate', jobId, plan })) throw new StudioError('engine-failed');
    this.#jobs.set(jobId, job);
    this.#report();
    return {
      messages: job.messages,
      cancel: () => {
        if (job.isCancelled || !this.#jobs.has(jobId)) return;
        job.isCancelled = true;
        this.#supervisor.send({ type: 'cancel', jobId });
      },
    };
  }

  #nextId(kind: string): string {
    this.#lastId++;
    return `${kind}-${this.#lastId}`;
  }

  #hear(message: FromEngine): void {
    switch (message.type) {
      case 'step':
        for (const item of message.items) this.#jobs.get(item.jobId)?.messages.push({ type: 'step-item', item });
        return;
      case 'accepted':
      case 'choice-end':
        this.#jobs.get(message.jobId)?.messages.push(message);
        return;
      case 'refused':
      case 'done':
      case 'failed':
        this.#endJob(message.jobId, message);
        return;
      case 'counted':
      case 'tokenised':
      case 'cache-reported':
      case 'cache-cleared':
        this.#questions.get(message.askId)?.resolve(message);
        this.#questions.delete(message.askId);
        this.#options.onDemand?.();
        return;
      case 'state':
        this.#engineState = {
          busySequences: message.busySequences,
          warmTokens: message.warmTokens,
          cache: message.cache,
        };
        this.#report();
        return;
      case 'loading':
      case 'ready':
      case 'load-failed':
        return;
      default:
        message satisfies never;
    }
  }

  #endJob(jobId: string, message: JobMessage): void {
    const job = this.#jobs.get(jobId);
    if (!job) return;
    this.#jobs.delete(jobId);
    job.messages.push(message);
    job.messages.close();
    job.onEnd();
    if (this.#jobs.size === 0) this.#onIdle?.();
    this.#report();
  }

  #engineIsReady(facts: WeightsFacts): void {
    this.#facts = facts;
    this.#readiness.resolve(facts);
    if (!this.#closing) this.#queue.open(facts.sequences);
    for (const { settle } of this.#waitingQuestions) settle();
    this.#report();
  }

  #engineIsLost(detail: string): void {
    this.#restarts++;
    // Paused first: the places that the lost jobs give back must not be taken before there is an engine again.
    this.#queue.pause();
    this.#failAll(new StudioError('engine-failed', undefined, { cause: new Error(`engine process ${detail}`) }));
  }

  #engineIsGivenUp(detail: string): void {
    const error = new StudioError('overloaded', undefined, { cause: new Error(detail) });
    this.#readiness.reject(new Error(detail));
    this.#queue.close(error);
    for (const { settle } of this.#waitingQuestions) settle(error);
    this.#failAll(error);
  }

  #failAll(error: StudioError): void {
    for (const pending of this.#questions.values()) pending.reject(error);
    this.#questions.clear();
    for (const jobId of [...this.#jobs.keys()]) this.#endJob(jobId, { type: 'lost', error });
    this.#engineState = { busySequences: 0, warmTokens: 0 };
    this.#report();
  }

  #report(): void {
    this.#options.onState?.(this.state());
    this.#options.onDemand?.();
  }
}
