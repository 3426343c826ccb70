/** Hours and days, of Beijing and of other time zones. */

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

/** Where the vendor's days and months begin; ahead of UTC by the same all year. */
export const BEIJING = 'Asia/Shanghai';
const BEIJING_AHEAD_MS = 8 * HOUR_MS;

export function hourStart(atMs: number): number {
  return Math.floor(atMs / HOUR_MS) * HOUR_MS;
}

/** The start of the calendar day of Beijing. */
export function beijingDayStart(atMs: number): number {
  return Math.floor((atMs + BEIJING_AHEAD_MS) / DAY_MS) * DAY_MS - BEIJING_AHEAD_MS;
}

/** The calendar month of Beijing, `2026-11`. */
export function beijingMonthOf(atMs: number): string {
  return new Date(atMs + BEIJING_AHEAD_MS).toISOString().slice(0, 7);
}

/** The start of a calendar month of Beijing, `2026-11`, and of the next. */
export function beijingMonth(month: string): { readonly fromMs: number; readonly untilMs: number } {
  const [year = 0, number = 0] = month.split('-').map(Number);
  return {
    fromMs: Date.UTC(year, number - 1) - BEIJING_AHEAD_MS,
    untilMs: Date.UTC(year, number) - BEIJING_AHEAD_MS,
  };
}

/** Where this machine is. */
export function localTimeZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** `Europe/Berlin`, `+08:00`: whatever the runtime knows. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** The calendar of a time zone. Asked for times that ascend it costs next to nothing. */
export class Calendar {
  readonly #format: Intl.DateTimeFormat;
  /** The last day of UTC that was asked about, and how far ahead the zone is all through it, if that is the same. */
  #day = Number.NaN;
  #aheadMs: number | undefined;

  /** Throws a RangeError for a time zone that is not known. */
  constructor(timeZone: string) {
    this.#format = new Intl.DateTimeFormat('en', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
    });
  }

  /** `2026-11-27` */
  dayOf(atMs: number): string {
    return this.#localTime(atMs).slice(0, 10);
  }

  /** `2026-11` */
  monthOf(atMs: number): string {
    return this.#localTime(atMs).slice(0, 7);
  }

  /** `2026-11-27T08:00+08:00`; the offset tells an hour that comes twice apart. */
  minuteOf(atMs: number): string {
    const aheadMinutes = this.aheadMs(atMs) / 60_000;
    const minutes = Math.abs(aheadMinutes);
    const offset = [Math.floor(minutes / 60), minutes % 60].map((part) => String(part).padStart(2, '0')).join(':');
    return `${this.#localTime(atMs).slice(0, 16)}${aheadMinutes < 0 ? '-' : '+'}${offset}`;
  }

  /** When a day, `2026-11-27`, begins. */
  startOf(day: string): number {
    const asUtc = Date.parse(`${day}T00:00Z`);
    // Right unless the clocks are changed between the two, and then by a second look.
    return asUtc - this.aheadMs(asUtc - this.aheadMs(asUtc));
  }

  /** How far it is ahead of UTC. */
  aheadMs(atMs: number): number {
    const day = Math.floor(atMs / DAY_MS);
    if (day !== this.#day) {
      this.#day = day;
      const before = this.#read(day * DAY_MS);
      this.#aheadMs = before === this.#read((day + 1) * DAY_MS) ? before : undefined;
    }
    return this.#aheadMs ?? this.#read(atMs);
  }

  /** Days and hours begin when Beijing's do, from one time to another. */
  keepsBeijingDays(fromMs: number, untilMs: number): boolean {
    // Summer times last for months.
    for (let atMs = fromMs; atMs < untilMs; atMs += 20 * DAY_MS)
      if (this.aheadMs(atMs) !== BEIJING_AHEAD_MS) return false;
    return this.aheadMs(untilMs) === BEIJING_AHEAD_MS;
  }

  #localTime(atMs: number): string {
    return new Date(atMs + this.aheadMs(atMs)).toISOString();
  }

  #read(atMs: number): number {
    const parts = Object.fromEntries(this.#format.formatToParts(atMs).map(({ type, value }) => [type, Number(value)]));
    const { year = 0, month = 0, day = 0, hour = 0, minute = 0 } = parts;
    return Date.UTC(year, month - 1, day, hour, minute) - Math.floor(atMs / 60_000) * 60_000;
  }
}
