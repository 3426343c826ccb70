/** Replies that do not go to a HTTP response: frames of a socket, and bodies that stay in memory. */
import type { Clock } from '../core/ports.ts';
import type { ReplyWriter } from './reply-writer.ts';

export interface FrameTarget {
  /** One frame: a line of what the encoder gave, without its line break. */
  onFrame(frame: string): void;
  /** A whole reply instead of frames: a refusal, or a plain body. */
  onBody(status: number, body: unknown): void;
  /** The reply is complete. */
  onEnd?(): void;
  drained?(): Promise<void> | undefined;
}

/**
 * A writer whose encoder gives one frame a line (JSON text never holds a line break). `leave` says that the client has
 * gone.
 */
export class FrameWriter implements ReplyWriter {
  readonly #target: FrameTarget;
  readonly #clock: Clock;
  #onGone: (() => void) | undefined;
  isClientGone = false;
  hasStarted = false;
  lastWriteMs = 0;

  constructor(target: FrameTarget, clock: Clock) {
    this.#target = target;
    this.#clock = clock;
  }

  onClientGone(listener: () => void): void {
    this.#onGone = listener;
  }

  leave(): void {
    if (this.isClientGone) return;
    this.isClientGone = true;
    this.#onGone?.();
  }

  startStream(): void {
    this.hasStarted = true;
  }

  write(text: string): void {
    if (this.isClientGone) return;
    this.lastWriteMs = this.#clock.monotonic();
    for (const frame of text.split('\n')) if (frame !== '') this.#target.onFrame(frame);
  }

  drained(): Promise<void> | undefined {
    return this.#target.drained?.();
  }

  end(): void {
    if (!this.isClientGone) this.#target.onEnd?.();
  }

  sendBody(status: number, _headers: { readonly [name: string]: string }, body: unknown): void {
    if (this.isClientGone) return;
    this.hasStarted = true;
    this.#target.onBody(status, body);
    this.#target.onEnd?.();
  }
}

/** A writer for a call that goes on without its client. */
export function silentWriter(clock: Clock): ReplyWriter {
  return new FrameWriter({ onFrame() {}, onBody() {} }, clock);
}
