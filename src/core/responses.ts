/**
 * Stored responses: what a wire answered, so that it can be read again and continued. Items are kept as the wire wrote
 * them (docs/decisions/0008): ids, order and types that the canonical request has no word for.
 */
import type { Json } from './generation.ts';
import type { Owner } from './ports.ts';

/** One item of a conversation, as its wire shows it. */
export interface StoredItem {
  readonly id: string;
  readonly type: string;
  readonly [member: string]: Json;
}

export type ResponseStatus = 'queued' | 'in_progress' | 'completed' | 'failed' | 'cancelled' | 'incomplete';

/** A response as it is read by its client, without what it was made of. */
export interface ResponseBody {
  readonly status: ResponseStatus;
  readonly output: readonly StoredItem[];
  readonly [member: string]: Json;
}

export interface StoredResponse extends Owner {
  /** As on the wire: `resp_…`. */
  readonly responseId: string;
  /** What it continues; the items of that one and of those before it are its own history. */
  readonly previousResponseId?: string | undefined;
  /** The conversation it was a turn of, and the last item that was there when it began. */
  readonly conversation?: { readonly conversationId: string; readonly upToSequence: number } | undefined;
  readonly createdAtMs: number;
  /** Not found from then on. */
  readonly expiresAtMs: number;
  /** Its own input, without its history. */
  readonly input: readonly StoredItem[];
  readonly body: ResponseBody;
  /** Every streamed event but the last as JSON, of a background response that was asked to stream. */
  readonly events?: readonly string[] | undefined;
}

/** Keeps responses until they expire. All reads are of one owner. */
export interface ResponseStore {
  /** One that has not ended is this server's to work on. */
  create(response: StoredResponse): Promise<void>;
  /** Of a response that has not ended. False when it has, or when there is none (any more). */
  update(responseId: string, changes: Pick<StoredResponse, 'body' | 'events'>): Promise<boolean>;
  find(owner: Owner, responseId: string): Promise<StoredResponse | undefined>;
  /**
   * The response and those it continues, the oldest first; also deleted and expired ones before it, as they are part of
   * what it was made of. Empty when the response itself is not there.
   */
  chain(owner: Owner, responseId: string): Promise<readonly StoredResponse[]>;
  /** False when there was no such response. What continues it keeps its history. */
  delete(owner: Owner, responseId: string): Promise<boolean>;
  /** The responses of this server and of servers that are gone that have not ended, of every owner. */
  unfinished(): Promise<readonly StoredResponse[]>;
  /** Forgets what has expired and is no part of a live response's history. */
  deleteExpired(nowMs: number): Promise<void>;
}
