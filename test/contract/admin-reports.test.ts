/** Usage, the bill and the log of requests over HTTP, on a whole server. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type {
  BillView,
  KindsView,
  RequestDetailsView,
  RequestView,
  UsageView,
} from '../../src/admin/report-contract.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let adminKey: string;
let other: { id: string; secret: string };
beforeAll(async () => {
  server = await startTestServer();
  adminKey = (await server.createKey({ name: 'root', kind: 'admin' })).secret;
  // A name that a spreadsheet would compute.
  const { key, secret } = await server.createKey({ name: '=HYPERLINK("x")', keepsBodies: true });
  other = { id: key.id, secret };
  for (const model of ['qwen-plus', 'qwen-plus', 'qwen-max']) expect((await ask({ model })).status).toBe(200);
  const asOther = { headers: { authorization: `Bearer ${secret}` } };
  expect((await ask({ model: 'qwen-turbo' }, asOther)).status).toBe(200);
  expect((await ask({ model: 'no-such-model' }, asOther)).status).toBe(404);
  await server.running.flush();
});
afterAll(() => server.close());

function ask(body: object, init?: RequestInit): Promise<Response> {
  return server.chat({ messages: [{ role: 'user', content: 'What is new?' }], ...body }, init);
}

function get(path: string, key = adminKey): Promise<Response> {
  return fetch(`${server.running.baseUrl}/admin${path}`, { headers: { authorization: `Bearer ${key}` } });
}

async function read<View>(path: string): Promise<View> {
  const response = await get(path);
  expect(response.status).toBe(200);
  return (await response.json()) as View;
}

/** Lines without their ends, the header apart. */
async function csv(path: string): Promise<{ header: string; lines: string[] }> {
  const response = await get(path);
  expect(response.headers.get('content-type')).toBe('text/csv; charset=utf-8');
  const text = await response.text();
  expect(text.endsWith('\r\n')).toBe(true);
  const [header = '', ...lines] = text.slice(0, -2).split('\r\n');
  return { header, lines };
}

/** Exact: in units of 10⁻⁹ yuan. */
function nano(yuan: string): bigint {
  const [whole = '', fraction = ''] = yuan.split('.');
  return BigInt(whole + fraction.padEnd(9, '0'));
}

