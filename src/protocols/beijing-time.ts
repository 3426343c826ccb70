/** The service tells and reads times of day in Beijing's, whatever the region (recorded on both file services and batches). */

const BEIJING_MS = 8 * 3_600_000;
const FORM = /^(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d))?$/;

/** Milliseconds of `yyyyMMdd` or `yyyyMMddHHmmss`; undefined for anything else. */
export function parseBeijingTime(text: string): number | undefined {
  const [year, month, day, hour = 0, minute = 0, second = 0] = (FORM.exec(text) ?? [])
    .slice(1)
    .map((digits) => +(digits ?? 0));
  if (year === undefined || month === undefined || day === undefined) return undefined;
  const asUtcMs = Date.UTC(year, month - 1, day, hour, minute, second);
  // A day that is not in the calendar would roll over into another.
  const digits = new Date(asUtcMs).toISOString().replace(/\D/g, '').slice(0, 14);
  return digits === text.padEnd(14, '0') ? asUtcMs - BEIJING_MS : undefined;
}

/** `YYYY-MM-DD HH:mm:ss`. */
export function formatBeijingTime(milliseconds: number): string {
  return formatBeijingTimeMs(milliseconds).slice(0, 'YYYY-MM-DD HH:mm:ss'.length);
}

/** `YYYY-MM-DD HH:mm:ss.SSS`. */
export function formatBeijingTimeMs(milliseconds: number): string {
  return new Date(milliseconds + BEIJING_MS).toISOString().slice(0, -1).replace('T', ' ');
}

/** `YYYY-MM-DD`. */
export function formatBeijingDate(milliseconds: number): string {
  return formatBeijingTimeMs(milliseconds).slice(0, 'YYYY-MM-DD'.length);
}
