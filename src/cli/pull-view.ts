/** Shows a pull: a bar with rate and time left on a terminal, a line every ten per cent elsewhere. */
import type { PullProgress } from '../weights/pull.ts';
import { formatBytes, formatSeconds } from './terminal.ts';

const BAR_CELLS = 24;
const REDRAW_MS = 100;
/** The rate is taken over this much of the past, so that it is steady and yet follows the line. */
const RATE_WINDOW_MS = 5000;
const PERCENT_A_LINE = 10;

interface Sample {
  readonly atMs: number;
  readonly bytes: number;
}

/** Draws on stderr, so that stdout stays for results. Call `end` when the pull has ended, however it did. */
export class PullView {
  readonly #title: string;
  readonly #stream: NodeJS.WriteStream;
  readonly #now: () => number;
  #samples: Sample[] = [];
  #source: string | undefined;
  #drawnAtMs = Number.NEGATIVE_INFINITY;
  #nextPercent = 0;
  #hasLine = false;

  constructor(title: string, stream: NodeJS.WriteStream = process.stderr, now: () => number = () => performance.now()) {
    this.#title = title;
    this.#stream = stream;
    this.#now = now;
  }

  show(progress: PullProgress): void {
    switch (progress.phase) {
      case 'waiting':
        this.#line('Another process is fetching these weights; waiting for it.');
        return;
      case 'resuming':
        this.#line(`${formatBytes(progress.receivedBytes)} are here from an earlier run; going on from there.`);
        return;
      case 'source-failed':
        this.#line(`${progress.source}: ${progress.reason}`);
        return;
      case 'downloading':
        this.#downloading(progress);
        return;
      default:
        progress satisfies never;
    }
  }

  end(): void {
    if (this.#hasLine) this.#stream.write('\n');
    this.#hasLine = false;
  }

  #downloading({ source, receivedBytes, totalBytes }: PullProgress & { phase: 'downloading' }): void {
    const atMs = this.#now();
    if (source !== this.#source) {
      this.#source = source;
      this.#samples = [];
      this.#nextPercent = totalBytes ? (receivedBytes / totalBytes) * 100 : 0;
      this.#line(`Fetching ${this.#title} from ${source}${totalBytes ? ` (${formatBytes(totalBytes)})` : ''}`);
    }
    this.#samples.push({ atMs, bytes: receivedBytes });
    const isLast = receivedBytes === totalBytes;
    if (this.#stream.isTTY) {
      if (!isLast && atMs - this.#drawnAtMs < REDRAW_MS) return;
      this.#drawnAtMs = atMs;
      this.#stream.write(`\r\x1b[K${this.#describe(receivedBytes, totalBytes)}`);
      this.#hasLine = true;
      return;
    }
    const percent = totalBytes ? Math.floor((receivedBytes / totalBytes) * 100) : 0;
    if (percent < this.#nextPercent || percent === 0) return;
    this.#nextPercent = Math.floor(percent / PERCENT_A_LINE) * PERCENT_A_LINE + PERCENT_A_LINE;
    this.#line(this.#describe(receivedBytes, totalBytes));
  }

  #describe(receivedBytes: number, totalBytes: number | null): string {
    const bytesPerSecond = this.#rate();
    const rate = bytesPerSecond > 0 ? `  ${formatBytes(bytesPerSecond)}/s` : '';
    if (totalBytes === null) return `${formatBytes(receivedBytes)}${rate}`;
    const share = Math.min(1, receivedBytes / totalBytes);
    const cells = Math.round(share * BAR_CELLS);
    const bar = this.#stream.isTTY ? `${'█'.repeat(cells)}${'░'.repeat(BAR_CELLS - cells)} ` : '';
    const left = bytesPerSecond > 0 ? `, ${formatSeconds((totalBytes - receivedBytes) / bytesPerSecond)} left` : '';
    return `${bar}${String(Math.floor(share * 100)).padStart(3)}%  ${formatBytes(receivedBytes)}${rate}${left}`;
  }

  #rate(): number {
    const last = this.#samples.at(-1);
    if (!last) return 0;
    while (this.#samples.length > 2 && last.atMs - (this.#samples[0]?.atMs ?? 0) > RATE_WINDOW_MS)
      this.#samples.shift();
    const first = this.#samples[0];
    if (!first || last.atMs <= first.atMs) return 0;
    return ((last.bytes - first.bytes) / (last.atMs - first.atMs)) * 1000;
  }

  #line(text: string): void {
    this.end();
    this.#stream.write(`${text}\n`);
  }
}
