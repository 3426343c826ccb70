/** Streams for tests of features and backends: fixed answers, checked collection. */
import { checkedStream } from '../../src/core/event-grammar.ts';
import type { GenerationEvent, GenerationStream } from '../../src/core/events.ts';
import type { GenerationRequest } from '../../src/core/generation.ts';
import type { Backend, BackendAbilities, Route } from '../../src/core/ports.ts';
import { usageOf } from '../../src/core/usage.ts';
import type { Generate } from '../../src/pipeline/feature.ts';

/** A route to a backend with the given abilities, else none; its `generate` yields nothing. */
export function testRoute(abilities: Partial<BackendAbilities> = {}): Route {
  const backend: Backend = {
    id: 'test',
    abilities: { choices: false, structuredOutput: false, thinkingBudget: false, toolChoice: false, ...abilities },
    async *generate() {},
    health: () => ({ isReady: true, detail: '' }),
    close: async () => {},
  };
  return { backend, target: 'test', servedBy: 'test/test', isStandIn: false };
}

/** A step that keeps each request it is given and answers the n-th with the n-th list of events. */
export function recordingNext(...answers: readonly (readonly GenerationEvent[])[]) {
  const requests: GenerationRequest[] = [];
  const next: Generate = (request) => {
    requests.push(request);
    return streamOf(answers[requests.length - 1] ?? []);
  };
  return { next, requests };
}

export async function* streamOf(
  events: readonly GenerationEvent[],
): GenerationStream & AsyncGenerator<GenerationEvent> {
  yield* events;
}

/** All events of a stream, its grammar checked. */
export async function collect(stream: GenerationStream): Promise<GenerationEvent[]> {
  const events: GenerationEvent[] = [];
  for await (const event of checkedStream(stream)) events.push(event);
  return events;
}

export const START: GenerationEvent = {
  type: 'start',
  generationId: 'generation',
  model: 'test',
  createdAtMs: 1_770_764_902_000,
  servedBy: 'test/test',
};

export interface AnswerOptions {
  readonly input?: number;
  readonly reason?: 'stop' | 'length';
  readonly reasoning?: readonly string[];
}

/** A whole answer of one choice: each text is a delta, each delta a token. */
export function textAnswer(texts: readonly string[], options: AnswerOptions = {}): GenerationEvent[] {
  const { input = 10, reason = 'stop', reasoning = [] } = options;
  const at = { choice: 0, blockId: 't' };
  const thoughts = { choice: 0, blockId: 'r' };
  const output = texts.length + reasoning.length;
  const reasoningBlock: GenerationEvent[] = [
    { type: 'reasoning-start', ...thoughts },
    ...reasoning.map((text): GenerationEvent => ({ type: 'reasoning-delta', ...thoughts, text })),
    { type: 'reasoning-end', ...thoughts },
  ];
  return [
    START,
    { type: 'usage', usage: usageOf({ input, output: 0 }) },
    ...(reasoning.length > 0 ? reasoningBlock : []),
    { type: 'text-start', ...at },
    ...texts.map((text): GenerationEvent => ({ type: 'text-delta', ...at, text })),
    { type: 'text-end', ...at },
    { type: 'choice-end', choice: 0, reason },
    {
      type: 'finish',
      usage: usageOf({ input, output, reasoning: reasoning.length }),
      timings: { totalMs: 5 },
      ending: 'completed',
    },
  ];
}

/** The texts of one kind of delta, in order. */
export function textsOf(
  events: readonly GenerationEvent[],
  type: 'text-delta' | 'reasoning-delta' | 'tool-input-delta',
): string[] {
  return events.flatMap((event) => (event.type === type ? [event.text] : []));
}
