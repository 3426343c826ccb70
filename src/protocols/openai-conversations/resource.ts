/**
 * Conversations and their items over REST (responses-and-tools reference §9). The service keeps messages only; here a
 * conversation keeps items of every kind, as OpenAI's does: the sessions of its Agents SDK post calls and their outputs.
 */
import type { StoredConversation } from '../../core/conversations.ts';
import { StudioError } from '../../core/errors.ts';
import type { StoredItem } from '../../core/responses.ts';
import { decodePageQuery, itemNotFound, pageOf } from '../openai-item-pages.ts';
import { decodeItem, kindOf, newItemId, refusal } from '../openai-items.ts';
import { decodeMetadata } from '../openai-metadata.ts';
import { isObject, type JsonObject } from '../parameters.ts';
import type { ResourceReply, ResourceRequest, ResourceRoute, WirePorts } from '../protocol.ts';

/** The service tells times in milliseconds and deletions as records; OpenAI seconds, and the conversation. */
export type ConversationDialect = 'vendor' | 'openai';

type Ports = Pick<WirePorts, 'conversations' | 'clock' | 'ids'>;

/** "Create a conversation" and "Create items" of the vendor's API reference. */
const MAX_ITEMS = 20;

/** The routes below one prefix, e.g. `/v1`. */
export function conversationRoutes(prefix: string, dialect: ConversationDialect, ports: Ports): ResourceRoute[] {
  const one = `${prefix}/conversations/:conversationId`;
  const conversations = new Conversations(dialect, ports);
  return [
    { method: 'POST', path: `${prefix}/conversations`, handle: (request) => conversations.create(request) },
    { method: 'GET', path: one, handle: (request) => conversations.retrieve(request) },
    { method: 'POST', path: one, handle: (request) => conversations.update(request) },
    { method: 'DELETE', path: one, handle: (request) => conversations.delete(request) },
    { method: 'POST', path: `${one}/items`, handle: (request) => conversations.createItems(request) },
    { method: 'GET', path: `${one}/items`, handle: (request) => conversations.listItems(request) },
    { method: 'GET', path: `${one}/items/:itemId`, handle: (request) => conversations.retrieveItem(request) },
    { method: 'DELETE', path: `${one}/items/:itemId`, handle: (request) => conversations.deleteItem(request) },
  ];
}

/** The operations in one dialect. */
class Conversations {
  readonly #dialect: ConversationDialect;
  readonly #ports: Ports;

  constructor(dialect: ConversationDialect, ports: Ports) {
    this.#dialect = dialect;
    this.#ports = ports;
  }

  create({ body, account }: ResourceRequest): ResourceReply {
    const { clock, ids, conversations } = this.#ports;
    const members = objectOf(body ?? {});
    const metadata = decodeMetadata(members.metadata);
    const items = members.items === undefined || members.items === null ? [] : this.#decodeItems(members.items, 0);
    const conversation = {
      conversationId: `conv_${ids.uuid().replaceAll('-', '')}`,
      workspaceId: account.workspaceId,
      createdAtMs: clock.now(),
      metadata,
    };
    conversations.create(conversation, items);
    return { status: 200, body: this.#encode(conversation) };
  }

  retrieve(request: ResourceRequest): ResourceReply {
    return { status: 200, body: this.#encode(this.#find(request)) };
  }

  /** Replaces the whole map. */
  update(request: ResourceRequest): ResourceReply {
    const { workspaceId, conversationId, ...rest } = this.#find(request);
    const metadata = decodeMetadata(objectOf(request.body).metadata);
    this.#ports.conversations.setMetadata(workspaceId, conversationId, metadata, this.#ports.clock.now());
    return { status: 200, body: this.#encode({ ...rest, workspaceId, conversationId, metadata }) };
  }

  delete(request: ResourceRequest): ResourceReply {
    const { workspaceId, conversationId: id } = this.#find(request);
    this.#ports.conversations.delete(workspaceId, id);
    return { status: 200, body: { id, object: 'conversation.deleted', deleted: true } };
  }

  createItems(request: ResourceRequest): ResourceReply {
    const { conversationId } = this.#find(request);
    const items = this.#decodeItems(objectOf(request.body).items, 1);
    this.#ports.conversations.append(conversationId, items, this.#ports.clock.now());
    const page = pageOf(items, false);
    return { status: 200, body: this.#dialect === 'openai' ? { object: 'list', ...page } : page };
  }

  listItems(request: ResourceRequest): ResourceReply {
    const { after, limit, order } = decodePageQuery(request.query);
    const { conversationId } = this.#find(request);
    const list = this.#ports.conversations.list(conversationId, { afterItemId: after, limit, order });
    if (!list) throw itemNotFound(after ?? '');
    return { status: 200, body: { object: 'list', ...pageOf(list.items, list.hasMore) } };
  }

  retrieveItem(request: ResourceRequest): ResourceReply {
    const { conversationId } = this.#find(request);
    const itemId = request.params.itemId ?? '';
    const item = this.#ports.conversations.findItem(conversationId, itemId);
    if (!item) throw itemNotFound(itemId);
    return { status: 200, body: item };
  }

  deleteItem(request: ResourceRequest): ResourceReply {
    const conversation = this.#find(request);
    const id = request.params.itemId ?? '';
    if (!this.#ports.conversations.deleteItem(conversation.conversationId, id)) throw itemNotFound(id);
    const deleted = { id, object: 'conversation.item.deleted', deleted: true };
    return { status: 200, body: this.#dialect === 'openai' ? this.#encode(conversation) : deleted };
  }

  #find({ params, account }: ResourceRequest): StoredConversation {
    const conversationId = params.conversationId ?? '';
    const found = this.#ports.conversations.find(account.workspaceId, conversationId);
    if (!found) throw new StudioError('not-found', `Conversation with id '${conversationId.slice(0, 128)}' not found.`);
    return found;
  }

  /** No item comes twice: a second one with the same id gets an id of its own. */
  #decodeItems(items: unknown, min: number): StoredItem[] {
    if (!Array.isArray(items)) throw refusal('items', `expected an array, but got ${kindOf(items)} instead`);
    if (items.length < min || items.length > MAX_ITEMS)
      throw refusal('items', `expected ${min} to ${MAX_ITEMS} items, but got ${items.length} instead`);
    const seen = new Set<string>();
    return items.map((value, index) => {
      const item = decodeItem(value, `items[${index}]`, this.#ports.ids);
      if (item.type === 'item_reference') throw refusal(`items[${index}].type`, 'a conversation keeps no references');
      const id = seen.has(item.id) ? newItemId(item.type, this.#ports.ids) : item.id;
      seen.add(id);
      return { ...item, id };
    });
  }

  #encode({ conversationId: id, createdAtMs, metadata }: Omit<StoredConversation, 'usedAtMs'>): object {
    const createdAt = this.#dialect === 'vendor' ? createdAtMs : Math.floor(createdAtMs / 1000);
    return { id, object: 'conversation', created_at: createdAt, metadata };
  }
}

function objectOf(body: unknown): JsonObject {
  if (!isObject(body)) throw new StudioError('malformed-body');
  return body;
}
