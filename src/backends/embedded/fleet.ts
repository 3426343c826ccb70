/**
 * Several local models on one machine: each has a child of its own, loaded when it is called and ended when it is not
 * needed or another needs its memory. `fleet-plan.ts` says which; this file watches the engines and does it.
 *
 * Calls wait in the queue of their model, so everything that holds there (limits, turns between keys, leaving) holds
 * while weights are being loaded too.
 */
import { StudioError } from '../../core/errors.ts';
import type { Clock, Logger } from '../../core/ports.ts';
import type { EngineDemand, EngineState } from './engine-client.ts';
import { type FleetMember, type FleetPlan, planFleet } from './fleet-plan.ts';
import { type Door, OPEN_DOOR } from './queue.ts';

/** What the fleet needs of an engine; `EngineClient` is one. */
export interface FleetEngine {
  readonly demand: EngineDemand;
  state(): EngineState;
  wake(): void;
  sleep(): Promise<void>;
  setDoor(door: Door): void;
  share(engines: number): void;
}

export interface FleetOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** What all loaded models may take together. */
  readonly limitBytes: number;
  /** What one may take that is loaded alone; a model that needs more is refused. */
  readonly maxBytes: number;
  readonly turnMs?: number | undefined;
}

/** How the fleet is to treat one model. */
export interface FleetEntry {
  readonly name: string;
  /** Memory it takes, weights and context. */
  readonly bytes: number;
  readonly keepAliveMs: number;
}

/** A model as administrators see it. */
export interface FleetView extends FleetEntry {
  readonly isLoaded: boolean;
  readonly state: EngineState;
  /** Loadings so far, and what the last one took. */
  readonly loads: number;
  readonly loadMs: number | undefined;
  /** Milliseconds since its last use; 0 while it is in use. */
  readonly idleMs: number;
}

/** Long enough to be worth a loading of seconds, short enough for whoever waits. */
const TURN_MS = 10_000;
const GIBIBYTE = 1024 ** 3;

interface Watched {
  readonly entry: FleetEntry;
  readonly engine: FleetEngine;
  phase: FleetMember['phase'];
  isEnding: boolean;
  loadedAtMs: number;
  lastUseMs: number;
  wokenAtMs: number | undefined;
  loads: number;
  loadMs: number | undefined;
  toldShare: number;
  door: Door;
}

export class Fleet {
  readonly #options: FleetOptions;
  readonly #members = new Map<string, Watched>();
  #isReviewDue = false;
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  get limitBytes(): number {
    return this.#options.limitBytes;
  }

