/** The commands that report, as a person runs them beside a server. */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CacheView } from '../src/admin/cache-routes.ts';
import type { AuditRow, QuotaView } from '../src/admin/contract.ts';
import type { LimitsView } from '../src/admin/limit-routes.ts';
import type { BillView, RequestDetailsView, RequestView, UsageView } from '../src/admin/report-contract.ts';
import { startTestServer, type TestServer } from './support/server.ts';

const CLI = path.join(import.meta.dirname, '../src/cli/main.ts');

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({}, { environment: { ATELIER_QUOTA_ENABLED: 'true' } });
  const { secret } = await server.createKey({ name: 'laptop', keepsBodies: true });
  for (const model of ['qwen-plus', 'qwen-max'])
    expect((await chat(secret, { model, messages: [{ role: 'user', content: 'Hello!' }] })).status).toBe(200);
  await server.running.flush();
});
afterAll(() => server.close());

const chat = (secret: string, body: object): Promise<Response> =>
  server.chat(body, { headers: { authorization: `Bearer ${secret}` } });

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function cli(...args: string[]): Promise<Ended> {
  const { npm_lifecycle_event: _, ...inherited } = process.env;
  const env = { ...inherited, ATELIER_HOME: server.home, NO_COLOR: '1', TZ: 'Asia/Shanghai' };
  const run = promisify(execFile)(process.execPath, [CLI, ...args], { cwd: server.home, env });
  return run.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (thrown: Ended) => thrown,
  );
}

async function json<View>(...args: string[]): Promise<View> {
  const { code, stdout, stderr } = await cli(...args, '--json');
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout) as View;
}

describe('usage', () => {
  it('draws a bar a day', async () => {
    const { stdout } = await cli('usage', '--days', '2');
    const [header, ...lines] = stdout.trimEnd().split('\n');
    expect(header).toMatch(/^day +calls +input +cached +output +reasoning +free +yuan/);
    expect(lines.at(-2)).toMatch(/^\d{4}-\d\d-\d\d +2 .* █{40}$/);
    expect(lines.at(-1)).toMatch(/^all +2 /);
  });

  it('is filtered by the name of a key', async () => {
    const { items, timeZone } = await json<UsageView>(
      'usage',
      '--by',
      'model',
      '--key',
      'laptop',
      '--model',
      'qwen-max',
    );
    expect(items.map(({ group, calls }) => [group, calls])).toEqual([['qwen-max', 1]]);
    expect(timeZone).toBe('Asia/Shanghai');
    expect((await json<UsageView>('usage', '--key', 'test')).items).toEqual([]);
  });

  it('prints CSV', async () => {
    const { stdout } = await cli('usage', '--by', 'kind', '--csv');
    expect(stdout.split('\r\n')[0]).toBe('kind,part_of,tokens,charge_yuan');
  });

  it.each([
    [['--by', 'colour'], /by must be one of hour, day/],
    [['--key', 'nobody'], /There is no key nobody\. Fix: /],
    [['--days', '0'], /--days 0 is no whole number from 1\. Fix: /],
    [['--from', 'monday'], /from must be a day such as/],
  ])('refuses %j and ends with 1', async (flags, message) => {
    const { code, stderr } = await cli('usage', ...flags);
    expect(code).toBe(1);
    expect(stderr).toMatch(message);
  });
});

it('bill adds up', async () => {
  const { items, totalYuan } = await json<BillView>('bill');
  expect(items.map(({ model, isFree }) => [model, isFree])).toEqual([
    ['qwen-max', true],
    ['qwen-max', true],
    ['qwen-plus', true],
    ['qwen-plus', true],
  ]);
  expect(totalYuan).toBe('0.000000000');
});

it('requests shows the newest, and one with its bodies', async () => {
  const [newest, ...others] = await json<RequestView[]>('requests');
  expect(others).toHaveLength(1);
  const { model, body } = await json<RequestDetailsView>('requests', newest?.receiptId ?? '');
  expect(model).toBe('qwen-max');
  expect(JSON.stringify(body?.request)).toContain('Hello!');
  const { stdout } = await cli('requests', '--model', 'qwen-plus', '--limit', '1');
  expect(stdout.trimEnd().split('\n')[1]).toMatch(/ laptop +qwen-plus +openai-chat .* completed$/);
});

