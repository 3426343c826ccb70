/** Server-sent events: framing only. */

/** One `data:` frame of a JSON value or a bare word such as `[DONE]`. */
export function dataFrame(data: string): string {
  return `data: ${data}\n\n`;
}

/** A comment line: every client of every wire ignores it. */
export const COMMENT_KEEP_ALIVE = ': keep-alive\n\n';
