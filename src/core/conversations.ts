/** Conversations: named lists of items that responses are appended to. They go when nobody has used them for long. */
import type { StoredItem } from './responses.ts';

export interface StoredConversation {
  /** As on the wire: `conv_…`. */
  readonly conversationId: string;
  readonly workspaceId: string;
  readonly createdAtMs: number;
  /** When it was made, changed or continued last. */
  readonly usedAtMs: number;
  readonly metadata: { readonly [key: string]: string };
}

export interface ItemPage {
  /** Items behind this one in the asked order. */
  readonly afterItemId?: string | undefined;
  readonly limit: number;
  readonly order: 'asc' | 'desc';
}

export interface ItemList {
  readonly items: readonly StoredItem[];
  readonly hasMore: boolean;
}

/** Keeps conversations and their items. Item ids are unique in a conversation. */
export interface ConversationStore {
  create(conversation: Omit<StoredConversation, 'usedAtMs'>, items: readonly StoredItem[]): void;
  find(workspaceId: string, conversationId: string): StoredConversation | undefined;
  /** Replaces the whole map. False when there is no such conversation. */
  setMetadata(
    workspaceId: string,
    conversationId: string,
    metadata: StoredConversation['metadata'],
    nowMs: number,
  ): boolean;
  /** With its items. False when there was no such conversation. */
  delete(workspaceId: string, conversationId: string): boolean;
  /** All items in order, or those up to a sequence number, and the last one's number (0 without items). */
  items(
    conversationId: string,
    upToSequence?: number,
  ): { readonly items: readonly StoredItem[]; readonly lastSequence: number };
  /**
   * Adds items at the end, all or none; an item whose id is there already is replaced where it stands. False when there
   * is no such conversation (any more).
   */
  append(conversationId: string, items: readonly StoredItem[], nowMs: number): boolean;
  /** Undefined when `afterItemId` names no item. */
  list(conversationId: string, page: ItemPage): ItemList | undefined;
  findItem(conversationId: string, itemId: string): StoredItem | undefined;
  /** False when there was no such item. */
  deleteItem(conversationId: string, itemId: string): boolean;
  /** Deletes what was used last before a time, with its items. */
  deleteUnusedSince(timeMs: number): void;
}
