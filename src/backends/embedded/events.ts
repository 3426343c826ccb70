/** What the engine says of one job, as canonical events. Pure; keeps the grammar of `core/events.ts`. */
import { contextTooLong, StudioError } from '../../core/errors.ts';
import type { GenerationEvent, TextDeltaEvent, TokenLogprob } from '../../core/events.ts';
import type { GenerationRequest } from '../../core/generation.ts';
import { type CallContext, endingOf, startOf } from '../../core/ports.ts';
import { type InputUsage, NO_USAGE, type Usage } from '../../core/usage.ts';
import type { AcceptedMessage, ClearDecision } from './call-decision.ts';
import type { JobMessage } from './engine-client.ts';
import type { CacheReport, ChoiceCounts, JobTimings, Piece, StepItem } from './engine-protocol.ts';

const NO_COUNTS: ChoiceCounts = { output: 0, reasoning: 0 };

type BlockKind = 'text' | 'reasoning' | 'tool-input';

interface ChoiceState {
  readonly choice: number;
  counts: ChoiceCounts;
  hasEnded: boolean;
  open: { readonly kind: BlockKind; readonly blockId: string } | undefined;
  /** Reasoning that ends in white space waits for what follows: the last line break belongs to the closing tag. */
  heldWhitespace: string;
  /** The answer behind reasoning begins with its first visible character. */
  trimsText: boolean;
  /** Log probabilities of text that was trimmed away; they go out with the next delta. */
  heldLogprobs: readonly TokenLogprob[];
}

/** Turns the messages of one job into events. `hasEnded` after the terminal event. */
export class JobEvents {
  readonly #request: GenerationRequest;
  readonly #context: CallContext;
  readonly #startedAtMs: number;
  readonly #choices = new Map<number, ChoiceState>();
  #queueMs = 0;
  #callsAhead = 0;
  #hasReasoningStage = false;
  #promptTokens = 0;
  #cachedTokens = 0;
  /** Of the caller's marks: what was found, and what the answer will add or has added. */
  #marks: CacheReport['marks'] = [];
  #outputBefore = 0;
  #decisionMs = 0;
  #isAccepted = false;
  #hasStarted = false;
  #hasEnded = false;

