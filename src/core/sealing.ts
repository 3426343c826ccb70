/** Text that a client keeps for us and may not read or change: replayed reasoning, summaries of a conversation. */
export interface Sealer {
  /** The same text gives the same seal. Bound to its workspace: another one cannot open it. */
  seal(workspaceId: string, text: string): string;
  /** Undefined for what this server did not seal for this workspace. */
  open(workspaceId: string, sealed: string): string | undefined;
}
