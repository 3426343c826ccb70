/** `/metrics`: counters and histograms in the Prometheus text form. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { ErrorCode } from '../core/errors.ts';
import type { Metrics, Receipt } from '../core/ports.ts';

export interface MetricsRegistry extends Metrics {
  text(): Promise<string>;
  readonly contentType: string;
  /** Registers a value that is read at each scrape. */
  gauge(name: string, help: string, read: () => number): void;
}

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

/** Error codes of calls that admission did not let in. */
const REFUSALS: ReadonlySet<string> = new Set<ErrorCode>([
  'rate-limited',
  'tokens-limited',
  'burst-limited',
  'concurrency-limited',
  'quota-exceeded',
  'free-tier-exhausted',
  'model-access-denied',
]);

/** The metrics of one server. */
export function createMetrics(): MetricsRegistry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const calls = new Counter({
    name: 'atelier_calls_total',
    help: 'Calls by wire, model, backend and how they ended.',
    labelNames: ['protocol', 'model', 'served_by', 'ending'],
    registers,
  });
  const refused = new Counter({
    name: 'atelier_refused_total',
    help: 'Calls that were not let in: by limits, grants, budgets and free quotas.',
    labelNames: ['reason'],
    registers,
  });
  const active = new Gauge({
    name: 'atelier_calls_active',
    help: 'Calls under way.',
    labelNames: ['protocol'],
    registers,
  });
  const tokens = new Counter({
    name: 'atelier_tokens_total',
    help: 'Tokens by kind: input, cached, output, reasoning (cached is part of input, reasoning of output).',
    labelNames: ['kind', 'model'],
    registers,
  });
  const duration = new Histogram({
    name: 'atelier_call_seconds',
    help: 'Duration of calls.',
    labelNames: ['protocol'],
    buckets: SECONDS,
    registers,
  });
  const firstToken = new Histogram({
    name: 'atelier_first_token_seconds',
    help: 'Time to the first token of a call.',
    labelNames: ['protocol'],
    buckets: SECONDS,
    registers,
  });
  return {
    callStarted: (protocol) => active.labels(protocol).inc(),
    callEnded(receipt) {
      const model = labelOf(receipt);
      active.labels(receipt.protocol).dec();
      calls.labels(receipt.protocol, model, receipt.servedBy, receipt.ending).inc();
      if (receipt.errorCode !== undefined && REFUSALS.has(receipt.errorCode)) refused.labels(receipt.errorCode).inc();
      duration.labels(receipt.protocol).observe(receipt.totalMs / 1000);
      if (receipt.firstTokenMs !== undefined) firstToken.labels(receipt.protocol).observe(receipt.firstTokenMs / 1000);
      const { input, output } = receipt.usage;
      if (input.total > 0) tokens.labels('input', model).inc(input.total);
      if (input.cachedRead > 0) tokens.labels('cached', model).inc(input.cachedRead);
      if (output.total > 0) tokens.labels('output', model).inc(output.total);
      if (output.reasoning > 0) tokens.labels('reasoning', model).inc(output.reasoning);
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
    gauge(name, help, read) {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    },
  };
}

/** A caller chooses the model's name: only names that led somewhere become a label, or anyone could fill the memory. */
function labelOf(receipt: Receipt): string {
  return receipt.servedBy === '' ? 'unknown' : receipt.model;
}
