/**
 * Kills a process again and again while it is under load, and tells whether everything it had promised was kept: no receipt
 * lost, none doubled, and quotas, budgets and sums that agree with them.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { createAdminService } from '../../src/admin/service.ts';
import { systemClock } from '../../src/core/system.ts';
import { type Database, openDatabase } from '../../src/stores/sql/database.ts';
import { createPlatformStore } from '../../src/stores/sql/platform.ts';
import { sumsThatDisagree } from '../support/sums.ts';
import { openTestLedger } from './open-ledger.ts';

export interface Rounds {
  readonly kills: number;
  /** Where the database is; undefined: SQLite's file in the home folder. */
  readonly location?: string | undefined;
  readonly onKill?: ((done: number) => void) | undefined;
}

export interface Outcome {
  readonly kills: number;
  /** Calls that began, of which the client or the load knows. */
  readonly calls: number;
  /** Calls whose end was promised. */
  readonly ended: number;
  readonly receipts: number;
  /** Calls that a kill cut, and were closed by the next start. */
  readonly closedAtStart: number;
  /** Tokens that clients had seen of cut answers, and that were not billed; told, not judged. */
  readonly unbilledTokens: { readonly seen: number; readonly unbilled: number; readonly mostOfOne: number };
  /** Everything that is wrong; none is well. */
  readonly faults: readonly string[];
}

/** One kill in ten comes while the process still starts, and sees through what the last one left. */
const KILLS_AT_START = 0.1;
const LONGEST_START_MS = 600;
const LONGEST_LOAD_MS = 150;
const LONGEST_SERVICE_MS = 400;

interface Receipts {
  readonly byCall: ReadonlyMap<string, readonly Kept[]>;
  readonly count: number;
}

interface Kept {
  readonly ending: string;
  readonly errorCode: string | null;
  readonly input: number;
  readonly output: number;
  readonly nano: number;
  readonly free: number;
}

