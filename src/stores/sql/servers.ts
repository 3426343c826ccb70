/**
 * The servers that share a database. Each tells every half minute that it is alive; what belongs to one that has not done so
 * for two minutes is anybody's (docs/decisions/0011).
 */
import type { ExpressionBuilder, ExpressionWrapper, SqlBool } from 'kysely';
import type { Clock, Logger } from '../../core/ports.ts';
import type { Database } from './database.ts';
import type { Tables } from './tables.ts';

const BEAT_MS = 30_000;
const GONE_AFTER_MS = 4 * BEAT_MS;
/** Rows of servers that nobody has heard of for so long are taken out: theirs is anybody's anyway. */
const FORGOTTEN_AFTER_MS = 24 * 60 * 60 * 1000;

/** This server, as stores know it. */
export interface Server {
  readonly id: string;
  readonly clock: Clock;
  /** Whether it has watched the others long enough to say which of them is silent. */
  hasWatched?(): boolean;
}

/** One that is known to the others. */
export interface JoinedServer extends Server {
  /** What it has not finished is anybody's at once. */
  leave(): Promise<void>;
}

/** Makes a server known. */
export async function joinServers(database: Database, server: Server, log: Logger): Promise<JoinedServer> {
  const heart = new Heart(database, server, log);
  await heart.start();
  return { ...server, hasWatched: () => heart.hasWatched(), leave: () => heart.stop() };
}

class Heart {
  readonly #database: Database;
  readonly #server: Server;
  readonly #log: Logger;
  #beating = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #lastBeatMs = Number.NEGATIVE_INFINITY;
  /** Since then it has beaten without a gap. */
  #sinceMs = Number.POSITIVE_INFINITY;

  constructor(database: Database, server: Server, log: Logger) {
    this.#database = database;
    this.#server = server;
    this.#log = log;
  }

  async start(): Promise<void> {
    const { queries, dialect } = this.#database;
    const { id, clock } = this.#server;
    // A home has one server at a time: the others there were have ended, such as that of a backup that was restored.
    const others = queries.deleteFrom('servers').where('id', '!=', id);
    const over = dialect === 'sqlite' ? others : others.where('seen_at_ms', '<', clock.now() - FORGOTTEN_AFTER_MS);
    await over.execute();
    await this.#beat();
    this.#timer = setInterval(() => {
      this.#beating = this.#beat().catch((thrown) => {
        this.#log.warn({ err: thrown }, 'the database could not be told that this server is alive');
      });
    }, BEAT_MS).unref();
  }

  /**
   * Where the database was away, or this machine asleep, everybody's last beat is old: nobody is called gone before there was
   * time for all to beat again.
   */
  hasWatched(): boolean {
    const nowMs = this.#server.clock.now();
    return nowMs - this.#lastBeatMs <= 2 * BEAT_MS && nowMs - this.#sinceMs >= GONE_AFTER_MS;
  }

  async #beat(): Promise<void> {
    const { id, clock } = this.#server;
    const row = { id, seen_at_ms: clock.now() };
    await this.#database.queries
      .insertInto('servers')
      .values(row)
      .onConflict((conflict) => conflict.column('id').doUpdateSet({ seen_at_ms: row.seen_at_ms }))
      .execute();
    if (row.seen_at_ms - this.#lastBeatMs > 2 * BEAT_MS) this.#sinceMs = row.seen_at_ms;
    this.#lastBeatMs = row.seen_at_ms;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#beating;
    // Without it the others wait until nothing has been heard of this server for long.
    await this.#database.queries
      .deleteFrom('servers')
      .where('id', '=', this.#server.id)
      .execute()
      .catch((thrown: unknown) => {
        this.#log.warn({ err: thrown }, 'the database could not be told that this server leaves');
      });
  }
}

/** Of a row that has an owner: whether no living server but this one works on it. */
export function isForThis(
  { id, clock, hasWatched }: Server,
  where: ExpressionBuilder<Tables, 'batches' | 'responses'>,
): ExpressionWrapper<Tables, 'batches' | 'responses', SqlBool> {
  const known = where.selectFrom('servers').select('servers.id');
  const living = hasWatched?.() ? known.where('servers.seen_at_ms', '>', clock.now() - GONE_AFTER_MS) : known;
  return where.or([where('owner', '=', id), where('owner', 'not in', living)]);
}
