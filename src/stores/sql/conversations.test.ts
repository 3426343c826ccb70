import { afterEach, beforeEach, expect, it } from 'vitest';
import type { ConversationStore } from '../../core/conversations.ts';
import { createConversationStore } from './conversations.ts';
import { type Database, openDatabase } from './database.ts';

let database: Database;
let store: ConversationStore;

const item = (id: string, text = id) => ({ id, type: 'message', text });
const conversation = { conversationId: 'c', workspaceId: 'w', createdAtMs: 1, metadata: { a: 'b' } };

beforeEach(async () => {
  database = await openDatabase(':memory:');
  store = createConversationStore(database);
  store.create(conversation, [item('1'), item('2')]);
});
afterEach(() => database.close());

const idsOf = (items: readonly { readonly id: string }[] = []) => items.map(({ id }) => id);

it('belongs to its workspace', () => {
  expect(store.find('w', 'c')).toEqual({ ...conversation, usedAtMs: 1 });
  expect(store.find('other', 'c')).toBeUndefined();
  expect(store.setMetadata('other', 'c', {}, 2)).toBe(false);
  expect(store.delete('other', 'c')).toBe(false);
  expect(store.setMetadata('w', 'c', { x: 'y' }, 2)).toBe(true);
  expect(store.find('w', 'c')?.metadata).toEqual({ x: 'y' });
});

it('keeps items in order, and tells where it ended', () => {
  const { lastSequence } = store.items('c');
  store.append('c', [item('3')], 2);
  expect(idsOf(store.items('c').items)).toEqual(['1', '2', '3']);
  expect(idsOf(store.items('c', lastSequence).items)).toEqual(['1', '2']);
  expect(store.items('x')).toEqual({ items: [], lastSequence: 0 });
});

it('replaces an item that comes again where it stands', () => {
  store.append('c', [item('1', 'new'), item('3')], 2);
  expect(store.items('c').items).toEqual([item('1', 'new'), item('2'), item('3')]);
});

it('gives pages in either order', () => {
  store.append('c', [item('3')], 2);
  const page = (order: 'asc' | 'desc', limit: number, afterItemId?: string) => {
    const list = store.list('c', { order, limit, afterItemId });
    return list && [idsOf(list.items), list.hasMore];
  };
  expect(page('asc', 2)).toEqual([['1', '2'], true]);
  expect(page('asc', 2, '2')).toEqual([['3'], false]);
  expect(page('desc', 3)).toEqual([['3', '2', '1'], false]);
  expect(page('desc', 1, '3')).toEqual([['2'], true]);
  expect(page('asc', 1, 'x')).toBeUndefined();
});

it('loses single items, and all of them with itself', () => {
  expect(store.deleteItem('c', '1')).toBe(true);
  expect(store.deleteItem('c', '1')).toBe(false);
  expect(store.findItem('c', '1')).toBeUndefined();
  expect(store.findItem('c', '2')).toEqual(item('2'));
  expect(store.delete('w', 'c')).toBe(true);
  expect(store.append('c', [item('3')], 2)).toBe(false);
  expect(store.items('c').items).toEqual([]);
});

it('goes when it was not used for long', () => {
  store.create({ ...conversation, conversationId: 'continued' }, []);
  store.create({ ...conversation, conversationId: 'changed' }, []);
  store.append('continued', [item('3')], 20);
  store.setMetadata('w', 'changed', {}, 10);
  store.deleteUnusedSince(10);
  expect(['c', 'continued', 'changed'].map((id) => store.find('w', id)?.usedAtMs)).toEqual([undefined, 20, 10]);
  expect(store.items('c').items).toEqual([]);
  store.deleteUnusedSince(11);
  expect(store.find('w', 'changed')).toBeUndefined();
});
