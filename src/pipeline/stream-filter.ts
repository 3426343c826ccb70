/** Leaves events out of a stream, at one promise an event like `observeStream`. */
import type { GenerationEvent, GenerationStream } from '../core/events.ts';

/** The events of `stream` for which `isKept` holds. */
export function filterStream(stream: GenerationStream, isKept: (event: GenerationEvent) => boolean): GenerationStream {
  return {
    [Symbol.asyncIterator](): AsyncIterator<GenerationEvent> {
      const inner = stream[Symbol.asyncIterator]();
      const onResult = (
        result: IteratorResult<GenerationEvent>,
      ): IteratorResult<GenerationEvent> | Promise<IteratorResult<GenerationEvent>> =>
        result.done || isKept(result.value) ? result : inner.next().then(onResult);
      return {
        next: () => inner.next().then(onResult),
        return: async () => (await inner.return?.()) ?? { done: true, value: undefined },
      };
    },
  };
}
