/** Canonical turns → messages of a Chat Completions request. */
import { StudioError } from '../../core/errors.ts';
import type {
  CacheMark,
  ContentPart,
  GenerationRequest,
  TextPart,
  ToolCallPart,
  ToolResultPart,
  Turn,
} from '../../core/generation.ts';
import type { UpstreamQuirks } from './quirks.ts';

export type WireObject = { [field: string]: unknown };

/** The messages, the instructions first. */
export function encodeMessages(request: GenerationRequest, quirks: UpstreamQuirks): WireObject[] {
  const messages: WireObject[] = [];
  if (request.instructions.length > 0)
    messages.push({ role: 'system', content: encodeContent(request.instructions, quirks) });
  for (const turn of request.turns) addTurn(turn, messages, quirks);
  return messages;
}

function addTurn(turn: Turn, messages: WireObject[], quirks: UpstreamQuirks): void {
  const named = turn.name === undefined ? {} : { name: turn.name };
  switch (turn.role) {
    case 'system':
    case 'user':
      messages.push({ role: turn.role, content: encodeContent(turn.parts, quirks), ...named });
      return;
    case 'assistant':
      messages.push({ ...assistantMessage(turn, quirks), ...named });
      return;
    case 'tool':
      // A message a result: not every server reads several in one.
      for (const part of turn.parts) if (part.type === 'tool-result') messages.push(toolMessage(part, quirks));
      return;
    default:
      turn.role satisfies never;
  }
}

function assistantMessage(turn: Turn, quirks: UpstreamQuirks): WireObject {
  const calls = turn.parts.filter((part): part is ToolCallPart => part.type === 'tool-call');
  const content = turn.parts.filter((part) => part.type !== 'tool-call' && part.type !== 'reasoning');
  const message: WireObject = { role: 'assistant', content: content.length > 0 ? encodeContent(content, quirks) : '' };
  const reasoning = turn.parts.reduce((text, part) => (part.type === 'reasoning' ? text + part.text : text), '');
  if (reasoning !== '' && quirks.reasoningHistory !== 'none') message[quirks.reasoningHistory] = reasoning;
  if (calls.length > 0) message.tool_calls = calls.map(encodeToolCall);
  if (turn.isPartial && quirks.prefix === 'partial') message.partial = true;
  return message;
}

/** Model Studio documents `index` as required in history; others ignore it. */
function encodeToolCall(call: ToolCallPart, index: number): WireObject {
  return {
    id: call.callId,
    type: 'function',
    index,
    function: { name: call.name, arguments: call.inputText },
  };
}

/** There is no word for a failed tool on this wire: the text of the result has to say it. */
function toolMessage(result: ToolResultPart, quirks: UpstreamQuirks): WireObject {
  const { parts, cacheMark } = result;
  const last = parts.at(-1);
  const marked = cacheMark && last ? [...parts.slice(0, -1), { ...last, cacheMark }] : parts;
  return { role: 'tool', tool_call_id: result.callId, content: encodeContent(marked, quirks) };
}

/** A string where one will do: templates of older models take nothing else. */
function encodeContent(parts: readonly ContentPart[], quirks: UpstreamQuirks): string | WireObject[] {
  const [only] = parts;
  if (only === undefined) return '';
  const isMarked = quirks.takesCacheMarks && parts.some((part) => 'cacheMark' in part && part.cacheMark);
  if (parts.length === 1 && only.type === 'text' && !isMarked) return only.text;
  if (!quirks.takesTextParts && parts.every((part): part is TextPart => part.type === 'text'))
    return parts.map((part) => part.text).join('');
  return parts.map((part) => encodePart(part, quirks));
}

function encodePart(part: ContentPart, quirks: UpstreamQuirks): WireObject {
  switch (part.type) {
    case 'text':
      return { type: 'text', text: part.text, ...encodeMark(part.cacheMark, quirks) };
    case 'image':
      return {
        type: 'image_url',
        image_url: { url: part.url, ...given({ detail: part.detail }) },
        ...given({ min_pixels: part.minPixels, max_pixels: part.maxPixels }),
        ...encodeMark(part.cacheMark, quirks),
      };
    case 'video': {
      const limits = given({
        fps: part.fps,
        min_pixels: part.minPixels,
        max_pixels: part.maxPixels,
        total_pixels: part.totalPixels,
      });
      const source = part.frames
        ? { type: 'video', video: part.frames }
        : { type: 'video_url', video_url: { url: part.url } };
      return { ...source, ...limits, ...encodeMark(part.cacheMark, quirks) };
    }
    case 'audio':
      return { type: 'input_audio', input_audio: { data: part.url, ...given({ format: part.format }) } };
    case 'file':
    case 'reasoning':
    case 'tool-call':
    case 'tool-result':
      throw new StudioError('invalid-parameter', `The server behind this model takes no ${part.type} part here.`, {
        param: 'messages',
      });
    default:
      return part satisfies never;
  }
}

/** The one kind of mark there is ("Context cache", explicit cache). */
function encodeMark(mark: CacheMark | undefined, quirks: UpstreamQuirks): WireObject {
  return mark && quirks.takesCacheMarks ? { cache_control: { type: 'ephemeral' } } : {};
}

/** The fields that have a value. */
export function given(fields: WireObject): WireObject {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
