/** Responses in SQLite. */
import type { Clock } from '../../core/ports.ts';
import type { ResponseBody, ResponseStore, StoredItem, StoredResponse } from '../../core/responses.ts';
import type { Database } from './database.ts';
import type { ResponsesTable } from './tables.ts';

/** The store of one database. */
export function createResponseStore({ sqlite }: Database, clock: Clock): ResponseStore {
  const insert = sqlite.prepare<Omit<ResponsesTable, 'thread_id' | 'is_deleted'>>(
    `INSERT INTO responses (response_id, workspace_id, previous_response_id, thread_id, conversation_id,
       conversation_up_to, status, created_at_ms, expires_at_ms, input, body, events)
     VALUES (@response_id, @workspace_id, @previous_response_id,
       COALESCE((SELECT thread_id FROM responses WHERE response_id = @previous_response_id), @response_id),
       @conversation_id, @conversation_up_to, @status, @created_at_ms, @expires_at_ms, @input, @body, @events)`,
  );
  const update = sqlite.prepare<[string, string, string | null, string]>(
    'UPDATE responses SET status = ?, body = ?, events = ? WHERE response_id = ?',
  );
  const find = sqlite.prepare<[string, string, number], ResponsesTable>(
    'SELECT * FROM responses WHERE response_id = ? AND workspace_id = ? AND is_deleted = 0 AND expires_at_ms > ?',
  );
  const chain = sqlite.prepare<[string, string, number], ResponsesTable>(
    `WITH RECURSIVE chain (response_id, previous_response_id, depth) AS (
       SELECT response_id, previous_response_id, 0 FROM responses
         WHERE response_id = ? AND workspace_id = ? AND is_deleted = 0 AND expires_at_ms > ?
       UNION ALL
       SELECT earlier.response_id, earlier.previous_response_id, chain.depth + 1
         FROM chain JOIN responses AS earlier ON earlier.response_id = chain.previous_response_id
     )
     SELECT responses.* FROM chain JOIN responses USING (response_id) ORDER BY chain.depth DESC`,
  );
  const isContinued = sqlite
    .prepare<[string], number>('SELECT 1 FROM responses WHERE previous_response_id = ?')
    .pluck();
  const hide = sqlite.prepare<[string]>('UPDATE responses SET is_deleted = 1, events = NULL WHERE response_id = ?');
  const remove = sqlite.prepare<[string]>('DELETE FROM responses WHERE response_id = ?');
  const unfinished = sqlite.prepare<[], ResponsesTable>(
    "SELECT * FROM responses WHERE status IN ('queued', 'in_progress')",
  );
  const deleteExpired = sqlite.prepare<[number, number]>(
    `DELETE FROM responses WHERE expires_at_ms <= ? AND NOT EXISTS (
       SELECT 1 FROM responses AS alive WHERE alive.thread_id = responses.thread_id AND alive.expires_at_ms > ?
     )`,
  );
  return {
    create: (response) =>
      void insert.run({
        response_id: response.responseId,
        workspace_id: response.workspaceId,
        previous_response_id: response.previousResponseId ?? null,
        conversation_id: response.conversation?.conversationId ?? null,
        conversation_up_to: response.conversation?.upToSequence ?? null,
        status: response.body.status,
        created_at_ms: response.createdAtMs,
        expires_at_ms: response.expiresAtMs,
        input: JSON.stringify(response.input),
        body: JSON.stringify(response.body),
        events: response.events ? JSON.stringify(response.events) : null,
      }),
    update: (responseId, { body, events }) =>
      void update.run(body.status, JSON.stringify(body), events ? JSON.stringify(events) : null, responseId),
    find: (workspaceId, responseId) => {
      const row = find.get(responseId, workspaceId, clock.now());
      return row && storedResponseOf(row);
    },
    chain: (workspaceId, responseId) => chain.all(responseId, workspaceId, clock.now()).map(storedResponseOf),
    delete: (workspaceId, responseId) => {
      if (!find.get(responseId, workspaceId, clock.now())) return false;
      if (isContinued.get(responseId)) hide.run(responseId);
      else remove.run(responseId);
      return true;
    },
    unfinished: () => unfinished.all().map(storedResponseOf),
    deleteExpired: (nowMs) => void deleteExpired.run(nowMs, nowMs),
  };
}

function storedResponseOf(row: ResponsesTable): StoredResponse {
  const conversation =
    row.conversation_id === null
      ? undefined
      : { conversationId: row.conversation_id, upToSequence: row.conversation_up_to ?? 0 };
  return {
    responseId: row.response_id,
    workspaceId: row.workspace_id,
    previousResponseId: row.previous_response_id ?? undefined,
    conversation,
    createdAtMs: row.created_at_ms,
    expiresAtMs: row.expires_at_ms,
    input: JSON.parse(row.input) as StoredItem[],
    body: JSON.parse(row.body) as ResponseBody,
    events: row.events === null ? undefined : (JSON.parse(row.events) as string[]),
  };
}
