/** A plain answer is the event stream, assembled. */
import type { StudioError } from './errors.ts';
import type {
  ChoiceEndReason,
  FinishEvent,
  GenerationEvent,
  GenerationStream,
  SourceEvent,
  StartEvent,
  TokenLogprob,
} from './events.ts';
import type { ContentPart } from './generation.ts';
import { NO_USAGE, type Usage } from './usage.ts';

export type AssembledBlock =
  | {
      readonly type: 'text';
      readonly blockId: string;
      text: string;
      readonly ocrResult?: unknown;
      logprobs?: TokenLogprob[] | undefined;
    }
  | { readonly type: 'reasoning'; readonly blockId: string; text: string; signature?: string | undefined }
  | {
      readonly type: 'tool-call';
      readonly blockId: string;
      readonly callId: string;
      readonly name: string;
      readonly executedBy: 'client' | 'server';
      inputText: string;
      isValidJson: boolean;
    };

export interface AssembledChoice {
  readonly index: number;
  /** In the order in which they opened. */
  readonly blocks: AssembledBlock[];
  /** Undefined while the choice has not ended. */
  reason?: ChoiceEndReason | undefined;
  stopText?: string | undefined;
}

/** What a server-run tool gave back, and where in the answer that was. */
export interface AssembledToolResult {
  readonly callId: string;
  readonly parts: readonly ContentPart[];
  readonly isError: boolean;
  /** What was found, told since the result before. */
  readonly sources: readonly SourceEvent[];
  /** How many blocks of its choice had opened before it. */
  readonly position: number;
}

/** Everything a wire needs for a whole body. */
export interface GenerationResult {
  readonly start: StartEvent;
  readonly choices: AssembledChoice[];
  readonly sources: SourceEvent[];
  readonly toolResults: readonly AssembledToolResult[];
  readonly usage: Usage;
  readonly ending: FinishEvent['ending'] | 'failed';
  readonly timings: FinishEvent['timings'];
  readonly error?: StudioError | undefined;
}

/** Collects events; `result` may be read once the stream has ended. */
export class Assembler {
  #start: StartEvent | undefined;
  #usage: Usage = NO_USAGE;
  #ending: GenerationResult['ending'] = 'failed';
  #timings: FinishEvent['timings'] = {};
  #error: StudioError | undefined;
  readonly #choices: AssembledChoice[] = [];
  readonly #blocks = new Map<string, AssembledBlock>();
  readonly #sources: SourceEvent[] = [];
  readonly #toolResults: AssembledToolResult[] = [];
  /** Sources that belong to a result already. */
  #sourcesTaken = 0;

  push(event: GenerationEvent): void {
    switch (event.type) {
      case 'start':
        this.#start = event;
        return;
      case 'usage':
        this.#usage = event.usage;
        return;
      case 'text-start':
        this.#open(event.choice, event.blockId, {
          type: 'text',
          blockId: event.blockId,
          text: '',
          ...(event.ocrResult === undefined ? {} : { ocrResult: event.ocrResult }),
        });
        return;
      case 'reasoning-start':
        this.#open(event.choice, event.blockId, { type: 'reasoning', blockId: event.blockId, text: '' });
        return;
      case 'tool-input-start':
        this.#open(event.choice, event.blockId, {
          type: 'tool-call',
          blockId: event.blockId,
          callId: event.callId,
          name: event.name,
          executedBy: event.executedBy,
          inputText: '',
          isValidJson: false,
        });
        return;
      case 'text-delta': {
        const block = this.#blocks.get(event.blockId);
        if (block?.type !== 'text') return;
        block.text += event.text;
        if (event.logprobs) {
          block.logprobs ??= [];
          block.logprobs.push(...event.logprobs);
        }
        return;
      }
      case 'reasoning-delta': {
        const block = this.#blocks.get(event.blockId);
        if (block?.type === 'reasoning') block.text += event.text;
        return;
      }
      case 'tool-input-delta': {
        const block = this.#blocks.get(event.blockId);
        if (block?.type === 'tool-call') block.inputText += event.text;
        return;
      }
      case 'reasoning-end': {
        const block = this.#blocks.get(event.blockId);
        if (block?.type === 'reasoning' && event.signature !== undefined) block.signature = event.signature;
        return;
      }
      case 'tool-input-end': {
        const block = this.#blocks.get(event.blockId);
        if (block?.type === 'tool-call') block.isValidJson = event.isValidJson;
        return;
      }
      case 'source':
        this.#sources.push(event);
        return;
      case 'choice-end': {
        const choice = this.#choice(event.choice);
        choice.reason = event.reason;
        choice.stopText = event.stopText;
        return;
      }
      case 'finish':
        this.#usage = event.usage;
        this.#ending = event.ending;
        this.#timings = event.timings;
        return;
      case 'error':
        this.#usage = event.usage;
        this.#error = event.error;
        return;
      case 'tool-result': {
        const { callId, parts, isError } = event;
        const sources = this.#sources.slice(this.#sourcesTaken);
        this.#sourcesTaken = this.#sources.length;
        const isCall = (block: AssembledBlock): boolean => block.type === 'tool-call' && block.callId === callId;
        const position = this.#choices.find(({ blocks }) => blocks.some(isCall))?.blocks.length ?? 0;
        this.#toolResults.push({ callId, parts, isError, sources, position });
        return;
      }
      case 'text-end':
      case 'citation':
      case 'progress':
        return;
      default:
        event satisfies never;
    }
  }

  result(): GenerationResult {
    if (!this.#start) throw new Error('the stream had no start event');
    return {
      start: this.#start,
      choices: this.#choices.toSorted((a, b) => a.index - b.index),
      sources: this.#sources,
      toolResults: this.#toolResults,
      usage: this.#usage,
      ending: this.#ending,
      timings: this.#timings,
      error: this.#error,
    };
  }

  #choice(index: number): AssembledChoice {
    let choice = this.#choices.find((each) => each.index === index);
    if (!choice) {
      choice = { index, blocks: [] };
      this.#choices.push(choice);
    }
    return choice;
  }

  #open(choice: number, blockId: string, block: AssembledBlock): void {
    this.#choice(choice).blocks.push(block);
    this.#blocks.set(blockId, block);
  }
}

/** The whole answer of a stream. Does not throw on an `error` event: it is in the result. */
export async function assemble(stream: GenerationStream): Promise<GenerationResult> {
  const assembler = new Assembler();
  for await (const event of stream) assembler.push(event);
  return assembler.result();
}
