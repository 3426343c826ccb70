/** What the tests of this folder share: a silent log, a clock that ticks by reading, ids that count, the fake engine. */
import { fileURLToPath } from 'node:url';
import { checkedStream } from '../../../core/event-grammar.ts';
import type { GenerationEvent, GenerationStream } from '../../../core/events.ts';
import { type GenerationRequest, plainRequest } from '../../../core/generation.ts';
import type { CallContext, Clock, IdSource, Logger } from '../../../core/ports.ts';
import type { WeightsFacts } from '../engine-protocol.ts';
import { createEmbeddedBackend, type EmbeddedBackend, type EmbeddedOptions } from '../index.ts';

export const FAKE_ENGINE = fileURLToPath(new URL('./fake-engine.ts', import.meta.url));

export const silentLog: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

export function countingClock(): Clock {
  let now = 0;
  return { now: () => 1_700_000_000_000, monotonic: () => ++now };
}

export function countingIds(): IdSource {
  let last = 0;
  return { uuid: () => `id-${++last}`, callId: () => `call_${++last}` };
}

export function contextOf(overrides: Partial<CallContext> = {}): CallContext {
  return {
    requestId: 'request-1',
    protocol: 'test',
    isStreaming: true,
    account: { keyId: 'key-1', name: 'tester' },
    signal: new AbortController().signal,
    receivedAtMs: 1_700_000_000_000,
    clock: countingClock(),
    ids: countingIds(),
    log: silentLog,
    card: undefined,
    route: undefined,
    ...overrides,
  };
}

export function ask(text: string, overrides: Partial<GenerationRequest> = {}): GenerationRequest {
  return { ...plainRequest('qwen-plus', [{ role: 'user', parts: [{ type: 'text', text }] }]), ...overrides };
}

export function fakeBackend(start = 'ok', overrides: Partial<EmbeddedOptions> = {}): EmbeddedBackend {
  return createEmbeddedBackend({
    engine: { weightsFile: start, sequences: 2, contextTokens: 'auto', threads: 'auto' },
    weightsName: 'fake',
    log: silentLog,
    clock: countingClock(),
    program: FAKE_ENGINE,
    restartDelayMs: 0,
    ...overrides,
  });
}

/** All events of a stream, checked. */
export async function collect(stream: GenerationStream): Promise<GenerationEvent[]> {
  const events: GenerationEvent[] = [];
  for await (const event of checkedStream(stream)) events.push(event);
  return events;
}

export function factsOf(overrides: Partial<WeightsFacts> = {}): WeightsFacts {
  return {
    architecture: 'qwen2',
    name: 'Test',
    chatTemplate: undefined,
    bosText: '',
    eosText: '<|im_end|>',
    controlTexts: ['<|im_start|>', '<|im_end|>'],
    vocabularySize: 1_000,
    trainContextTokens: 32_768,
    contextTokens: 8_192,
    sequences: 4,
    ...overrides,
  };
}
