/**
 * Partial mode: the last turn is a prefix, and the answer is what comes after it ("Partial mode").
 *
 * Backends get the prefix as a marked last turn and continue it. One that cannot (an upstream that knows only chat) tends
 * to say the prefix again; it is then taken off the front of the answer. A prefix of a few letters is left alone: "[" or
 * "ha" may well be how the answer really goes on.
 */
import type { GenerationEvent, GenerationStream, TextDeltaEvent, TokenLogprob } from '../../core/events.ts';
import { type GenerationRequest, textOf } from '../../core/generation.ts';
import type { Feature } from '../feature.ts';

/** Letters and digits a prefix must have before its repetition counts as one. */
const MIN_WORD_CHARACTERS = 4;

export const partialMode: Feature = {
  name: 'partial-mode',
  apply(request, context, next) {
    const last = request.turns.at(-1);
    const isPartial = last?.isPartial === true && last.role === 'assistant';
    const marked = withoutStaleMarks(request);
    if (!isPartial) return next(marked, context);
    const prefix = textOf(last.parts);
    const isTelling = (prefix.match(/[\p{L}\p{N}]/gu)?.length ?? 0) >= MIN_WORD_CHARACTERS;
    return isTelling ? withoutRepeatedPrefix(next(marked, context), prefix) : next(marked, context);
  },
};

/** Callers keep earlier prefixes, mark and all, in the history they send; only the last turn is continued. */
function withoutStaleMarks(request: GenerationRequest): GenerationRequest {
  const { turns } = request;
  if (!turns.some((turn, index) => turn.isPartial && index < turns.length - 1)) return request;
  return {
    ...request,
    turns: turns.map((turn, index) => (index < turns.length - 1 ? { ...turn, isPartial: undefined } : turn)),
  };
}

async function* withoutRepeatedPrefix(
  stream: GenerationStream,
  prefix: string,
): GenerationStream & AsyncGenerator<GenerationEvent> {
  const strippers = new Map<number, PrefixStripper>();
  for await (const event of stream) {
    switch (event.type) {
      case 'text-start':
        if (!strippers.has(event.choice)) strippers.set(event.choice, new PrefixStripper(prefix));
        yield event;
        break;
      case 'text-delta':
        yield* strippers.get(event.choice)?.push(event) ?? [event];
        break;
      case 'text-end':
        yield* strippers.get(event.choice)?.release() ?? [];
        yield event;
        break;
      case 'error':
        for (const stripper of strippers.values()) yield* stripper.release();
        yield event;
        break;
      default:
        yield event;
    }
  }
}

/** Holds the beginning of one choice's text back while it could be the prefix, said again. */
class PrefixStripper {
  readonly #prefix: string;
  #held: TextDeltaEvent[] = [];
  #text = '';
  #isDecided = false;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** What may be shown now. */
  push(delta: TextDeltaEvent): readonly TextDeltaEvent[] {
    if (this.#isDecided) return [delta];
    this.#held.push(delta);
    this.#text += delta.text;
    if (this.#text.startsWith(this.#prefix)) {
      this.#isDecided = true;
      return this.#text.length === this.#prefix.length ? [] : [this.#restOf(delta)];
    }
    return this.#prefix.startsWith(this.#text) ? [] : this.release();
  }

  /** What was held: it was no repetition after all. */
  release(): readonly TextDeltaEvent[] {
    if (this.#isDecided) return [];
    this.#isDecided = true;
    return this.#held;
  }

  /** The part of the deciding delta that lies behind the prefix. */
  #restOf(delta: TextDeltaEvent): TextDeltaEvent {
    const text = this.#text.slice(this.#prefix.length);
    return {
      ...delta,
      text,
      logprobs: delta.logprobs && tokensBehind(delta.logprobs, delta.text.length - text.length),
    };
  }
}

/** The tokens that begin at or behind a position of their text. */
function tokensBehind(tokens: readonly TokenLogprob[], position: number): readonly TokenLogprob[] {
  let start = 0;
  return tokens.filter((token) => {
    const isBehind = start >= position;
    start += token.token.length;
    return isBehind;
  });
}
