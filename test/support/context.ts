/** Fixed clock, ids and context for tests. */
import type { CallContext, Clock, IdSource, Logger, Owner } from '../../src/core/ports.ts';

export const silentLog: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** A clock that stands still until it is moved. */
export function fixedClock(nowMs = 1_770_764_902_000): Clock & { advance(milliseconds: number): void } {
  let passedMs = 0;
  return {
    now: () => nowMs + passedMs,
    monotonic: () => passedMs,
    advance: (milliseconds) => {
      passedMs += milliseconds;
    },
  };
}

/** Ids that count up, in the service's form. */
export function countingIds(): IdSource {
  let uuids = 0;
  let calls = 0;
  return {
    uuid: () => `00000000-0000-9000-8000-${(++uuids).toString(16).padStart(12, '0')}`,
    callId: () => `call_${(++calls).toString(16).padStart(24, '0')}`,
  };
}

/** Whose things a test's are: the default workspace's in Beijing, with what a test is about changed. */
export function testOwner(changes: Partial<Owner> = {}): Owner {
  return { workspaceId: 'default', region: 'beijing', ...changes };
}

/** A context as `serve` would make it; override what the test is about. */
export function testContext(overrides: Partial<CallContext> = {}): CallContext {
  const clock = overrides.clock ?? fixedClock();
  const ids = overrides.ids ?? countingIds();
  return {
    requestId: ids.uuid(),
    protocol: 'test',
    isStreaming: true,
    account: { keyId: 'key-1', name: 'test', ...testOwner() },
    priority: 'live',
    signal: new AbortController().signal,
    receivedAtMs: clock.now(),
    clock,
    ids,
    log: silentLog,
    card: undefined,
    route: undefined,
    ...overrides,
  };
}
