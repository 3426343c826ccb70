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
import type { StudioError } from '../core/errors.ts';
import type { GenerationEvent } from '../core/events.ts';
import type { GenerationRequest } from '../core/generation.ts';
import type { ModelCard, ModelCatalogue } from '../core/models.ts';
import type { Clock, IdSource } from '../core/ports.ts';

/** What every reply plan says; a wire's own plan adds to it. */
export interface ReplyPlan {
  readonly isStreaming: boolean;
}

export interface Decoded<Plan extends ReplyPlan> {
  readonly request: GenerationRequest;
  readonly plan: Plan;
}

/** What a decoder may use besides the body. */
export interface DecodeInfo {
  /** Lower-case header names. */
  readonly headers: { readonly [name: string]: string | undefined };
  readonly ids: IdSource;
}

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
  /** `plan` is undefined when decoding failed. */
  encodeError(error: StudioError, requestId: string, plan: Plan | undefined): ErrorReply;
  /** A frame that keeps an idle stream open without saying anything. */
  readonly keepAliveFrame: string;
}

/** One REST resource of a wire (models, files, responses by id…): a handler that returns JSON. */
export interface ResourceRoute {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** With `:name` parameters; a trailing `*` matches slashes too. */
  readonly path: string;
  readonly handle: (request: ResourceRequest) => ResourceReply | Promise<ResourceReply>;
}

export interface ResourceRequest {
  readonly params: { readonly [name: string]: string };
  readonly query: { readonly [name: string]: string | undefined };
  readonly body: unknown;
  readonly requestId: string;
}

export interface ResourceReply {
  readonly status: number;
  readonly body: unknown;
}

/** What a wire registers. */
export interface Wire {
  readonly id: string;
  readonly generation: GenerationProtocol;
  readonly resources: readonly ResourceRoute[];
  /** Renders errors of its resource routes, of unknown paths below its prefixes, of auth. */
  encodeError(error: StudioError, requestId: string): ErrorReply;
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
  readonly catalogue: ModelCatalogue;
  /** Every model a caller may ask for, with its route. */
  listModels(): readonly ListedModel[];
  findModel(id: string): ListedModel | undefined;
}
