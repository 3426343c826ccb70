/** What a log says of an error that nobody expected. */

/** Where it comes from, and its message where that is safe: a parser's quotes the text it could not read. */
export function traceOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return typeof thrown === 'string' ? thrown : `thrown: ${typeof thrown}`;
  const { stack, name, message } = thrown;
  if (!(thrown instanceof SyntaxError)) return stack ?? message;
  return `${name}${stack?.slice(stack.indexOf('\n    at ')) ?? ''}`;
}

/** The same as fields. Of what a driver hangs on an error only the code is kept: the rest may be rows of somebody's. */
export function errorFields(thrown: unknown): object {
  if (!(thrown instanceof Error)) return { type: typeof thrown };
  const { name, cause } = thrown;
  return {
    type: name,
    ...('code' in thrown && typeof thrown.code === 'string' ? { code: thrown.code } : {}),
    stack: traceOf(thrown),
    ...(cause === undefined ? {} : { cause: errorFields(cause) }),
  };
}
