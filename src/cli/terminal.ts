/** How the CLI writes: plain words, a little colour where a person reads them, columns that line up. */
import { pipeline } from 'node:stream/promises';
import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** A failure that the user can mend; shown without a stack. The message says what happened and how to fix it. */
export class UserError extends Error {}

/** Styled for a stream: without colour when it is no terminal, or when NO_COLOR is set. */
export function styled(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return styleText(style, text, { stream });
}

/** A line on stdout: what was asked for. */
export function say(text = ''): void {
  process.stdout.write(`${text}\n`);
}

/** Pieces of text on stdout as they come; ends early when nobody reads them any more. */
export async function pipe(pieces: AsyncIterable<string>): Promise<void> {
  try {
    await pipeline(pieces, process.stdout, { end: false });
  } catch (thrown) {
    if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'EPIPE')) throw thrown;
  }
}

/** A line on stderr: progress, warnings, logs; never what another program would read. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Advice as this user would type it: in a clone there is no `atelier` on the path, but npm knows the way. */
export function asTyped(advice: string): string {
  if (process.env.npm_lifecycle_event === undefined) return advice;
  return advice.replace(
    /\batelier (?=(?:serve|chat|pull|models|doctor|keys|workspaces|record|usage|bill|limits|quota|requests|audit|trust|backup|cache|engine)\b)/g,
    'npm run atelier -- ',
  );
}

/** Rows as columns; a header is dimmed. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => (column === cells.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd();
  return [styled('dim', line(header)), ...rows.map(line)].join('\n');
}

/** Bytes in the unit a person would use; powers of ten, as disks and hubs count. */
export function formatBytes(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(2)} GB`;
  if (bytes >= 1e6) return `${Math.round(bytes / 1e6)} MB`;
  return `${Math.ceil(bytes / 1e3)} kB`;
}

export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
