/** Where the bytes of one reply go: a HTTP response (`http/`), a socket, or memory (`frame-writer.ts`). */

/** Writes one reply. Writes after the client left are dropped. */
export interface ReplyWriter {
  /** Called once, when the client goes away before the reply is complete. */
  onClientGone(listener: () => void): void;
  readonly isClientGone: boolean;
  /** Sends status and headers of a stream; later `write` calls add to it. */
  startStream(headers: { readonly [name: string]: string }): void;
  readonly hasStarted: boolean;
  /** Queues text; small writes of one turn of the event loop are joined, the first goes out at once. */
  write(text: string): void;
  /** Resolves when the client has taken what was written; undefined when there is nothing to wait for. */
  drained(): Promise<void> | undefined;
  /** Monotonic time of the last write, for keep-alives. */
  readonly lastWriteMs: number;
  end(): void;
  /** A whole reply: JSON, or text as it is with the content type of `headers`. */
  sendBody(status: number, headers: { readonly [name: string]: string }, body: unknown): void;
}
