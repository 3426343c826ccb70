import { describe, expect, it } from 'vitest';
import { BEIJING, beijingDayStart, beijingMonth, Calendar, DAY_MS, HOUR_MS, isTimeZone } from './calendar.ts';

const at = (time: string): number => Date.parse(time);

it('begins days and months of Beijing at 16:00 UTC', () => {
  expect(beijingDayStart(at('2026-11-27T15:59:59.999Z'))).toBe(at('2026-11-26T16:00Z'));
  expect(beijingDayStart(at('2026-11-27T16:00Z'))).toBe(at('2026-11-27T16:00Z'));
  expect(beijingMonth('2026-12')).toEqual({ fromMs: at('2026-11-30T16:00Z'), untilMs: at('2026-12-31T16:00Z') });
});

it('knows names of time zones and offsets', () => {
  expect(['Europe/Berlin', 'UTC', '+08:00', '-03:30'].filter(isTimeZone)).toHaveLength(4);
  expect(['', 'Berlin', '+8000:00'].filter(isTimeZone)).toEqual([]);
});

describe('a calendar', () => {
  it.each([
    ['UTC', '2026-11-27T23:30Z', '2026-11-27', '2026-11-27T23:30+00:00'],
    [BEIJING, '2026-11-27T16:00Z', '2026-11-28', '2026-11-28T00:00+08:00'],
    ['+05:30', '2026-11-27T18:30Z', '2026-11-28', '2026-11-28T00:00+05:30'],
    ['America/St_Johns', '2026-12-01T03:29Z', '2026-11-30', '2026-11-30T23:59-03:30'],
  ])('of %s', (timeZone, time, day, minute) => {
    const calendar = new Calendar(timeZone);
    expect(calendar.dayOf(at(time))).toBe(day);
    expect(calendar.monthOf(at(time))).toBe(day.slice(0, 7));
    expect(calendar.minuteOf(at(time))).toBe(minute);
  });

  it('tells the two hours apart that a change of clocks gives the same name', () => {
    const berlin = new Calendar('Europe/Berlin');
    expect(berlin.minuteOf(at('2026-10-25T00:00Z'))).toBe('2026-10-25T02:00+02:00');
    expect(berlin.minuteOf(at('2026-10-25T01:00Z'))).toBe('2026-10-25T02:00+01:00');
  });

  it('finds the start of every day of a year, whatever is done to the clocks', () => {
    for (const timeZone of ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'UTC', '-11:00']) {
      const calendar = new Calendar(timeZone);
      for (let time = at('2026-01-01T12:00Z'); time < at('2027-01-01T00:00Z'); time += DAY_MS) {
        const day = calendar.dayOf(time);
        const start = calendar.startOf(day);
        expect(calendar.dayOf(start)).toBe(day);
        expect(calendar.dayOf(start - 1)).not.toBe(day);
      }
    }
  });

  it('says whether its days are those of Beijing', () => {
    const [from, until] = [at('2026-01-01T00:00Z'), at('2027-01-01T00:00Z')];
    const keeps = (timeZone: string): boolean => new Calendar(timeZone).keepsBeijingDays(from, until);
    expect([BEIJING, 'Asia/Singapore', '+08:00'].map(keeps)).toEqual([true, true, true]);
    expect(['UTC', 'Asia/Tokyo', 'Europe/Berlin'].map(keeps)).toEqual([false, false, false]);
  });

  it('is read in any order', () => {
    const berlin = new Calendar('Europe/Berlin');
    const times = Array.from({ length: 50 }, (_, hour) => at('2026-10-24T12:00Z') + hour * HOUR_MS);
    const forth = times.map((time) => berlin.minuteOf(time));
    const back = times.toReversed().map((time) => berlin.minuteOf(time));
    expect(back.toReversed()).toEqual(forth);
  });
});
