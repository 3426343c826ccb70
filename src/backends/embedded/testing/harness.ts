/** What the tests of this folder share: a silent log, a clock that ticks by reading, ids that count, the fake engine. */
import { fileURLToPath } from 'node:url';
import { checkedStream } from '../../../core/event-grammar.ts';
import type { GenerationEvent, GenerationStream } from '../../../core/events.ts';
import { type FunctionTool, type GenerationRequest, plainRequest } from '../../../core/generation.ts';
import { type ModelCard, type SamplingDefaults, termsEverywhere } from '../../../core/models.ts';
import type { CallContext, Clock, IdSource, Logger } from '../../../core/ports.ts';
import { ControlTextCutter } from '../control-text.ts';
import type { PlanInput } from '../decode-plan.ts';
import type { WeightsFacts } from '../engine-protocol.ts';
import { createEmbeddedBackend, type EmbeddedBackend, type EmbeddedOptions } from '../index.ts';
import { ChatTemplate } from '../template.ts';

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
    account: { keyId: 'key-1', name: 'tester', workspaceId: 'default', region: 'beijing' },
    priority: 'live',
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

export const WEATHER: FunctionTool = {
  type: 'function',
  name: 'get_current_weather',
  description: 'Get the current weather in a given location',
  inputSchema: { type: 'object', properties: { location: { type: 'string' } }, required: ['location'] },
};

/** A plan's input for weights with this template (ChatML by default), spelling calls in fences. */
export function planInputOf(
  request: GenerationRequest,
  {
    card,
    chatTemplate,
    controlTexts,
    spelling = 'fenced-json',
  }: {
    card?: ModelCard | undefined;
    chatTemplate?: string | undefined;
    controlTexts?: readonly string[];
    spelling?: PlanInput['spelling'];
  } = {},
): PlanInput {
  const facts = factsOf(controlTexts ? { chatTemplate, controlTexts } : { chatTemplate });
  const cutter = new ControlTextCutter(facts.controlTexts, []);
  return { request, card, facts, template: ChatTemplate.of(facts), cutter, spelling, randomSeed: 42 };
}

/** A card that knows nothing but what the test says. */
export function cardOf(
  overrides: Partial<Omit<ModelCard, 'defaultSampling'>> & { defaultSampling?: Partial<SamplingDefaults> },
): ModelCard {
  const { defaultSampling, ...rest } = overrides;
  return {
    id: 'm',
    entryId: 'm',
    name: 'M',
    family: 'm',
    owner: 'm',
    kinds: ['chat'],
    status: 'current',
    isOpenWeights: true,
    releasedAtSeconds: 0,
    inputModalities: ['text'],
    thinking: 'none',
    thinkingBudgetMax: 0,
    isThinkingBudgetSettable: false,
    reasoningEfforts: [],
    preservesThinking: false,
    streamRequired: 'no',
    contextWindow: null,
    maxInput: null,
    maxInputThinking: null,
    maxOutput: null,
    maxOutputIncludesReasoning: false,
    abilities: {
      tools: true,
      parallelTools: true,
      jsonObject: true,
      jsonSchema: true,
      partialMode: true,
      logprobs: true,
      fim: false,
      webSearch: false,
      codeInterpreter: false,
      vision: false,
      video: false,
    },
    defaultSampling: {
      temperature: 0.7,
      temperatureThinking: null,
      topP: 0.8,
      topPThinking: null,
      topK: null,
      repetitionPenalty: 1.05,
      presencePenalty: 1.5,
      ...defaultSampling,
    },
    terms: termsEverywhere(),
    surfaces: { chat: true, responses: true, messages: true },
    ...rest,
  };
}
