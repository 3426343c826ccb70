/** Items → canonical turns, in the order in which a model reads them. */
import { StudioError } from '../../core/errors.ts';
import type { ContentPart, FilePart, ImagePart, TextPart, ToolCallPart, Turn } from '../../core/generation.ts';
import type { StoredItem } from '../../core/responses.ts';
import {
  type CallOutputItem,
  type CallOutputPart,
  type KnownItem,
  knownItem,
  type MessageItem,
  type MessagePart,
  type ReasoningItem,
  refusal,
} from '../openai-items.ts';
import * as texts from './texts.ts';
import { CUSTOM_INPUT, innerNameOf } from './tools.ts';

/** Opens what this server sealed for the caller; undefined for anything else. */
export type Open = (sealed: string) => string | undefined;

/**
 * The conversation of a list of items. Throws for a result whose call is not there, for a compaction that was not made
 * here and for a reference that was not resolved.
 */
export function turnsOf(items: readonly StoredItem[], open: Open): Turn[] {
  const turns = new TurnList();
  const callIds = new Set<string>();
  for (const stored of items) {
    const item = knownItem(stored);
    if (!item) continue;
    switch (item.type) {
      case 'message':
        if (item.role === 'assistant') turns.addAssistantText(item.content.flatMap(partOf));
        else turns.add({ role: item.role === 'user' ? 'user' : 'system', parts: item.content.flatMap(partOf) });
        break;
      case 'reasoning':
        turns.addReasoning(reasoningOf(item, open));
        break;
      case 'function_call':
      case 'custom_tool_call':
        // What was cut off in the middle has no meaning as a call, and templates choke on it.
        if (item.status === 'incomplete') break;
        callIds.add(item.call_id);
        turns.addCall(callOf(item));
        break;
      case 'function_call_output':
      case 'custom_tool_call_output':
        if (!callIds.has(item.call_id))
          throw new StudioError('invalid-parameter', texts.outputWithoutCall(item.call_id), { param: 'input' });
        turns.add({ role: 'tool', parts: [resultOf(item)] });
        break;
      case 'compaction': {
        const summary = open(item.encrypted_content);
        if (summary === undefined) throw refusal('input', texts.foreignCompaction(item.id));
        turns.add({ role: 'user', parts: [{ type: 'text', text: SUMMARY_LEAD_IN + summary }] });
        break;
      }
      case 'item_reference':
        throw new StudioError('invalid-parameter', `Item with id '${item.id}' not found.`, { param: 'input' });
      default:
        item satisfies never;
    }
  }
  return turns.turns;
}

const SUMMARY_LEAD_IN = 'A summary of the conversation so far, written down before its older part was left out:\n\n';

/** What a model said in one go is one turn: its reasoning, its text, its calls. */
class TurnList {
  readonly turns: Turn[] = [];

  add(turn: Turn): void {
    if (turn.parts.length > 0) this.turns.push(turn);
  }

  addReasoning(parts: readonly ContentPart[]): void {
    this.#addAssistant(parts, (before) => before.every(({ type }) => type === 'reasoning'));
  }

  /** A second text is a turn of its own, unless a call stands between: its result is still to come. */
  addAssistantText(parts: readonly ContentPart[]): void {
    this.#addAssistant(
      parts,
      (before) => before.every(({ type }) => type === 'reasoning') || before.some(({ type }) => type === 'tool-call'),
    );
  }

  addCall(part: ToolCallPart): void {
    this.#addAssistant([part], () => true);
  }

  #addAssistant(parts: readonly ContentPart[], mayJoin: (before: readonly ContentPart[]) => boolean): void {
    const last = this.turns.at(-1);
    if (last?.role === 'assistant' && mayJoin(last.parts))
      this.turns[this.turns.length - 1] = { ...last, parts: [...last.parts, ...parts] };
    else this.add({ role: 'assistant', parts });
  }
}

function callOf(item: Extract<KnownItem, { type: 'function_call' | 'custom_tool_call' }>): ToolCallPart {
  const namespace = typeof item.namespace === 'string' ? item.namespace : undefined;
  return {
    type: 'tool-call',
    callId: item.call_id,
    name: innerNameOf(item.name, namespace),
    inputText: item.type === 'function_call' ? item.arguments : JSON.stringify({ [CUSTOM_INPUT]: item.input }),
    executedBy: 'client',
  };
}

function resultOf(item: CallOutputItem): ContentPart {
  const parts =
    typeof item.output === 'string' ? [{ type: 'text' as const, text: item.output }] : item.output.map(outputPartOf);
  return { type: 'tool-result', callId: item.call_id, parts, isError: false };
}

/** What was sealed is whole; a summary may have been shortened by whoever kept it. */
function reasoningOf(item: ReasoningItem, open: Open): ContentPart[] {
  const sealed = typeof item.encrypted_content === 'string' ? open(item.encrypted_content) : undefined;
  const shownText = textsOf(item.content) || textsOf(item.summary);
  const text = sealed ?? shownText;
  return text === '' ? [] : [{ type: 'reasoning', text }];
}

function textsOf(parts: unknown): string {
  return Array.isArray(parts) ? parts.map((part: { text: string }) => part.text).join('\n\n') : '';
}

function outputPartOf(part: CallOutputPart): TextPart | ImagePart {
  return part.type === 'input_text'
    ? { type: 'text', text: part.text }
    : { type: 'image', url: part.image_url, detail: part.detail };
}

function partOf(part: MessageItem['content'][number]): (TextPart | ImagePart | FilePart)[] {
  switch (part.type) {
    case 'output_text':
      return part.text === '' ? [] : [{ type: 'text', text: part.text }];
    case 'refusal':
      return [{ type: 'text', text: part.refusal }];
    case 'input_text':
    case 'input_image':
      return [outputPartOf(part)];
    case 'input_file':
      return [fileOf(part)];
    default:
      return part satisfies never;
  }
}

function fileOf(part: Extract<MessagePart, { type: 'input_file' }>): FilePart {
  const text = (member: 'file_id' | 'file_url' | 'file_data'): string | undefined =>
    typeof part[member] === 'string' ? (part[member] as string) : undefined;
  return { type: 'file', fileId: text('file_id'), url: text('file_url') ?? text('file_data') };
}
