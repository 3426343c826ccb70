/** Calls that go on without their clients, by request id, so that they can be cancelled. */
export class RunningCalls {
  readonly #calls = new Map<string, () => void>();

  /** `cancel` ends the call as cancelled. Returns what takes the call out again. */
  add(requestId: string, cancel: () => void): () => void {
    this.#calls.set(requestId, cancel);
    return () => this.#calls.delete(requestId);
  }

  /** Nothing happens when no such call is running. */
  cancel(requestId: string): void {
    this.#calls.get(requestId)?.();
  }
}
