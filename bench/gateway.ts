/**
 * What the gateway costs: the mock upstream directly, a bare proxy, and Atelier with keys, metering and the log on, in
 * interleaved rounds of one run. Figures are medians over rounds. With ATELIER_BENCH_BASELINE, the folder of another
 * checkout, that version is measured beside this one: what a change costs.
 */
import { join } from 'node:path';
import { CHAT_PATH, startAtelier } from './atelier.ts';
import { LoadConnection, median, quantile, requestBytes, runLoad } from './load.ts';
import { type ServerProcess, startServer } from './processes.ts';

/** A measured row: one figure a target. */
export interface Row {
  readonly name: string;
  readonly unit: string;
  readonly values: { readonly [target: string]: number };
  /** Added over the direct way. */
  readonly isDifference?: boolean;
}

export interface GatewayOptions {
  readonly rounds: number;
  /** Scales the counts of requests; 1 is the full run. */
  readonly scale: number;
}

interface Target {
  readonly name: 'direct' | 'bare proxy' | 'atelier' | 'baseline';
  readonly server: ServerProcess;
  readonly key: string;
}

/** Starts everything, measures, stops everything. */
export async function benchGateway(options: GatewayOptions): Promise<Row[]> {
  const mock = await startServer('mock', [join(import.meta.dirname, 'mock.ts')], { marker: /listening (\d+)/ });
  const proxy = await startServer('bare proxy', [join(import.meta.dirname, 'bare-proxy.ts'), mock.url.origin], {
    marker: /listening (\d+)/,
  });
  const yaml = `engine: { enabled: false }\nupstreams:\n  - { id: mock, baseUrl: "${mock.url.origin}/v1", quirks: openai }\n`;
  const atelierProcess = await startAtelier(yaml);
  const checkout = process.env.ATELIER_BENCH_BASELINE;
  const baseline = checkout === undefined ? undefined : await startAtelier(yaml, checkout);
  const { server: atelier, key } = atelierProcess;
  const targets: Target[] = [
    { name: 'direct', server: mock, key },
    { name: 'bare proxy', server: proxy, key },
    { name: 'atelier', server: atelier, key },
    ...(baseline ? [{ name: 'baseline', server: baseline.server, key: baseline.key } as const] : []),
  ];
  try {
    const idleMib = atelier.memoryMib();
    await warmUp(targets);
    return [
      ...(await latencyRows(targets, options)),
      ...(await throughputRows(targets, options)),
      ...(await streamRows(targets, options, 'mock/stream-200', 'chunk by chunk')),
      ...(await streamRows(targets, options, 'mock/burst-200', 'burst')),
      ...(await firstChunkRows(targets, options)),
      ...(await cancelRows(targets, mock)),
      ...(await memoryRows(targets, idleMib, options)),
    ];
  } finally {
    await Promise.all([atelierProcess.stop(), baseline?.stop(), proxy.stop(), mock.stop()]);
  }
}

/** A small chat request, as agents and chat programs send them. */
function body(model: string, isStreaming: boolean): object {
  return {
    model,
    messages: [
      { role: 'system', content: 'You are a helpful assistant.' },
      { role: 'user', content: 'Write a short note about the weather in Beijing in autumn, please.' },
    ],
    temperature: 0.7,
    ...(isStreaming ? { stream: true, stream_options: { include_usage: true } } : {}),
  };
}

const requestTo = (target: Target, model: string, isStreaming: boolean): Buffer =>
  requestBytes(target.server.url, CHAT_PATH, target.key, body(model, isStreaming));

async function warmUp(targets: readonly Target[]): Promise<void> {
  for (const target of targets) {
    const plain = await runLoad(target.server.url, requestTo(target, 'mock/plain', false), 8, 2000);
    const streamed = await runLoad(target.server.url, requestTo(target, 'mock/stream-200', true), 8, 100);
    if (plain.failures + streamed.failures > 0) throw new Error(`${target.name} failed in the warm-up`);
  }
}

export async function rounds<Target extends { readonly name: string }, T>(
  targets: readonly Target[],
  count: number,
  measure: (target: Target) => Promise<T>,
): Promise<Map<string, T[]>> {
  const results = new Map<string, T[]>(targets.map((target) => [target.name, []]));
  for (let round = 0; round < count; round++)
    for (const target of targets) results.get(target.name)?.push(await measure(target));
  return results;
}

export function rowOf<T>(name: string, unit: string, results: Map<string, T[]>, pick: (result: T) => number): Row {
  return {
    name,
    unit,
    values: Object.fromEntries([...results].map(([target, list]) => [target, median(list.map(pick))])),
  };
}

