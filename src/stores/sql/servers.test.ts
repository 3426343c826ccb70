import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { fixedClock, silentLog, testOwner } from '../../../test/support/context.ts';
import { onEachDatabase } from '../../../test/support/databases.ts';
import type { Database } from './database.ts';
import { ownerColumns } from './owners.ts';
import { isForThis, joinServers, type Server } from './servers.ts';

const MINUTE_MS = 60_000;

onEachDatabase((databases) => {
  let database: Database;
  let clock: ReturnType<typeof fixedClock>;
  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    clock = fixedClock();
    database = await databases.open();
    await database.queries
      .insertInto('responses')
      .values(
        ['', 'one', 'two'].map((owner) => ({
          response_id: `of ${owner}`,
          ...ownerColumns(testOwner()),
          thread_id: 't',
          status: 'queued',
          created_at_ms: 0,
          expires_at_ms: 0,
          input: '',
          body: '',
          owner,
        })),
      )
      .execute();
  });
  afterEach(async () => {
    vi.useRealTimers();
    await database.close();
  });

  const join = (id: string) => joinServers(database, { id, clock }, silentLog);
  const seen = () => database.queries.selectFrom('servers').select(['id', 'seen_at_ms']).orderBy('id').execute();

  /** Whose rows a server may take. */
  async function ownersFor(server: Server): Promise<string[]> {
    const rows = await database.queries
      .selectFrom('responses')
      .select('owner')
      .where((where) => isForThis(server, where))
      .orderBy('owner')
      .execute();
    return rows.map(({ owner }) => owner);
  }

  /** Time goes by, with the beats that fall in it. */
  async function pass(milliseconds: number): Promise<void> {
    for (let passed = 0; passed < milliseconds; passed += 10_000) {
      clock.advance(10_000);
      await vi.advanceTimersByTimeAsync(10_000);
      // Until what the beats have begun is done: it came before this query.
      await seen();
    }
  }

  it('says that it is alive, until it leaves', async () => {
    const one = await join('one');
    const start = clock.now();
    await pass(MINUTE_MS);
    expect(await seen()).toEqual([{ id: 'one', seen_at_ms: start + MINUTE_MS }]);
    await one.leave();
    expect(await seen()).toEqual([]);
    await pass(MINUTE_MS);
    expect(await seen()).toEqual([]);
  });

  it('may take its own, nobody’s, and at once that of a server that has left', async () => {
    const one = await join('one');
    await database.queries.insertInto('servers').values({ id: 'two', seen_at_ms: clock.now() }).execute();
    expect(await ownersFor(one)).toEqual(['', 'one']);
    await database.queries.deleteFrom('servers').where('id', '=', 'two').execute();
    expect(await ownersFor(one)).toEqual(['', 'one', 'two']);
    await one.leave();
  });

  it('may take that of a server that has been silent for two minutes, which it has watched', async () => {
    const one = await join('one');
    await database.queries.insertInto('servers').values({ id: 'two', seen_at_ms: clock.now() }).execute();
    await pass(2 * MINUTE_MS - 10_000);
    expect(await ownersFor(one)).toEqual(['', 'one']);
    await pass(10_000);
    expect(await ownersFor(one)).toEqual(['', 'one', 'two']);
    await one.leave();
  });

  it('calls nobody gone after a time in which nobody could say that he is alive', async () => {
    const one = await join('one');
    await database.queries.insertInto('servers').values({ id: 'two', seen_at_ms: clock.now() }).execute();
    await pass(MINUTE_MS);
    // Asleep.
    clock.advance(60 * MINUTE_MS);
    expect(await ownersFor(one)).toEqual(['', 'one']);
    await pass(MINUTE_MS);
    expect(await ownersFor(one)).toEqual(['', 'one']);
    await pass(2 * MINUTE_MS);
    expect(await ownersFor(one)).toEqual(['', 'one', 'two']);
    await one.leave();
  });

  it('forgets servers that are long gone; in a home all others', async () => {
    const day = 24 * 60 * MINUTE_MS;
    await database.queries
      .insertInto('servers')
      .values([
        { id: 'lately', seen_at_ms: clock.now() - day },
        { id: 'long ago', seen_at_ms: clock.now() - day - 1 },
      ])
      .execute();
    const one = await join('one');
    const ids = (await seen()).map(({ id }) => id);
    expect(ids).toEqual(databases.name === 'Postgres' ? ['lately', 'one'] : ['one']);
    await one.leave();
  });
});
