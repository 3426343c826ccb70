import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fixedClock } from '../../../test/support/context.ts';
import type { ResponseStore, StoredResponse } from '../../core/responses.ts';
import { type Database, openDatabase } from './database.ts';
import { createResponseStore } from './responses.ts';

const DAY_MS = 86_400_000;

let database: Database;
let store: ResponseStore;
let clock: ReturnType<typeof fixedClock>;

beforeEach(async () => {
  database = await openDatabase(':memory:');
  clock = fixedClock();
  store = createResponseStore(database, clock);
});
afterEach(() => database.close());

function response(responseId: string, changes: Partial<StoredResponse> = {}): StoredResponse {
  return {
    responseId,
    workspaceId: 'w',
    createdAtMs: clock.now(),
    expiresAtMs: clock.now() + 7 * DAY_MS,
    input: [{ id: `${responseId}-in`, type: 'message' }],
    body: { status: 'completed', output: [{ id: `${responseId}-out`, type: 'message' }] },
    ...changes,
  };
}

const idsOf = (chain: readonly StoredResponse[]) => chain.map(({ responseId }) => responseId);
const rows = () => database.sqlite.prepare<[], string>('SELECT response_id FROM responses ORDER BY 1').pluck().all();

it('gives back what it was given', () => {
  const given = response('a', {
    previousResponseId: 'z',
    conversation: { conversationId: 'c', upToSequence: 5 },
    events: ['{"type":"response.created"}'],
  });
  store.create(given);
  expect(store.find('w', 'a')).toEqual(given);
  expect(store.find('other', 'a')).toBeUndefined();
});

it('changes what is told of a response, and nothing when it is gone', () => {
  store.create(response('a', { body: { status: 'queued', output: [] } }));
  expect(idsOf(store.unfinished())).toEqual(['a']);
  store.update('a', { body: { status: 'completed', output: [] }, events: ['{}'] });
  expect(store.find('w', 'a')).toMatchObject({ body: { status: 'completed' }, events: ['{}'] });
  expect(store.unfinished()).toEqual([]);
  store.update('b', { body: { status: 'completed', output: [] }, events: undefined });
  expect(rows()).toEqual(['a']);
});

describe('a chain', () => {
  beforeEach(() => {
    store.create(response('a'));
    store.create(response('b', { previousResponseId: 'a' }));
    store.create(response('c', { previousResponseId: 'b' }));
    store.create(response('side', { previousResponseId: 'a' }));
  });

  it('is the oldest first, and ends with the response', () => {
    expect(idsOf(store.chain('w', 'c'))).toEqual(['a', 'b', 'c']);
    expect(store.chain('other', 'c')).toEqual([]);
    expect(store.chain('w', 'x')).toEqual([]);
  });

  it('keeps what was deleted before its end', () => {
    expect(store.delete('other', 'b')).toBe(false);
    expect(store.delete('w', 'b')).toBe(true);
    expect(store.delete('w', 'b')).toBe(false);
    expect(store.find('w', 'b')).toBeUndefined();
    expect(store.chain('w', 'b')).toEqual([]);
    expect(idsOf(store.chain('w', 'c'))).toEqual(['a', 'b', 'c']);
    store.delete('w', 'c');
    expect(rows()).toEqual(['a', 'b', 'side']);
  });

  it('is forgotten when none of it is alive', () => {
    clock.advance(6 * DAY_MS);
    store.create(response('d', { previousResponseId: 'c' }));
    clock.advance(2 * DAY_MS);
    expect(store.find('w', 'c')).toBeUndefined();
    store.deleteExpired(clock.now());
    expect(idsOf(store.chain('w', 'd'))).toEqual(['a', 'b', 'c', 'd']);
    clock.advance(7 * DAY_MS);
    store.deleteExpired(clock.now());
    expect(rows()).toEqual([]);
  });
});
