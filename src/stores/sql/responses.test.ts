import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fixedClock, testOwner } from '../../../test/support/context.ts';
import { onEachDatabase } from '../../../test/support/databases.ts';
import type { ResponseStore, StoredResponse } from '../../core/responses.ts';
import type { Database } from './database.ts';
import { createResponseStore } from './responses.ts';

const DAY_MS = 86_400_000;

onEachDatabase((databases) => {
  let database: Database;
  let store: ResponseStore;
  let clock: ReturnType<typeof fixedClock>;

  const ours = testOwner();
  const notOurs = [testOwner({ workspaceId: 'other' }), testOwner({ region: 'singapore' })];

  beforeEach(async () => {
    database = await databases.open();
    clock = fixedClock();
    store = createResponseStore(database, { id: 'server-1', clock });
  });
  afterEach(() => database.close());

  function response(responseId: string, changes: Partial<StoredResponse> = {}): StoredResponse {
    return {
      responseId,
      ...ours,
      createdAtMs: clock.now(),
      expiresAtMs: clock.now() + 7 * DAY_MS,
      input: [{ id: `${responseId}-in`, type: 'message' }],
      body: { status: 'completed', output: [{ id: `${responseId}-out`, type: 'message' }] },
      ...changes,
    };
  }

  const idsOf = (chain: readonly StoredResponse[]) => chain.map(({ responseId }) => responseId);
  const rows = async () => {
    const found = await database.queries.selectFrom('responses').select('response_id').orderBy('response_id').execute();
    return found.map(({ response_id }) => response_id);
  };

  it('gives back what it was given', async () => {
    const given = response('a', {
      previousResponseId: 'z',
      conversation: { conversationId: 'c', upToSequence: 5 },
      events: ['{"type":"response.created"}'],
    });
    await store.create(given);
    expect(await store.find(ours, 'a')).toEqual(given);
    for (const owner of notOurs) expect(await store.find(owner, 'a')).toBeUndefined();
  });

  it('changes what is told of a response, and nothing when it is gone', async () => {
    await store.create(response('a', { body: { status: 'queued', output: [] } }));
    expect(idsOf(await store.unfinished())).toEqual(['a']);
    await store.update('a', { body: { status: 'completed', output: [] }, events: ['{}'] });
    expect(await store.find(ours, 'a')).toMatchObject({ body: { status: 'completed' }, events: ['{}'] });
    expect(await store.unfinished()).toEqual([]);
    expect(await store.update('a', { body: { status: 'failed', output: [] }, events: undefined })).toBe(false);
    expect((await store.find(ours, 'a'))?.body.status).toBe('completed');
    expect(await store.update('b', { body: { status: 'completed', output: [] }, events: undefined })).toBe(false);
    expect(await rows()).toEqual(['a']);
  });

  it('that has not ended is looked after by its server, and by any when that is gone', async () => {
    await database.queries
      .insertInto('servers')
      .values(['server-1', 'server-2'].map((id) => ({ id, seen_at_ms: clock.now() })))
      .execute();
    const elsewhere = createResponseStore(database, { id: 'server-2', clock });
    await store.create(response('a', { body: { status: 'queued', output: [] } }));
    expect(idsOf(await store.unfinished())).toEqual(['a']);
    expect(await elsewhere.unfinished()).toEqual([]);
    await database.queries.deleteFrom('servers').where('id', '=', 'server-1').execute();
    expect(idsOf(await elsewhere.unfinished())).toEqual(['a']);
  });

  describe('a chain', () => {
    beforeEach(async () => {
      await store.create(response('a'));
      await store.create(response('b', { previousResponseId: 'a' }));
      await store.create(response('c', { previousResponseId: 'b' }));
      await store.create(response('side', { previousResponseId: 'a' }));
    });

    it('is the oldest first, and ends with the response', async () => {
      expect(idsOf(await store.chain(ours, 'c'))).toEqual(['a', 'b', 'c']);
      for (const owner of notOurs) expect(await store.chain(owner, 'c')).toEqual([]);
      expect(await store.chain(ours, 'x')).toEqual([]);
    });

    it('keeps what was deleted before its end', async () => {
      for (const owner of notOurs) expect(await store.delete(owner, 'b')).toBe(false);
      expect(await store.delete(ours, 'b')).toBe(true);
      expect(await store.delete(ours, 'b')).toBe(false);
      expect(await store.find(ours, 'b')).toBeUndefined();
      expect(await store.chain(ours, 'b')).toEqual([]);
      expect(idsOf(await store.chain(ours, 'c'))).toEqual(['a', 'b', 'c']);
      await store.delete(ours, 'c');
      expect(await rows()).toEqual(['a', 'b', 'side']);
    });

    it('is forgotten when none of it is alive', async () => {
      clock.advance(6 * DAY_MS);
      await store.create(response('d', { previousResponseId: 'c' }));
      clock.advance(2 * DAY_MS);
      expect(await store.find(ours, 'c')).toBeUndefined();
      await store.deleteExpired(clock.now());
      expect(idsOf(await store.chain(ours, 'd'))).toEqual(['a', 'b', 'c', 'd']);
      clock.advance(7 * DAY_MS);
      await store.deleteExpired(clock.now());
      expect(await rows()).toEqual([]);
    });
  });
});
