/** The form of a reply on this wire, and what its call is about to continue and to leave behind. */
import type { Owner } from '../../core/ports.ts';
import type { StoredItem } from '../../core/responses.ts';
import type { JsonObject } from '../parameters.ts';
import type { ReplyPlan } from '../protocol.ts';
import type { LiveResponse } from './live.ts';
import type { ToolNames } from './tools.ts';
import type { Release } from './turn-locks.ts';

/**
 * Who is spoken to: the service's own paths, the plain `/v1` alias that clients of OpenAI use, or a socket. They differ
 * in framing and in a few members (docs/wires/openai-responses.md).
 */
export type Dialect = 'vendor' | 'openai' | 'socket';

export interface ResponsePlan extends ReplyPlan, Owner {
  readonly responseId: string;
  readonly createdAtMs: number;
  readonly dialect: Dialect;
  /** Members of the resource that say what was asked. */
  readonly echo: JsonObject;
  readonly toolNames: ToolNames;
  readonly includesLogprobs: boolean;
  /** Reasoning also goes out sealed, for clients that keep the conversation themselves. */
  readonly sealsReasoning: boolean;
  readonly isStored: boolean;
  readonly isBackground: boolean;
  readonly previousResponseId?: string | undefined;
  readonly conversationId?: string | undefined;
  /** Its own input, without what it continues. */
  readonly input: readonly StoredItem[];
  /** Known once what it continues was looked up. */
  readonly state?: CallState | undefined;
}

/** Everything that comes before a request's own input. */
export interface History {
  readonly items: readonly StoredItem[];
  /** Where the conversation ended when the turn began. */
  readonly upToSequence?: number | undefined;
  /** Only the connection remembers it. */
  readonly isRemembered?: boolean | undefined;
}

export interface CallState {
  readonly history: History;
  /** Gives the turn of the conversation back. */
  readonly release?: Release | undefined;
  /** What others read of a background response before it has ended. */
  readonly live?: LiveResponse | undefined;
}
