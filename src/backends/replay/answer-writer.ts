/** Writes the events of a recorded answer so that they keep the grammar: blocks open when something is in them. */

import type { StudioError } from '../../core/errors.ts';
import type { ChoiceEndReason, GenerationEvent, TokenLogprob } from '../../core/events.ts';
import { isJson } from '../../core/json.ts';
import { NO_USAGE, type Usage } from '../../core/usage.ts';

/** The events of an answer but for `start`, which each replay makes for itself. */
export type AnswerEvents = readonly GenerationEvent[];

type Kind = 'text' | 'reasoning' | 'tool-input';

interface OpenBlock {
  readonly kind: Kind;
  readonly blockId: string;
  /** Of a call. */
  input: string;
}

export interface CallStart {
  readonly callId: string;
  readonly name: string;
  readonly executedBy: 'client' | 'server';
}

export class AnswerWriter {
  readonly #events: GenerationEvent[] = [];
  readonly #open = new Map<number, OpenBlock>();
  readonly #choices = new Set<number>();
  readonly #ended = new Set<number>();
  /** Where the last delta of a choice stands. */
  readonly #lastDelta = new Map<number, number>();
  #usage: Usage = NO_USAGE;
  #hasUsage = false;
  #blocks = 0;
  #isOver = false;

  /** Counts so far; told again only when they changed. */
  usage(usage: Usage): void {
    if (this.#hasUsage && JSON.stringify(usage) === JSON.stringify(this.#usage)) return;
    this.#usage = usage;
    this.#hasUsage = true;
    this.#events.push({ type: 'usage', usage });
  }

  text(choice: number, text: string, logprobs?: readonly TokenLogprob[] | undefined): void {
    if (text === '' || this.#ended.has(choice)) return;
    const { blockId } = this.#block(choice, 'text');
    this.#delta(choice, { type: 'text-delta', choice, blockId, text, ...(logprobs ? { logprobs } : {}) });
  }

  /** Opens the text block of a choice with what an OCR task read. */
  ocrResult(choice: number, ocrResult: unknown): void {
    this.closeBlock(choice);
    this.#start(choice, 'text', (at) => ({ type: 'text-start', ...at, ocrResult }));
  }

  reasoning(choice: number, text: string): void {
    if (text === '' || this.#ended.has(choice)) return;
    const { blockId } = this.#block(choice, 'reasoning');
    this.#delta(choice, { type: 'reasoning-delta', choice, blockId, text });
  }

  /** A reasoning block with nothing in it, once a choice. */
  silentReasoning(choice: number): void {
    if (this.#choices.has(choice)) return;
    this.#block(choice, 'reasoning');
    this.closeBlock(choice);
  }

  openCall(choice: number, call: CallStart): void {
    this.closeBlock(choice);
    this.#start(choice, 'tool-input', (at) => ({ type: 'tool-input-start', ...at, ...call }));
  }

  /** Input of the open call. */
  callInput(choice: number, text: string): void {
    const open = this.#open.get(choice);
    if (text === '' || open?.kind !== 'tool-input') return;
    open.input += text;
    this.#delta(choice, { type: 'tool-input-delta', choice, blockId: open.blockId, text });
  }

  /** A call the server ran, whole, with what is known of its result. */
  serverCall(choice: number, call: { callId: string; name: string; input: string }, result?: string): void {
    const { callId, name, input } = call;
    this.openCall(choice, { callId, name, executedBy: 'server' });
    this.callInput(choice, input);
    this.closeBlock(choice);
    const parts = result === undefined ? [] : [{ type: 'text' as const, text: result }];
    this.#events.push({ type: 'tool-result', callId, parts, isError: false, durationMs: 0 });
  }

  /** An event of no block. */
  add(event: Extract<GenerationEvent, { type: 'source' | 'citation' | 'progress' }>): void {
    this.#events.push(event);
  }

  /** The open text block of a choice, for citations. */
  textBlockId(choice: number): string {
    return this.#block(choice, 'text').blockId;
  }

  /** The last delta of the choice came in one piece with what follows. */
  joinLastDelta(choice: number): void {
    const at = this.#lastDelta.get(choice);
    const event = at === undefined ? undefined : this.#events[at];
    if (at === undefined || !event) return;
    if (event.type === 'text-delta' || event.type === 'reasoning-delta' || event.type === 'tool-input-delta')
      this.#events[at] = { ...event, joinsNext: true };
  }

  closeBlock(choice: number, signature?: string | undefined): void {
    const open = this.#open.get(choice);
    if (!open) return;
    this.#open.delete(choice);
    const at = { choice, blockId: open.blockId };
    switch (open.kind) {
      case 'text':
        this.#events.push({ type: 'text-end', ...at });
        return;
      case 'reasoning':
        this.#events.push({ type: 'reasoning-end', ...at, ...(signature === undefined ? {} : { signature }) });
        return;
      case 'tool-input':
        this.#events.push({ type: 'tool-input-end', ...at, isValidJson: isJson(open.input) });
        return;
      default:
        open.kind satisfies never;
    }
  }

  endChoice(choice: number, reason: ChoiceEndReason, stopText?: string | undefined): void {
    if (this.#ended.has(choice)) return;
    this.closeBlock(choice);
    this.#choices.add(choice);
    this.#ended.add(choice);
    this.#events.push({ type: 'choice-end', choice, reason, ...(stopText === undefined ? {} : { stopText }) });
  }

  fail(error: StudioError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#events.push({ type: 'error', error, usage: this.#usage });
  }

  /** The whole answer. What a recording leaves open ends with it. */
  finish(): AnswerEvents {
    if (!this.#isOver) {
      if (this.#choices.size === 0) this.#choices.add(0);
      for (const choice of [...this.#choices].sort((a, b) => a - b)) this.endChoice(choice, 'stop');
      this.#events.push({ type: 'finish', usage: this.#usage, timings: {}, ending: 'completed' });
      this.#isOver = true;
    }
    return this.#events;
  }

  #block(choice: number, kind: 'text' | 'reasoning'): OpenBlock {
    const open = this.#open.get(choice);
    if (open?.kind === kind) return open;
    this.closeBlock(choice);
    return this.#start(choice, kind, (at) => ({ type: `${kind}-start`, ...at }));
  }

  #start(choice: number, kind: Kind, eventAt: (at: { choice: number; blockId: string }) => GenerationEvent): OpenBlock {
    if (!this.#hasUsage) this.usage(NO_USAGE);
    this.#choices.add(choice);
    const block: OpenBlock = { kind, blockId: `replay-${++this.#blocks}`, input: '' };
    this.#open.set(choice, block);
    this.#events.push(eventAt({ choice, blockId: block.blockId }));
    return block;
  }

  #delta(choice: number, event: GenerationEvent): void {
    this.#lastDelta.set(choice, this.#events.length);
    this.#events.push(event);
  }
}
