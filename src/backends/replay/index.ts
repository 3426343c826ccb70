/**
 * The replay backend: answers with recordings, decoded into events, so that any wire may ask for what another recorded.
 * The tokens come as they were recorded, as fast as they are read.
 */
import { setImmediate } from 'node:timers/promises';
import type { GenerationEvent, GenerationStream } from '../../core/events.ts';
import type { GenerationRequest } from '../../core/generation.ts';
import { type Backend, type CallContext, endingOf, startOf } from '../../core/ports.ts';
import { NO_USAGE, type Usage } from '../../core/usage.ts';
import type { AnswerEvents } from './answer-writer.ts';
import type { Library, RecordedAnswer } from './library.ts';

export { Library } from './library.ts';
export { RecordingError, readRecordings } from './recording.ts';

const ID = 'replay';
/** After so many events other calls get a turn. */
const EVENTS_PER_TURN = 64;

export function createReplayBackend(library: Library): Backend {
  return {
    id: ID,
    abilities: {
      choices: true,
      structuredOutput: true,
      thinkingBudget: true,
      toolChoice: true,
      images: true,
      rawPrompts: true,
    },
    generate(request, context) {
      const { name, answer } = library.find(request, context.isStreaming);
      if ('refusal' in answer) throw answer.refusal;
      return play({ name, events: answer.events }, request, context);
    },
    countTokens: async (request) => inputTokensOf(library.find(request, false).answer),
    health: () => {
      const { generations, resources } = library.counts;
      return { isReady: true, detail: `${generations} recorded generations, ${resources} other recorded replies` };
    },
    close: async () => {},
  };
}

async function* play(
  recorded: { readonly name: string; readonly events: AnswerEvents },
  request: GenerationRequest,
  context: CallContext,
): GenerationStream & AsyncGenerator<GenerationEvent> {
  const open = new Map<number, GenerationEvent | undefined>();
  let usage: Usage = NO_USAGE;
  yield { ...startOf(request, context), servedBy: `${ID}/${recorded.name}` };
  for (const [at, event] of recorded.events.entries()) {
    if (at % EVENTS_PER_TURN === EVENTS_PER_TURN - 1) await setImmediate();
    if (context.signal.aborted) {
      yield* leave(context, open, usage);
      return;
    }
    if (event.type === 'usage') usage = event.usage;
    follow(event, open);
    yield event;
  }
}

/** Keeps the end that each begun choice still needs: of its open block, if one is open. */
function follow(event: GenerationEvent, open: Map<number, GenerationEvent | undefined>): void {
  switch (event.type) {
    case 'text-start':
    case 'reasoning-start': {
      const end = event.type === 'text-start' ? 'text-end' : 'reasoning-end';
      open.set(event.choice, { type: end, choice: event.choice, blockId: event.blockId });
      return;
    }
    case 'tool-input-start':
      open.set(event.choice, {
        type: 'tool-input-end',
        choice: event.choice,
        blockId: event.blockId,
        isValidJson: false,
      });
      return;
    case 'text-end':
    case 'reasoning-end':
    case 'tool-input-end':
      open.set(event.choice, undefined);
      return;
    case 'choice-end':
      open.delete(event.choice);
      return;
    default:
  }
}

/** Somebody still listens to a cancelled stream, so everything open is closed there. */
function* leave(
  context: CallContext,
  open: ReadonlyMap<number, GenerationEvent | undefined>,
  usage: Usage,
): Iterable<GenerationEvent> {
  const ending = endingOf(context.signal);
  if (ending === 'cancelled') {
    for (const end of open.values()) if (end) yield end;
    for (const choice of open.keys()) yield { type: 'choice-end', choice, reason: 'stop' };
  }
  yield { type: 'finish', usage, timings: {}, ending };
}

function inputTokensOf(answer: RecordedAnswer['answer']): number {
  if ('refusal' in answer) throw answer.refusal;
  const last = answer.events.at(-1);
  return last?.type === 'finish' ? last.usage.input.total : 0;
}
