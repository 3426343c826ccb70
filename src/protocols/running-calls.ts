/** Calls that go on without their clients, by request id, so that they can be cancelled and told apart from lost ones. */
export class RunningCalls {
  readonly #calls = new Map<string, () => void>();

  /** `cancel` ends the call as cancelled. Returns what takes the call out again. */
  add(requestId: string, cancel: () => void): () => void {
    this.#calls.set(requestId, cancel);
    return () => this.#calls.delete(requestId);
  }

  has(requestId: string): boolean {
    return this.#calls.has(requestId);
  }

  /** False when no such call is running. */
  cancel(requestId: string): boolean {
    const cancel = this.#calls.get(requestId);
    cancel?.();
    return cancel !== undefined;
  }
}
