/**
 * `system` and `messages` → instructions and turns (anthropic-messages reference §3.2, §13, §16).
 *
 * Messages of one role in a row are one turn. Results of tools come first in theirs, as a `tool` turn. System messages
 * in the middle are told to the user's side where they stand: templates want system text at the beginning, and moving
 * it there would change the prefix of every prompt, which is what caches live on.
 */
import type { ContentPart, TextPart, ToolResultPart, Turn } from '../../core/generation.ts';
import {
  apart,
  cacheMarkOf,
  decodeBlocks,
  decodeText,
  decodeToolResult,
  joinMessages,
  type PlainBlock,
} from './blocks.ts';
import { type BlockOf, type Message, type MessageBlock, type MessagesBody, refuseAt } from './schema.ts';

/** Claude Code's accounting, which no model should read: in older versions it differs with every request. */
const BILLING_PREFIX = 'x-anthropic-billing-header:';

/** `system`, and the system messages before all others. Blocks are paragraphs ("Anthropic compatible - Messages", system). */
export function decodeInstructions({ system, messages }: MessagesBody): TextPart[] {
  const first = messages.findIndex(({ role }) => role !== 'system');
  const leading = first < 0 ? messages : messages.slice(0, first);
  const texts = [...(system ?? []), ...leading.flatMap(({ content }) => content.filter(isText))]
    .filter(({ text }) => text.trim() !== '' && !text.startsWith(BILLING_PREFIX))
    .map(decodeText);
  return texts.map((part, index) => apart(texts[index - 1], part));
}

/** Throws where calls and results do not belong together. */
export function decodeTurns(messages: readonly Message[]): Turn[] {
  const turns: Turn[] = [];
  let calls: Calls = { ids: new Set(), index: 0 };
  for (const run of runsOf(messages)) {
    if (run.role === 'user') {
      checkResults(run, calls);
      turns.push(...userTurns(run));
      calls = { ids: new Set(), index: 0 };
    } else {
      const parts = joinMessages(run.messages.map((message) => decodeBlocks(assistantBlocks(message))));
      if (parts.length > 0) turns.push({ role: 'assistant', parts });
      calls = callsOf(run);
    }
  }
  refuseUnanswered(calls, new Set());
  return turns;
}

interface PlacedMessage {
  /** In `messages`. */
  readonly index: number;
  readonly isSystem: boolean;
  readonly blocks: readonly MessageBlock[];
}

/** Messages of one side in a row. */
interface Run {
  readonly role: 'user' | 'assistant';
  readonly messages: PlacedMessage[];
}

function runsOf(messages: readonly Message[]): Run[] {
  const runs: Run[] = [];
  for (const [index, { role, content }] of messages.entries()) {
    const isSystem = role === 'system';
    // Before any other message it stands in the instructions.
    if (isSystem && runs.length === 0) continue;
    const side = role === 'assistant' ? role : 'user';
    const message = { index, isSystem, blocks: content };
    const last = runs.at(-1);
    if (last?.role === side) last.messages.push(message);
    else runs.push({ role: side, messages: [message] });
  }
  return runs;
}

// ---- The user's side ----

function userTurns({ messages }: Run): Turn[] {
  const results = messages.flatMap(({ blocks }) => blocks.filter(isResult)).map(decodeToolResult);
  const told = messages.map((message) =>
    message.isSystem ? reminderOf(message.blocks) : decodeBlocks(userBlocks(message)),
  );
  const hasOwnParts = messages.some(({ isSystem }, index) => !isSystem && told[index]?.length !== 0);
  const last = results.at(-1);
  // A user turn of nothing but reminders would look like a new question, and end the tool loop.
  if (last && !hasOwnParts) return [toolTurn([...results.slice(0, -1), withReminders(last, messages)])];
  const parts = joinMessages<ContentPart>(told);
  return [
    ...(results.length > 0 ? [toolTurn(results)] : []),
    ...(parts.length > 0 ? [{ role: 'user' as const, parts }] : []),
  ];
}

function toolTurn(parts: readonly ToolResultPart[]): Turn {
  return { role: 'tool', parts };
}

function withReminders(result: ToolResultPart, messages: readonly PlacedMessage[]): ToolResultPart {
  const reminders = messages.filter(({ isSystem }) => isSystem).map(({ blocks }) => reminderOf(blocks));
  return { ...result, parts: joinMessages([result.parts, ...reminders]) };
}

const REMINDER_OPENING = '<system-reminder>';

/** System text in the middle, in the tags agents put around such text themselves; none for blank text. */
function reminderOf(blocks: readonly MessageBlock[]): TextPart[] {
  const texts = blocks.filter(isText);
  const text = texts.map((block) => block.text).join('\n\n');
  if (text.trim() === '') return [];
  const isTagged = text.trimStart().startsWith(REMINDER_OPENING);
  return [
    {
      type: 'text',
      text: isTagged ? text : `${REMINDER_OPENING}\n${text}\n</system-reminder>`,
      cacheMark: cacheMarkOf(texts.at(-1)?.cache_control),
    },
  ];
}

// ---- Which blocks may stand where; calls and their results ----

function isText(block: MessageBlock): block is BlockOf<'text'> {
  return block.type === 'text';
}

function isResult(block: MessageBlock): block is BlockOf<'tool_result'> {
  return block.type === 'tool_result';
}

function isNoResult(block: MessageBlock): block is PlainBlock {
  return block.type !== 'tool_result';
}

function userBlocks({ index, blocks }: PlacedMessage) {
  if (blocks.some(({ type }) => type === 'tool_use'))
    refuseAt(['messages', index], '`tool_use` blocks can only be in `assistant` messages');
  return blocks.filter(isNoResult);
}

function assistantBlocks({ index, blocks }: PlacedMessage) {
  if (blocks.some(isResult)) refuseAt(['messages', index], '`tool_result` blocks can only be in `user` messages');
  return blocks.filter(isNoResult);
}

/** The calls of a run, and the message that a complaint about them names. */
interface Calls {
  readonly ids: ReadonlySet<string>;
  readonly index: number;
}

function callsOf({ messages }: Run): Calls {
  const ids = new Set<string>();
  for (const { blocks } of messages) for (const block of blocks) if (block.type === 'tool_use') ids.add(block.id);
  return { ids, index: messages.at(-1)?.index ?? 0 };
}

/** The words are Anthropic's own ("Troubleshooting tool use"). */
function checkResults({ messages }: Run, calls: Calls): void {
  const answered = new Set<string>();
  for (const { index, blocks } of messages) {
    for (const [position, block] of blocks.entries()) {
      if (!isResult(block)) continue;
      if (!calls.ids.has(block.tool_use_id))
        refuseAt(
          ['messages', index, 'content', position],
          `unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${block.tool_use_id}. Each \`tool_result\` block must have a corresponding \`tool_use\` block in the previous message.`,
        );
      answered.add(block.tool_use_id);
    }
  }
  refuseUnanswered(calls, answered);
}

function refuseUnanswered({ ids, index }: Calls, answered: ReadonlySet<string>): void {
  const open = [...ids].filter((id) => !answered.has(id));
  if (open.length === 0) return;
  refuseAt(
    ['messages', index],
    `\`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${open.join(', ')}. Each \`tool_use\` block must have a corresponding \`tool_result\` block in the next message.`,
  );
}
