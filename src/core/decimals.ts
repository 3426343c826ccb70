/** Amounts as people write them, and as integers of their smallest unit. Never by way of fractions, which are not exact. */

/** `12.5` with two places is 1250; undefined for anything that is no such amount, or more than a number holds exactly. */
export function parseDecimal(amount: string | number, places: number): number | undefined {
  const match = /^(\d+)(?:\.(\d+))?$/.exec(String(amount));
  const [, whole = '', fraction = ''] = match ?? [];
  if (!match || fraction.length > places) return undefined;
  const integer = Number(whole + fraction.padEnd(places, '0'));
  return Number.isSafeInteger(integer) ? integer : undefined;
}

/** 1250 with two places is `12.5`. */
export function formatDecimal(integer: number | bigint, places: number): string {
  const digits = String(integer).padStart(places + 1, '0');
  const fraction = digits.slice(-places).replace(/0+$/, '');
  return digits.slice(0, -places) + (fraction === '' ? '' : `.${fraction}`);
}