/** Kills the ledger by itself: journal and database. */
export async function killLedger({ kills, location, onKill }: Rounds): Promise<Outcome> {
  const home = mkdtempSync(join(tmpdir(), 'atelier-kill-'));
  const database = location ?? join(home, 'atelier.db');
  try {
    await (await openDatabase(database)).close();
    for (let kill = 0; kill < kills; kill++) {
      const child = start('ledger-child.ts', [home, database, `r${kill}`]);
      await untilKilled(child, LONGEST_LOAD_MS);
      onKill?.(kill + 1);
    }
    await seeThrough(home, database);
    return await judgeLedger(kills, readFileSync(join(home, 'promised'), 'utf8'), database);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

async function judgeLedger(kills: number, promised: string, location: string): Promise<Outcome> {
  const database = await openDatabase(location);
  const faults: string[] = [];
  const { byCall, count } = await receiptsOf(database);
  const lines = promised.trimEnd().split('\n');
  let calls = 0;
  let ended = 0;
  for (const line of lines) {
    const [kind, id = '', input, output, nano, free] = line.split(' ');
    const kept = byCall.get(id) ?? [];
    if (kept.length !== 1) faults.push(`${line}: ${kept.length} receipts`);
    if (kind === 'open') calls++;
    if (kind !== 'closed') continue;
    ended++;
    const [receipt] = kept;
    const told = receipt && [receipt.ending, receipt.input, receipt.output, receipt.nano, receipt.free].join(' ');
    if (told !== `completed ${input} ${output} ${nano} ${free}`) faults.push(`${line}: the receipt says ${told}`);
  }
  faults.push(...(await sumsThatDisagree(database)));
  await database.close();
  const unbilledTokens = { seen: 0, unbilled: 0, mostOfOne: 0 };
  return { kills, calls, ended, receipts: count, closedAtStart: closedAtStart(byCall), unbilledTokens, faults };
}

/** Kills a whole server while clients stream from it. */
export async function killServer({ kills, location, onKill }: Rounds): Promise<Outcome> {
  const home = mkdtempSync(join(tmpdir(), 'atelier-kill-'));
  const database = location ?? join(home, 'atelier.db');
  const calls: ClientCall[] = [];
  try {
    const key = await makeKey(database);
    for (let kill = 0; kill < kills; kill++) {
      const child = start('server-child.ts', [home, location ?? 'sqlite']);
      const clients = child.ready.then((line) => {
        if (line !== undefined) for (let client = 0; client < CLIENTS; client++) void callOnAndOn(line, key, calls);
      });
      await untilKilled(child, LONGEST_SERVICE_MS);
      await clients;
      onKill?.(kill + 1);
    }
    await seeThrough(home, database);
    return await judgeServer(kills, calls, database);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

async function judgeServer(kills: number, calls: readonly ClientCall[], location: string): Promise<Outcome> {
  const database = await openDatabase(location);
  const faults: string[] = [];
  const { byCall, count } = await receiptsOf(database);
  const unbilledTokens = { seen: 0, unbilled: 0, mostOfOne: 0 };
  for (const { id, seenTokens, told } of calls) {
    const kept = byCall.get(id) ?? [];
    const [receipt] = kept;
    if (kept.length > 1) faults.push(`${id}: ${kept.length} receipts`);
    if (seenTokens > 0 && !receipt) faults.push(`${id}: ${seenTokens} tokens were seen and there is no receipt`);
    if (told && (receipt?.ending !== 'completed' || `${receipt.input} ${receipt.output}` !== told))
      faults.push(`${id}: its client was told ${told}, the receipt says ${JSON.stringify(receipt)}`);
    if (told || !receipt) continue;
    unbilledTokens.seen += seenTokens;
    const unbilled = Math.max(0, seenTokens - receipt.output);
    unbilledTokens.unbilled += unbilled;
    unbilledTokens.mostOfOne = Math.max(unbilledTokens.mostOfOne, unbilled);
  }
  faults.push(...(await sumsThatDisagree(database)));
  await database.close();
  const ended = calls.filter(({ told }) => told).length;
  const closed = closedAtStart(byCall);
  return { kills, calls: calls.length, ended, receipts: count, closedAtStart: closed, unbilledTokens, faults };
}

const CLIENTS = 6;

interface ClientCall {
  readonly id: string;
  seenTokens: number;
  /** The usage it was told at the end: `INPUT OUTPUT`. */
  told: string | undefined;
}

/** One call after the other, until the server is no more. */
async function callOnAndOn(port: string, key: string, calls: ClientCall[]): Promise<void> {
  try {
    for (let turn = 0; ; turn++) {
      const response = await fetch(`http://127.0.0.1:${port}/compatible-mode/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: JSON.stringify({
          model: turn % 2 === 0 ? 'qwen-plus' : 'qwen-flash',
          messages: [{ role: 'user', content: 'How long will you live?' }],
          stream: true,
          stream_options: { include_usage: true },
        }),
      });
      if (!response.body) return;
      const call: ClientCall = { id: response.headers.get('x-request-id') ?? '', seenTokens: 0, told: undefined };
      calls.push(call);
      for await (const line of createInterface({ input: Readable.fromWeb(response.body) })) see(call, line);
    }
  } catch {
    // The server was killed.
  }
}

function see(call: ClientCall, line: string): void {
  if (!line.startsWith('data: {')) return;
  const chunk = JSON.parse(line.slice('data: '.length));
  if (chunk.choices[0]?.delta?.content) call.seenTokens++;
  if (chunk.usage) call.told = `${chunk.usage.prompt_tokens} ${chunk.usage.completion_tokens}`;
}

async function makeKey(location: string): Promise<string> {
  const database = await openDatabase(location);
  const store = createPlatformStore(database, systemClock);
  const admin = createAdminService({
    store,
    current: () => store.load(),
    clock: systemClock,
    defaultRegion: 'beijing',
  });
  const { secret } = await admin.createKey('test', { name: 'test' });
  await database.close();
  return secret;
}

interface Child {
  /** What it prints after `ready`; undefined when it was killed before. */
  readonly ready: Promise<string | undefined>;
  kill(): Promise<void>;
}

function start(file: string, args: readonly string[]): Child {
  const child: ChildProcess = spawn(process.execPath, [join(import.meta.dirname, file), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  let text = '';
  const ready = new Promise<string | undefined>((resolve, reject) => {
    child.stdout?.on('data', (piece) => {
      text += piece;
      const line = /^ready ?(.*)\n/.exec(text);
      if (line) resolve(line[1]);
    });
    void exited.then(([code, signal]) =>
      signal === 'SIGKILL' ? resolve(undefined) : reject(new Error(`${file} ended with ${code ?? signal}`)),
    );
  });
  ready.catch(() => {});
  return {
    ready,
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

async function untilKilled(child: Child, longestMs: number): Promise<void> {
  if (Math.random() < KILLS_AT_START) await setTimeout(Math.random() * LONGEST_START_MS);
  else {
    await child.ready;
    await setTimeout(Math.random() * longestMs);
  }
  await child.kill();
}

/** A start that lets nothing begin, so that all is in the database. */
async function seeThrough(home: string, location: string): Promise<void> {
  await (await openTestLedger(home, location)).close();
}

async function receiptsOf({ queries }: Database): Promise<Receipts> {
  const rows = await queries
    .selectFrom('receipts')
    .select(['request_id', 'ending', 'error_code', 'input_total', 'output_total', 'charge_nano', 'free_tokens'])
    .execute();
  const byCall = new Map<string, Kept[]>();
  for (const row of rows) {
    const kept = byCall.get(row.request_id) ?? [];
    byCall.set(row.request_id, kept);
    kept.push({
      ending: row.ending,
      errorCode: row.error_code,
      input: row.input_total,
      output: row.output_total,
      nano: row.charge_nano,
      free: row.free_tokens,
    });
  }
  return { byCall, count: rows.length };
}

function closedAtStart(byCall: ReadonlyMap<string, readonly Kept[]>): number {
  return [...byCall.values()].flat().filter(({ errorCode }) => errorCode === 'process-killed').length;
}
