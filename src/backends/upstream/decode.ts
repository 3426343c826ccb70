/**
 * An upstream's chunks (or its one body) → canonical events that keep the grammar of `core/events.ts`.
 *
 * Loose: null choices, usage in any chunk, a missing finish reason, `[DONE]` or a plain close are all well. A stream that
 * closes with neither `[DONE]` nor a finish reason was cut, and must not look complete.
 */
import type { GenerationEvent } from '../../core/events.ts';
import type { GenerationRequest } from '../../core/generation.ts';
import { functionTools } from '../../core/generation.ts';
import type { IdSource } from '../../core/ports.ts';
import { NO_USAGE, type Usage } from '../../core/usage.ts';
import { ChoiceDecoder, type ChoiceHost } from './decode-choice.ts';
import { decodeUsage, usageSeen } from './decode-usage.ts';
import { type Failure, failureOfChunk, unreadableReply } from './errors.ts';
import type { UpstreamQuirks } from './quirks.ts';
import type { LooseChunk, LooseUsage } from './wire.ts';

export interface DecoderOptions {
  readonly request: GenerationRequest;
  readonly quirks: UpstreamQuirks;
  readonly ids: IdSource;
  /** Makes the block ids of this call unlike those of any other. */
  readonly blockPrefix: string;
  readonly emit: (event: GenerationEvent) => void;
}

/** Server-side aborts, told as a way to finish. */
const FAILED_FINISHES = new Set(['abort', 'error']);

export class ReplyDecoder {
  readonly #emit: (event: GenerationEvent) => void;
  readonly #host: ChoiceHost;
  readonly #choices = new Map<number, ChoiceDecoder>();
  readonly #seen = { pieces: 0, reasoningPieces: 0, characters: 0, reasoningCharacters: 0 };
  #told: LooseUsage | undefined;
  #hasToldInput = false;

  constructor(options: DecoderOptions) {
    const { request, quirks } = options;
    let blocks = 0;
    this.#emit = options.emit;
    const mayCallInText = quirks.readsCallsFromText && request.toolChoice !== 'none' && request.tools.length > 0;
    this.#host = {
      emit: options.emit,
      nextBlockId: () => `${options.blockPrefix}${blocks++}`,
      ids: options.ids,
      callableNames: mayCallInText ? functionTools(request).map(({ name }) => name) : undefined,
      splitsThinking: quirks.readsThinkingFromText,
      stopTexts: request.sampling.stopTexts ?? [],
      count: (characters, isReasoning) => this.#count(characters, isReasoning),
    };
  }

  /** Reads one chunk, or a whole body; gives the failure it tells, if it tells one. */
  push(chunk: LooseChunk): Failure | undefined {
    if (chunk.error !== undefined && chunk.error !== null) return failureOfChunk(chunk.error);
    if (chunk.object === 'error') return failureOfChunk(chunk);
    if (chunk.usage) this.#told = chunk.usage;
    if (!this.#hasToldInput) this.#tellInput();
    if (!Array.isArray(chunk.choices)) return undefined;
    for (const choice of chunk.choices as NonNullable<LooseChunk['choices']>) {
      if (typeof choice !== 'object' || choice === null) continue;
      if (FAILED_FINISHES.has(choice.finish_reason ?? '')) return failureOfChunk('the server aborted the answer');
      this.#choice(typeof choice.index === 'number' ? choice.index : 0).push(choice);
    }
    return undefined;
  }

  /** The reply is over; gives a failure when it was cut before its end. */
  end(hasEndMark: boolean): Failure | undefined {
    const choices = [...this.#choices.values()];
    const isComplete = choices.length > 0 && choices.every((choice) => choice.hasEnded);
    if (!isComplete && !hasEndMark) return { ...unreadableReply('an answer without an end'), isWorthRetrying: true };
    if (choices.length === 0) choices.push(this.#choice(0));
    for (const choice of choices) choice.end('stop');
    return undefined;
  }

  /** The best known so far. */
  get usage(): Usage {
    return this.#told ? decodeUsage(this.#told, this.#seen) : usageSeen(this.#seen);
  }

  /** A usage event has to come before the first block, though most upstreams count only at the end. */
  #tellInput(): void {
    this.#hasToldInput = true;
    this.#emit({ type: 'usage', usage: this.#told ? this.usage : NO_USAGE });
  }

  #choice(index: number): ChoiceDecoder {
    const known = this.#choices.get(index);
    if (known) return known;
    const made = new ChoiceDecoder(index, this.#host);
    this.#choices.set(index, made);
    return made;
  }

  #count(characters: number, isReasoning: boolean): void {
    const seen = this.#seen;
    seen.pieces++;
    seen.characters += characters;
    if (!isReasoning) return;
    seen.reasoningPieces++;
    seen.reasoningCharacters += characters;
  }
}
