/** What holds the tokens of an earlier prompt: a sequence, or a slot of llama-server. */
export interface WarmPlace {
  readonly id: number;
  readonly tokens: { readonly length: number };
  /** Grows with each use; the lowest was used longest ago. */
  readonly lastUse: number;
  /** Its tokens begin as many prompts do (`CachePlan.isRecurring`). */
  readonly isRecurring: boolean;
}

/**
 * What begins as many prompts do counts as used so many uses later. A request with functions has up to three such prompts
 * and makes some twenty uses, so that of four sequences each was read anew for the next one.
 */
const RECURRING_USES = 60;

/**
 * The one whose loss hurts least: an empty one, else the one used longest ago. Among empty ones the first: streams in
 * neighbouring sequences share their work, others do not.
 */
export function leastRecentlyUsed<Place extends WarmPlace>(places: readonly Place[]): Place | undefined {
  const age = ({ tokens, lastUse, isRecurring }: Place): number =>
    tokens.length === 0 ? -1 : lastUse + (isRecurring ? RECURRING_USES : 0);
  return places.toSorted((a, b) => age(a) - age(b) || a.id - b.id)[0];
}
