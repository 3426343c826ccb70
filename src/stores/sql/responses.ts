/** Responses. */
import type { Selectable } from 'kysely';
import type { Owner } from '../../core/ports.ts';
import type { ResponseBody, ResponseStatus, ResponseStore, StoredItem, StoredResponse } from '../../core/responses.ts';
import type { Database } from './database.ts';
import { ownerColumns, ownerOf } from './owners.ts';
import { isForThis, type Server } from './servers.ts';
import type { ResponsesTable } from './tables.ts';

const UNFINISHED: readonly ResponseStatus[] = ['queued', 'in_progress'];

/** The store of one database, for one of its servers. */
export function createResponseStore(database: Database, server: Server): ResponseStore {
  return new SqlResponseStore(database, server);
}

class SqlResponseStore implements ResponseStore {
  readonly #queries: Database['queries'];
  readonly #server: Server;

  constructor({ queries }: Database, server: Server) {
    this.#queries = queries;
    this.#server = server;
  }

  async create(response: StoredResponse): Promise<void> {
    const { responseId, previousResponseId = null } = response;
    await this.#queries
      .insertInto('responses')
      .values(({ selectFrom, fn, val }) => ({
        response_id: responseId,
        ...ownerColumns(response),
        previous_response_id: previousResponseId,
        thread_id: fn.coalesce(
          selectFrom('responses').select('thread_id').where('response_id', '=', previousResponseId),
          val(responseId),
        ),
        conversation_id: response.conversation?.conversationId ?? null,
        conversation_up_to: response.conversation?.upToSequence ?? null,
        status: response.body.status,
        created_at_ms: response.createdAtMs,
        expires_at_ms: response.expiresAtMs,
        input: JSON.stringify(response.input),
        body: JSON.stringify(response.body),
        events: response.events ? JSON.stringify(response.events) : null,
        owner: this.#server.id,
      }))
      .execute();
  }

  async update(responseId: string, { body, events }: Pick<StoredResponse, 'body' | 'events'>): Promise<boolean> {
    const { numUpdatedRows } = await this.#queries
      .updateTable('responses')
      .set({
        status: body.status,
        body: JSON.stringify(body),
        events: events ? JSON.stringify(events) : null,
      })
      .where('response_id', '=', responseId)
      .where('status', 'in', UNFINISHED)
      .executeTakeFirst();
    return numUpdatedRows > 0n;
  }

  async find(owner: Owner, responseId: string): Promise<StoredResponse | undefined> {
    const row = await this.#live(owner, responseId).executeTakeFirst();
    return row && storedResponseOf(row);
  }

  #live(owner: Owner, responseId: string) {
    return this.#queries
      .selectFrom('responses')
      .selectAll()
      .where('response_id', '=', responseId)
      .where(({ and }) => and(ownerColumns(owner)))
      .where('is_deleted', '=', 0)
      .where('expires_at_ms', '>', this.#server.clock.now());
  }

  async chain(owner: Owner, responseId: string): Promise<readonly StoredResponse[]> {
    const rows = await this.#queries
      .withRecursive('chain(response_id, previous_response_id, depth)', (queries) =>
        queries
          .selectFrom(this.#live(owner, responseId).as('last'))
          .select(({ lit }) => ['last.response_id', 'last.previous_response_id', lit(0).as('depth')])
          .unionAll(
            queries
              .selectFrom('chain')
              .innerJoin('responses as earlier', 'earlier.response_id', 'chain.previous_response_id')
              .select((columns) => [
                'earlier.response_id',
                'earlier.previous_response_id',
                columns('chain.depth', '+', columns.lit(1)).as('depth'),
              ]),
          ),
      )
      .selectFrom('chain')
      .innerJoin('responses', 'responses.response_id', 'chain.response_id')
      .selectAll('responses')
      .orderBy('chain.depth', 'desc')
      .execute();
    return rows.map(storedResponseOf);
  }

  /** Hidden first, then taken out unless something continues it: what is hidden stays part of that one's history. */
  delete(owner: Owner, responseId: string): Promise<boolean> {
    return this.#queries.transaction().execute(async (transaction) => {
      const { numUpdatedRows } = await transaction
        .updateTable('responses')
        .set({ is_deleted: 1, events: null })
        .where('response_id', '=', responseId)
        .where(({ and }) => and(ownerColumns(owner)))
        .where('is_deleted', '=', 0)
        .where('expires_at_ms', '>', this.#server.clock.now())
        .executeTakeFirst();
      if (numUpdatedRows === 0n) return false;
      await transaction
        .deleteFrom('responses')
        .where('response_id', '=', responseId)
        .where(({ not, exists, selectFrom }) =>
          not(
            exists(
              selectFrom('responses as later')
                .select('later.response_id')
                .where('later.previous_response_id', '=', responseId),
            ),
          ),
        )
        .execute();
      return true;
    });
  }

  async unfinished(): Promise<readonly StoredResponse[]> {
    const rows = await this.#queries
      .selectFrom('responses')
      .selectAll()
      .where('status', 'in', UNFINISHED)
      .where((where) => isForThis(this.#server, where))
      .execute();
    return rows.map(storedResponseOf);
  }

  async deleteExpired(nowMs: number): Promise<void> {
    await this.#queries
      .deleteFrom('responses')
      .where('expires_at_ms', '<=', nowMs)
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('responses as alive')
              .select('alive.response_id')
              .whereRef('alive.thread_id', '=', 'responses.thread_id')
              .where('alive.expires_at_ms', '>', nowMs),
          ),
        ),
      )
      .execute();
  }
}

function storedResponseOf(row: Selectable<ResponsesTable>): StoredResponse {
  const conversation =
    row.conversation_id === null
      ? undefined
      : { conversationId: row.conversation_id, upToSequence: row.conversation_up_to ?? 0 };
  return {
    responseId: row.response_id,
    ...ownerOf(row),
    previousResponseId: row.previous_response_id ?? undefined,
    conversation,
    createdAtMs: row.created_at_ms,
    expiresAtMs: row.expires_at_ms,
    input: JSON.parse(row.input) as StoredItem[],
    body: JSON.parse(row.body) as ResponseBody,
    events: row.events === null ? undefined : (JSON.parse(row.events) as string[]),
  };
}