describe('usage', () => {
  it.each(['hour', 'day', 'month', 'model', 'key', 'workspace', 'region', 'protocol', 'ending', 'priority'])(
    'by %s adds up to the totals, and those to the receipts',
    async (by) => {
      const { items, totals, nextCursor } = await read<UsageView>(`/usage?by=${by}`);
      const receipts = await server.receipts();
      const sum = (count: (row: UsageView['totals']) => bigint): bigint =>
        items.reduce((total, row) => total + count(row), 0n);
      expect(sum(({ calls }) => BigInt(calls))).toBe(5n);
      expect(totals.calls).toBe(5);
      expect(sum(({ outputTokens }) => BigInt(outputTokens))).toBe(BigInt(totals.outputTokens));
      expect(sum(({ chargeYuan }) => nano(chargeYuan))).toBe(nano(totals.chargeYuan));
      expect(totals.inputTokens).toBe(receipts.reduce((total, { inputTokens }) => total + inputTokens, 0));
      expect(nano(totals.chargeYuan)).toBe(receipts.reduce((total, { chargeNano }) => total + BigInt(chargeNano), 0n));
      expect(nano(totals.chargeYuan)).toBeGreaterThan(0n);
      expect(nextCursor).toBeNull();
    },
  );

  it('by kind adds up to the same', async () => {
    const { totals } = await read<UsageView>('/usage');
    const { items } = await read<KindsView>('/usage?by=kind');
    const whole = items.filter(({ partOf }) => partOf === null);
    expect(whole.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(totals.inputTokens + totals.outputTokens);
    expect(whole.reduce((sum, { chargeYuan }) => sum + nano(chargeYuan ?? '0'), 0n)).toBe(nano(totals.chargeYuan));
  });

  it('is filtered, and goes on from page to page', async () => {
    const first = await read<UsageView>(`/usage?by=model&limit=1&keyId=${other.id}`);
    expect(first.items).toHaveLength(1);
    const second = await read<UsageView>(`/usage?by=model&limit=1&keyId=${other.id}&after=${first.nextCursor}`);
    expect([first.items[0]?.group, second.items[0]?.group]).toEqual(['qwen-turbo', 'no-such-model']);
    expect([first.totals.calls, second.totals.calls, second.nextCursor]).toEqual([2, 2, null]);
    expect((await read<UsageView>('/usage?from=2020-01-01&until=2020-01-31')).totals.calls).toBe(0);
  });

  it('takes days of a time zone, to their end', async () => {
    const { fromMs, untilMs } = await read<UsageView>('/usage?from=2026-11-02&until=2026-11-03&timeZone=Asia/Shanghai');
    expect(new Date(fromMs).toISOString()).toBe('2026-11-01T16:00:00.000Z');
    expect(new Date(untilMs).toISOString()).toBe('2026-11-03T16:00:00.000Z');
    const exact = await read<UsageView>('/usage?from=2026-11-02T08:00%2B08:00&until=1793577600000');
    expect([exact.fromMs, exact.untilMs]).toEqual([Date.parse('2026-11-02T00:00Z'), 1_793_577_600_000]);
  });

  it('takes all the time there is', async () => {
    const { totals } = await read<UsageView>('/usage?from=1970-01-01&until=9999-12-31&timeZone=America/New_York');
    expect(totals.calls).toBe(5);
  });

  it('comes as CSV, in which no name is a formula', async () => {
    const { header, lines } = await csv('/usage?by=key&format=csv');
    expect(header).toBe(
      'key,name,calls,input_tokens,cached_tokens,written_tokens,output_tokens,reasoning_tokens,free_tokens,charge_yuan',
    );
    expect(lines).toHaveLength(2);
    expect(lines.find((line) => line.startsWith(other.id))).toContain(`,"'=HYPERLINK(""x"")",2,`);
    expect((await csv('/usage?by=kind&format=csv')).header).toBe('kind,part_of,tokens,charge_yuan');
  });
});

describe('the bill', () => {
  it('has the vendor’s lines, with all nine decimals', async () => {
    const { month, items, totalYuan } = await read<BillView>('/bill');
    expect(month).toMatch(/^\d{4}-\d\d$/);
    const turbo = items.filter(({ model }) => model === 'qwen-turbo');
    expect(turbo.map(({ instance }) => instance)).toEqual([
      `${other.id};default;qwen-turbo;input_token;app;0`,
      `${other.id};default;qwen-turbo;output_token;app;0`,
    ]);
    for (const { yuan, unit } of items) {
      expect(yuan).toMatch(/^\d+\.\d{9}$/);
      expect(unit).toBe('token');
    }
    expect(items.reduce((sum, { yuan }) => sum + nano(yuan), 0n)).toBe(nano(totalYuan));
    expect(nano(totalYuan)).toBe(nano((await read<UsageView>('/usage')).totals.chargeYuan));
  });

  it('goes on from page to page, and comes as CSV', async () => {
    const whole = await read<BillView>('/bill');
    const first = await read<BillView>('/bill?limit=2');
    const second = await read<BillView>(`/bill?after=${first.nextCursor}`);
    expect([...first.items, ...second.items]).toEqual(whole.items);
    const { header, lines } = await csv('/bill?format=csv');
    expect(header).toBe('instance,region,workspace,key,model,item,channel,is_free,tokens,unit,yuan');
    expect(lines).toHaveLength(whole.items.length);
    expect((await read<BillView>('/bill?month=2020-01')).items).toEqual([]);
  });
});

describe('the log of requests', () => {
  it('tells what was called, by whom, how long, and how it ended, newest first', async () => {
    const { items } = await read<{ items: RequestView[] }>('/requests');
    expect(items.map(({ model }) => model)).toEqual([
      'no-such-model',
      'qwen-turbo',
      'qwen-max',
      'qwen-plus',
      'qwen-plus',
    ]);
    expect(items[0]).toMatchObject({
      keyId: other.id,
      keyName: '=HYPERLINK("x")',
      workspaceId: 'default',
      region: 'beijing',
      protocol: 'openai-chat',
      ending: 'failed',
      errorCode: 'model-not-found',
      chargeYuan: '0',
    });
    expect(items[1]).toMatchObject({ ending: 'completed', errorCode: null, servedBy: 'scripted/echo' });
    expect(nano(items[1]?.chargeYuan ?? '')).toBeGreaterThan(0n);
  });

  it('is filtered, and goes on from page to page', async () => {
    const first = await read<{ items: RequestView[]; nextCursor: string }>(`/requests?keyId=${other.id}&limit=1`);
    expect(first.items.map(({ model }) => model)).toEqual(['no-such-model']);
    const second = await read<{ items: RequestView[]; nextCursor: string | null }>(
      `/requests?keyId=${other.id}&limit=1&after=${first.nextCursor}`,
    );
    expect(second.items.map(({ model }) => model)).toEqual(['qwen-turbo']);
    expect(second.nextCursor).toBeNull();
    expect((await read<{ items: RequestView[] }>('/requests?ending=failed')).items).toHaveLength(1);
    expect((await read<{ items: RequestView[] }>('/requests?until=2020-01-01')).items).toEqual([]);
  });

  it('shows one with its bill, and with bodies where the key keeps them', async () => {
    const { items } = await read<{ items: RequestView[] }>('/requests');
    const [refused, turbo, max] = await Promise.all(
      items.map(({ receiptId }) => read<RequestDetailsView>(`/requests/${receiptId}`)),
    );
    expect(turbo?.lines.map(({ item }) => item)).toEqual(['input_token', 'output_token']);
    expect(turbo?.body?.request).toMatchObject({
      model: 'qwen-turbo',
      turns: [{ role: 'user', parts: [{ type: 'text', text: 'What is new?' }] }],
    });
    expect(turbo?.body?.reply).toMatchObject({ ending: 'completed', choices: [{ reason: 'stop' }] });
    expect(refused?.body?.reply).toMatchObject({ ending: 'failed', error: { code: 'model-not-found' } });
    expect(max?.body).toBeNull();
    expect((await get('/requests/none')).status).toBe(404);
  });

  it('comes as CSV', async () => {
    const { header, lines } = await csv(`/requests?format=csv&keyId=${other.id}`);
    expect(header.split(',')).toHaveLength(22);
    expect(lines).toHaveLength(2);
    expect(lines[0]).toContain('no-such-model');
  });
});

it.each([
  ['/usage?by=colour', /^by must be one of hour, day, .*, kind\.$/],
  ['/usage?from=yesterday', /^from must be a day/],
  ['/usage?from=2026-02-31', /^There is no day 2026-02-31\.$/],
  ['/usage?from=2026-13-01', /^There is no day/],
  ['/usage?timeZone=Mars', /^timeZone must be a time zone/],
  ['/usage?limit=0', /^limit/],
  ['/usage?model=a&colour=b', /^colour is not known\.$/],
  ['/usage?format=csv&by=colour', /^by must be one of/],
  ['/bill?month=2026-13', /^month must be a month/],
  ['/bill?after=x', /^after must be a nextCursor/],
  ['/requests?after=x', /^after must be a nextCursor/],
  ['/requests?ending=odd', /^ending/],
])('refuses %s', async (path, message) => {
  const response = await get(path);
  expect(response.status).toBe(400);
  expect(((await response.json()) as { error: { message: string } }).error.message).toMatch(message);
});

it.each(['/usage', '/bill', '/requests', '/requests/x'])('keeps %s from API keys', async (path) => {
  expect((await get(path, server.key)).status).toBe(403);
});
