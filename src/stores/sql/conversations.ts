/** Conversations and their items. */
import type { Selectable, Transaction } from 'kysely';
import type { ConversationStore, ItemPage, StoredConversation } from '../../core/conversations.ts';
import type { Owner } from '../../core/ports.ts';
import type { StoredItem } from '../../core/responses.ts';
import type { Database } from './database.ts';
import { ownerColumns, ownerOf } from './owners.ts';
import type { ConversationsTable, Tables } from './tables.ts';

/** The store of one database. */
export function createConversationStore(database: Database): ConversationStore {
  return new SqlConversationStore(database);
}

class SqlConversationStore implements ConversationStore {
  readonly #queries: Database['queries'];

  constructor({ queries }: Database) {
    this.#queries = queries;
  }

  create(conversation: Omit<StoredConversation, 'usedAtMs'>, items: readonly StoredItem[]): Promise<void> {
    return this.#queries.transaction().execute(async (transaction) => {
      await transaction
        .insertInto('conversations')
        .values({
          conversation_id: conversation.conversationId,
          ...ownerColumns(conversation),
          created_at_ms: conversation.createdAtMs,
          used_at_ms: conversation.createdAtMs,
          metadata: JSON.stringify(conversation.metadata),
        })
        .execute();
      await writeItems(transaction, conversation.conversationId, items);
    });
  }

  async find(owner: Owner, conversationId: string): Promise<StoredConversation | undefined> {
    const row = await this.#queries
      .selectFrom('conversations')
      .selectAll()
      .where('conversation_id', '=', conversationId)
      .where(({ and }) => and(ownerColumns(owner)))
      .executeTakeFirst();
    return row && storedConversationOf(row);
  }

  async setMetadata(
    owner: Owner,
    conversationId: string,
    metadata: StoredConversation['metadata'],
    nowMs: number,
  ): Promise<boolean> {
    const { numUpdatedRows } = await this.#queries
      .updateTable('conversations')
      .set({ metadata: JSON.stringify(metadata), used_at_ms: nowMs })
      .where('conversation_id', '=', conversationId)
      .where(({ and }) => and(ownerColumns(owner)))
      .executeTakeFirst();
    return numUpdatedRows > 0n;
  }

  async delete(owner: Owner, conversationId: string): Promise<boolean> {
    const { numDeletedRows } = await this.#queries
      .deleteFrom('conversations')
      .where('conversation_id', '=', conversationId)
      .where(({ and }) => and(ownerColumns(owner)))
      .executeTakeFirst();
    return numDeletedRows > 0n;
  }

  async items(conversationId: string, upToSequence?: number): ReturnType<ConversationStore['items']> {
    let query = this.#itemsOf(conversationId);
    if (upToSequence !== undefined) query = query.where('sequence', '<=', upToSequence);
    const rows = await query.orderBy('sequence').execute();
    return { items: rows.map(storedItemOf), lastSequence: rows.at(-1)?.sequence ?? 0 };
  }

  #itemsOf(conversationId: string) {
    return this.#queries
      .selectFrom('conversation_items')
      .select(['sequence', 'item'])
      .where('conversation_id', '=', conversationId);
  }

  /** The first change locks the conversation's row, so that the items of two appends never mix. */
  append(conversationId: string, items: readonly StoredItem[], nowMs: number): Promise<boolean> {
    return this.#queries.transaction().execute(async (transaction) => {
      const { numUpdatedRows } = await transaction
        .updateTable('conversations')
        .set({ used_at_ms: nowMs })
        .where('conversation_id', '=', conversationId)
        .executeTakeFirst();
      if (numUpdatedRows === 0n) return false;
      await writeItems(transaction, conversationId, items);
      return true;
    });
  }

  async list(conversationId: string, { afterItemId, limit, order }: ItemPage): ReturnType<ConversationStore['list']> {
    const after = afterItemId === undefined ? undefined : await this.#itemRow(conversationId, afterItemId);
    if (afterItemId !== undefined && !after) return undefined;
    let query = this.#itemsOf(conversationId);
    if (after) query = query.where('sequence', order === 'asc' ? '>' : '<', after.sequence);
    const rows = await query
      .orderBy('sequence', order)
      .limit(limit + 1)
      .execute();
    return { items: rows.slice(0, limit).map(storedItemOf), hasMore: rows.length > limit };
  }

  #itemRow(conversationId: string, itemId: string) {
    return this.#itemsOf(conversationId).where('item_id', '=', itemId).executeTakeFirst();
  }

  async findItem(conversationId: string, itemId: string): Promise<StoredItem | undefined> {
    const row = await this.#itemRow(conversationId, itemId);
    return row && storedItemOf(row);
  }

  async deleteItem(conversationId: string, itemId: string): Promise<boolean> {
    const { numDeletedRows } = await this.#queries
      .deleteFrom('conversation_items')
      .where('conversation_id', '=', conversationId)
      .where('item_id', '=', itemId)
      .executeTakeFirst();
    return numDeletedRows > 0n;
  }

  async deleteUnusedSince(timeMs: number): Promise<void> {
    await this.#queries.deleteFrom('conversations').where('used_at_ms', '<', timeMs).execute();
  }

  async holdTurn(
    conversationId: string,
    turnId: string,
    { nowMs, untilMs }: { readonly nowMs: number; readonly untilMs: number },
  ): Promise<boolean> {
    const { numUpdatedRows } = await this.#queries
      .updateTable('conversations')
      .set({ turn_id: turnId, turn_until_ms: untilMs })
      .where('conversation_id', '=', conversationId)
      .where((where) =>
        where.or([where('turn_id', 'is', null), where('turn_id', '=', turnId), where('turn_until_ms', '<=', nowMs)]),
      )
      .executeTakeFirst();
    if (numUpdatedRows > 0n) return true;
    const { count } = await this.#queries
      .selectFrom('conversations')
      .select(({ fn }) => fn.countAll<number>().as('count'))
      .where('conversation_id', '=', conversationId)
      .executeTakeFirstOrThrow();
    return count === 0;
  }

  async endTurn(conversationId: string, turnId: string): Promise<void> {
    await this.#queries
      .updateTable('conversations')
      .set({ turn_id: null, turn_until_ms: null })
      .where('conversation_id', '=', conversationId)
      .where('turn_id', '=', turnId)
      .execute();
  }
}

