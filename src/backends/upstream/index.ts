/**
 * A backend that is another server: vLLM, SGLang, Ollama, llama-server, Model Studio itself, anything that speaks Chat
 * Completions, and Completions for raw prompts. Written strictly, read loosely; what servers differ in is data
 * (`quirks.ts`).
 */
import { Pool } from 'undici';
import type { StudioError } from '../../core/errors.ts';
import type { GenerationStream } from '../../core/events.ts';
import type { GenerationRequest } from '../../core/generation.ts';
import type { Backend, BackendHealth, CallContext, Logger } from '../../core/ports.ts';
import { createAsk } from './ask.ts';
import { type CallPorts, type RetryPolicy, startUpstreamCall } from './call.ts';
import { quirksOf } from './quirks.ts';
import { tokenAnswersOf } from './token-questions.ts';

export interface UpstreamOptions {
  /** The backend's name in routes, logs and `x-atelier-backend`. */
  readonly id: string;
  /** Normally ends in `/v1`; `/chat/completions` and `/completions` are added. */
  readonly baseUrl: string;
  readonly apiKey?: string | undefined;
  /** The kind of server, a key of `QUIRKS`. */
  readonly quirks?: string | undefined;
  readonly timeouts?: Partial<UpstreamTimeouts> | undefined;
  readonly retry?: Partial<RetryPolicy> | undefined;
  readonly log: Logger;
}

export interface UpstreamTimeouts {
  readonly connectMs: number;
  /**
   * The longest silence, before the first byte and between two. It has to cover the reading of a long prompt, and a whole
   * answer when it is not streamed: the service cuts such calls after 300 s ("Timeouts").
   */
  readonly silenceMs: number;
}

const DEFAULT_TIMEOUTS: UpstreamTimeouts = { connectMs: 5000, silenceMs: 310_000 };
const DEFAULT_RETRY: RetryPolicy = { retries: 2, backoffMs: 100 };

/** A backend for one server. Throws when the kind of server is not known. */
export function createUpstreamBackend(options: UpstreamOptions): Backend {
  const quirks = quirksOf(options.quirks);
  const timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts };
  const url = new URL(options.baseUrl);
  const basePath = url.pathname.replace(/\/+$/, '');
  const pool = new Pool(url.origin, {
    connect: { timeout: timeouts.connectMs },
    headersTimeout: timeouts.silenceMs,
    bodyTimeout: timeouts.silenceMs,
    // One stream a connection: an abort then ends exactly its own call. undici sets TCP_NODELAY itself.
    allowH2: false,
    pipelining: 1,
  });
  let lastFailure: StudioError | undefined;
  let hasAnswered = false;
  let calls = 0;
  const authorization: { readonly [name: string]: string } =
    options.apiKey === undefined ? {} : { authorization: `Bearer ${options.apiKey}` };

  const ports: CallPorts = {
    backendId: options.id,
    quirks,
    retry: { ...DEFAULT_RETRY, ...options.retry },
    send: (encoded, requestId, handler) => {
      const headers = {
        ...authorization,
        'content-type': 'application/json',
        accept: encoded.isStreaming ? 'text/event-stream' : 'application/json',
        'x-request-id': requestId,
      };
      const path = `${basePath}${encoded.path}${url.search}`;
      pool.dispatch({ path, method: 'POST', headers, body: encoded.body }, handler);
    },
    nextBlockPrefix: () => `${options.id}-${++calls}-`,
    report: (failure) => {
      lastFailure = failure;
      if (!failure) hasAnswered = true;
    },
  };

  return {
    id: options.id,
    abilities: {
      choices: quirks.sampling.choices !== undefined,
      structuredOutput: quirks.structuredOutput,
      thinkingBudget: quirks.thinkingBudget !== undefined,
      toolChoice: quirks.toolChoice !== 'none',
      images: quirks.images,
      rawPrompts: true,
    },
    ...tokenAnswersOf(quirks, createAsk(pool, basePath.replace(/\/v1$/, ''), authorization)),
    generate: (request: GenerationRequest, context: CallContext): GenerationStream =>
      startUpstreamCall(request, context, ports),
    health: (): BackendHealth => healthOf(url, lastFailure, hasAnswered),
    close: () => pool.destroy(),
  };
}

/** What the last call says: nothing is asked of the upstream for it. A request's own fault is no ill health. */
function healthOf(url: URL, failure: StudioError | undefined, hasAnswered: boolean): BackendHealth {
  if (failure && failure.fault !== 'client')
    return { isReady: false, detail: `${url.host}: the last call failed (${failure.code})` };
  return { isReady: true, detail: `${url.host}: ${hasAnswered ? 'the last call was answered' : 'no call yet'}` };
}
