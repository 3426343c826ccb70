/**
 * What a wire is: pure functions plus a registration. No I/O in a protocol folder.
 *
 * A wire decodes a body into the canonical request and a *reply plan* (everything about the form of the reply), and
 * encodes canonical events by that plan. `serve.ts` does the rest, the same for every wire: read, decode, generate,
 * encode, write.
 *
 * A protocol folder holds, in this order of reading: `schema.ts` (the wire's own types and zod schemas), `decode.ts`,
 * `encode.ts`, `errors.ts`, `index.ts`. Adding a wire is such a folder and one line in `protocols/index.ts`.
 */
import type { GenerationResult } from '../core/assemble.ts';
import type { BatchStore, Webhooks } from '../core/batches.ts';
import type { ConversationStore } from '../core/conversations.ts';
import type { StudioError } from '../core/errors.ts';
import type { GenerationEvent } from '../core/events.ts';
import type { BlobStore, FileStore } from '../core/files.ts';
import type { GenerationRequest } from '../core/generation.ts';
import type { RateLimits } from '../core/limits.ts';
import type { ModelCard, ModelCatalogue } from '../core/models.ts';
import type { Account, CallContext, Clock, IdSource, Logger, TemporaryKeys, TokenCounter } from '../core/ports.ts';
import type { ResponseStore } from '../core/responses.ts';
import type { Sealer } from '../core/sealing.ts';
import type { TaskStore } from '../core/tasks.ts';
import type { UploadStore } from '../core/uploads.ts';
import type { ReplyWriter } from './reply-writer.ts';
import type { RunningCalls } from './running-calls.ts';

/** What every reply plan says; a wire's own plan adds to it. */
export interface ReplyPlan {
  readonly isStreaming: boolean;
  /** The call goes on when its client leaves (background); `RunningCalls.cancel` ends it. */
  readonly outlivesClient?: boolean | undefined;
}

export interface Decoded<Plan extends ReplyPlan> {
  readonly request: GenerationRequest;
  readonly plan: Plan;
}

/** What a decoder may use besides the body. */
export interface DecodeInfo {
  /** Lower-case header names. */
  readonly headers: Headers;
  readonly query: URLSearchParams;
  readonly ids: IdSource;
  /** Of this call; also in every reply header. */
  readonly requestId: string;
  readonly account: Account;
  readonly receivedAtMs: number;
}

export type Headers = { readonly [name: string]: string | undefined };

/** Turns events into the bytes of one streamed reply. One per reply; keeps its own state. */
export interface Encoder {
  /**
   * The frames of one event, joined; '' when this event shows nothing on this wire. `start` and `usage` normally show
   * nothing until the first block. The terminal frames come with `finish`; an `error` event gives the wire's error frame.
   */
  push(event: GenerationEvent): string;
}

/** How an error looks on a wire before the first byte. */
export interface ErrorReply {
  readonly status: number;
  readonly headers: { readonly [name: string]: string };
  /** JSON; text goes out as it is, with the content type of `headers` (an SSE error frame where a stream was asked). */
  readonly body: unknown;
}

