/**
 * Runs jobs on the engine child: waits in the queue, hands the plan over, routes what the child says to its call.
 *
 * A job belongs to one child. When the child dies its jobs fail, each once; jobs that wait keep their places and are
 * served by the next child. After an abort the caller gets its stream back at once, while the sequences stay taken
 * until the child says that they are free.
 */
import { StudioError } from '../../core/errors.ts';
import type { CallContext, Clock, TextToken } from '../../core/ports.ts';
import type { DecodePlan, FromEngine, PromptSegment, ToEngine, WeightsFacts } from './engine-protocol.ts';
import { Mailbox } from './mailbox.ts';
import { FairQueue, type Slot } from './queue.ts';
import { EngineSupervisor, type SupervisorOptions, type SupervisorPhase } from './supervisor.ts';

/** What one job hears: the child's words about it, or that the child was lost. */
export type JobMessage =
  | Exclude<FromEngine, { type: 'step' | 'loading' | 'ready' | 'load-failed' | 'counted' | 'tokenised' | 'state' }>
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
  start(plan: DecodePlan): Job;
  /** No other job will follow. The place is free once the child has ended what runs in it, whoever still reads. */
  leave(): void;
}

/** Who waits, and how urgently. */
export type QueuedCall = Pick<CallContext, 'account' | 'priority' | 'signal'>;

/** For /metrics and for tests of leaks. */
export interface EngineState {
  readonly phase: SupervisorPhase;
  readonly detail: string;
  readonly waitingCalls: number;
  readonly runningCalls: number;
  readonly busySequences: number;
  readonly warmTokens: number;
  /** Children lost since the start. */
  readonly restarts: number;
}

export interface EngineClientOptions extends SupervisorOptions {
  readonly clock: Clock;
  readonly queueLimit: number;
  /** How long running calls may go on after `close`. */
  readonly shutdownMs: number;
  readonly onState?: ((state: EngineState) => void) | undefined;
}

interface RunningJob {
  readonly messages: Mailbox<JobMessage>;
  readonly onEnd: () => void;
  isCancelled: boolean;
}

/** What is asked of the tokeniser, without a place at the engine. */
type Question = Extract<ToEngine, { type: 'count' | 'tokenise' }>;
type Answer = Extract<FromEngine, { type: 'counted' | 'tokenised' }>;

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
  #engineState = { busySequences: 0, warmTokens: 0 };
  #restarts = 0;
  #lastId = 0;
  #closing: Promise<void> | undefined;
  #onIdle: (() => void) | undefined;

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
    this.#supervisor.start();
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
      runningCalls: this.#jobs.size,
      busySequences: this.#engineState.busySequences,
      warmTokens: this.#engineState.warmTokens,
      restarts: this.#restarts,
    };
  }

  /** Waits for a place. Undefined when the call's signal aborted first. */
  async enter(call: QueuedCall, choices: number): Promise<Place | undefined> {
    const { account, priority, signal } = call;
    const slot = await this.#queue.enter({ keyId: account.keyId, weight: choices, priority, signal });
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
      if (isLeft && running === 0) slot.release();
    };
    return {
      queueMs: slot.queueMs,
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
        this.#questions.get(message.askId)?.resolve(message);
        this.#questions.delete(message.askId);
        return;
      case 'state':
        this.#engineState = { busySequences: message.busySequences, warmTokens: message.warmTokens };
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
  }
}
