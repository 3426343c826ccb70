/** A server that is killed in the middle of a batch, as a person would run it: nothing is done twice, nothing is lost. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import OpenAI from 'openai';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { openDatabase } from '../src/stores/sql/database.ts';

const CLI = path.join(import.meta.dirname, '../src/cli/main.ts');
const LINES = 200;

let home: string;
const running: ChildProcess[] = [];
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'atelier-kill-'));
});
afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
  rmSync(home, { recursive: true, force: true });
});

async function start(): Promise<{ child: ChildProcess; client: OpenAI }> {
  const child = spawn(process.execPath, [CLI, 'serve', '--scripted', '--port', '0', '--log-level', 'silent'], {
    cwd: home,
    env: { ...process.env, PORT: '', ATELIER_HOME: home, ATELIER_BATCHES_CONCURRENCY: '4', NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  running.push(child);
  let out = '';
  child.stdout?.on('data', (piece) => {
    out += piece;
  });
  const isUp = () => {
    if (child.exitCode !== null) throw new Error(`it ended before it was up: ${out}`);
    return out.includes('Stop it: Ctrl-C');
  };
  await vi.waitUntil(isUp, { timeout: 30_000, interval: 20 });
  const baseURL = /Base URL +(\S+)/.exec(out)?.[1] ?? '';
  const apiKey = /API key +(sk-\S+)/.exec(out)?.[1] ?? '';
  return { child, client: new OpenAI({ apiKey, baseURL }) };
}

it('ends with one result for each of 200 lines after a kill -9 in the middle', async () => {
  const first = await start();
  // Each line takes 10 ms, so that the kill comes in the middle.
  const lines = Array.from({ length: LINES }, (_, index) =>
    JSON.stringify({
      custom_id: `line-${index}`,
      method: 'POST',
      url: '/v1/chat/completions',
      body: { model: 'scripted/echo?ms=10', messages: [{ role: 'user', content: `say ${index}` }] },
    }),
  );
  const file = await first.client.files.create({ file: new File([lines.join('\n')], 'in.jsonl'), purpose: 'batch' });
  const { id } = await first.client.batches.create({
    input_file_id: file.id,
    endpoint: '/v1/chat/completions',
    completion_window: '24h',
  });
  const until = (client: OpenAI, isReached: (batch: OpenAI.Batch) => boolean) =>
    vi.waitUntil(
      async () => {
        const batch = await client.batches.retrieve(id);
        return isReached(batch) && batch;
      },
      { timeout: 60_000, interval: 10 },
    ) as Promise<OpenAI.Batch>;
  await until(first.client, ({ request_counts }) => (request_counts?.completed ?? 0) >= 20);
  first.child.kill('SIGKILL');
  await once(first.child, 'exit');

  const database = await openDatabase(path.join(home, 'atelier.db'));
  const done = await database.queries.selectFrom('batch_results').select('line').execute();
  await database.close();
  expect(done.length).toBeGreaterThanOrEqual(20);
  expect(done.length).toBeLessThan(LINES);

  const second = await start();
  const batch = await until(second.client, ({ status }) => status === 'completed');
  expect(batch.request_counts).toEqual({ total: LINES, completed: LINES, failed: 0 });
  expect(batch.error_file_id).toBeNull();
  const text = await (await second.client.files.content(batch.output_file_id ?? '')).text();
  const results = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(results.map(({ custom_id, response }) => [custom_id, response.body.choices[0].message.content])).toEqual(
    lines.map((_, index) => [`line-${index}`, `say ${index}`]),
  );
  expect((await second.client.files.list({ purpose: 'batch_output' })).data).toHaveLength(1);
  // The input and the output; no copy and no half of anything.
  expect(readdirSync(path.join(home, 'files')).filter((name) => name !== 'incoming')).toHaveLength(2);
  expect(readdirSync(path.join(home, 'files', 'incoming'))).toEqual([]);
});
