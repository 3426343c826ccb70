/**
 * Keeps one engine child alive: forks it, waits for its weights to load, forks it again when it dies.
 *
 * The engine is native code that can crash, and the operating system may kill it for its memory, so it lives in a
 * process of its own. A child that was ready is replaced at once. One that dies while loading is tried again after a
 * growing pause, and given up after `maxFailedStarts` in a row: weights that crash the loader do not get better by
 * trying. The supervisor knows nothing of jobs; `engine-client.ts` does.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Logger } from '../../core/ports.ts';
import type { EngineOptions, FromEngine, ToEngine, WeightsFacts } from './engine-protocol.ts';

export interface SupervisorOptions {
  readonly engine: EngineOptions;
  readonly log: Logger;
  /** The child's program; another one in tests. */
  readonly program?: string | undefined;
  /** Pause before the second try of a start that failed; doubles with each further failure. */
  readonly restartDelayMs?: number | undefined;
  /** Starts in a row that may fail before the engine is given up. */
  readonly maxFailedStarts?: number | undefined;
  /** How long a child that was asked to end may take before it is killed. */
  readonly killAfterMs?: number | undefined;
}

/** What the supervisor tells its owner. */
export interface SupervisorEvents {
  ready(facts: WeightsFacts): void;
  /** The child is gone; another one is on its way. */
  lost(detail: string): void;
  /** The child is gone and no other will come. */
  gaveUp(detail: string): void;
  /** Everything else the child says. */
  message(message: FromEngine): void;
}

export type SupervisorPhase = 'idle' | 'loading' | 'ready' | 'pausing' | 'broken' | 'stopped';

const ENGINE_PROGRAM = fileURLToPath(new URL('./child/main.ts', import.meta.url));
const LLAMA_SERVER_PROGRAM = fileURLToPath(new URL('./llama-server/main.ts', import.meta.url));
const RESTART_DELAY_MS = 1_000;
const MAX_FAILED_STARTS = 3;
const KILL_AFTER_MS = 2_000;

/** Of glibc: each thread that samples under a grammar would keep a heap of its own, 100 MiB of them together. */
const CHILD_ENVIRONMENT = { MALLOC_ARENA_MAX: '2' };

export class EngineSupervisor {
  readonly #options: SupervisorOptions;
  readonly #events: SupervisorEvents;
  #child: ChildProcess | undefined;
  #phase: SupervisorPhase = 'idle';
  #detail = 'not started';
  #loadShare = 0;
  #lastComplaint = '';
  #loadFailure: string | undefined;
  #hasEverBeenReady = false;
  #failedStarts = 0;
  #restartTimer: NodeJS.Timeout | undefined;
  #onGone: (() => void) | undefined;
  #sleeping: Promise<void> | undefined;

  constructor(options: SupervisorOptions, events: SupervisorEvents) {
    this.#options = options;
    this.#events = events;
  }

  get phase(): SupervisorPhase {
    return this.#phase;
  }

  /** A sentence on how it stands, for health. */
  get detail(): string {
    if (this.#phase === 'loading') return `loading the weights, ${Math.round(this.#loadShare * 100)}%`;
    return this.#detail;
  }

  /** The child's process id, for logs and for tests that kill it. */
  get processId(): number | undefined {
    return this.#child?.pid;
  }

  /** Loads the weights, if they are not; after the child before has ended, whose memory they need. */
  start(): void {
    if (this.#phase !== 'idle') return;
    if (!this.#sleeping) {
      this.#spawn();
      return;
    }
    this.#phase = 'loading';
    this.#loadShare = 0;
    void this.#sleeping.then(() => {
      if (this.#phase === 'loading' && !this.#child) this.#spawn();
    });
  }

  /** Gives the memory back until the next `start`; resolves when the child is gone. */
  sleep(): Promise<void> {
    if (this.#sleeping) return this.#sleeping;
    if (this.#phase !== 'ready') return Promise.resolve();
    this.#phase = 'idle';
    this.#detail = 'asleep; the next call loads the weights';
    this.#sleeping = this.#end().finally(() => {
      this.#sleeping = undefined;
    });
    return this.#sleeping;
  }

  /** False when there is no child that has its weights and hears it. */
  send(message: ToEngine): boolean {
    return this.#phase === 'ready' && this.#say(message);
  }

  #say(message: ToEngine): boolean {
    const child = this.#child;
    if (!child?.connected) return false;
    // A send that fails means the child is going; `exit` tells the same, with more.
    child.send(message, () => {});
    return true;
  }

