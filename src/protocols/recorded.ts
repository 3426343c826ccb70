/**
 * Wires in replay mode: their decoders read recorded requests, and their resources (with those that only recordings know)
 * answer with recorded replies first. Errors stay the wire's own.
 */
import { StudioError } from '../core/errors.ts';
import type { GenerationRequest } from '../core/generation.ts';
import { type Clock, DEFAULT_WORKSPACE_ID, type IdSource } from '../core/ports.ts';
import type { Headers, ResourceReply, ResourceRequest, ResourceRoute, Wire } from './protocol.ts';
import { wireOf } from './wire-of.ts';

/** A request as it was recorded. */
export interface RecordedCall {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Headers;
  readonly body: unknown;
}

export interface DecodedCall {
  readonly request: GenerationRequest;
  readonly isStreaming: boolean;
}

/**
 * Reads recorded requests as the wire at their path does; undefined where none generates, and what the wire throws for
 * those it refuses.
 */
export function createRecordedDecoder(
  wires: readonly Wire[],
  ports: { readonly clock: Clock; readonly ids: IdSource },
): (call: RecordedCall) => DecodedCall | undefined {
  const protocols = wires.flatMap(({ generations }) => generations);
  return ({ path, query, headers, body }) => {
    const protocol = protocols.find(({ paths }) => paths.includes(path));
    if (!protocol) return undefined;
    const { request, plan } = protocol.decodeRequest(body, {
      headers,
      query,
      ids: ports.ids,
      requestId: ports.ids.uuid(),
      account: { keyId: 'recording', name: 'recording', workspaceId: DEFAULT_WORKSPACE_ID, region: 'beijing' },
      receivedAtMs: ports.clock.now(),
    });
    return { request, isStreaming: plan.isStreaming };
  };
}

/** What recordings know of resources. */
export interface RecordedReplies {
  /** Every method and path with a recorded reply. */
  readonly resources: readonly { readonly method: string; readonly path: string; readonly isMultipart: boolean }[];
  /** Undefined when nothing was recorded there; throws when what was recorded is something else. */
  findReply(asked: {
    readonly method: string;
    readonly path: string;
    readonly query: URLSearchParams;
    readonly body: unknown;
    readonly requestId: string;
  }):
    | { readonly status: number; readonly headers: { readonly [name: string]: string }; readonly body: string }
    | undefined;
}

/** The wires with recorded replies in front of their resources. */
export function withRecordedReplies(wires: readonly Wire[], recorded: RecordedReplies): Wire[] {
  const isServed = (method: string, path: string): boolean =>
    wires.some(
      ({ resources, generations }) =>
        resources.some((route) => route.method === method && matches(route.path, path)) ||
        (method === 'POST' && generations.some(({ paths }) => paths.includes(path))),
    );
  const added = new Map<Wire, ResourceRoute[]>();
  const seen = new Set<string>();
  for (const { method, path, isMultipart } of recorded.resources) {
    // An asterisk would be a wildcard, and no path of the service has one.
    if (!isMethod(method) || path.includes('*')) continue;
    if (seen.has(`${method} ${path}`) || isServed(method, path)) continue;
    seen.add(`${method} ${path}`);
    const owner = wireOf(path, wires);
    const route: ResourceRoute = {
      method,
      // A colon would be a parameter.
      path: path.replaceAll(':', '::'),
      accepts: isMultipart ? 'multipart' : 'json',
      handle: async (request) => {
        const reply = await replyOf(recorded, method, path, request);
        if (!reply) throw new StudioError('not-found');
        return reply;
      },
    };
    added.set(owner, [...(added.get(owner) ?? []), route]);
  }
  return wires.map((wire) => ({
    ...wire,
    resources: [...(added.get(wire) ?? []), ...wire.resources.map((route) => inFrontOf(route, recorded))],
  }));
}

function inFrontOf(route: ResourceRoute, recorded: RecordedReplies): ResourceRoute {
  return {
    ...route,
    handle: async (request) =>
      (await replyOf(recorded, route.method, pathOf(route.path, request.params), request)) ?? route.handle(request),
  };
}

/** Undefined when nothing was recorded there: the body is unread then. */
async function replyOf(
  recorded: RecordedReplies,
  method: string,
  path: string,
  { query, body, requestId, parts }: ResourceRequest,
): Promise<ResourceReply | undefined> {
  const reply = recorded.findReply({ method, path, query, body, requestId });
  if (!reply) return undefined;
  for await (const part of parts) if (part.type === 'file') for await (const _ of part.bytes);
  return { status: reply.status, headers: keptHeaders(reply.headers), body: reply.body };
}

/** What of a recorded reply still holds: the connection, times and ids are those of this call. */
function keptHeaders(headers: { readonly [name: string]: string }): { [name: string]: string } {
  const kept = Object.entries(headers).filter(([name]) =>
    /^(content-type|content-disposition|retry-after)$/.test(name),
  );
  return { 'content-type': 'application/json', ...Object.fromEntries(kept) };
}

/** A pattern with its parameters filled in. */
function pathOf(pattern: string, params: { readonly [name: string]: string }): string {
  return pattern.replace(/:(\w+)|\*/g, (place, name: string | undefined) => params[name ?? '*'] ?? place);
}

function matches(pattern: string, path: string): boolean {
  const source = pattern
    .split(/(:\w+|\*)/)
    .map((piece) => {
      if (piece === '*') return '.*';
      return piece.startsWith(':') ? '[^/]+' : piece.replace(/[.+?^${}()|[\]\\]/g, '\\$&');
    })
    .join('');
  return new RegExp(`^${source}$`).test(path);
}

function isMethod(method: string): method is ResourceRoute['method'] {
  return ['GET', 'POST', 'DELETE', 'PUT', 'HEAD'].includes(method);
}
