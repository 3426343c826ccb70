import { afterEach, beforeEach, expect, it } from 'vitest';
import { testOwner } from '../../../test/support/context.ts';
import { onEachDatabase } from '../../../test/support/databases.ts';
import type { ConversationStore } from '../../core/conversations.ts';
import { createConversationStore } from './conversations.ts';
import type { Database } from './database.ts';

onEachDatabase((databases) => {
  let database: Database;
  let store: ConversationStore;

  const item = (id: string, text = id) => ({ id, type: 'message', text });
  const ours = testOwner();
  const conversation = { conversationId: 'c', ...ours, createdAtMs: 1, metadata: { a: 'b' } };

  beforeEach(async () => {
    database = await databases.open();
    store = createConversationStore(database);
    await store.create(conversation, [item('1'), item('2')]);
  });
  afterEach(() => database.close());

  const idsOf = (items: readonly { readonly id: string }[] = []) => items.map(({ id }) => id);

  it('belongs to its owner', async () => {
    expect(await store.find(ours, 'c')).toEqual({ ...conversation, usedAtMs: 1 });
    for (const owner of [testOwner({ workspaceId: 'other' }), testOwner({ region: 'singapore' })]) {
      expect(await store.find(owner, 'c')).toBeUndefined();
      expect(await store.setMetadata(owner, 'c', {}, 2)).toBe(false);
      expect(await store.delete(owner, 'c')).toBe(false);
    }
    expect(await store.setMetadata(ours, 'c', { x: 'y' }, 2)).toBe(true);
    expect((await store.find(ours, 'c'))?.metadata).toEqual({ x: 'y' });
  });

  it('keeps items in order, and tells where it ended', async () => {
    const { lastSequence } = await store.items('c');
    await store.append('c', [item('3')], 2);
    expect(idsOf((await store.items('c')).items)).toEqual(['1', '2', '3']);
    expect(idsOf((await store.items('c', lastSequence)).items)).toEqual(['1', '2']);
    expect(await store.items('x')).toEqual({ items: [], lastSequence: 0 });
  });

  it('replaces an item that comes again where it stands', async () => {
    await store.append('c', [item('1', 'new'), item('3')], 2);
    expect((await store.items('c')).items).toEqual([item('1', 'new'), item('2'), item('3')]);
  });

  it('takes the last of an item that comes twice at once, where the first one stands', async () => {
    await store.append('c', [item('3'), item('4'), item('3', 'again')], 2);
    expect((await store.items('c')).items.slice(2)).toEqual([item('3', 'again'), item('4')]);
  });

  it('keeps what is appended at the same time together', async () => {
    const appended = ['x', 'y', 'z'].map((name) => [1, 2, 3].map((number) => item(`${name}${number}`)));
    await Promise.all(appended.map((items) => store.append('c', items, 2)));
    const { items } = await store.items('c');
    const order = idsOf(items).slice(2);
    expect(order).toHaveLength(9);
    for (const start of [0, 3, 6]) {
      const [first = ''] = order[start] ?? '';
      expect(order.slice(start, start + 3)).toEqual([1, 2, 3].map((number) => `${first}${number}`));
    }
  });

  it('is held by one turn at a time, until it is given back or nothing is heard of it', async () => {
    expect(await store.holdTurn('c', 'one', { nowMs: 0, untilMs: 10 })).toBe(true);
    expect(await store.holdTurn('c', 'two', { nowMs: 9, untilMs: 20 })).toBe(false);
    expect(await store.holdTurn('c', 'one', { nowMs: 9, untilMs: 20 })).toBe(true);
    expect(await store.holdTurn('c', 'two', { nowMs: 10, untilMs: 20 })).toBe(false);
    await store.endTurn('c', 'two');
    expect(await store.holdTurn('c', 'two', { nowMs: 10, untilMs: 20 })).toBe(false);
    await store.endTurn('c', 'one');
    expect(await store.holdTurn('c', 'two', { nowMs: 10, untilMs: 20 })).toBe(true);
    expect(await store.holdTurn('c', 'three', { nowMs: 20, untilMs: 30 })).toBe(true);
    expect(await store.holdTurn('gone', 'three', { nowMs: 0, untilMs: 10 })).toBe(true);
  });

  it('gives pages in either order', async () => {
    await store.append('c', [item('3')], 2);
    const page = async (order: 'asc' | 'desc', limit: number, afterItemId?: string) => {
      const list = await store.list('c', { order, limit, afterItemId });
      return list && [idsOf(list.items), list.hasMore];
    };
    expect(await page('asc', 2)).toEqual([['1', '2'], true]);
    expect(await page('asc', 2, '2')).toEqual([['3'], false]);
    expect(await page('desc', 3)).toEqual([['3', '2', '1'], false]);
    expect(await page('desc', 1, '3')).toEqual([['2'], true]);
    expect(await page('asc', 1, 'x')).toBeUndefined();
  });

  it('loses single items, and all of them with itself', async () => {
    expect(await store.deleteItem('c', '1')).toBe(true);
    expect(await store.deleteItem('c', '1')).toBe(false);
    expect(await store.findItem('c', '1')).toBeUndefined();
    expect(await store.findItem('c', '2')).toEqual(item('2'));
    expect(await store.delete(ours, 'c')).toBe(true);
    expect(await store.append('c', [item('3')], 2)).toBe(false);
    expect((await store.items('c')).items).toEqual([]);
  });

  it('goes when it was not used for long', async () => {
    await store.create({ ...conversation, conversationId: 'continued' }, []);
    await store.create({ ...conversation, conversationId: 'changed' }, []);
    await store.append('continued', [item('3')], 20);
    await store.setMetadata(ours, 'changed', {}, 10);
    await store.deleteUnusedSince(10);
    const found = await Promise.all(['c', 'continued', 'changed'].map((id) => store.find(ours, id)));
    expect(found.map((each) => each?.usedAtMs)).toEqual([undefined, 20, 10]);
    expect((await store.items('c')).items).toEqual([]);
    await store.deleteUnusedSince(11);
    expect(await store.find(ours, 'changed')).toBeUndefined();
  });
});
