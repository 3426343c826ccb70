/** A `fetch` for clients that take one: what they really send, and a first attempt that fails. */

/** Keeps the JSON bodies of all requests, in their order. */
export function recordingFetch(send: typeof fetch = fetch): {
  readonly fetch: typeof fetch;
  readonly bodies: unknown[];
} {
  const bodies: unknown[] = [];
  return {
    bodies,
    fetch: (input, init) => {
      bodies.push(JSON.parse(String(init?.body)));
      return send(input, init);
    },
  };
}

/** Sends the first request to another model, one that fails, and every later one as it is. */
export function failingFirst(model: string): typeof fetch {
  let attempts = 0;
  return (input, init) => {
    if (attempts++ > 0) return fetch(input, init);
    return fetch(input, { ...init, body: JSON.stringify({ ...JSON.parse(String(init?.body)), model }) });
  };
}
