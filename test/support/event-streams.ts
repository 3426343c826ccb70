/**
 * Event streams that keep the grammar of `core/events.ts`, for properties that hold for every wire and every backend:
 * any order of blocks, choices side by side, texts that lie across frames, lines and escapes, and any way to end.
 */
import fc from 'fast-check';
import { StudioError } from '../../src/core/errors.ts';
import type { ChoiceEndReason, ErrorEvent, FinishEvent, GenerationEvent } from '../../src/core/events.ts';
import { NO_USAGE, type Usage } from '../../src/core/usage.ts';
import { START } from './streams.ts';

/** What the streams may hold: not every wire can ask for all of it. */
export interface StreamLimits {
  readonly choices: 1 | 3;
  readonly blocks: readonly ('text' | 'reasoning' | 'call')[];
  /** Calls that the server runs, their results and sources among the blocks. */
  readonly hasServerCalls: boolean;
}

export type Ending = FinishEvent['ending'] | 'failed';

export interface StreamCase {
  readonly events: readonly GenerationEvent[];
  readonly ending: Ending;
}

/** Text that has broken somebody's frames, beside any other; never half a character, never empty. */
const delta = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 }),
  fc.constantFrom(
    '\n\n',
    '\r\n',
    '\u2028',
    '\u0085',
    'data: [DONE]\n\n',
    '"',
    '\\',
    '{"error":{}}',
    '👩‍👩‍👧',
    '</think>',
  ),
);
const deltas = fc.array(delta, { maxLength: 4 });

/** Arguments, cut anywhere: valid ones of all kinds, cut off ones, none. */
const inputText = fc.oneof(
  { weight: 4, arbitrary: fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 }).map(jsonOf) },
  fc.constantFrom('', '{', '{"city": "Bei', '{"a": 1} and more'),
);
const cutInput = fc
  .tuple(inputText, fc.array(fc.nat(40), { maxLength: 3 }))
  .map(([text, places]) => cutBetweenCharacters(text, places));

type Block = readonly GenerationEvent[];

/** Makes the events of a block from its choice and a number that no other block has. */
type BlockMaker = (choice: number, serial: number) => Block;

const textBlock = deltas.map(
  (texts): BlockMaker =>
    (choice, serial) => {
      const at = { choice, blockId: `block-${serial}` };
      return [
        { type: 'text-start', ...at },
        ...texts.map((text): GenerationEvent => ({ type: 'text-delta', ...at, text })),
        { type: 'text-end', ...at },
      ];
    },
);

const reasoningBlock = fc.tuple(deltas, fc.option(fc.base64String(), { nil: undefined })).map(
  ([texts, signature]): BlockMaker =>
    (choice, serial) => {
      const at = { choice, blockId: `block-${serial}` };
      return [
        { type: 'reasoning-start', ...at },
        ...texts.map((text): GenerationEvent => ({ type: 'reasoning-delta', ...at, text })),
        { type: 'reasoning-end', ...at, ...(signature === undefined ? {} : { signature }) },
      ];
    },
);

const toolName = fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/);

const callBlock = fc.tuple(toolName, cutInput).map(
  ([name, pieces]): BlockMaker =>
    (choice, serial) =>
      callEvents({ choice, serial, name, pieces, executedBy: 'client' }),
);

const serverCallBlock = fc.tuple(cutInput, fc.boolean(), delta).map(
  ([pieces, isError, text]): BlockMaker =>
    (choice, serial) => [
      ...callEvents({ choice, serial, name: 'web_search', pieces, executedBy: 'server' }),
      { type: 'progress', of: 'tool', phase: 'web_search', status: 'running' },
      { type: 'source', index: serial, url: `https://example.org/${serial}`, title: text },
      { type: 'tool-result', callId: callIdOf(serial), parts: [{ type: 'text', text }], isError, durationMs: 5 },
    ],
);

interface CallParts {
  readonly choice: number;
  readonly serial: number;
  readonly name: string;
  readonly pieces: readonly string[];
  readonly executedBy: 'client' | 'server';
}

function callEvents({ choice, serial, name, pieces, executedBy }: CallParts): Block {
  const at = { choice, blockId: `block-${serial}` };
  return [
    { type: 'tool-input-start', ...at, callId: callIdOf(serial), name, executedBy },
    ...pieces.map((text): GenerationEvent => ({ type: 'tool-input-delta', ...at, text })),
    { type: 'tool-input-end', ...at, isValidJson: isJson(pieces.join('')) },
  ];
}

/** In the form `IdSource.callId` makes. */
function callIdOf(serial: number): string {
  return `call_${serial.toString(16).padStart(24, '0')}`;
}

const usage: fc.Arbitrary<Usage> = fc
  .record({
    shares: fc.tuple(fc.nat(5000), fc.nat(5000), fc.nat(300), fc.nat(5000)),
    reasoning: fc.nat(5000),
    text: fc.nat(5000),
    toolDefinitions: fc.nat(100),
  })
  .map(({ shares: [plain, cachedRead, cacheWritten, definitions], reasoning, text, toolDefinitions }) => ({
    input: {
      ...NO_USAGE.input,
      total: plain + cachedRead + cacheWritten + definitions + toolDefinitions,
      cachedRead,
      // What is written is written by marks, and they find the rest.
      ...(cacheWritten > 0 ? { markedRead: cachedRead } : {}),
      cacheWritten,
      toolDefinitions,
    },
    output: { ...NO_USAGE.output, total: reasoning + text, reasoning },
  }));

