/** `/metrics`: counters and histograms in the Prometheus text form. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { ErrorCode } from '../core/errors.ts';
import type { Metrics, QueueWait, Receipt } from '../core/ports.ts';

export interface MetricsRegistry extends Metrics {
  text(): Promise<string>;
  readonly contentType: string;
  /** Registers a value that is read at each scrape. */
  gauge(name: string, help: string, read: () => number): void;
  /** The same for several values, which the labels tell apart. */
  gauges<Label extends string>(
    name: string,
    help: string,
    labels: readonly Label[],
    read: () => Iterable<readonly [{ readonly [label in Label]: string }, number]>,
  ): void;
  /** Hears how a call waited for local weights. */
  queueWaited(weights: string, wait: QueueWait): void;
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
  const counted = new CountedCalls();
  new Counter({
    name: 'atelier_calls_total',
    help: 'Calls by wire, model, backend and how they ended.',
    labelNames: ['protocol', 'model', 'served_by', 'ending'],
    registers,
    collect() {
      this.reset();
      for (const { labels, calls } of counted.ended()) this.inc(labels, calls);
    },
  });
  const refused = new Counter({
    name: 'atelier_refused_total',
    help: 'Calls that were not let in: by limits, grants, budgets and free quotas.',
    labelNames: ['reason'],
    registers,
  });
  new Gauge({
    name: 'atelier_calls_active',
    help: 'Calls under way.',
    labelNames: ['protocol'],
    registers,
    collect() {
      for (const [protocol, count] of counted.active) this.set({ protocol }, count);
    },
  });
  new Counter({
    name: 'atelier_tokens_total',
    help: 'Tokens by kind: input, cached, cache_written, output, reasoning (the second and third are part of input, reasoning of output).',
    labelNames: ['kind', 'model'],
    registers,
    collect() {
      this.reset();
      for (const { labels, tokens } of counted.ended())
        for (const kind of TOKEN_KINDS) if (tokens[kind] > 0) this.inc({ kind, model: labels.model }, tokens[kind]);
    },
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
  const queueWait = new Histogram({
    name: 'atelier_queue_wait_seconds',
    help: 'How long calls waited for local weights.',
    labelNames: ['weights', 'priority'],
    buckets: SECONDS,
    registers,
  });
  const queueAhead = new Histogram({
    name: 'atelier_queue_calls_ahead',
    help: 'How many calls stood before one in the queue of local weights when it came.',
    labelNames: ['weights', 'priority'],
    buckets: [0, 1, 2, 4, 8, 16, 32, 64],
    registers,
  });
  return {
    callStarted: (protocol) => counted.started(protocol),
    callEnded(receipt) {
      counted.add(receipt, labelOf(receipt));
      if (receipt.errorCode !== undefined && REFUSALS.has(receipt.errorCode)) refused.labels(receipt.errorCode).inc();
      duration.labels(receipt.protocol).observe(receipt.totalMs / 1000);
      if (receipt.firstTokenMs !== undefined) firstToken.labels(receipt.protocol).observe(receipt.firstTokenMs / 1000);
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
    gauges(name, help, labels, read) {
      new Gauge({
        name,
        help,
        labelNames: [...labels],
        registers,
        collect() {
          for (const [values, value] of read()) this.labels(values).set(value);
        },
      });
    },
    queueWaited(weights, { priority, queueMs, callsAhead }) {
      queueWait.labels(weights, priority).observe(queueMs / 1000);
      queueAhead.labels(weights, priority).observe(callsAhead);
    },
  };
}

const TOKEN_KINDS = ['input', 'cached', 'cache_written', 'output', 'reasoning'] as const;

/** Calls that ended alike. */
interface AlikeCalls {
  readonly labels: {
    readonly protocol: string;
    readonly model: string;
    readonly served_by: string;
    readonly ending: string;
  };
  calls: number;
  readonly tokens: { [kind in (typeof TOKEN_KINDS)[number]]: number };
}

/** What is counted of every call, added up here and handed over when it is asked for: a counter's own labels cost more. */
class CountedCalls {
  readonly active = new Map<string, number>();
  readonly #ended = new Map<string, AlikeCalls>();

  ended(): Iterable<AlikeCalls> {
    return this.#ended.values();
  }

  started(protocol: string): void {
    this.active.set(protocol, (this.active.get(protocol) ?? 0) + 1);
  }

  add({ protocol, servedBy, ending, usage: { input, output } }: Receipt, model: string): void {
    this.active.set(protocol, (this.active.get(protocol) ?? 0) - 1);
    const name = `${protocol}\n${model}\n${servedBy}\n${ending}`;
    let alike = this.#ended.get(name);
    if (!alike) {
      const labels = { protocol, model, served_by: servedBy, ending };
      alike = { labels, calls: 0, tokens: { input: 0, cached: 0, cache_written: 0, output: 0, reasoning: 0 } };
      this.#ended.set(name, alike);
    }
    const { tokens } = alike;
    alike.calls++;
    tokens.input += input.total;
    tokens.cached += input.cachedRead;
    tokens.cache_written += input.cacheWritten;
    tokens.output += output.total;
    tokens.reasoning += output.reasoning;
  }
}

/** A caller chooses the model's name: only names that led somewhere become a label, or anyone could fill the memory. */
function labelOf(receipt: Receipt): string {
  return receipt.servedBy === '' ? 'unknown' : receipt.model;
}