/** Several statements where there are many: a statement has a limited number of parameters. */
const ITEMS_A_STATEMENT = 500;

async function writeItems(
  transaction: Transaction<Tables>,
  conversationId: string,
  items: readonly StoredItem[],
): Promise<void> {
  // The last one of an id, where its first one stands: no statement may change a row twice.
  const unique = [...new Map(items.map((item) => [item.id, item])).values()];
  for (let start = 0; start < unique.length; start += ITEMS_A_STATEMENT) {
    const rows = unique.slice(start, start + ITEMS_A_STATEMENT).map((item) => ({
      conversation_id: conversationId,
      item_id: item.id,
      item: JSON.stringify(item),
    }));
    await transaction
      .insertInto('conversation_items')
      .values(rows)
      .onConflict((conflict) =>
        conflict
          .columns(['conversation_id', 'item_id'])
          .doUpdateSet((columns) => ({ item: columns.ref('excluded.item') })),
      )
      .execute();
  }
}

function storedConversationOf(row: Selectable<ConversationsTable>): StoredConversation {
  return {
    conversationId: row.conversation_id,
    ...ownerOf(row),
    createdAtMs: row.created_at_ms,
    usedAtMs: row.used_at_ms,
    metadata: JSON.parse(row.metadata) as { [key: string]: string },
  };
}

function storedItemOf(row: { readonly item: string }): StoredItem {
  return JSON.parse(row.item) as StoredItem;
}
