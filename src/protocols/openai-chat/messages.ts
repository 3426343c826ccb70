/** `messages` → canonical turns, one turn a message, so that a turn's index is the message's. */
import { StudioError } from '../../core/errors.ts';
import type {
  AudioPart,
  CacheMark,
  ContentPart,
  ImagePart,
  TextPart,
  ToolResultPart,
  Turn,
  VideoPart,
} from '../../core/generation.ts';
import type { ChatAssistantMessage, ChatContentPart, ChatMessage, ChatToolMessage } from './schema.ts';
import * as texts from './texts.ts';

/** An `ephemeral` mark lives five minutes (openai-chat §15). */
const EPHEMERAL: CacheMark = { ttlSeconds: 300 };

/** The mark of a piece that may carry `cache_control`. */
export function cacheMarkOf(...controls: readonly (object | undefined)[]): CacheMark | undefined {
  return controls.some((control) => control !== undefined) ? EPHEMERAL : undefined;
}

/** Messages whose form the schema has checked. */
export function decodeMessages(messages: readonly ChatMessage[]): Turn[] {
  return messages.map((message, index) => {
    const name = message.name ?? undefined;
    switch (message.role) {
      case 'system':
      case 'developer':
        // OpenAI's newer name for system; the service itself refuses it (docs/decisions/0006).
        return { role: 'system', parts: message.content.map(decodeText), name };
      case 'user':
        return { role: 'user', parts: message.content.map(decodePart), name };
      case 'assistant': {
        const isLast = index === messages.length - 1;
        const isPartial = message.partial === true && isLast ? true : undefined;
        return { role: 'assistant', parts: decodeAssistant(message), name, isPartial };
      }
      case 'tool':
        return { role: 'tool', parts: decodeToolResults(message), name };
      default:
        return message satisfies never;
    }
  });
}

/** In the order in which the model gave them: reasoning, text, calls. */
function decodeAssistant(message: ChatAssistantMessage): ContentPart[] {
  const calls = message.tool_calls ?? [];
  if (calls.length === 0 && (message.content === undefined || message.content === null)) {
    throw new StudioError('invalid-parameter', texts.CONTENT_REQUIRED);
  }
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

/**
 * One message may hold the results of several calls, each part naming its own ("Context cache", merged parallel tool
 * results). Neighbouring parts of one call are one result; a mark on a part is the result's.
 */
function decodeToolResults(message: ChatToolMessage): ToolResultPart[] {
  const results: { callId: string; parts: (TextPart | ImagePart)[]; cacheMark: CacheMark | undefined }[] = [];
  const resultOf = (callId: string | null | undefined) => {
    if (!callId) throw new StudioError('invalid-parameter', texts.missingOrInvalid('tool_call_id'));
    const last = results.at(-1);
    if (last?.callId === callId) return last;
    const result: (typeof results)[number] = { callId, parts: [], cacheMark: undefined };
    results.push(result);
    return result;
  };
  if (message.content.length === 0) resultOf(message.tool_call_id);
  for (const part of message.content) {
    const result = resultOf(part.tool_call_id ?? message.tool_call_id);
    const { cacheMark, ...rest } = part.type === 'text' ? decodeText(part) : decodeImage(part);
    result.parts.push(rest);
    result.cacheMark ??= cacheMark;
  }
  return results.map((result) => ({ type: 'tool-result', ...result, isError: false }));
}

type PartOf<Type extends ChatContentPart['type']> = Extract<ChatContentPart, { type: Type }>;

function decodePart(part: ChatContentPart): TextPart | ImagePart | VideoPart | AudioPart {
  switch (part.type) {
    case 'text':
      return decodeText(part);
    case 'image_url':
      return decodeImage(part);
    case 'video':
      return { ...decodeVideoOptions(part), frames: part.video };
    case 'video_url':
      return { ...decodeVideoOptions(part), url: part.video_url.url };
    case 'input_audio':
      return { type: 'audio', url: part.input_audio.data, format: part.input_audio.format ?? undefined };
    default:
      return part satisfies never;
  }
}

function decodeText(part: PartOf<'text'>): TextPart {
  return { type: 'text', text: part.text, cacheMark: cacheMarkOf(part.cache_control) };
}

function decodeImage(part: PartOf<'image_url'>): ImagePart {
  return {
    type: 'image',
    url: part.image_url.url,
    detail: part.image_url.detail,
    minPixels: part.min_pixels ?? part.image_url.min_pixels ?? undefined,
    maxPixels: part.max_pixels ?? part.image_url.max_pixels ?? undefined,
    cacheMark: cacheMarkOf(part.cache_control),
  };
}

function decodeVideoOptions(part: PartOf<'video'> | PartOf<'video_url'>): VideoPart {
  return {
    type: 'video',
    fps: part.fps ?? undefined,
    minPixels: part.min_pixels ?? undefined,
    maxPixels: part.max_pixels ?? undefined,
    totalPixels: part.total_pixels ?? undefined,
    cacheMark: cacheMarkOf(part.cache_control),
  };
}
