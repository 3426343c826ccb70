/**
 * Which of several local models are in memory. Pure: `fleet.ts` does what the plan says.
 *
 * The rules, in this order:
 *
 * - What somebody uses stays. So does what somebody waits for who came before the others.
 * - A model that is asked for is loaded when it fits beside those that are loaded. If it does not, those that nobody uses
 *   go, the least recently used first.
 * - If all others are in use, some of them close their door behind the calls that came first. So a busy model cannot keep
 *   a waiting one out for ever. But whoever has just been loaded stays for a turn, or the weights would be loaded more
 *   than they are used.
 * - Live calls before batch calls: a batch call neither makes a model go that live calls wait for, nor closes its door
 *   to them.
 * - What nobody has used for its keep-alive time goes.
 */
import { type Door, OPEN_DOOR } from './queue.ts';

/** One model as the plan sees it. Times are monotonic milliseconds. */
export interface FleetMember {
  readonly name: string;
  /** Memory it takes when loaded. */
  readonly bytes: number;
  /** `ending`: it goes and still holds its memory. `stuck`: it cannot be loaded and holds none. */
  readonly phase: 'asleep' | 'loading' | 'loaded' | 'ending' | 'stuck';
  readonly isInUse: boolean;
  readonly oldestLiveMs: number | undefined;
  readonly oldestBatchMs: number | undefined;
  /** When it was loaded, and when its last use ended. */
  readonly loadedAtMs: number;
  readonly lastUseMs: number;
  /** How long it stays without use. */
  readonly keepAliveMs: number;
}

export interface FleetLimits {
  /** All loaded models together; one alone may take more, as long as it could be admitted at all. */
  readonly bytes: number;
  /** For so long after its loading a model lets everybody in. */
  readonly turnMs: number;
}

export interface FleetPlan {
  readonly wake: readonly string[];
  readonly sleep: readonly string[];
  /** Of every model that stays loaded. */
  readonly doors: ReadonlyMap<string, Door>;
  /** When to plan again although nothing happens. */
  readonly reviewAtMs: number | undefined;
}

export function planFleet(members: readonly FleetMember[], limits: FleetLimits, nowMs: number): FleetPlan {
  const plan = new Plan(members, limits, nowMs);
  for (const wanted of wantedInTurn(members)) if (!plan.makeRoomFor(wanted)) break;
  plan.endUnused();
  return plan.result();
}

/** A model that calls wait for. */
interface Wanted {
  readonly member: FleetMember;
  readonly isLive: boolean;
  readonly sinceMs: number;
}

/** Those that are to be loaded: of live calls first, then who has waited longest. */
function wantedInTurn(members: readonly FleetMember[]): Wanted[] {
  return members
    .filter(({ phase }) => phase === 'asleep')
    .flatMap((member): Wanted[] => {
      const { oldestLiveMs, oldestBatchMs } = member;
      if (oldestLiveMs !== undefined) return [{ member, isLive: true, sinceMs: oldestLiveMs }];
      return oldestBatchMs === undefined ? [] : [{ member, isLive: false, sinceMs: oldestBatchMs }];
    })
    .toSorted((a, b) => Number(b.isLive) - Number(a.isLive) || a.sinceMs - b.sinceMs);
}

class Plan {
  readonly #members: readonly FleetMember[];
  readonly #limits: FleetLimits;
  readonly #nowMs: number;
  readonly #wake: string[] = [];
  readonly #sleep = new Set<string>();
  readonly #doors = new Map<string, Door>();
  /** Of all that hold memory now, or will. */
  #heldBytes: number;
  #holders: number;
  #reviewAtMs: number | undefined;

  constructor(members: readonly FleetMember[], limits: FleetLimits, nowMs: number) {
    this.#members = members;
    this.#limits = limits;
    this.#nowMs = nowMs;
    const holding = members.filter(holdsMemory);
    this.#heldBytes = holding.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#holders = holding.length;
    for (const { name, phase } of members) if (phase === 'loaded') this.#doors.set(name, OPEN_DOOR);
  }

  /** False: there is no room yet, and nobody who came later may take what there is. */
  makeRoomFor(wanted: Wanted): boolean {
    const { member } = wanted;
    if (this.#fits(member, this.#heldBytes, this.#holders)) {
      this.#wake.push(member.name);
      this.#heldBytes += member.bytes;
      this.#holders++;
      return true;
    }
    const ending = this.#members.filter(({ phase }) => phase === 'ending');
    const loaded = this.#members.filter(({ phase, name }) => phase === 'loaded' && !this.#sleep.has(name));
    const order = loaded.toSorted((a, b) => Number(a.isInUse) - Number(b.isInUse) || a.lastUseMs - b.lastUseMs);
    let bytes = this.#heldBytes - sumOf(ending);
    let holders = this.#holders - ending.length;
    const going: FleetMember[] = [];
    for (const other of order) {
      if (this.#fits(member, bytes, holders)) break;
      going.push(other);
      bytes -= other.bytes;
      holders--;
    }
    const busy = going.filter((other) => !this.#mayGo(other, wanted));
    for (const other of busy) this.#doors.set(other.name, this.#doorFor(other, wanted));
    // As long as one of them is busy the others would be missed for nothing.
    if (busy.length === 0) for (const { name } of going) this.#end(name);
    return false;
  }

  /** Those whose time is over. */
  endUnused(): void {
    for (const member of this.#members) {
      if (member.phase !== 'loaded' || this.#sleep.has(member.name) || isWanted(member)) continue;
      const endsAtMs = member.lastUseMs + member.keepAliveMs;
      if (endsAtMs <= this.#nowMs) this.#end(member.name);
      else if (Number.isFinite(endsAtMs)) this.#reviewAtMs = Math.min(this.#reviewAtMs ?? endsAtMs, endsAtMs);
    }
  }

  result(): FleetPlan {
    return { wake: this.#wake, sleep: [...this.#sleep], doors: this.#doors, reviewAtMs: this.#reviewAtMs };
  }

  #end(name: string): void {
    this.#sleep.add(name);
    this.#doors.delete(name);
  }

  #fits(member: FleetMember, heldBytes: number, holders: number): boolean {
    return holders === 0 || heldBytes + member.bytes <= this.#limits.bytes;
  }

  /** Nobody uses it, and nobody waits for it whose turn comes before. */
  #mayGo(other: FleetMember, wanted: Wanted): boolean {
    if (other.isInUse) return false;
    const door = this.#doorFor(other, wanted);
    const isLiveTurn = other.oldestLiveMs !== undefined && other.oldestLiveMs <= door.liveUntilMs;
    const isBatchTurn = other.oldestBatchMs !== undefined && other.oldestBatchMs <= door.batchUntilMs;
    return !isLiveTurn && !isBatchTurn;
  }

  #doorFor({ loadedAtMs }: FleetMember, { isLive, sinceMs }: Wanted): Door {
    const untilMs = Math.max(sinceMs, loadedAtMs + this.#limits.turnMs);
    return isLive
      ? { liveUntilMs: untilMs, batchUntilMs: Number.NEGATIVE_INFINITY }
      : { liveUntilMs: Number.POSITIVE_INFINITY, batchUntilMs: untilMs };
  }
}

function holdsMemory({ phase }: FleetMember): boolean {
  return phase !== 'asleep' && phase !== 'stuck';
}

function isWanted({ isInUse, oldestLiveMs, oldestBatchMs }: FleetMember): boolean {
  return isInUse || oldestLiveMs !== undefined || oldestBatchMs !== undefined;
}

function sumOf(members: readonly FleetMember[]): number {
  return members.reduce((sum, { bytes }) => sum + bytes, 0);
}
