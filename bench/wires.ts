/**
 * What each wire costs beside Chat Completions: the same answer of the mock upstream, asked for on every wire in
 * interleaved rounds of one run, with keys, metering and the log on.
 */
import { join } from 'node:path';
import { CHAT_PATH, startAtelier } from './atelier.ts';
import { added, type GatewayOptions, type Row, rounds, rowOf } from './gateway.ts';
import { quantile, requestBytes, runLoad } from './load.ts';
import { type ServerProcess, startServer } from './processes.ts';

interface WireTarget {
  readonly name: string;
  readonly server: ServerProcess;
  /** The bytes of a call, whole or streamed. */
  readonly request: (model: string, isStreaming: boolean) => Buffer;
}

const SYSTEM = 'You are a helpful assistant.';
const QUESTION = 'Write a short note about the weather in Beijing in autumn, please.';
const MESSAGES = [
  { role: 'system', content: SYSTEM },
  { role: 'user', content: QUESTION },
];

/** The call of each wire, by its name in the table. */
const CALLS: { readonly [wire: string]: { readonly path: string; readonly body: (isStreaming: boolean) => object } } = {
  chat: {
    path: CHAT_PATH,
    body: (stream) => ({ messages: MESSAGES, stream, ...(stream ? { stream_options: { include_usage: true } } : {}) }),
  },
  messages: {
    path: '/apps/anthropic/v1/messages',
    body: (stream) => ({ max_tokens: 400, system: SYSTEM, messages: MESSAGES.slice(1), stream }),
  },
  'native text': {
    path: '/api/v1/services/aigc/text-generation/generation',
    body: () => ({
      input: { messages: MESSAGES },
      parameters: { result_format: 'message', incremental_output: true },
    }),
  },
  responses: {
    path: '/compatible-mode/v1/responses',
    body: (stream) => ({ instructions: SYSTEM, input: QUESTION, stream, store: false }),
  },
  'responses, stored': {
    path: '/compatible-mode/v1/responses',
    body: (stream) => ({ instructions: SYSTEM, input: QUESTION, stream }),
  },
  completions: { path: '/compatible-mode/v1/completions', body: (stream) => ({ prompt: QUESTION, stream }) },
};

/** Starts everything, measures, stops everything. */
export async function benchWires(options: GatewayOptions): Promise<Row[]> {
  const mock = await startServer('mock', [join(import.meta.dirname, 'mock.ts')], { marker: /listening (\d+)/ });
  const atelier = await startAtelier(
    `engine: { enabled: false }\nupstreams:\n  - { id: mock, baseUrl: "${mock.url.origin}/v1", quirks: openai }\n`,
  );
  const direct: WireTarget = {
    name: 'direct',
    server: mock,
    request: (model, stream) =>
      requestBytes(mock.url, CHAT_PATH, atelier.key, { model, messages: MESSAGES, ...(stream ? { stream } : {}) }),
  };
  const wires = Object.entries(CALLS).map(
    ([name, { path, body }]): WireTarget => ({
      name,
      server: atelier.server,
      request: (model, isStreaming) =>
        requestBytes(
          atelier.server.url,
          path,
          atelier.key,
          { model, ...body(isStreaming) },
          path.startsWith('/api/') && isStreaming ? { 'x-dashscope-sse': 'enable' } : {},
        ),
    }),
  );
  try {
    await warmUp(wires);
    return [
      ...(await latencyRows([direct, ...wires], options)),
      await requestCpuRow(wires, options),
      await streamCpuRow(wires, options),
    ];
  } finally {
    await Promise.all([atelier.stop(), mock.stop()]);
  }
}

async function warmUp(wires: readonly WireTarget[]): Promise<void> {
  for (const { name, server, request } of wires) {
    const plain = await runLoad(server.url, request('mock/plain', false), 8, 1500);
    const streamed = await runLoad(server.url, request('mock/stream-200', true), 8, 100);
    if (plain.failures + streamed.failures > 0) throw new Error(`${name} failed in the warm-up`);
  }
}

async function latencyRows(targets: readonly WireTarget[], options: GatewayOptions): Promise<Row[]> {
  const results = await rounds(targets, options.rounds, ({ server, request }) =>
    runLoad(server.url, request('mock/plain', false), 1, Math.round(1000 * options.scale)),
  );
  const p50 = rowOf('p50, 1 client', 'ms', results, ({ latenciesMs }) => quantile(latenciesMs, 0.5));
  const p99 = rowOf('p99, 1 client', 'ms', results, ({ latenciesMs }) => quantile(latenciesMs, 0.99));
  const addedP50 = added(p50);
  const chat = addedP50.values.chat ?? Number.NaN;
  const ratios = Object.entries(addedP50.values).map(([wire, value]) => [wire, value / chat]);
  return [p50, addedP50, { name: "added p50 to Chat's", unit: '×', values: Object.fromEntries(ratios) }, p99];
}

async function requestCpuRow(wires: readonly WireTarget[], options: GatewayOptions): Promise<Row> {
  const count = Math.round(4000 * options.scale);
  const results = await rounds(wires, options.rounds, async ({ server, request }) => {
    const before = server.cpuMs();
    await runLoad(server.url, request('mock/plain', false), 32, count);
    return (server.cpuMs() - before) / count;
  });
  return rowOf('server CPU a request', 'ms', results, (cpuMs) => cpuMs);
}

async function streamCpuRow(wires: readonly WireTarget[], options: GatewayOptions): Promise<Row> {
  const count = Math.round(200 * options.scale);
  const results = await rounds(wires, options.rounds, async ({ server, request }) => {
    const before = server.cpuMs();
    await runLoad(server.url, request('mock/stream-200', true), 16, count);
    return (server.cpuMs() - before) / count;
  });
  return rowOf('server CPU a 200-chunk stream', 'ms', results, (cpuMs) => cpuMs);
}