  /** Asks the child to end, kills it when it does not, and resolves when it is gone. */
  async stop(): Promise<void> {
    clearTimeout(this.#restartTimer);
    this.#phase = 'stopped';
    this.#detail = 'shut down';
    await (this.#sleeping ?? this.#end());
  }

  async #end(): Promise<void> {
    const child = this.#child;
    if (!child) return;
    const gone = new Promise<void>((resolve) => {
      this.#onGone = resolve;
    });
    this.#say({ type: 'shutdown' });
    const killTimer = setTimeout(() => child.kill('SIGKILL'), this.#options.killAfterMs ?? KILL_AFTER_MS);
    await gone;
    clearTimeout(killTimer);
  }

  #spawn(): void {
    this.#phase = 'loading';
    this.#loadShare = 0;
    this.#loadFailure = undefined;
    this.#lastComplaint = '';
    const { engine } = this.#options;
    const program = this.#options.program ?? (engine.llamaServer ? LLAMA_SERVER_PROGRAM : ENGINE_PROGRAM);
    const child = fork(program, [JSON.stringify(engine)], {
      // The flags of this process (inspectors, loaders) are not the child's.
      execArgv: [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...CHILD_ENVIRONMENT, ...process.env },
    });
    this.#child = child;
    const killWithParent = (): void => void child.kill('SIGKILL');
    process.once('exit', killWithParent);
    if (child.stderr) {
      createInterface({ input: child.stderr }).on('line', (line) => {
        this.#lastComplaint = line;
        this.#options.log.warn({ engine: child.pid, line }, 'engine process wrote to its error stream');
      });
    }
    child.on('message', (message) => {
      if (child === this.#child) this.#hear(message as FromEngine);
    });
    // A child without its channel can neither be asked nor stopped.
    child.on('disconnect', () => child.kill('SIGKILL'));
    const onGone = (reason: string): void => {
      process.removeListener('exit', killWithParent);
      if (child !== this.#child) return;
      this.#child = undefined;
      this.#childIsGone(reason);
    };
    child.on('error', (error) => onGone(error.message));
    // `close`, not `exit`: by then its last words have been read.
    child.on('close', (code, signal) => onGone(signal ? `ended by ${signal}` : `ended with code ${code}`));
  }

  #hear(message: FromEngine): void {
    switch (message.type) {
      case 'loading':
        this.#loadShare = message.share;
        return;
      case 'load-failed':
        this.#loadFailure = message.message;
        return;
      case 'ready':
        if (this.#phase !== 'loading') return;
        this.#phase = 'ready';
        this.#detail = 'ready';
        this.#hasEverBeenReady = true;
        this.#failedStarts = 0;
        this.#options.log.info({ engine: this.#child?.pid, weights: message.facts.name }, 'engine is ready');
        this.#events.ready(message.facts);
        return;
      default:
        this.#events.message(message);
    }
  }

  #childIsGone(reason: string): void {
    if (this.#onGone) {
      // It was asked to go: it sleeps, or a start waits for it, or all is over.
      this.#onGone();
      this.#onGone = undefined;
      return;
    }
    if (this.#phase === 'stopped') return;
    const wasReady = this.#phase === 'ready';
    const detail = this.#loadFailure ?? (this.#lastComplaint ? `${reason}: ${this.#lastComplaint}` : reason);
    if (!wasReady) this.#failedStarts++;
    // A file that cannot be loaded the first time will not be loaded the second time.
    const isHopeless = this.#loadFailure !== undefined && !this.#hasEverBeenReady;
    if (isHopeless || this.#failedStarts >= (this.#options.maxFailedStarts ?? MAX_FAILED_STARTS)) {
      this.#phase = 'broken';
      this.#detail = isHopeless
        ? `the weights could not be loaded: ${detail}`
        : `the engine failed ${this.#failedStarts} times while loading and is not restarted any more; last: ${detail}`;
      this.#options.log.error({ detail: this.#detail }, 'engine given up');
      this.#events.gaveUp(this.#detail);
      return;
    }
    this.#phase = 'pausing';
    this.#detail = `restarting the engine (${detail})`;
    this.#options.log.error({ detail, wasReady }, 'engine process is gone, restarting it');
    this.#events.lost(detail);
    this.#restartTimer = setTimeout(() => this.#spawn(), wasReady ? 0 : this.#restartDelayMs());
  }

  #restartDelayMs(): number {
    const base = this.#options.restartDelayMs ?? RESTART_DELAY_MS;
    return base * 2 ** (this.#failedStarts - 1);
  }
}
