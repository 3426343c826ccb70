import type { Owner } from './ports.ts';

/** Text that a client keeps for us and may not read or change: replayed reasoning, summaries of a conversation. */
export interface Sealer {
  /** The same text gives the same seal. Bound to its owner: another one cannot open it. */
  seal(owner: Owner, text: string): string;
  /** Undefined for what this server did not seal for this owner. */
  open(owner: Owner, sealed: string): string | undefined;
}
