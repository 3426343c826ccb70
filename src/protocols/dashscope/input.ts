/** `input` → canonical turns, one turn a message, so that a turn's index is the message's. */
import { StudioError } from '../../core/errors.ts';
import type { CacheMark, ContentPart, ImagePart, TextPart, ToolResultPart, Turn } from '../../core/generation.ts';
import { isObject } from '../parameters.ts';
import { checkToolResults } from '../tool-history.ts';
import {
  type DashScopeAssistantMessage,
  type DashScopeInput,
  type DashScopeMessage,
  type DashScopePart,
  type DashScopeToolMessage,
  inputSchema,
} from './schema.ts';
import * as texts from './texts.ts';

/** An `ephemeral` mark lives five minutes ("Context cache"). */
const EPHEMERAL: CacheMark = { ttlSeconds: 300 };

/** The conversation of a body's `input`; history of the oldest clients comes before everything, a prompt after it. */
export function decodeInput(input: unknown): Turn[] {
  if (input === undefined || input === null)
    throw new StudioError('missing-parameter', texts.EMPTY_INPUT, { param: 'input' });
  if (!isObject(input)) throw new StudioError('invalid-value', texts.ILLEGAL_INPUT, { param: 'input' });
  const parsed = inputSchema.safeParse(input);
  if (!parsed.success) throw new StudioError('invalid-parameter', parsed.error.issues[0]?.message);
  const turns = turnsOf(parsed.data);
  checkToolResults(turns, { toolWithoutCall: texts.TOOL_WITHOUT_CALL, unansweredCalls: texts.unansweredCalls });
  return turns;
}

function turnsOf({ history, messages, prompt }: DashScopeInput): Turn[] {
  const hasPrompt = prompt !== undefined && prompt !== null;
  if (!hasPrompt && !messages) throw new StudioError('invalid-parameter', texts.PROMPT_OR_MESSAGES);
  // Recorded: a prompt does not make up for an empty list of messages.
  if (messages?.length === 0 || prompt === '') throw new StudioError('invalid-parameter', texts.ROLE_OR_CONTENT);
  return [
    ...(history ?? []).flatMap(({ user, bot }): Turn[] => [
      { role: 'user', parts: [{ type: 'text', text: user }] },
      { role: 'assistant', parts: [{ type: 'text', text: bot }] },
    ]),
    ...(messages ?? []).map((message, index, all) => decodeMessage(message, index === all.length - 1)),
    // As the vendor's own client joins the two.
    ...(hasPrompt ? [{ role: 'user' as const, parts: [{ type: 'text' as const, text: prompt }] }] : []),
  ];
}

function decodeMessage(message: DashScopeMessage, isLast: boolean): Turn {
  switch (message.role) {
    case 'system':
      return { role: 'system', parts: message.content.map(decodeText) };
    case 'user':
      return { role: 'user', parts: message.content.flatMap(decodePart), name: message.name ?? undefined };
    case 'assistant':
      return {
        role: 'assistant',
        parts: decodeAssistant(message),
        isPartial: message.partial === true && isLast ? true : undefined,
      };
    case 'tool':
      return { role: 'tool', parts: [decodeToolResult(message)] };
    default:
      return message satisfies never;
  }
}

/** In the order in which the model gave them: reasoning, text, calls. */
function decodeAssistant(message: DashScopeAssistantMessage): ContentPart[] {
  const calls = message.tool_calls ?? [];
  if (calls.length === 0 && !message.content) throw new StudioError('invalid-parameter', texts.CONTENT_REQUIRED);
  const parts: ContentPart[] = [];
  if (message.reasoning_content) parts.push({ type: 'reasoning', text: message.reasoning_content });
  parts.push(...(message.content ?? []).map(decodeText));
  for (const { id, function: called } of calls) {
    parts.push({
      type: 'tool-call',
      callId: id,
      name: called.name,
      inputText: decodeArguments(called.arguments),
      executedBy: 'client',
    });
  }
  return parts;
}

/** A call without arguments comes back from clients as ''. */
function decodeArguments(inputText: string): string {
  if (inputText === '') return '{}';
  try {
    JSON.parse(inputText);
    return inputText;
  } catch (thrown) {
    throw new StudioError('invalid-parameter', texts.ARGUMENTS_NOT_JSON, { cause: thrown });
  }
}

/** A mark on a part is the result's. */
function decodeToolResult(message: DashScopeToolMessage): ToolResultPart {
  let cacheMark: CacheMark | undefined;
  const parts = message.content.map((part): TextPart | ImagePart => {
    const { cacheMark: mark, ...rest } = part.modal === 'text' ? decodeText(part) : decodeImage(part);
    cacheMark ??= mark;
    return rest;
  });
  return { type: 'tool-result', callId: message.tool_call_id, parts, cacheMark, isError: false };
}

type PartOf<Modal extends DashScopePart['modal']> = Extract<DashScopePart, { modal: Modal }>;

function decodePart(part: DashScopePart): ContentPart[] {
  switch (part.modal) {
    case 'text':
      return [decodeText(part)];
    case 'image':
      return [decodeImage(part)];
    case 'video':
      return [{ type: 'video', url: part.video, ...videoOptionsOf(part) }];
    case 'frames':
      return [{ type: 'video', frames: part.video, ...videoOptionsOf(part) }];
    case 'audio':
      return [{ type: 'audio', url: part.audio }];
    case 'file':
      return [{ type: 'file', url: part.file, cacheMark: cacheMarkOf(part.cache_control) }];
    case 'doc_url':
      return part.doc_url.map((url) => ({ type: 'file', url }));
    default:
      return part satisfies never;
  }
}

function decodeText(part: PartOf<'text'>): TextPart {
  return { type: 'text', text: part.text, cacheMark: cacheMarkOf(part.cache_control) };
}

function decodeImage(part: PartOf<'image'>): ImagePart {
  return {
    type: 'image',
    url: part.image,
    minPixels: part.min_pixels ?? undefined,
    maxPixels: part.max_pixels ?? undefined,
    cacheMark: cacheMarkOf(part.cache_control),
  };
}

function videoOptionsOf(part: PartOf<'video'> | PartOf<'frames'>) {
  return {
    fps: part.fps ?? undefined,
    minPixels: part.min_pixels ?? undefined,
    maxPixels: part.max_pixels ?? undefined,
    totalPixels: part.total_pixels ?? undefined,
    cacheMark: cacheMarkOf(part.cache_control),
  };
}

function cacheMarkOf(control: object | undefined): CacheMark | undefined {
  return control && EPHEMERAL;
}
