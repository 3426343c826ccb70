/** Plumbing for event streams that must cost next to nothing per event. */
import type { GenerationEvent, GenerationStream } from './events.ts';

export interface StreamObserver {
  /** Sees each event before the consumer does; may give another in its place. */
  onEvent(event: GenerationEvent): GenerationEvent;
  /** Called once: the stream ended, threw, or its consumer left. */
  onEnd(thrown?: unknown): void;
}

/**
 * Watches a stream without being an async generator: one promise an event instead of three turns of the microtask
 * queue, which is what a feature around every call can afford on the hot path.
 */
export function observeStream(open: () => GenerationStream, observer: StreamObserver): GenerationStream {
  return {
    [Symbol.asyncIterator](): AsyncIterator<GenerationEvent> {
      let inner: AsyncIterator<GenerationEvent> | undefined;
      let hasEnded = false;
      const end = (thrown?: unknown): void => {
        if (hasEnded) return;
        hasEnded = true;
        observer.onEnd(thrown);
      };
      const onResult = (result: IteratorResult<GenerationEvent>): IteratorResult<GenerationEvent> => {
        if (result.done) {
          end();
          return result;
        }
        const event = observer.onEvent(result.value);
        return event === result.value ? result : { done: false, value: event };
      };
      const onThrow = (thrown: unknown): never => {
        end(thrown);
        throw thrown;
      };
      return {
        next(): Promise<IteratorResult<GenerationEvent>> {
          try {
            inner ??= open()[Symbol.asyncIterator]();
            return inner.next().then(onResult, onThrow);
          } catch (thrown) {
            end(thrown);
            return Promise.reject(thrown);
          }
        },
        async return(): Promise<IteratorResult<GenerationEvent>> {
          try {
            await inner?.return?.();
          } finally {
            end();
          }
          return { done: true, value: undefined };
        },
      };
    },
  };
}

/** A stream that takes a while to open: it is opened when it is first read, once. */
export function streamLater(open: () => Promise<GenerationStream>): GenerationStream {
  return {
    [Symbol.asyncIterator](): AsyncIterator<GenerationEvent> {
      let opening: Promise<AsyncIterator<GenerationEvent>> | undefined;
      let inner: AsyncIterator<GenerationEvent> | undefined;
      const opened = async (): Promise<AsyncIterator<GenerationEvent>> => {
        inner = (await open())[Symbol.asyncIterator]();
        return inner;
      };
      return {
        next(): Promise<IteratorResult<GenerationEvent>> {
          if (inner) return inner.next();
          opening ??= opened();
          return opening.then((iterator) => iterator.next());
        },
        async return(): Promise<IteratorResult<GenerationEvent>> {
          // A refusal was told to whoever asked for the first event.
          const iterator = await opening?.catch(() => undefined);
          await iterator?.return?.();
          return { done: true, value: undefined };
        },
      };
    },
  };
}
