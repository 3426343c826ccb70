/** Counts the calls under way, so that a shutdown can refuse new ones and wait for the rest. */
export class CallGate {
  #active = 0;
  #isClosing = false;
  readonly #waiting = new Set<() => void>();

  get isClosing(): boolean {
    return this.#isClosing;
  }

  get active(): number {
    return this.#active;
  }

  enter(): void {
    this.#active++;
  }

  leave(): void {
    this.#active--;
    if (this.#active > 0) return;
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  /** From here on the server refuses new calls. */
  close(): void {
    this.#isClosing = true;
  }

  /** Resolves when no call is under way, at the latest after `timeoutMs`; true when none is. */
  async idleWithin(timeoutMs: number): Promise<boolean> {
    if (this.#active === 0) return true;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#waiting.add(resolve);
      timer = setTimeout(resolve, timeoutMs);
    });
    clearTimeout(timer);
    return this.#active === 0;
  }
}