  add(entry: FleetEntry, engine: FleetEngine): void {
    const nowMs = this.#options.clock.monotonic();
    this.#members.set(entry.name, {
      entry,
      engine,
      phase: 'asleep',
      isEnding: false,
      loadedAtMs: nowMs,
      lastUseMs: nowMs,
      wokenAtMs: undefined,
      loads: 0,
      loadMs: undefined,
      toldShare: 1,
      door: OPEN_DOOR,
    });
  }

  /** Why nobody can be answered by this model; undefined when it can be loaded. */
  refusal(name: string): StudioError | undefined {
    const bytes = this.#members.get(name)?.entry.bytes ?? 0;
    const { maxBytes } = this.#options;
    if (bytes <= maxBytes) return undefined;
    const words = `The weights ${name} need ${gibibytes(bytes)} of memory, and local models may use ${gibibytes(maxBytes)} (engine.memoryLimit).`;
    return new StudioError('overloaded', `${words} Route the model elsewhere, or choose smaller weights.`);
  }

  /** Something changed in an engine. What follows is worked out once for all changes of one turn. */
  changed(): void {
    if (this.#isReviewDue || this.#isClosed) return;
    this.#isReviewDue = true;
    queueMicrotask(() => {
      this.#isReviewDue = false;
      if (!this.#isClosed) this.#review();
    });
  }

  views(): FleetView[] {
    const nowMs = this.#options.clock.monotonic();
    return [...this.#members.values()].map(({ entry, engine, phase, loads, loadMs, lastUseMs }) => ({
      ...entry,
      isLoaded: phase === 'loaded',
      state: engine.state(),
      loads,
      loadMs,
      idleMs: isWanted(engine.demand) ? 0 : nowMs - lastUseMs,
    }));
  }

  /** Nothing is loaded or ended by the fleet any more. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #review(): void {
    const nowMs = this.#options.clock.monotonic();
    const members = [...this.#members.values()].map((watched) => this.#look(watched, nowMs));
    const { limitBytes: bytes, turnMs = TURN_MS } = this.#options;
    this.#follow(planFleet(members, { bytes, turnMs }, nowMs), nowMs);
    this.#shareCores();
  }

  /** Notes what has happened since the last look. */
  #look(watched: Watched, nowMs: number): FleetMember {
    const { entry, engine } = watched;
    const { demand } = engine;
    const phase = phaseOf(watched);
    if (phase === 'loaded' && watched.phase !== 'loaded') {
      watched.loadedAtMs = nowMs;
      watched.lastUseMs = nowMs;
      watched.loads++;
      watched.loadMs = watched.wokenAtMs === undefined ? undefined : nowMs - watched.wokenAtMs;
      watched.toldShare = 1;
    }
    if (phase === 'loading' && watched.phase !== 'loading') watched.wokenAtMs = nowMs;
    if (isWanted(demand)) watched.lastUseMs = nowMs;
    watched.phase = phase;
    const { loadedAtMs, lastUseMs } = watched;
    return { ...entry, ...demand, phase, loadedAtMs, lastUseMs };
  }

  #follow(plan: FleetPlan, nowMs: number): void {
    for (const name of plan.sleep) void this.#sleep(name);
    for (const [name, door] of plan.doors) {
      const watched = this.#members.get(name);
      if (!watched || isSameDoor(watched.door, door)) continue;
      watched.door = door;
      watched.engine.setDoor(door);
    }
    for (const name of plan.wake) {
      this.#options.log.info({ weights: name }, 'loading weights for a call');
      this.#members.get(name)?.engine.wake();
    }
    clearTimeout(this.#timer);
    if (plan.reviewAtMs === undefined) return;
    this.#timer = setTimeout(() => this.changed(), Math.min(plan.reviewAtMs - nowMs, MAX_TIMER_MS)).unref();
  }

  async #sleep(name: string): Promise<void> {
    const watched = this.#members.get(name);
    if (!watched || watched.isEnding) return;
    watched.isEnding = true;
    this.#options.log.info({ weights: name }, 'unloading weights');
    await watched.engine.sleep();
    watched.isEnding = false;
    // The door was closed for one who waited; whoever comes to the next turn finds it open.
    watched.door = OPEN_DOOR;
    watched.engine.setDoor(OPEN_DOOR);
    this.changed();
  }

  /** Two engines that compute at the same time would fight for the same cores. */
  #shareCores(): void {
    const members = [...this.#members.values()];
    const engines = Math.max(1, members.filter(({ engine }) => engine.state().runningCalls > 0).length);
    for (const watched of members) {
      if (watched.phase !== 'loaded' || watched.toldShare === engines) continue;
      watched.toldShare = engines;
      watched.engine.share(engines);
    }
  }
}

/** What `setTimeout` can hold. */
const MAX_TIMER_MS = 2 ** 31 - 1;

function phaseOf({ engine, isEnding }: Watched): FleetMember['phase'] {
  if (isEnding) return 'ending';
  const { phase } = engine.state();
  switch (phase) {
    case 'idle':
      return 'asleep';
    case 'loading':
    case 'pausing':
      return 'loading';
    case 'ready':
      return 'loaded';
    case 'broken':
    case 'stopped':
      return 'stuck';
    default:
      return phase satisfies never;
  }
}

function isWanted({ isInUse, oldestLiveMs, oldestBatchMs }: EngineDemand): boolean {
  return isInUse || oldestLiveMs !== undefined || oldestBatchMs !== undefined;
}

function isSameDoor(a: Door, b: Door): boolean {
  return a.liveUntilMs === b.liveUntilMs && a.batchUntilMs === b.batchUntilMs;
}

function gibibytes(bytes: number): string {
  return `${(bytes / GIBIBYTE).toFixed(1)} GiB`;
}
