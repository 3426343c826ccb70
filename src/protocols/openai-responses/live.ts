/** Background responses before they have ended: what can be read of them, and followed, by whoever asks. */
import type { ResponseBody, StoredItem } from '../../core/responses.ts';

/** One of them. Its encoder writes, its readers follow. */
export class LiveResponse {
  /** It was to be streamed, so it can be streamed again. */
  readonly isStreamed: boolean;
  /** Every event so far as JSON, of one that is streamed; an event's sequence number is its place. */
  readonly events: string[] = [];
  readonly output: StoredItem[] = [];
  hasBegun = false;
  /** Stored as one that has not ended: when the store says otherwise, somebody else has ended it. */
  isStored = false;
  #ended: ResponseBody | undefined;
  #wake = Promise.withResolvers<void>();
  readonly #whenEnded = Promise.withResolvers<void>();

  constructor(isStreamed: boolean) {
    this.isStreamed = isStreamed;
  }

  /** Drops what comes after the end. */
  push(event: string): void {
    if (this.#ended || !this.isStreamed) return;
    this.events.push(event);
    this.#wakeReaders();
  }

  /** The last event, and the end. */
  end(body: ResponseBody, event: string): void {
    if (this.#ended) return;
    this.events.push(event);
    this.#ended = body;
    this.#wakeReaders();
    this.#whenEnded.resolve();
  }

  get ended(): Promise<void> {
    return this.#whenEnded.promise;
  }

  get hasEnded(): boolean {
    return this.#ended !== undefined;
  }

  /** Resolves when there is something new to read. */
  get news(): Promise<void> {
    return this.#wake.promise;
  }

  #wakeReaders(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }
}

/** The background responses of this process, by id, from their acceptance to their end. */
export class LiveResponses {
  readonly #responses = new Map<string, LiveResponse>();

  begin(responseId: string, isStreamed: boolean): LiveResponse {
    const live = new LiveResponse(isStreamed);
    this.#responses.set(responseId, live);
    void live.ended.then(() => this.#responses.delete(responseId));
    return live;
  }

  /** Those that the store knows as not ended. */
  stored(): readonly (readonly [responseId: string, response: LiveResponse])[] {
    return [...this.#responses].filter(([, { isStored }]) => isStored);
  }

  /** One that never became known. */
  forget(responseId: string): void {
    this.#responses.delete(responseId);
  }

  find(responseId: string): LiveResponse | undefined {
    return this.#responses.get(responseId);
  }
}