/** A POST that generates. */
export interface GenerationProtocol<Plan extends ReplyPlan = ReplyPlan> {
  /** The folder's name; the wire's id in logs and metrics. */
  readonly id: string;
  /** URL paths served, e.g. `/compatible-mode/v1/chat/completions`. */
  readonly paths: readonly string[];
  /** Throws a StudioError for anything the wire's front validator refuses. `body` is parsed JSON. */
  decodeRequest(body: unknown, info: DecodeInfo): Decoded<Plan>;
  createEncoder(plan: Plan): Encoder;
  /** The JSON body of a plain reply. */
  encodeResult(result: GenerationResult, plan: Plan): unknown;
  /** `plan` is undefined when decoding failed; `headers` are the request's, as a wire may be asked for a stream by them. */
  encodeError(error: StudioError, requestId: string, plan: Plan | undefined, headers?: Headers): ErrorReply;
  /** A frame that keeps an idle stream open without saying anything. */
  readonly keepAliveFrame: string;
  /**
   * Headers of every reply of this protocol besides `x-request-id`, also of refusals. `rateLimits` is what is left of the
   * call's limits, where it has any.
   */
  replyHeaders?(
    requestId: string,
    plan: Plan | undefined,
    rateLimits: RateLimits | undefined,
  ): { readonly [name: string]: string };
  /**
   * Looks up what the request continues (stored history), after decoding and before anything is generated. May refuse.
   * Where it took something that must be given back (a conversation's turn), `settle` is called in any case. `signal`
   * aborts when nobody waits for the reply any more.
   */
  prepare?(decoded: Decoded<Plan>, info: DecodeInfo, signal: AbortSignal): Promise<Decoded<Plan>>;
  /**
   * Called once for every call whose `prepare` returned, before the terminal frames or the plain body go out, so that
   * what a client reads as done can be found. `result` is undefined when the call was refused before its first event.
   */
  settle?(plan: Plan, result: GenerationResult | undefined): Promise<void>;
  /**
   * The reply of a call that is answered before it is generated (`background` without `stream`); undefined for an
   * ordinary one. The plan of such a call has `outlivesClient`.
   */
  encodeAccepted?(plan: Plan): unknown;
}

/** One REST resource of a wire (models, files, responses by id…). Errors it throws are rendered by its wire. */
export interface ResourceRoute {
  readonly method: 'GET' | 'POST' | 'DELETE' | 'PUT' | 'HEAD';
  /** With `:name` parameters; a trailing `*` matches slashes too. */
  readonly path: string;
  /** What a body is read as; `json` unless said otherwise. With `multipart`, `parts` must be read to its end. */
  readonly accepts?: 'json' | 'multipart' | undefined;
  /** Needs no key: the request carries its own proof (a signed upload policy). */
  readonly isPublic?: boolean | undefined;
  readonly handle: (request: ResourceRequest) => ResourceReply | Promise<ResourceReply>;
}

export interface ResourceRequest {
  readonly params: { readonly [name: string]: string };
  readonly query: URLSearchParams;
  readonly headers: Headers;
  /** Parsed JSON; undefined without a body. */
  readonly body: unknown;
  /** The parts of a multipart body, in their order. */
  readonly parts: AsyncIterable<BodyPart>;
  readonly account: Account;
  readonly requestId: string;
  /** Scheme, host and region's prefix as the client reached us, e.g. `http://127.0.0.1:8787/singapore`. */
  readonly origin: string;
}

/** A part of a multipart body. The bytes of a file have to be read (or thrown away) before the next part comes. */
export type BodyPart =
  | { readonly type: 'field'; readonly name: string; readonly value: string }
  | {
      readonly type: 'file';
      readonly name: string;
      readonly fileName: string;
      readonly contentType: string;
      readonly bytes: AsyncIterable<Uint8Array>;
    };

export interface ResourceReply {
  readonly status: number;
  readonly headers?: { readonly [name: string]: string } | undefined;
  /** Sent as JSON, a string as it is; undefined sends no body. */
  readonly body?: unknown;
  /** Sent instead of `body`, piece by piece; name its type and length in `headers`. */
  readonly stream?: AsyncIterable<Uint8Array | string> | undefined;
}

/** A path that is a WebSocket. The key was checked at the handshake. */
export interface SocketRoute {
  readonly path: string;
  /** A larger frame closes the socket with 1009. */
  readonly maxFrameBytes: number;
  /** A socket on which no call runs and no frame came or went for so long is closed with 1001. */
  readonly idleMs: number;
  readonly open: (socket: WireSocket, call: SocketCall) => void;
}

/** One open WebSocket. */
export interface WireSocket {
  /** Dropped when the socket is closed. */
  send(text: string): void;
  close(code: number, reason: string): void;
  readonly isOpen: boolean;
  /** Resolves when the client has taken what was sent; undefined when there is nothing to wait for. */
  drained(): Promise<void> | undefined;
  /** Binary frames come as bytes. */
  onMessage(listener: (message: string | Uint8Array) => void): void;
  onClose(listener: () => void): void;
}

