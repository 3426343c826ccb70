/** The HTTP side alone, with wires made for a test and one key, `sk-good` of Beijing. */
import type { StoredWorkspace, VerifiedKey } from '../../src/core/platform.ts';
import { type App, type AppPorts, createApp } from '../../src/http/app.ts';
import { createMetrics } from '../../src/http/observe.ts';
import { CallGate } from '../../src/protocols/call-gate.ts';
import type { Wire } from '../../src/protocols/protocol.ts';
import { RunningCalls } from '../../src/protocols/running-calls.ts';
import { KeepAlives } from '../../src/protocols/serve.ts';
import { countingIds, fixedClock, silentLog } from './context.ts';

const KEY = { id: 'key-1', kind: 'api', name: 'test', region: 'beijing', workspaceId: 'default' } as VerifiedKey;

export interface TestApp extends App {
  readonly gate: CallGate;
}

/** Not yet listening; nothing in it generates. */
export function createTestApp(wires: readonly Wire[], ports: Partial<AppPorts> = {}): TestApp {
  const clock = fixedClock();
  const common = { clock, ids: countingIds(), log: silentLog };
  const gate = new CallGate();
  const app = createApp({
    ...common,
    wires,
    serve: {
      ...common,
      generate: () => {
        throw new Error('nobody generates here');
      },
      keepAlives: new KeepAlives(clock),
      gate,
      running: new RunningCalls(),
      shutdownSignal: new AbortController().signal,
    },
    keys: {
      verify: (secret) => (secret === 'sk-good' ? KEY : undefined),
      workspace: (id) => ({ id }) as StoredWorkspace,
    },
    isAuthRequired: true,
    defaultRegion: 'beijing',
    metrics: createMetrics(),
    version: 'test',
    maxBodyBytes: 1000,
    maxMediaBodyBytes: 1000,
    health: () => ({}),
    ...ports,
  });
  return { ...app, gate };
}
