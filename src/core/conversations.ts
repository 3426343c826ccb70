/** Conversations: named lists of items that responses are appended to. They go when nobody has used them for long. */
import type { Owner } from './ports.ts';
import type { StoredItem } from './responses.ts';

export interface StoredConversation extends Owner {
  /** As on the wire: `conv_…`. */
  readonly conversationId: string;
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
  create(conversation: Omit<StoredConversation, 'usedAtMs'>, items: readonly StoredItem[]): Promise<void>;
  find(owner: Owner, conversationId: string): Promise<StoredConversation | undefined>;
  /** Replaces the whole map. False when there is no such conversation. */
  setMetadata(
    owner: Owner,
    conversationId: string,
    metadata: StoredConversation['metadata'],
    nowMs: number,
  ): Promise<boolean>;
  /** With its items. False when there was no such conversation. */
  delete(owner: Owner, conversationId: string): Promise<boolean>;
  /** All items in order, or those up to a sequence number, and the last one's number (0 without items). */
  items(
    conversationId: string,
    upToSequence?: number,
  ): Promise<{ readonly items: readonly StoredItem[]; readonly lastSequence: number }>;
  /**
   * Adds items at the end, all or none; an item whose id is there already is replaced where it stands. False when there
   * is no such conversation (any more).
   */
  append(conversationId: string, items: readonly StoredItem[], nowMs: number): Promise<boolean>;
  /** Undefined when `afterItemId` names no item. */
  list(conversationId: string, page: ItemPage): Promise<ItemList | undefined>;
  findItem(conversationId: string, itemId: string): Promise<StoredItem | undefined>;
  /** False when there was no such item. */
  deleteItem(conversationId: string, itemId: string): Promise<boolean>;
  /** Deletes what was used last before a time, with its items. */
  deleteUnusedSince(timeMs: number): Promise<void>;
  /**
   * Takes the conversation for one turn, or goes on holding it: nobody else has it until `untilMs`. False while another turn
   * has it, of this or another server; a conversation that is not there can be held by everybody.
   */
  holdTurn(
    conversationId: string,
    turnId: string,
    times: { readonly nowMs: number; readonly untilMs: number },
  ): Promise<boolean>;
  /** Gives it back; nothing happens when it was given up already. */
  endTurn(conversationId: string, turnId: string): Promise<void>;
}
