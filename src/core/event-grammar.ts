/** The checker of the event grammar stated in `events.ts`; every test that sees a stream puts it through here. */
import type { GenerationEvent, GenerationStream } from './events.ts';

/** Names the first event that breaks the grammar, and how. */
export class EventGrammarError extends Error {
  constructor(rule: string, event: GenerationEvent | undefined, position: number) {
    super(`event ${position}${event ? ` (${event.type})` : ''}: ${rule}`);
    this.name = 'EventGrammarError';
  }
}

interface ChoiceState {
  openBlockId: string | undefined;
  hasEnded: boolean;
}

/** Follows one stream; `push` each event, then `end`. Both throw an EventGrammarError at the first breach. */
export class EventGrammar {
  #position = -1;
  #hasStarted = false;
  #hasEnded = false;
  #hasUsage = false;
  readonly #choices = new Map<number, ChoiceState>();
  readonly #blocks = new Map<string, { kind: string; isOpen: boolean }>();
  readonly #pendingServerCalls = new Set<string>();

  push(event: GenerationEvent): void {
    this.#position++;
    const broken = (rule: string): never => {
      throw new EventGrammarError(rule, event, this.#position);
    };
    if (this.#hasEnded) broken('nothing follows the terminal event');
    if (event.type === 'start') {
      if (this.#hasStarted) broken('start comes once');
      this.#hasStarted = true;
      return;
    }
    if (!this.#hasStarted) broken('start comes first');
    switch (event.type) {
      case 'usage':
        this.#hasUsage = true;
        checkUsage(event.usage, broken);
        return;
      case 'text-start':
      case 'reasoning-start':
      case 'tool-input-start': {
        if (!this.#hasUsage) broken('a usage event comes before the first block');
        const choice = this.#choice(event.choice);
        if (choice.hasEnded) broken('the choice has ended');
        if (choice.openBlockId !== undefined) broken(`block ${choice.openBlockId} of this choice is still open`);
        if (this.#blocks.has(event.blockId)) broken(`block id ${event.blockId} was used before`);
        choice.openBlockId = event.blockId;
        this.#blocks.set(event.blockId, { kind: kindOf(event.type), isOpen: true });
        if (event.type === 'tool-input-start') {
          if (event.name === '') broken('the name is whole at start');
          if (event.executedBy === 'server') this.#pendingServerCalls.add(event.callId);
        }
        return;
      }
      case 'text-delta':
      case 'reasoning-delta':
      case 'tool-input-delta':
        this.#checkOpen(event.choice, event.blockId, kindOf(event.type), broken);
        if (event.text === '') broken('deltas are never empty');
        if (splitsCharacter(event.text)) broken('a delta splits a character');
        return;
      case 'text-end':
      case 'reasoning-end':
      case 'tool-input-end': {
        const block = this.#checkOpen(event.choice, event.blockId, kindOf(event.type), broken);
        block.isOpen = false;
        this.#choice(event.choice).openBlockId = undefined;
        return;
      }
      case 'tool-result':
        if (!this.#pendingServerCalls.delete(event.callId)) broken('a result answers an open server call');
        return;
      case 'source':
      case 'citation':
      case 'progress':
        return;
      case 'choice-end': {
        const choice = this.#choice(event.choice);
        if (choice.hasEnded) broken('a choice ends once');
        if (choice.openBlockId !== undefined) broken(`block ${choice.openBlockId} is still open`);
        if (event.reason === 'stop-text' && event.stopText === undefined) broken('the matched stop text is kept');
        choice.hasEnded = true;
        return;
      }
      case 'finish':
        this.#hasEnded = true;
        checkUsage(event.usage, broken);
        if (event.ending === 'completed') {
          if (this.#choices.size === 0) broken('a completed stream has at least one choice');
          for (const [index, choice] of this.#choices) if (!choice.hasEnded) broken(`choice ${index} has not ended`);
        }
        return;
      case 'error':
        this.#hasEnded = true;
        checkUsage(event.usage, broken);
        return;
      default:
        event satisfies never;
    }
  }

  /** To be called when the stream is over. */
  end(): void {
    if (!this.#hasEnded) throw new EventGrammarError('the stream has no terminal event', undefined, this.#position + 1);
  }

  #choice(index: number): ChoiceState {
    let state = this.#choices.get(index);
    if (!state) {
      state = { openBlockId: undefined, hasEnded: false };
      this.#choices.set(index, state);
    }
    return state;
  }

  #checkOpen(choice: number, blockId: string, kind: string, broken: (rule: string) => never): { isOpen: boolean } {
    const block = this.#blocks.get(blockId);
    if (!block?.isOpen) return broken(`block ${blockId} is not open`);
    if (block.kind !== kind) return broken(`block ${blockId} is a ${block.kind} block`);
    if (this.#choices.get(choice)?.openBlockId !== blockId)
      return broken(`block ${blockId} is not of choice ${choice}`);
    return block;
  }
}

/** Passes a stream through and throws at the first breach of the grammar. */
export async function* checkedStream(stream: GenerationStream): GenerationStream & AsyncGenerator<GenerationEvent> {
  const grammar = new EventGrammar();
  for await (const event of stream) {
    grammar.push(event);
    yield event;
  }
  grammar.end();
}

function kindOf(type: string): string {
  return type.slice(0, type.lastIndexOf('-'));
}

function splitsCharacter(text: string): boolean {
  const first = text.charCodeAt(0);
  const last = text.charCodeAt(text.length - 1);
  return (first >= 0xdc00 && first <= 0xdfff) || (last >= 0xd800 && last <= 0xdbff);
}

function checkUsage(usage: { input: object; output: object }, broken: (rule: string) => never): void {
  const input = usage.input as Record<string, number>;
  const output = usage.output as Record<string, number>;
  for (const count of [...Object.values(input), ...Object.values(output)]) {
    if (!Number.isSafeInteger(count) || count < 0) broken('counts are whole numbers');
  }
  const { total = 0, cachedRead = 0, markedRead = 0, cacheWritten = 0 } = input;
  if (cachedRead + cacheWritten > total) broken('cached tokens are part of the input total');
  if (markedRead > cachedRead) broken('tokens that a mark found are part of the cached ones');
  if ((output.reasoning ?? 0) > (output.total ?? 0)) broken('reasoning tokens are part of the output total');
}