it('quota shows what is left, and switches what happens then', async () => {
  const { used } = await json<QuotaView>('quota');
  expect(used.map(({ model, usedTokens }) => [model, usedTokens > 0])).toEqual([
    ['qwen-max', true],
    ['qwen-plus', true],
  ]);
  const freeTierOnly = async (...flags: string[]): Promise<readonly string[]> =>
    (await json<QuotaView>('quota', '--free-tier-only', ...flags)).freeTierOnly;
  expect(await freeTierOnly('on', '--model', 'qwen-max')).toEqual(['qwen-max']);
  expect(await freeTierOnly('off', '--model', 'qwen-max')).toEqual([]);
  expect(await freeTierOnly('on')).toEqual(['*']);
  expect((await cli('quota', '--free-tier-only', 'off', '--model', 'qwen-max')).code).toBe(1);
  expect(await freeTierOnly('off')).toEqual([]);
  const rows = await json<AuditRow[]>('audit', '--limit', '1');
  expect(rows).toMatchObject([{ actor: 'cli', action: 'quota.set' }]);
});

it('limits asks the server that runs what is left', async () => {
  const { secret } = await server.createKey({ name: 'root', kind: 'admin' });
  writeFileSync(path.join(server.home, 'admin-key'), secret);
  const left = await json<LimitsView>('limits', '--model', 'qwen-plus', '--port', String(server.running.port));
  expect(left.areOn).toBe(true);
  expect(left.items[0]).toMatchObject({ kind: 'requests', limit: 10_000_000 });
  expect((await cli('limits')).stdout).toMatch(/100 calls a second/);
  expect((await cli('limits', '--model', 'no-such-model', '--port', '1')).stderr).toMatch(/There is no model/);
});

it('cache shows what a server keeps, and forgets it; or what lies on disk', async () => {
  const { secret } = await server.createKey({ name: 'root', kind: 'admin' });
  writeFileSync(path.join(server.home, 'admin-key'), secret);
  const asked = 'A long question. '.repeat(300).trim();
  const messages = [{ role: 'user', content: [{ type: 'text', text: asked, cache_control: { type: 'ephemeral' } }] }];
  for (const _ of [1, 2]) await (await server.chat({ model: 'qwen-plus', messages })).text();
  const port = ['--port', String(server.running.port)];
  const { items, isServed } = await json<CacheView & { isServed: boolean }>('cache', ...port);
  expect(isServed).toBe(true);
  expect(items).toMatchObject([
    {
      backend: 'scripted',
      entries: [{ kind: 'explicit', namespace: 'default/beijing/qwen-plus', tokens: 1200, hits: 1 }],
    },
  ]);
  const { stdout } = await cli('cache', ...port);
  expect(stdout).toMatch(
    /^scripted +explicit +1200 +0 kB +1 +0 s +\d+ s ago +[45] min \d+ s +default\/beijing\/qwen-plus$/m,
  );
  expect(stdout).toMatch(/^1 prompt, 0 kB, found 1 times, 0 s of computing saved\.$/m);
  expect(stdout).not.toContain('A long question');
  expect((await cli('cache', 'clear', ...port)).stdout).toBe('Forgot 1 prompt, 0 kB.\n');
  expect((await cli('cache', 'clear', ...port)).stdout).toBe('There was nothing to forget.\n');
  expect((await cli('cache', '--port', '1')).stdout).toMatch(/^0 prompts, .*\nNo server of this configuration answers/);
  expect((await cli('cache', 'clear', '--port', '1')).stdout).toBe('There was nothing to forget.\n');
});

it('models shows those of a region with their prices', async () => {
  const { stdout } = await cli('models', '--region', 'beijing');
  expect(stdout).toMatch(/^qwen-plus +1000000 +\d+ +2 +[\d.]+ /m);
  expect((await cli('models', '--region', 'mars')).stderr).toMatch(/--region mars is not known\. Fix: one of beijing/);
});
