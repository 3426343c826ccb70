/** One turn of a conversation at a time: the next one reads what this one leaves behind. */
import { StudioError } from '../../core/errors.ts';

/** Lets the next one in; to be called once. */
export type Release = () => void;

export class TurnLocks {
  readonly #tails = new Map<string, Promise<void>>();

  /** Waits for the turns that came before. Throws when the signal aborts first. */
  async acquire(conversationId: string, signal: AbortSignal): Promise<Release> {
    const before = this.#tails.get(conversationId) ?? Promise.resolve();
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const tail = before.then(() => released);
    this.#tails.set(conversationId, tail);
    void tail.then(() => {
      if (this.#tails.get(conversationId) === tail) this.#tails.delete(conversationId);
    });
    try {
      await unlessAborted(before, signal);
    } catch (thrown) {
      release();
      throw thrown;
    }
    return release;
  }
}

async function unlessAborted(wait: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(new StudioError('conflict', 'Another turn of this conversation is running.'));
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    await Promise.race([wait, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
