/** Tables as text for spreadsheets (RFC 4180). */

export type CsvCell = string | number | boolean | bigint | null | undefined;

/** One line with its end. Nothing and null are an empty cell. */
export function csvLine(cells: readonly CsvCell[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}

function csvCell(cell: CsvCell): string {
  if (cell === null || cell === undefined) return '';
  if (typeof cell !== 'string') return String(cell);
  const text = FORMULA.test(cell) ? `'${cell}` : cell;
  return NEEDS_QUOTES.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * What a spreadsheet would compute, though a caller may have written it, as the name of a key or of a model that is not there.
 * An apostrophe in front makes it text (OWASP "CSV Injection").
 */
const FORMULA = /^[=+\-@\t\r]/;
/** Some spreadsheets part cells at semicolons, whatever the file is called. */
const NEEDS_QUOTES = /[",;\r\n]/;
