/** A Chat or Completions reply, its chunks or its one body → events, by the decoder that upstreams are read with. */
import type { GenerationEvent } from '../../core/events.ts';
import type { IdSource } from '../../core/ports.ts';
import { NO_USAGE } from '../../core/usage.ts';
import { ChatReplyDecoder } from '../parsers/chat-reply/decode.ts';
import type { LooseChunk } from '../parsers/chat-reply/wire.ts';
import type { AnswerEvents } from './answer-writer.ts';
import { errorOfBody } from './decode-error.ts';
import { isObject, type Loose } from './recording.ts';

/** Calls without an id are counted: a recording is to be the same each time. */
function countingIds(): IdSource {
  let calls = 0;
  return { uuid: () => 'replay', callId: () => `call_replay_${calls++}` };
}

export function decodeChat(chunks: readonly Loose[]): AnswerEvents {
  const events: GenerationEvent[] = [];
  const decoder = new ChatReplyDecoder({
    ids: countingIds(),
    blockPrefix: 'replay-',
    emit: (event) => void events.push(event),
    callables: undefined,
    splitsThinking: false,
    stopTexts: [],
    isEvidence: true,
  });
  for (const chunk of chunks) {
    const told = decoder.push(withDeltas(chunk) as LooseChunk);
    if (told)
      return [...events, { type: 'error', error: errorOfBody({ error: told.error }, undefined), usage: NO_USAGE }];
  }
  decoder.end(true);
  return [...events, { type: 'finish', usage: decoder.usage, timings: {}, ending: 'completed' }];
}

/** Completions put the text into the choice itself. */
function withDeltas(chunk: Loose): Loose {
  if (!Array.isArray(chunk.choices)) return chunk;
  const choices = chunk.choices.map((choice: unknown) =>
    isObject(choice) && typeof choice.text === 'string' ? { ...choice, delta: { content: choice.text } } : choice,
  );
  return { ...chunk, choices };
}