const endReason = fc.constantFrom<ChoiceEndReason>('stop', 'stop-text', 'length', 'content-filter', 'context-full');

interface ChoiceParts {
  readonly blocks: readonly BlockMaker[];
  readonly reason: ChoiceEndReason;
}

/** Streams within the limits; every one keeps the grammar. */
export function eventStreams(limits: StreamLimits): fc.Arbitrary<StreamCase> {
  const makers: { readonly [kind in StreamLimits['blocks'][number]]: fc.Arbitrary<BlockMaker> } = {
    text: textBlock,
    reasoning: reasoningBlock,
    call: callBlock,
  };
  const block = fc.oneof(
    ...limits.blocks.map((kind) => makers[kind]),
    ...(limits.hasServerCalls ? [serverCallBlock] : []),
  );
  const choice = fc.record({ blocks: fc.array(block, { maxLength: 4 }), reason: endReason });
  return fc
    .record({
      choices: fc.array(choice, { minLength: 1, maxLength: limits.choices }),
      /** Which choice goes on, turn after turn. */
      turns: fc.array(fc.nat(limits.choices - 1), { maxLength: 60 }),
      usage,
      ending: fc.oneof(
        { weight: 4, arbitrary: fc.constant<Ending>('completed') },
        fc.constantFrom<Ending>('cancelled', 'client-gone', 'failed'),
      ),
      /** Where a stream that does not complete is cut. */
      cut: fc.nat(60),
    })
    .map(({ choices, turns, usage: counts, ending, cut }) => {
      const whole = interleave(choices.map(eventsOfChoice), turns);
      const said = ending === 'completed' ? whole : cutOff(whole, cut, ending);
      return { ending, events: [START, { type: 'usage', usage: promptOf(counts) }, ...said, terminal(ending, counts)] };
    });
}

/** A call is why a choice ends when it is the last block and was not cut short. */
function eventsOfChoice({ blocks, reason }: ChoiceParts, choice: number): GenerationEvent[] {
  const made = blocks.map((make, index) => make(choice, choice * 10 + index));
  const last = made.at(-1)?.at(-1);
  const isCall = last?.type === 'tool-input-end' && last.isValidJson;
  const ended: GenerationEvent = {
    type: 'choice-end',
    choice,
    reason: isCall ? 'tool-calls' : reason,
    ...(reason === 'stop-text' && !isCall ? { stopText: 'END' } : {}),
  };
  return [...made.flat(), ended];
}

function interleave(choices: readonly (readonly GenerationEvent[])[], turns: readonly number[]): GenerationEvent[] {
  const queues = choices.map((events) => [...events]);
  const merged: GenerationEvent[] = [];
  for (const turn of turns) {
    const event = queues[turn % queues.length]?.shift();
    if (event) merged.push(event);
  }
  return [...merged, ...queues.flat()];
}

/** What had been said when it ended early; only a client that has left is owed no closing of blocks. */
function cutOff(events: readonly GenerationEvent[], cut: number, ending: Ending): GenerationEvent[] {
  const said = events.slice(0, cut);
  if (ending !== 'cancelled') return said;
  const open = new Map<string, GenerationEvent>();
  for (const event of said) {
    if (!('blockId' in event)) continue;
    if (event.type.endsWith('-start')) open.set(event.blockId, endOf(event));
    else if (event.type.endsWith('-end')) open.delete(event.blockId);
  }
  return [...said, ...open.values()];
}

function endOf(event: GenerationEvent): GenerationEvent {
  switch (event.type) {
    case 'text-start':
      return { type: 'text-end', choice: event.choice, blockId: event.blockId };
    case 'reasoning-start':
      return { type: 'reasoning-end', choice: event.choice, blockId: event.blockId };
    case 'tool-input-start':
      return { type: 'tool-input-end', choice: event.choice, blockId: event.blockId, isValidJson: false };
    default:
      throw new Error(`${event.type} opens no block`);
  }
}

function terminal(ending: Ending, counts: Usage): FinishEvent | ErrorEvent {
  if (ending === 'failed') return { type: 'error', error: new StudioError('engine-failed'), usage: counts };
  return { type: 'finish', usage: counts, timings: { totalMs: 5 }, ending };
}

function promptOf({ input }: Usage): Usage {
  return { input, output: NO_USAGE.output };
}

function jsonOf(value: unknown): string {
  return JSON.stringify(value);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function cutBetweenCharacters(text: string, places: readonly number[]): string[] {
  const characters = [...text.toWellFormed()];
  const cuts = [...places.map((place) => place % (characters.length + 1)), characters.length].toSorted((a, b) => a - b);
  let from = 0;
  return cuts.flatMap((cut) => {
    const piece = characters.slice(from, cut).join('');
    from = cut;
    return piece === '' ? [] : [piece];
  });
}
