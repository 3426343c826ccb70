/**
 * Several answers from a backend that gives one: it is asked once for each, one after the other, and the streams are
 * joined. The prompt is counted once, as the service bills it, although this backend read it each time.
 */
import { toStudioError } from '../../core/errors.ts';
import type { FinishEvent, GenerationEvent, GenerationStream, Timings } from '../../core/events.ts';
import type { GenerationRequest } from '../../core/generation.ts';
import { type CallContext, endingOf } from '../../core/ports.ts';
import { addUsage, NO_USAGE, type Usage } from '../../core/usage.ts';
import type { Feature, Generate } from '../feature.ts';

export const choices: Feature = {
  name: 'choices',
  apply(request, context, next) {
    const wanted = request.sampling.choices ?? 1;
    if (wanted === 1 || context.route?.backend.abilities.choices) return next(request, context);
    return oneAfterAnother(request, context, next, wanted);
  },
};

async function* oneAfterAnother(
  request: GenerationRequest,
  context: CallContext,
  next: Generate,
  wanted: number,
): GenerationStream & AsyncGenerator<GenerationEvent> {
  let before = NO_USAGE;
  let timings: Timings = {};
  for (let choice = 0; choice < wanted; choice++) {
    const isFirst = choice === 0;
    let finish: FinishEvent | undefined;
    try {
      for await (const event of next(requestOfChoice(request, choice), context)) {
        const own = eventOfChoice(event, choice, before);
        if (own.type === 'start' && !isFirst) continue;
        if (own.type === 'finish') finish = own;
        else yield own;
      }
    } catch (thrown) {
      if (isFirst) throw thrown;
      yield { type: 'error', error: toStudioError(thrown), usage: before };
      return;
    }
    // Without a finish the stream ended with an error, which was passed on.
    if (!finish) return;
    before = finish.usage;
    timings = addTimings(timings, finish.timings);
    const isLast = choice === wanted - 1;
    if (finish.ending !== 'completed' || isLast || context.signal.aborted) {
      const ending = finish.ending === 'completed' && !isLast ? endingOf(context.signal) : finish.ending;
      yield { type: 'finish', usage: before, timings, ending };
      return;
    }
  }
}

/** Each choice has its own seed, so that the answers differ and can be made again. */
function requestOfChoice(request: GenerationRequest, choice: number): GenerationRequest {
  const { seed } = request.sampling;
  const sampling = { ...request.sampling, choices: 1, seed: seed === undefined ? undefined : seed + choice };
  return { ...request, sampling };
}

/** An event of one of the streams, as an event of the joined one. */
function eventOfChoice(event: GenerationEvent, choice: number, before: Usage): GenerationEvent {
  switch (event.type) {
    case 'usage':
    case 'finish':
    case 'error':
      return { ...event, usage: joinUsage(before, event.usage, choice) };
    case 'text-start':
    case 'text-delta':
    case 'text-end':
    case 'reasoning-start':
    case 'reasoning-delta':
    case 'reasoning-end':
    case 'tool-input-start':
    case 'tool-input-delta':
    case 'tool-input-end':
      return { ...event, choice, blockId: `${choice}:${event.blockId}` };
    case 'citation':
      return { ...event, blockId: `${choice}:${event.blockId}` };
    case 'choice-end':
      return { ...event, choice };
    case 'start':
    case 'tool-result':
    case 'source':
    case 'progress':
      return event;
    default:
      return event satisfies never;
  }
}

function joinUsage(before: Usage, own: Usage, choice: number): Usage {
  return choice === 0 ? own : { ...addUsage(before, own), input: before.input };
}

/** The first choice's wait is the caller's; the whole takes as long as all of them. */
function addTimings(before: Timings, own: Timings): Timings {
  const totalMs =
    before.totalMs === undefined && own.totalMs === undefined ? undefined : (before.totalMs ?? 0) + (own.totalMs ?? 0);
  return {
    queueMs: before.queueMs ?? own.queueMs,
    callsAhead: before.callsAhead ?? own.callsAhead,
    promptMs: before.promptMs ?? own.promptMs,
    firstTokenMs: before.firstTokenMs ?? own.firstTokenMs,
    totalMs,
  };
}
