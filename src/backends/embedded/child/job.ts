/** One `generate` and its choices, as the scheduler keeps them. */
import type { TokenLogprob } from '../../../core/events.ts';
import type { CacheReport, ChoiceCounts, DecodePlan, JobTimings } from '../engine-protocol.ts';
import type { TokenMark } from './cache-blocks.ts';
import type { ChoiceDecoder, Move } from './choice-decoder.ts';
import type { ChoiceSampler } from './sampling.ts';
import type { RowWishes, Sequence } from './sequences.ts';

/** A choice that has a sequence. */
export interface Choice {
  readonly job: Job;
  readonly index: number;
  readonly sequence: Sequence;
  readonly decoder: ChoiceDecoder;
  readonly sampler: ChoiceSampler;
  /** All tokens the sequence is to hold before the next one is sampled. */
  readonly tokens: number[];
  /** Of a text that is only read: how likely its tokens are, as far as it has been read. */
  readonly foretold: TokenLogprob[];
  /** Another choice of the job reads the prompt; this one begins with a copy. */
  waitsForPrompt: boolean;
}

export class Job {
  readonly id: string;
  readonly plan: DecodePlan;
  readonly prompt: readonly number[];
  /** The prompt and what the first stage forces after it: what all choices begin with. */
  readonly base: readonly number[];
  /** What the first stages decided before anything was sampled; `end` when a limit allows no token at all. */
  readonly firstMove: Move;
  /** Of an explicit plan. */
  readonly marks: readonly TokenMark[];
  /** What they found and will add; set when the job is accepted. */
  cacheReport: CacheReport | undefined;
  isEnded = false;
  startedChoices = 0;
  endedChoices = 0;
  readonly #arrivedMs = performance.now();
  #promptReadMs: number | undefined;
  #firstTokenMs: number | undefined;
  readonly #counts = new Map<number, ChoiceCounts>();

  constructor(
    id: string,
    plan: DecodePlan,
    prompt: readonly number[],
    firstMove: Move,
    marks: readonly TokenMark[] = [],
  ) {
    this.id = id;
    this.plan = plan;
    this.prompt = prompt;
    this.firstMove = firstMove;
    this.marks = marks;
    this.base = firstMove.kind === 'feed' ? [...prompt, ...firstMove.tokens] : prompt;
  }

  /** Whose warm and stored tokens it may use. */
  get namespace(): string {
    return this.plan.cache?.namespace ?? '';
  }

  /** What it computes may be put on disk, and what is there may be used. */
  get usesDisk(): boolean {
    return this.plan.cache !== undefined && this.plan.cache.mode !== 'off';
  }

  /** Of a text that is only read: where the first of its tokens is foretold. */
  get logitsFrom(): number | undefined {
    return this.plan.onlyText === undefined ? undefined : this.prompt.length - 1;
  }

  get isRecurring(): boolean {
    return this.plan.cache?.isRecurring === true;
  }

  /** The same request is to give the same text, whatever of its prompt is warm. */
  get isRepeatable(): boolean {
    const { temperature, isSeedOurs } = this.plan.sampling;
    return temperature === 0 || isSeedOurs !== true;
  }

  get rowWishes(): RowWishes {
    return { isExact: this.isRepeatable, logitsFrom: this.logitsFrom };
  }

  promptRead(): void {
    this.#promptReadMs ??= this.#elapsedMs();
  }

  counted(choice: number, counts: ChoiceCounts): void {
    this.#firstTokenMs ??= this.#elapsedMs();
    this.#counts.set(choice, counts);
  }

  /** Of all choices together. */
  get counts(): ChoiceCounts {
    let output = 0;
    let reasoning = 0;
    for (const counts of this.#counts.values()) {
      output += counts.output;
      reasoning += counts.reasoning;
    }
    return { output, reasoning };
  }

  /** From the arrival in this process; what had not happened when the job ended counts as having taken until then. */
  get timings(): JobTimings {
    const totalMs = this.#elapsedMs();
    return { promptMs: this.#promptReadMs ?? totalMs, firstTokenMs: this.#firstTokenMs ?? totalMs, totalMs };
  }

  #elapsedMs(): number {
    return Math.round((performance.now() - this.#arrivedMs) * 10) / 10;
  }
}
