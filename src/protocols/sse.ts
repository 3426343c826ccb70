/** Server-sent events: framing only. */

/** One `data:` frame of a JSON value or a bare word such as `[DONE]`. */
export function dataFrame(data: string): string {
  return `data: ${data}\n\n`;
}

/** A frame with the name of its event, which is also the `type` of its data on the wires that have such frames. */
export function eventFrame(event: string, data: string): string {
  return `event: ${event}\ndata: ${data}\n\n`;
}

/** Some Python clients split a stream at these as well as at line feeds; escaped they cannot. */
const LINE_SEPARATORS = /[\u0085\u2028\u2029]/g;

/** JSON text that is one line to every client. */
export function lineJson(value: unknown): string {
  return JSON.stringify(value).replace(
    LINE_SEPARATORS,
    (separator) => `\\u${separator.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A comment line: every client of every wire ignores it. */
export const COMMENT_KEEP_ALIVE = ': keep-alive\n\n';
