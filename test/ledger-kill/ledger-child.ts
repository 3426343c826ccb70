/**
 * The ledger under load, to be killed: journal, database and nothing else. What it has promised stands in a file, line by
 * line, the moment it has promised it: `open ID`, `closed ID INPUT OUTPUT NANO FREE`.
 *
 * Arguments: home folder, location of the database, a word that ids begin with.
 */
import { openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { OpenAccount } from '../../src/core/ports.ts';
import { usageOf } from '../../src/core/usage.ts';
import { openTestLedger } from './open-ledger.ts';

const OPEN_CALLS = 12;
const MODELS = ['qwen-plus', 'qwen3-max', 'qwen-flash'];

const [, , home = '', location = '', word = ''] = process.argv;
const promises = openSync(join(home, 'promised'), 'a');
const promise = (line: string): void => void writeSync(promises, `${line}\n`);

const { ledger } = await openTestLedger(home, location);
process.stdout.write('ready\n');

interface OpenCall {
  readonly id: string;
  readonly input: number;
  readonly account: OpenAccount;
  output: number;
}

const calls: OpenCall[] = [];
let opened = 0;

function open(): void {
  const id = `${word}-${++opened}`;
  const input = Math.floor(Math.random() * 40_000);
  const call = { input, output: 0 };
  const account = ledger.open(
    {
      receiptId: id,
      requestId: id,
      protocol: 'test',
      keyId: `key-${opened % 3}`,
      workspaceId: `ws-${opened % 2}`,
      region: 'beijing',
      priority: opened % 5 === 0 ? 'batch' : 'live',
      model: MODELS[opened % MODELS.length] ?? '',
      startedAtMs: Date.now(),
      isStreaming: true,
    },
    () => usageOf(call),
  );
  promise(`open ${id}`);
  calls.push(Object.assign(call, { id, account }));
}

function close(call: OpenCall): void {
  const usage = usageOf({ input: call.input, output: call.output });
  const { charge } = call.account.close({ servedBy: 'x', usage, ending: 'completed', totalMs: 1 });
  promise(`closed ${call.id} ${call.input} ${call.output} ${charge.totalNano} ${charge.freeTokens}`);
}

for (;;) {
  while (calls.length < OPEN_CALLS) open();
  for (const call of calls) call.output++;
  const [ended] = calls.splice(Math.floor(Math.random() * calls.length), Math.random() < 0.5 ? 1 : 0);
  if (ended) close(ended);
  await setImmediate();
}
