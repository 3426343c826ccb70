/**
 * A Chat Completions reply, its chunks or its one body → canonical events that keep the grammar of `core/events.ts`.
 *
 * Loose: null choices, usage in any chunk, a missing finish reason, `[DONE]` or a plain close are all well. A stream that
 * closes with neither `[DONE]` nor a finish reason was cut, and must not look complete.
 */
import type { GenerationEvent } from '../../../core/events.ts';
import type { IdSource } from '../../../core/ports.ts';
import { NO_USAGE, type Usage } from '../../../core/usage.ts';
import type { Callable } from '../tool-call-reader.ts';
import { ChoiceDecoder, type ChoiceHost } from './choice.ts';
import { decodeUsage, NOTHING_SEEN, usageSeen } from './usage.ts';
import type { LooseChunk, LooseUsage } from './wire.ts';

export interface ChatReplyOptions {
  readonly ids: IdSource;
  /** Makes the block ids of this call unlike those of any other. */
  readonly blockPrefix: string;
  readonly emit: (event: GenerationEvent) => void;
  /** Functions whose calls may stand in the text; undefined: nobody looks for them. */
  readonly callables: readonly Callable[] | undefined;
  /** Reasoning may stand in the text, between tags. */
  readonly splitsThinking: boolean;
  readonly stopTexts: readonly string[];
  /** The reply is evidence (a recording): its finish reasons and counts stand as they are, nothing is guessed. */
  readonly isEvidence?: boolean | undefined;
}

/** What a reply said in the place of an answer: the value of its `error`. */
export interface ToldFailure {
  readonly error: unknown;
}

/** Server-side aborts, told as a way to finish. */
const FAILED_FINISHES = new Set(['abort', 'error']);

export class ChatReplyDecoder {
  readonly #emit: (event: GenerationEvent) => void;
  readonly #host: ChoiceHost;
  readonly #isEvidence: boolean;
  readonly #choices = new Map<number, ChoiceDecoder>();
  readonly #seen = { pieces: 0, reasoningPieces: 0, characters: 0, reasoningCharacters: 0 };
  #told: LooseUsage | undefined;
  #hasToldInput = false;

  constructor(options: ChatReplyOptions) {
    const { ids, callables, splitsThinking, stopTexts } = options;
    let blocks = 0;
    this.#emit = options.emit;
    this.#isEvidence = options.isEvidence ?? false;
    this.#host = {
      emit: options.emit,
      nextBlockId: () => `${options.blockPrefix}${blocks++}`,
      ids,
      callables,
      splitsThinking,
      stopTexts,
      isEvidence: this.#isEvidence,
      count: (characters, isReasoning) => this.#count(characters, isReasoning),
    };
  }

  /** Reads one chunk, or a whole body; gives the failure it tells, if it tells one. */
  push(chunk: LooseChunk): ToldFailure | undefined {
    if (chunk.error !== undefined && chunk.error !== null) return { error: chunk.error };
    if (chunk.object === 'error') return { error: chunk };
    if (chunk.usage) this.#told = chunk.usage;
    if (!this.#hasToldInput) this.#tellInput();
    if (!Array.isArray(chunk.choices)) return undefined;
    for (const choice of chunk.choices as NonNullable<LooseChunk['choices']>) {
      if (typeof choice !== 'object' || choice === null) continue;
      if (FAILED_FINISHES.has(choice.finish_reason ?? '')) return { error: 'the server aborted the answer' };
      this.#choice(typeof choice.index === 'number' ? choice.index : 0).push(choice);
    }
    return undefined;
  }

  /** The reply is over; false when it was cut before its end. */
  end(hasEndMark: boolean): boolean {
    const choices = [...this.#choices.values()];
    const isComplete = choices.length > 0 && choices.every((choice) => choice.hasEnded);
    if (!isComplete && !hasEndMark) return false;
    if (choices.length === 0) choices.push(this.#choice(0));
    for (const choice of choices) choice.end('stop');
    return true;
  }

  /** The best known so far. */
  get usage(): Usage {
    if (this.#isEvidence) return this.#told ? decodeUsage(this.#told, NOTHING_SEEN) : NO_USAGE;
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
