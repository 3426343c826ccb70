/**
 * One real Postgres a run of the tests, started when the first test file asks for it: workers ask the run's main process,
 * over a port of this machine.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Answers with a `PostgresDoor` as JSON. */
    postgresDoor: string;
  }
}

/** The server, or why there is none. */
export type PostgresDoor = PostgresAddress | { readonly missing: string };

export interface PostgresAddress {
  /** Without a database's name. */
  readonly url: string;
  /** A database with the newest schema and no rows, to make others from. */
  readonly template: string;
}

/** Called by vitest before a run; what it returns, after it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  let child: ChildProcess | undefined;
  let answer: Promise<PostgresDoor> | undefined;
  const door = await listen(async (_request, response) => {
    child ??= fork(join(import.meta.dirname, 'postgres-process.ts'), { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    answer ??= answerOf(child).then(tellIfMissing);
    response.end(JSON.stringify(await answer));
  });
  project.provide('postgresDoor', `http://127.0.0.1:${(door.address() as AddressInfo).port}/`);
  return async () => {
    door.close();
    if (child) await endOf(child);
  };
}

/** Said once a run: the tests that are skipped say it too, but nobody reads hundreds of lines. */
function tellIfMissing(door: PostgresDoor): PostgresDoor {
  if ('missing' in door) process.stdout.write(`- suites on Postgres are skipped: ${door.missing}\n`);
  return door;
}

function answerOf(child: ChildProcess): Promise<PostgresDoor> {
  return new Promise((resolve) => {
    child.once('message', (message) => resolve(message as PostgresDoor));
    child.once('error', (error) => resolve({ missing: `no Postgres runs here: ${error.message}` }));
    child.once('exit', () => resolve({ missing: 'no Postgres runs here: it ended before it was up' }));
  });
}

/** Its Postgres stops when the child is let go. */
async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  if (child.connected) child.disconnect();
  await ended;
}

async function listen(handler: RequestListener): Promise<Server> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}
