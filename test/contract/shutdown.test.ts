/** A shutdown ends: kept-alive connections do not hold it up, live streams are finished or broken off in time. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../support/server.ts';

/** Well below the time for which idle connections are kept, well above what a close takes. */
const PROMPT_MS = 10_000;

async function endsPromptly(server: TestServer): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve('still open'), PROMPT_MS);
  });
  const ending = await Promise.race([server.close().then(() => 'closed'), late]);
  clearTimeout(timer);
  return ending;
}

const ask = (model: string) => ({ model, messages: [{ role: 'user', content: 'one two three' }], stream: true });

describe('shutdown', () => {
  it('does not wait for connections that clients keep', async () => {
    const server = await startTestServer();
    await (await server.chat(ask('scripted/echo'))).text();
    // A client that left in the middle of an answer, on a connection of its own.
    const leaving = new AbortController();
    const left = await server.chat(ask('scripted/text?tokens=100000&rate=200'), { signal: leaving.signal });
    await left.body?.getReader().read();
    leaving.abort();
    // And one that has opened a connection and says nothing.
    const silent = connect(server.running.port, '127.0.0.1');
    await once(silent, 'connect');
    expect(await endsPromptly(server)).toBe('closed');
    silent.destroy();
  });
});