async function latencyRows(targets: readonly Target[], options: GatewayOptions): Promise<Row[]> {
  const results = await rounds(targets, options.rounds, (target) =>
    runLoad(target.server.url, requestTo(target, 'mock/plain', false), 1, Math.round(1000 * options.scale)),
  );
  const rows = [
    rowOf('p50, 1 client', 'ms', results, (result) => quantile(result.latenciesMs, 0.5)),
    rowOf('p99, 1 client', 'ms', results, (result) => quantile(result.latenciesMs, 0.99)),
  ];
  return rows.flatMap((row) => [row, added(row)]);
}

/** The same row as a difference to the direct way. */
export function added(row: Row): Row {
  const direct = row.values.direct ?? 0;
  const values = Object.fromEntries(
    Object.entries(row.values)
      .filter(([target]) => target !== 'direct')
      .map(([target, value]) => [target, value - direct]),
  );
  return { name: `added ${row.name}`, unit: row.unit, values, isDifference: true };
}

async function throughputRows(targets: readonly Target[], options: GatewayOptions): Promise<Row[]> {
  const count = Math.round(10_000 * options.scale);
  const results = await rounds(targets, options.rounds, async (target) => {
    const before = target.server.cpuMs();
    const load = await runLoad(target.server.url, requestTo(target, 'mock/plain', false), 32, count);
    return { perSecond: load.perSecond, cpuMs: (target.server.cpuMs() - before) / count, failures: load.failures };
  });
  return [
    rowOf('requests/s, 32 clients', '/s', results, (result) => result.perSecond),
    rowOf('server CPU a request', 'ms', results, (result) => result.cpuMs),
    rowOf('failed requests', '', results, (result) => result.failures),
  ];
}

async function streamRows(
  targets: readonly Target[],
  options: GatewayOptions,
  model: string,
  how: string,
): Promise<Row[]> {
  const count = Math.round(400 * options.scale);
  const results = await rounds(targets, options.rounds, async (target) => {
    const before = target.server.cpuMs();
    const load = await runLoad(target.server.url, requestTo(target, model, true), 16, count);
    return { perSecond: load.perSecond, cpuMs: (target.server.cpuMs() - before) / count };
  });
  return [
    rowOf(`200-chunk streams/s, ${how}, 16 clients`, '/s', results, (result) => result.perSecond),
    rowOf(`server CPU a 200-chunk stream, ${how}`, 'ms', results, (result) => result.cpuMs),
  ];
}

async function firstChunkRows(targets: readonly Target[], options: GatewayOptions): Promise<Row[]> {
  const results = await rounds(targets, options.rounds, (target) =>
    runLoad(target.server.url, requestTo(target, 'mock/slow-first', true), 1, Math.round(20 * options.scale)),
  );
  const row = rowOf('first chunk, upstream waits 50 ms', 'ms', results, (result) => quantile(result.firstBytesMs, 0.5));
  return [row, added(row)];
}

const CANCELS = 50;
const CANCEL_WITHIN_MS = 100;

/** How many of 50 upstream connections are closed within 100 ms after the client hung up. */
async function cancelRows(targets: readonly Target[], mock: ServerProcess): Promise<Row[]> {
  const values: Record<string, number> = {};
  for (const target of targets) {
    let closed = 0;
    for (let each = 0; each < CANCELS; each++) {
      const before = await closedEarly(mock);
      const client = await LoadConnection.open(target.server.url);
      await client.sendAndLeave(requestTo(target, 'mock/endless', true));
      const deadline = performance.now() + CANCEL_WITHIN_MS;
      while (performance.now() < deadline) {
        if ((await closedEarly(mock)) > before) {
          closed++;
          break;
        }
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    }
    values[target.name] = closed;
  }
  return [{ name: `upstream closed ≤ ${CANCEL_WITHIN_MS} ms after the client left, of ${CANCELS}`, unit: '', values }];
}

async function closedEarly(mock: ServerProcess): Promise<number> {
  const reply = await fetch(new URL('/mock/stats', mock.url));
  const stats = (await reply.json()) as { closedEarly: number };
  return stats.closedEarly;
}

async function memoryRows(targets: readonly Target[], idleMib: number, options: GatewayOptions): Promise<Row[]> {
  const target = targets.find(({ name }) => name === 'atelier');
  if (!target) return [];
  const rows: Row[] = [{ name: 'memory, idle', unit: 'MiB', values: { atelier: idleMib } }];
  const step = Math.round(20_000 * options.scale);
  for (const total of [step, 2 * step]) {
    await runLoad(target.server.url, requestTo(target, 'mock/plain', false), 32, step);
    rows.push({
      name: `memory after ${total} more requests`,
      unit: 'MiB',
      values: { atelier: target.server.memoryMib() },
    });
  }
  return rows;
}
