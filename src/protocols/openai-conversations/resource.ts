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

  async create({ body, account }: ResourceRequest): Promise<ResourceReply> {
    const { clock, ids, conversations } = this.#ports;
    const members = objectOf(body ?? {});
    const metadata = decodeMetadata(members.metadata);
    const items = members.items === undefined || members.items === null ? [] : this.#decodeItems(members.items, 0);
    const conversation = {
      conversationId: `conv_${ids.uuid().replaceAll('-', '')}`,
      workspaceId: account.workspaceId,
      region: account.region,
      createdAtMs: clock.now(),
      metadata,
    };
    await conversations.create(conversation, items);
    return { status: 200, body: this.#encode(conversation) };
  }

  async retrieve(request: ResourceRequest): Promise<ResourceReply> {
    return { status: 200, body: this.#encode(await this.#find(request)) };
  }

  /** Replaces the whole map. */
  async update(request: ResourceRequest): Promise<ResourceReply> {
    const conversation = await this.#find(request);
    const { conversationId } = conversation;
    const metadata = decodeMetadata(objectOf(request.body).metadata);
    const { conversations, clock } = this.#ports;
    if (!(await conversations.setMetadata(conversation, conversationId, metadata, clock.now())))
      throw conversationNotFound(conversationId);
    return { status: 200, body: this.#encode({ ...conversation, metadata }) };
  }

  async delete(request: ResourceRequest): Promise<ResourceReply> {
    const { conversationId: id } = await this.#find(request);
    await this.#ports.conversations.delete(request.account, id);
    return { status: 200, body: { id, object: 'conversation.deleted', deleted: true } };
  }

  async createItems(request: ResourceRequest): Promise<ResourceReply> {
    const { conversationId } = await this.#find(request);
    const items = this.#decodeItems(objectOf(request.body).items, 1);
    if (!(await this.#ports.conversations.append(conversationId, items, this.#ports.clock.now())))
      throw conversationNotFound(conversationId);
    const page = pageOf(items, false);
    return { status: 200, body: this.#dialect === 'openai' ? { object: 'list', ...page } : page };
  }

  async listItems(request: ResourceRequest): Promise<ResourceReply> {
    const { after, limit, order } = decodePageQuery(request.query);
    const { conversationId } = await this.#find(request);
    const list = await this.#ports.conversations.list(conversationId, { afterItemId: after, limit, order });
    if (!list) throw itemNotFound(after ?? '');
    return { status: 200, body: { object: 'list', ...pageOf(list.items, list.hasMore) } };
  }

  async retrieveItem(request: ResourceRequest): Promise<ResourceReply> {
    const { conversationId } = await this.#find(request);
    const itemId = request.params.itemId ?? '';
    const item = await this.#ports.conversations.findItem(conversationId, itemId);
    if (!item) throw itemNotFound(itemId);
    return { status: 200, body: item };
  }

  async deleteItem(request: ResourceRequest): Promise<ResourceReply> {
    const conversation = await this.#find(request);
    const id = request.params.itemId ?? '';
    if (!(await this.#ports.conversations.deleteItem(conversation.conversationId, id))) throw itemNotFound(id);
    const deleted = { id, object: 'conversation.item.deleted', deleted: true };
    return { status: 200, body: this.#dialect === 'openai' ? this.#encode(conversation) : deleted };
  }

  async #find({ params, account }: ResourceRequest): Promise<StoredConversation> {
    const conversationId = params.conversationId ?? '';
    const found = await this.#ports.conversations.find(account, conversationId);
    if (!found) throw conversationNotFound(conversationId);
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

function conversationNotFound(conversationId: string): StudioError {
  return new StudioError('not-found', `Conversation with id '${conversationId.slice(0, 128)}' not found.`);
}

function objectOf(body: unknown): JsonObject {
  if (!isObject(body)) throw new StudioError('malformed-body');
  return body;
}
