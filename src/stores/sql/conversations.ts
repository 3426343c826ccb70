/** Conversations and their items in SQLite. */
import type { ConversationStore, StoredConversation } from '../../core/conversations.ts';
import type { StoredItem } from '../../core/responses.ts';
import type { Database } from './database.ts';
import type { ConversationItemsTable, ConversationsTable } from './tables.ts';

type ItemRow = Pick<ConversationItemsTable, 'item'>;
type ItemRowInOrder = ItemRow & { readonly sequence: number };

/** The store of one database. */
export function createConversationStore({ sqlite }: Database): ConversationStore {
  const insert = sqlite.prepare<ConversationsTable>(
    `INSERT INTO conversations (conversation_id, workspace_id, created_at_ms, used_at_ms, metadata)
     VALUES (@conversation_id, @workspace_id, @created_at_ms, @used_at_ms, @metadata)`,
  );
  const find = sqlite.prepare<[string, string], ConversationsTable>(
    'SELECT * FROM conversations WHERE conversation_id = ? AND workspace_id = ?',
  );
  const touch = sqlite.prepare<[number, string]>('UPDATE conversations SET used_at_ms = ? WHERE conversation_id = ?');
  const removeUnused = sqlite.prepare<[number]>('DELETE FROM conversations WHERE used_at_ms < ?');
  const setMetadata = sqlite.prepare<[string, number, string, string]>(
    'UPDATE conversations SET metadata = ?, used_at_ms = ? WHERE conversation_id = ? AND workspace_id = ?',
  );
  const remove = sqlite.prepare<[string, string]>(
    'DELETE FROM conversations WHERE conversation_id = ? AND workspace_id = ?',
  );
  const insertItem = sqlite.prepare<[string, string, string]>(
    `INSERT INTO conversation_items (conversation_id, item_id, item) VALUES (?, ?, ?)
     ON CONFLICT (conversation_id, item_id) DO UPDATE SET item = excluded.item`,
  );
  const itemsUpTo = sqlite.prepare<[string, number], ItemRowInOrder>(
    'SELECT sequence, item FROM conversation_items WHERE conversation_id = ? AND sequence <= ? ORDER BY sequence',
  );
  const findItem = sqlite.prepare<[string, string], ItemRowInOrder>(
    'SELECT sequence, item FROM conversation_items WHERE conversation_id = ? AND item_id = ?',
  );
  const oldestFirst = sqlite.prepare<[string, number, number], ItemRow>(
    'SELECT item FROM conversation_items WHERE conversation_id = ? AND sequence > ? ORDER BY sequence LIMIT ?',
  );
  const newestFirst = sqlite.prepare<[string, number, number], ItemRow>(
    'SELECT item FROM conversation_items WHERE conversation_id = ? AND sequence < ? ORDER BY sequence DESC LIMIT ?',
  );
  const removeItem = sqlite.prepare<[string, string]>(
    'DELETE FROM conversation_items WHERE conversation_id = ? AND item_id = ?',
  );

  const append = (conversationId: string, items: readonly StoredItem[]): void => {
    for (const item of items) insertItem.run(conversationId, item.id, JSON.stringify(item));
  };
  const createWithItems = sqlite.transaction(
    (conversation: Parameters<ConversationStore['create']>[0], items: readonly StoredItem[]) => {
      insert.run({
        conversation_id: conversation.conversationId,
        workspace_id: conversation.workspaceId,
        created_at_ms: conversation.createdAtMs,
        used_at_ms: conversation.createdAtMs,
        metadata: JSON.stringify(conversation.metadata),
      });
      append(conversation.conversationId, items);
    },
  );
  const appendIfThere = sqlite.transaction(
    (conversationId: string, items: readonly StoredItem[], nowMs: number): boolean => {
      if (touch.run(nowMs, conversationId).changes === 0) return false;
      append(conversationId, items);
      return true;
    },
  );

  return {
    create: createWithItems,
    find: (workspaceId, conversationId) => {
      const row = find.get(conversationId, workspaceId);
      return row && storedConversationOf(row);
    },
    setMetadata: (workspaceId, conversationId, metadata, nowMs) =>
      setMetadata.run(JSON.stringify(metadata), nowMs, conversationId, workspaceId).changes > 0,
    delete: (workspaceId, conversationId) => remove.run(conversationId, workspaceId).changes > 0,
    items: (conversationId, upToSequence = Number.MAX_SAFE_INTEGER) => {
      const rows = itemsUpTo.all(conversationId, upToSequence);
      return { items: rows.map(storedItemOf), lastSequence: rows.at(-1)?.sequence ?? 0 };
    },
    append: appendIfThere,
    list: (conversationId, { afterItemId, limit, order }) => {
      const after = afterItemId === undefined ? undefined : findItem.get(conversationId, afterItemId);
      if (afterItemId !== undefined && !after) return undefined;
      const rows =
        order === 'asc'
          ? oldestFirst.all(conversationId, after?.sequence ?? 0, limit + 1)
          : newestFirst.all(conversationId, after?.sequence ?? Number.MAX_SAFE_INTEGER, limit + 1);
      return { items: rows.slice(0, limit).map(storedItemOf), hasMore: rows.length > limit };
    },
    findItem: (conversationId, itemId) => {
      const row = findItem.get(conversationId, itemId);
      return row && storedItemOf(row);
    },
    deleteItem: (conversationId, itemId) => removeItem.run(conversationId, itemId).changes > 0,
    deleteUnusedSince: (timeMs) => void removeUnused.run(timeMs),
  };
}

function storedConversationOf(row: ConversationsTable): StoredConversation {
  return {
    conversationId: row.conversation_id,
    workspaceId: row.workspace_id,
    createdAtMs: row.created_at_ms,
    usedAtMs: row.used_at_ms,
    metadata: JSON.parse(row.metadata) as { [key: string]: string },
  };
}

function storedItemOf(row: ItemRow): StoredItem {
  return JSON.parse(row.item) as StoredItem;
}