  constructor(request: GenerationRequest, context: CallContext) {
    this.#request = request;
    this.#context = context;
    this.#startedAtMs = context.clock.monotonic();
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** The call has its place; with reasoning before the answer, the answer starts at its first visible text. */
  admitted({ queueMs, callsAhead }: { queueMs: number; callsAhead: number }, hasReasoningStage: boolean): void {
    this.#queueMs = queueMs;
    this.#callsAhead = callsAhead;
    this.#hasReasoningStage = hasReasoningStage;
  }

  /**
   * Whether to call was decided by a job before the one whose messages follow. What it found out about the prompt and
   * what it said of the answer stands; the other job's prompt ends with the latter. Undefined when nothing stands.
   */
  decided(decision: ClearDecision | undefined, decisionMs: number): GenerationEvent[] {
    this.#decisionMs = decisionMs;
    if (!decision) return [];
    const events = this.#accepted(decision.accepted);
    this.#isAccepted = true;
    if (decision.kind !== 'text') return events;
    this.#outputBefore = decision.outputTokens;
    return [...events, ...this.#step({ jobId: '', choice: 0, pieces: decision.pieces, counts: NO_COUNTS })];
  }

  /** Throws a StudioError for what ends the job before its first event; after that an `error` event says it. */
  push(message: JobMessage): GenerationEvent[] {
    switch (message.type) {
      case 'accepted':
        return this.#isAccepted ? [] : this.#accepted(message);
      case 'refused':
        return this.#fail(refusal(message));
      case 'step-item':
        return this.#step(message.item);
      case 'choice-end': {
        const state = this.#choice(message.choice);
        state.counts = message.counts;
        state.hasEnded = true;
        const { choice, reason, stopText } = message;
        const end: GenerationEvent =
          stopText === undefined
            ? { type: 'choice-end', choice, reason }
            : { type: 'choice-end', choice, reason, stopText };
        return [...this.#closeBlock(state, false), end];
      }
      case 'done':
        // The child may end a job that we gave up while its last words were on their way.
        return message.ending === 'completed' ? this.#finish(message.timings, message.cache) : this.abort();
      case 'failed':
        return this.#fail(new StudioError('engine-failed', undefined, { cause: new Error(message.message) }));
      case 'lost':
        return this.#fail(message.error);
      default:
        return message satisfies never;
    }
  }

  /** The end of a call whose signal was aborted, with what it had used until now. */
  abort(): GenerationEvent[] {
    const events: GenerationEvent[] = this.#hasStarted ? [] : [startOf(this.#request, this.#context)];
    this.#hasStarted = true;
    const ending = endingOf(this.#context.signal);
    // A caller who cancels still reads the end; one who has gone does not.
    if (ending === 'cancelled') {
      for (const state of this.#choices.values()) {
        if (state.hasEnded) continue;
        events.push(...this.#closeBlock(state, false), { type: 'choice-end', choice: state.choice, reason: 'length' });
      }
    }
    this.#hasEnded = true;
    const totalMs = this.#context.clock.monotonic() - this.#startedAtMs;
    const callsAhead = this.#callsAhead;
    const timings = { queueMs: Math.round(this.#queueMs), callsAhead, totalMs: Math.round(totalMs) };
    events.push({ type: 'finish', usage: this.#usage(), timings, ending });
    return events;
  }

  #accepted({ promptTokens, cachedTokens, cache }: AcceptedMessage): GenerationEvent[] {
    this.#promptTokens = promptTokens;
    this.#cachedTokens = cachedTokens;
    this.#marks = cache?.marks ?? [];
    this.#hasStarted = true;
    return [startOf(this.#request, this.#context), { type: 'usage', usage: this.#usage() }];
  }

  #step(item: StepItem): GenerationEvent[] {
    const state = this.#choice(item.choice);
    state.counts = item.counts;
    const events: GenerationEvent[] = [];
    for (const piece of item.pieces) this.#piece(state, piece, events);
    return events;
  }

  #piece(state: ChoiceState, piece: Piece, events: GenerationEvent[]): void {
    switch (piece.type) {
      case 'reasoning':
        this.#reasoning(state, piece.text, events);
        return;
      case 'text':
        this.#text(state, piece.text, piece.logprobs, events);
        return;
      case 'call-start': {
        events.push(...this.#closeBlock(state, false));
        const blockId = this.#context.ids.uuid();
        state.open = { kind: 'tool-input', blockId };
        events.push({
          type: 'tool-input-start',
          choice: state.choice,
          blockId,
          callId: this.#context.ids.callId(),
          name: piece.name,
          executedBy: 'client',
        });
        return;
      }
      case 'call-input':
        if (state.open?.kind !== 'tool-input' || piece.text === '') return;
        events.push({ type: 'tool-input-delta', choice: state.choice, blockId: state.open.blockId, text: piece.text });
        return;
      case 'call-end':
        events.push(...this.#closeBlock(state, piece.isValidJson));
        return;
      default:
        piece satisfies never;
    }
  }

  #reasoning(state: ChoiceState, piece: string, events: GenerationEvent[]): void {
    const text = state.heldWhitespace + piece;
    const visible = text.trimEnd();
    state.heldWhitespace = text.slice(visible.length);
    if (state.open?.kind !== 'reasoning') {
      const first = visible.trimStart();
      if (first === '') return;
      const blockId = this.#openBlock(state, 'reasoning', events);
      events.push({ type: 'reasoning-delta', choice: state.choice, blockId, text: first });
      return;
    }
    if (visible === '') return;
    events.push({ type: 'reasoning-delta', choice: state.choice, blockId: state.open.blockId, text: visible });
  }

  #text(
    state: ChoiceState,
    piece: string,
    logprobs: readonly TokenLogprob[] | undefined,
    events: GenerationEvent[],
  ): void {
    const text = state.trimsText ? piece.trimStart() : piece;
    const allLogprobs = logprobs ? [...state.heldLogprobs, ...logprobs] : state.heldLogprobs;
    if (text === '') {
      state.heldLogprobs = allLogprobs;
      return;
    }
    state.trimsText = false;
    state.heldLogprobs = [];
    const blockId = state.open?.kind === 'text' ? state.open.blockId : this.#openBlock(state, 'text', events);
    const delta: TextDeltaEvent = { type: 'text-delta', choice: state.choice, blockId, text };
    events.push(allLogprobs.length > 0 ? { ...delta, logprobs: allLogprobs } : delta);
  }

  #openBlock(state: ChoiceState, kind: 'text' | 'reasoning', events: GenerationEvent[]): string {
    events.push(...this.#closeBlock(state, false));
    const blockId = this.#context.ids.uuid();
    state.open = { kind, blockId };
    const type = kind === 'text' ? 'text-start' : 'reasoning-start';
    events.push({ type, choice: state.choice, blockId });
    return blockId;
  }

  #closeBlock(state: ChoiceState, isValidJson: boolean): GenerationEvent[] {
    const { open, choice } = state;
    if (!open) return [];
    state.open = undefined;
    state.heldWhitespace = '';
    const { blockId } = open;
    switch (open.kind) {
      case 'text':
        return [{ type: 'text-end', choice, blockId }];
      case 'reasoning':
        return [{ type: 'reasoning-end', choice, blockId }];
      case 'tool-input':
        return [{ type: 'tool-input-end', choice, blockId: open.blockId, isValidJson }];
      default:
        return open.kind satisfies never;
    }
  }

  #finish(timings: JobTimings, cache: CacheReport | undefined): GenerationEvent[] {
    this.#hasEnded = true;
    const created = cache?.marks ?? [];
    this.#marks = this.#marks.map((mark, index) => ({ ...mark, createdTokens: created[index]?.createdTokens ?? 0 }));
    const queueMs = Math.round(this.#queueMs);
    const beforeMs = Math.round(this.#decisionMs);
    return [
      {
        type: 'finish',
        usage: this.#usage(),
        timings: {
          queueMs,
          callsAhead: this.#callsAhead,
          promptMs: beforeMs + Math.round(timings.promptMs),
          firstTokenMs: queueMs + beforeMs + Math.round(timings.firstTokenMs),
          totalMs: queueMs + beforeMs + Math.round(timings.totalMs),
        },
        ending: 'completed',
      },
    ];
  }

  #fail(error: StudioError): GenerationEvent[] {
    this.#hasEnded = true;
    if (!this.#hasStarted) throw error;
    return [{ type: 'error', error, usage: this.#usage() }];
  }

  #choice(choice: number): ChoiceState {
    let state = this.#choices.get(choice);
    if (!state) {
      state = {
        choice,
        counts: NO_COUNTS,
        hasEnded: false,
        open: undefined,
        heldWhitespace: '',
        trimsText: this.#hasReasoningStage,
        heldLogprobs: [],
      };
      this.#choices.set(choice, state);
    }
    return state;
  }

  /** The prompt counts once, the output of all choices (docs/decisions/0003). */
  #usage(): Usage {
    let output = this.#outputBefore;
    let reasoning = 0;
    for (const { counts } of this.#choices.values()) {
      output += counts.output;
      reasoning += counts.reasoning;
    }
    const input = { ...NO_USAGE.input, total: this.#promptTokens, ...this.#cacheCounts() };
    return { input, output: { total: output, reasoning, audio: 0 } };
  }

  /** By the rules of the cache that the call uses: what the engine saved itself is not always the caller's. */
  #cacheCounts(): Pick<InputUsage, 'cachedRead' | 'cacheWritten' | 'markedRead'> {
    const { mode, minTokens = 0 } = this.#request.contextCache ?? {};
    switch (mode) {
      case undefined:
        return { cachedRead: this.#cachedTokens, cacheWritten: 0 };
      case 'off':
        return { cachedRead: 0, cacheWritten: 0 };
      case 'implicit':
        return { cachedRead: this.#cachedTokens < minTokens ? 0 : this.#cachedTokens, cacheWritten: 0 };
      case 'explicit':
      case 'session': {
        const cachedRead = Math.max(0, ...this.#marks.map(({ hitTokens }) => hitTokens));
        const created = this.#marks.filter(({ createdTokens }) => createdTokens > 0);
        // Only what goes beyond all that was found: a block before the longest one found costs nothing more.
        const cacheWritten = Math.max(0, ...created.map(({ tokens }) => tokens - cachedRead));
        return { cachedRead, cacheWritten, markedRead: cachedRead };
      }
      default:
        return mode satisfies never;
    }
  }
}

function refusal(message: Extract<JobMessage, { type: 'refused' }>): StudioError {
  switch (message.reason) {
    case 'context':
      return contextTooLong(message.promptTokens, message.maxPromptTokens);
    case 'grammar':
      // Our own compiler wrote it, so a grammar that the engine cannot read is our fault.
      return new StudioError('internal', undefined, { cause: new Error(`grammar refused: ${message.message}`) });
    default:
      return message satisfies never;
  }
}
