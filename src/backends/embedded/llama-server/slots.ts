/**
 * Which slot of llama-server a job gets. A slot holds the tokens of the last job in it, and what a prompt has in common
 * with them is not computed again. llama-server would choose by itself, but it does not know whose tokens they are: what
 * one caller left must not be found by another (`CachePlan.namespace`), and the parts of one answer need one slot.
 */
import { leastRecentlyUsed } from '../child/least-recently-used.ts';

export class Slot {
  readonly id: number;
  isFree = true;
  /** Grows with each use; the lowest was used longest ago. */
  lastUse = 0;
  namespace = '';
  /** Its tokens begin as prompts do that many requests bring (`CachePlan.isRecurring`). */
  isRecurring = false;
  /** So many of its tokens end a block of the explicit cache. */
  blockTokens = 0;
  /** What it holds, as far as is known here; the server's own count decides. */
  tokens: readonly number[] = [];

  constructor(id: number) {
    this.id = id;
  }

  /** Tokens of a prompt that need not be computed; the last one is in any case. */
  savedFor(prompt: readonly number[], namespace: string): number {
    if (namespace !== this.namespace) return 0;
    const most = Math.min(this.tokens.length, prompt.length - 1);
    let common = 0;
    while (common < most && this.tokens[common] === prompt[common]) common++;
    return common;
  }
}

/** Below this a prefix is computed rather than fetched from elsewhere. */
export const WORTH_A_COPY = 64;

/**
 * The free slot that saves most, the least recently used among equals. Where going on in it would throw away more than
 * it saves (only the system text is shared with a long conversation), the least recently used one.
 */
export function chooseSlot(slots: readonly Slot[], prompt: readonly number[], namespace: string): Slot | undefined {
  const free = slots.filter(({ isFree }) => isFree);
  const oldest = leastRecentlyUsed(free);
  if (oldest === undefined) return undefined;
  const most = Math.max(...free.map((slot) => slot.savedFor(prompt, namespace)));
  const best = leastRecentlyUsed(free.filter((slot) => slot.savedFor(prompt, namespace) === most)) ?? oldest;
  const wouldLose = best.tokens.length - most;
  return wouldLose > Math.max(most, WORTH_A_COPY) ? oldest : best;
}
