/** What every engine child says to its parent and hears from it, whoever does the work. */
import type { DecodePlan, FromEngine, PromptSegment, ToEngine, WeightsFacts } from '../engine-protocol.ts';
import type { ModelShape, Tokeniser } from './binding.ts';
import type { ModelVocabulary } from './vocabulary.ts';

/** Who does the work. Answers are sent, not returned. */
export interface EngineWork {
  generate(jobId: string, plan: DecodePlan): void;
  cancel(jobId: string): void;
  count(askId: string, prompt: readonly PromptSegment[]): void;
  tokenise(askId: string, text: readonly PromptSegment[]): void;
  reportCache(askId: string): void;
  clearCache(askId: string): void;
  /** So many engines compute on this machine. */
  share(engines: number): void;
  shutdown(): Promise<void> | void;
}

/** Sends a message; when the parent is gone there is nothing to do about it, as `disconnect` follows. */
export function send(message: FromEngine): void {
  process.send?.(message, undefined, undefined, () => {});
}

/** Ends with the parent and not before: Ctrl-C reaches the whole group, and live streams are to be finished first. */
export function liveWithParent(): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {});
  process.on('disconnect', () => process.exit(0));
}

/** Hears the parent from now on, and tells it that the engine is ready. */
export function serveParent(work: EngineWork, facts: WeightsFacts): void {
  process.on('message', (message: ToEngine) => receive(work, message));
  send({ type: 'ready', facts });
}

/** Tells the parent why the engine cannot be had, and ends. */
export function failToLoad(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  process.send?.({ type: 'load-failed', message } satisfies FromEngine, undefined, undefined, () => process.exit(1));
}

/** What the weights say of themselves, beside what the engine makes of them. */
export function factsOf(
  { shape, tokeniser }: { readonly shape: ModelShape; readonly tokeniser: Tokeniser },
  vocabulary: ModelVocabulary,
  engine: Pick<WeightsFacts, 'contextTokens' | 'sequences' | 'seesImages'>,
): WeightsFacts {
  const { architecture, name, chatTemplate, trainContextTokens } = shape;
  const { beginToken, endToken, size, spelling } = tokeniser;
  return {
    architecture,
    name,
    chatTemplate,
    bosText: beginToken === undefined ? '' : spelling(beginToken),
    eosText: endToken === undefined ? '' : spelling(endToken),
    controlTexts: vocabulary.controlTexts(),
    vocabularySize: size,
    trainContextTokens,
    ...engine,
  };
}

function receive(work: EngineWork, message: ToEngine): void {
  switch (message.type) {
    case 'generate':
      work.generate(message.jobId, message.plan);
      return;
    case 'cancel':
      work.cancel(message.jobId);
      return;
    case 'count':
      work.count(message.askId, message.prompt);
      return;
    case 'tokenise':
      work.tokenise(message.askId, message.text);
      return;
    case 'cache-report':
      work.reportCache(message.askId);
      return;
    case 'cache-clear':
      work.clearCache(message.askId);
      return;
    case 'share':
      work.share(message.engines);
      return;
    case 'shutdown':
      void Promise.resolve(work.shutdown()).finally(() => process.exit(0));
      return;
    default:
      message satisfies never;
  }
}