/** What a socket's handshake said, and the way to generate on it. */
export interface SocketCall {
  readonly account: Account;
  readonly headers: Headers;
  readonly query: URLSearchParams;
  /** Of the handshake; each call on the socket has its own. */
  readonly requestId: string;
  /** Serves one call of a protocol, its reply written by `writer` (see `frame-writer.ts`). Never rejects. */
  readonly serve: (protocol: GenerationProtocol, call: SocketExchange) => Promise<void>;
}

export interface SocketExchange {
  readonly requestId: string;
  readonly body: string;
  readonly writer: ReplyWriter;
}

/** What a wire registers. */
export interface Wire {
  readonly id: string;
  /**
   * Beginnings of paths whose errors outside a route (unknown path, wrong method, key) this wire renders; the longest
   * match wins, a wire listed earlier among equals.
   */
  readonly prefixes: readonly string[];
  readonly generations: readonly GenerationProtocol[];
  readonly resources: readonly ResourceRoute[];
  readonly sockets: readonly SocketRoute[];
  /** Renders errors of its resource routes, of unknown paths below its prefixes, of auth. */
  encodeError(error: StudioError, requestId: string): ErrorReply;
  /** Work that goes on between calls (batches): started once the server listens, stopped before it closes. */
  readonly work?: { start(): void; stop(): Promise<void> } | undefined;
}

/** A model as GET /models tells it. */
export interface ListedModel {
  readonly card: ModelCard;
  /** Who would answer, `embedded/…`; undefined when nobody would. */
  readonly servedBy: string | undefined;
  readonly isStandIn: boolean;
}

/** What the registrations of wires are given by `main.ts`. */
export interface WirePorts {
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly log: Logger;
  readonly catalogue: ModelCatalogue;
  /** What is known of a model, whoever asks for it; undefined when nobody answers for it. */
  findCard(id: string): ModelCard | undefined;
  /** Every model the account may ask for, with its route: what is in its region and granted to it. */
  listModels(account: Account): readonly ListedModel[];
  /** Undefined also where the account may not ask for it. */
  findModel(id: string, account: Account): ListedModel | undefined;
  readonly files: FileStore;
  /** Bytes of files, and of what batches read. */
  readonly blobs: BlobStore;
  /** What the files of an owner may come to. */
  readonly fileQuota: { readonly maxFiles: number; readonly maxBytes: number };
  readonly batches: BatchStore;
  /** Lines of batches that are generated side by side. */
  readonly batchConcurrency: number;
  readonly webhooks: Webhooks;
  /** Temporary uploads, their bytes in a store of their own. */
  readonly uploads: UploadStore;
  readonly uploadBlobs: BlobStore;
  readonly tasks: TaskStore;
  readonly temporaryKeys: TemporaryKeys;
  /** Counts and splits text as the model that would answer does. */
  readonly tokens: TokenCounter;
  readonly responses: ResponseStore;
  readonly conversations: ConversationStore;
  readonly sealer: Sealer;
  /** How long a response can be read and continued. */
  readonly responseRetentionMs: number;
  /** How long a conversation stays after its last use. */
  readonly conversationRetentionMs: number;
  /** Calls that outlive their clients. */
  readonly running: RunningCalls;
  /** Serves a call to any path of any wire from within, as if a client had sent it. */
  readonly callWire: CallWire;
}

/** A call made from within (a line of a batch). */
export interface InnerCall {
  readonly path: string;
  readonly body: string;
  readonly account: Account;
  readonly priority: CallContext['priority'];
  /** Aborting it ends the call as cancelled. */
  readonly signal: AbortSignal;
}

export interface InnerReply {
  readonly status: number;
  readonly requestId: string;
  readonly body: unknown;
}

/** Undefined when no wire generates at that path. */
export type CallWire = (call: InnerCall) => Promise<InnerReply> | undefined;
