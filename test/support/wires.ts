/** What a wire's registration and its resource routes are given, for tests. */
import { StudioError } from '../../src/core/errors.ts';
import type { BodyPart, ResourceReply, ResourceRequest, Wire, WirePorts } from '../../src/protocols/protocol.ts';
import { RunningCalls } from '../../src/protocols/running-calls.ts';
import { countingIds, fixedClock, silentLog } from './context.ts';

/** Ports that know no model and can do nothing; override what the test is about. */
export function testWirePorts(overrides: Partial<WirePorts> = {}): WirePorts {
  const cannot = async (): Promise<never> => {
    throw new StudioError('model-not-supported');
  };
  return {
    clock: fixedClock(),
    ids: countingIds(),
    log: silentLog,
    catalogue: { find: () => undefined, list: () => [] },
    listModels: () => [],
    findModel: () => undefined,
    tokens: { countInput: cannot, tokenise: cannot },
    running: new RunningCalls(),
    callWire: () => undefined,
    ...overrides,
  };
}

async function* partsOf(parts: readonly BodyPart[]): AsyncGenerator<BodyPart> {
  yield* parts;
}

/** Calls a resource route of a wire as the HTTP layer would. `path` is the route's pattern. */
export async function callResource(
  wire: Pick<Wire, 'resources'>,
  method: string,
  path: string,
  request: Partial<Omit<ResourceRequest, 'parts'>> & { readonly parts?: readonly BodyPart[] } = {},
): Promise<ResourceReply> {
  const route = wire.resources.find((each) => each.method === method && each.path === path);
  if (!route) throw new Error(`no route ${method} ${path}`);
  return route.handle({
    params: {},
    query: new URLSearchParams(),
    headers: {},
    body: undefined,
    account: { keyId: 'key-1', name: 'test', workspaceId: 'default' },
    requestId: 'r',
    origin: 'http://127.0.0.1:8787',
    ...request,
    parts: partsOf(request.parts ?? []),
  });
}
