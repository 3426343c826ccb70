/** Lists of items in pages: what a client asks for, and the form of a page (responses-and-tools reference §6, §9). */
import { StudioError } from '../core/errors.ts';
import type { StoredItem } from '../core/responses.ts';
import { refusal } from './openai-items.ts';

export interface PageQuery {
  readonly after: string | undefined;
  readonly limit: number;
  readonly order: 'asc' | 'desc';
}

/** "List input items" and "List items" of the vendor's API reference. */
const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 100;

/** Reads `after`, `limit` and `order`. */
export function decodePageQuery(query: URLSearchParams): PageQuery {
  const limitText = query.get('limit');
  const limit = limitText === null || limitText === '' ? DEFAULT_LIMIT : Number(limitText);
  if (!(Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT))
    throw refusal(
      'limit',
      `expected an integer between 1 and ${MAX_LIMIT}, but got ${String(limitText).slice(0, 16)} instead`,
    );
  const order = query.get('order') ?? 'desc';
  if (order !== 'asc' && order !== 'desc') throw refusal('order', "supported values are: 'asc' and 'desc'");
  return { after: query.get('after') || undefined, limit, order };
}

/** The members that every page has. */
export function pageOf(items: readonly StoredItem[], hasMore: boolean): object {
  return { data: items, first_id: items[0]?.id ?? null, last_id: items.at(-1)?.id ?? null, has_more: hasMore };
}

/** One page of items that are all at hand, the oldest first. */
export function sliceOf(items: readonly StoredItem[], { after, limit, order }: PageQuery): object {
  const inOrder = order === 'asc' ? items : items.toReversed();
  const start = after === undefined ? 0 : inOrder.findIndex(({ id }) => id === after) + 1;
  if (after !== undefined && start === 0) throw itemNotFound(after);
  return pageOf(inOrder.slice(start, start + limit), start + limit < inOrder.length);
}

export function itemNotFound(itemId: string): StudioError {
  return new StudioError('not-found', `Item with id '${itemId.slice(0, 128)}' not found.`);
}
