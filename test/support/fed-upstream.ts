/** Upstream calls without a network: replies are fed to the call byte by byte as the test says. */
import type { Dispatcher } from 'undici';
import { type CallPorts, startUpstreamCall } from '../../src/backends/upstream/call.ts';
import { quirksOf, type UpstreamKind } from '../../src/backends/upstream/quirks.ts';
import type { GenerationEvent, GenerationStream } from '../../src/core/events.ts';
import { type GenerationRequest, plainRequest } from '../../src/core/generation.ts';
import type { CallContext } from '../../src/core/ports.ts';
import { testContext } from './context.ts';
import { collect } from './streams.ts';

export interface FedReply {
  readonly status?: number;
  readonly headers?: { readonly [name: string]: string };
  readonly pieces: readonly Buffer[];
  /** The connection breaks instead of ending. */
  readonly error?: Error;
}

export interface FedCall {
  readonly stream: GenerationStream;
  /** The JSON bodies sent, one an attempt. */
  readonly sent: Record<string, unknown>[];
  readonly controller: { isPaused: boolean; isAborted: boolean };
}

export interface FedOptions {
  readonly kind?: UpstreamKind | undefined;
  readonly request?: GenerationRequest;
  readonly context?: CallContext;
  readonly retries?: number;
}

export const helloRequest = plainRequest('some-model', [{ role: 'user', parts: [{ type: 'text', text: 'Hello' }] }]);

/** A call whose attempts get these replies, one after another. */
export function feedCall(replies: readonly FedReply[], options: FedOptions = {}): FedCall {
  const sent: Record<string, unknown>[] = [];
  const controller = { isPaused: false, isAborted: false };
  const ports: CallPorts = {
    backendId: 'fed',
    quirks: quirksOf(options.kind),
    retry: { retries: options.retries ?? 0, backoffMs: 0 },
    send: (encoded, _requestId, handler) => {
      const reply = replies[sent.length];
      sent.push(JSON.parse(encoded.body) as Record<string, unknown>);
      if (reply) queueMicrotask(() => feed(reply, handler, controller));
    },
    nextBlockPrefix: () => 'b',
    report: () => {},
  };
  const stream = startUpstreamCall(options.request ?? helloRequest, options.context ?? testContext(), ports);
  return { stream, sent, controller };
}

/** The events of a reply, checked against the grammar. */
export async function eventsOfReply(body: string | FedReply, options: FedOptions = {}): Promise<GenerationEvent[]> {
  const reply = typeof body === 'string' ? { pieces: [Buffer.from(body)] } : body;
  return collect(feedCall([reply], options).stream);
}

function feed(reply: FedReply, handler: Dispatcher.DispatchHandler, seen: FedCall['controller']): void {
  const controller: Dispatcher.DispatchController = {
    get aborted() {
      return seen.isAborted;
    },
    get paused() {
      return seen.isPaused;
    },
    reason: null,
    rawHeaders: null,
    rawTrailers: null,
    abort: () => {
      seen.isAborted = true;
    },
    pause: () => {
      seen.isPaused = true;
    },
    resume: () => {
      seen.isPaused = false;
    },
  };
  handler.onRequestStart?.(controller, {});
  handler.onResponseStart?.(controller, reply.status ?? 200, reply.headers ?? {}, '');
  for (const piece of reply.pieces) if (!seen.isAborted) handler.onResponseData?.(controller, piece);
  if (seen.isAborted) return;
  if (reply.error) handler.onResponseError?.(controller, reply.error);
  else handler.onResponseEnd?.(controller, {});
}

/** Events in a line: `R[hmm] T[Four.] get_weather#call_1({}) stop`; a broken call ends with `)!`. */
export function showEvents(events: readonly GenerationEvent[]): string {
  return events.map(showEvent).join('').trim();
}

function showEvent(event: GenerationEvent): string {
  switch (event.type) {
    case 'start':
    case 'usage':
    case 'finish':
      return '';
    case 'text-start':
      return event.choice === 0 ? ' T[' : ` ${event.choice}:T[`;
    case 'reasoning-start':
      return event.choice === 0 ? ' R[' : ` ${event.choice}:R[`;
    case 'tool-input-start':
      return ` ${event.name}#${event.callId}(`;
    case 'text-delta':
    case 'reasoning-delta':
    case 'tool-input-delta':
      return event.text;
    case 'text-end':
    case 'reasoning-end':
      return ']';
    case 'tool-input-end':
      return event.isValidJson ? ')' : ')!';
    case 'choice-end':
      return event.stopText === undefined ? ` ${event.reason}` : ` ${event.reason}=${event.stopText}`;
    case 'error':
      return ` error:${event.error.code}`;
    default:
      return ` ${event.type}`;
  }
}
