/** What the engine says of one job, as canonical events. Pure; keeps the grammar of `core/events.ts`. */
import { contextTooLong, StudioError } from '../../core/errors.ts';
import type { GenerationEvent, TextDeltaEvent, TokenLogprob } from '../../core/events.ts';
import type { GenerationRequest } from '../../core/generation.ts';
import { type CallContext, endingOf, startOf } from '../../core/ports.ts';
import { type Usage, usageOf } from '../../core/usage.ts';
import type { AcceptedMessage, ClearDecision } from './call-decision.ts';
import type { JobMessage } from './engine-client.ts';
import type { ChoiceCounts, JobTimings, Piece, StepItem } from './engine-protocol.ts';
import { ThinkTagFilter } from './think-tags.ts';

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
  /** Where reasoning and answer are stages of their own, tags inside them are noise. */
  readonly tags: { readonly reasoning: ThinkTagFilter; readonly text: ThinkTagFilter } | undefined;
}

/** Turns the messages of one job into events. `hasEnded` after the terminal event. */
export class JobEvents {
  readonly #request: GenerationRequest;
  readonly #context: CallContext;
  readonly #startedAtMs: number;
  readonly #choices = new Map<number, ChoiceState>();
  #queueMs = 0;
  #hasReasoningStage = false;
  #promptTokens = 0;
  #cachedTokens = 0;
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
  admitted(queueMs: number, hasReasoningStage: boolean): void {
    this.#queueMs = queueMs;
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
        return [...this.#closeLastBlock(state), end];
      }
      case 'done':
        // The child may end a job that we gave up while its last words were on their way.
        return message.ending === 'completed' ? this.#finish(message.timings) : this.abort();
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
        events.push(...this.#closeLastBlock(state), { type: 'choice-end', choice: state.choice, reason: 'length' });
      }
    }
    this.#hasEnded = true;
    const totalMs = this.#context.clock.monotonic() - this.#startedAtMs;
    const timings = { queueMs: Math.round(this.#queueMs), totalMs: Math.round(totalMs) };
    events.push({ type: 'finish', usage: this.#usage(), timings, ending });
    return events;
  }

  #accepted({ promptTokens, cachedTokens }: AcceptedMessage): GenerationEvent[] {
    this.#promptTokens = promptTokens;
    this.#cachedTokens = cachedTokens;
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
        this.#reasoning(state, state.tags?.reasoning.push(piece.text) ?? piece.text, events);
        return;
      case 'text':
        this.#text(state, state.tags?.text.push(piece.text) ?? piece.text, piece.logprobs, events);
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
      case 'text': {
        const text = state.tags?.text.flush() ?? '';
        const end: GenerationEvent = { type: 'text-end', choice, blockId };
        return text === '' ? [end] : [{ type: 'text-delta', choice, blockId, text }, end];
      }
      case 'reasoning': {
        const text = state.tags?.reasoning.flush() ?? '';
        const end: GenerationEvent = { type: 'reasoning-end', choice, blockId };
        return text === '' ? [end] : [{ type: 'reasoning-delta', choice, blockId, text }, end];
      }
      case 'tool-input':
        return [{ type: 'tool-input-end', choice, blockId: open.blockId, isValidJson }];
      default:
        return open.kind satisfies never;
    }
  }

  /** At the end of a choice: what a tag filter still holds is text after all, even where no block was opened for it. */
  #closeLastBlock(state: ChoiceState): GenerationEvent[] {
    const events = this.#closeBlock(state, false);
    const rest = state.tags?.text.flush() ?? '';
    if (rest === '') return events;
    this.#text(state, rest, undefined, events);
    return [...events, ...this.#closeBlock(state, false)];
  }

  #finish(timings: JobTimings): GenerationEvent[] {
    this.#hasEnded = true;
    const queueMs = Math.round(this.#queueMs);
    const beforeMs = Math.round(this.#decisionMs);
    return [
      {
        type: 'finish',
        usage: this.#usage(),
        timings: {
          queueMs,
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
        tags: this.#hasReasoningStage ? { reasoning: new ThinkTagFilter(), text: new ThinkTagFilter() } : undefined,
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
    return usageOf({ input: this.#promptTokens, cachedRead: this.#cachedTokens, output, reasoning });
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
