/**
 * One turn of a conversation at a time: the next one reads what this one leaves behind. Turns of this server wait in line;
 * against those of other servers the conversation itself is held, for a short time that is renewed as long as the turn goes
 * on, so that a server that dies holds nothing for long.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { ConversationStore } from '../../core/conversations.ts';
import { StudioError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports.ts';

/** Lets the next one in; to be called once. */
export type Release = () => Promise<void>;

const HOLD_MS = 30_000;
const RENEW_MS = 10_000;
/** Between two looks whether another server's turn has ended. */
const LOOK_MS = 100;

export class TurnLocks {
  readonly #conversations: Pick<ConversationStore, 'holdTurn' | 'endTurn'>;
  readonly #clock: Clock;
  readonly #tails = new Map<string, Promise<void>>();

  constructor(conversations: Pick<ConversationStore, 'holdTurn' | 'endTurn'>, clock: Clock) {
    this.#conversations = conversations;
    this.#clock = clock;
  }

  /** Waits for the turns that came before. Throws when the signal aborts first. */
  async acquire(conversationId: string, turnId: string, signal: AbortSignal): Promise<Release> {
    const letNextIn = await this.#waitInLine(conversationId, signal);
    try {
      while (!(await this.#hold(conversationId, turnId))) await pause(LOOK_MS, signal);
    } catch (thrown) {
      letNextIn();
      throw thrown;
    }
    let renewing: Promise<unknown> = Promise.resolve();
    const renewal = setInterval(() => {
      // A renewal that fails is made up for by the next one.
      renewing = this.#hold(conversationId, turnId).catch(() => {});
    }, RENEW_MS).unref();
    return async () => {
      clearInterval(renewal);
      // One that came after the end would take the turn again.
      await renewing;
      // Where it cannot be given back it runs out.
      await this.#conversations.endTurn(conversationId, turnId).catch(() => {});
      letNextIn();
    };
  }

  #hold(conversationId: string, turnId: string): Promise<boolean> {
    const nowMs = this.#clock.now();
    return this.#conversations.holdTurn(conversationId, turnId, { nowMs, untilMs: nowMs + HOLD_MS });
  }

  async #waitInLine(conversationId: string, signal: AbortSignal): Promise<() => void> {
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
  const onAbort = (): void => reject(anotherTurn());
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    await Promise.race([wait, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(milliseconds, undefined, { signal });
  } catch (thrown) {
    throw signal.aborted ? anotherTurn() : thrown;
  }
}

function anotherTurn(): StudioError {
  return new StudioError('conflict', 'Another turn of this conversation is running.');
}
