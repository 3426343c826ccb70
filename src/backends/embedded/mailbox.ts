/**
 * An unbounded queue between a pusher that never waits and one reader that takes everything there is.
 *
 * It stands between the child's IPC channel and the generator of a call: many messages of one tick cost the reader one
 * wake-up. It cannot outgrow the answer it carries, so it needs no bound.
 */
export class Mailbox<Item> {
  #items: Item[] = [];
  #isClosed = false;
  #wake: (() => void) | undefined;

  /** Ignored after `close`. */
  push(item: Item): void {
    if (this.#isClosed) return;
    this.#items.push(item);
    this.#signal();
  }

  /** Nothing will follow; what is inside can still be taken. */
  close(): void {
    this.#isClosed = true;
    this.#signal();
  }

  /** All items so far, at least one; undefined once the box is closed and empty. One reader at a time. */
  async take(): Promise<readonly Item[] | undefined> {
    while (this.#items.length === 0) {
      if (this.#isClosed) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const items = this.#items;
    this.#items = [];
    return items;
  }

  #signal(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
