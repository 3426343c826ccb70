/** A recorded reply → events. Its own body says which wire wrote it. */
import type { StudioError } from '../../core/errors.ts';
import type { AnswerEvents } from './answer-writer.ts';
import { decodeChat } from './decode-chat.ts';
import { decodeDashScope } from './decode-dashscope.ts';
import { errorOfBody } from './decode-error.ts';
import { decodeMessages } from './decode-messages.ts';
import { decodeResponses } from './decode-responses.ts';
import { dataOf, isObject, type Loose, type Recording } from './recording.ts';

/** What a recording answers: the events of a 200, or the refusal it was. */
export type Answer = { readonly events: AnswerEvents } | { readonly refusal: StudioError };

/** Undefined for a reply that is of no wire that generates text (pictures, embeddings). */
export function decodeReply({ request, response }: Recording): Answer | undefined {
  if (response.status !== 200) return { refusal: errorOfBody(parsed(response.body), response.status) };
  const chunks = (response.isStream ? dataOf(response.body) : [response.body]).map(parsed).filter(isObject);
  // Error frames come alone or first; what tells the wire is in the others.
  const shown = chunks.find(wireOf);
  if (!shown) {
    const [first] = chunks;
    return first && isRefusal(first) ? { refusal: errorOfBody(first, undefined) } : undefined;
  }
  switch (wireOf(shown)) {
    case 'dashscope':
      if (chunks.some(holdsMedia)) return undefined;
      return {
        events: decodeDashScope({ chunks, isStream: response.isStream, isIncremental: asksForDeltas(request) }),
      };
    case 'chat':
      return { events: decodeChat(chunks) };
    case 'responses':
      // The answer of a background response is read later, by its id.
      if (!response.isStream && ['queued', 'in_progress'].includes(String(shown.status))) return undefined;
      return { events: decodeResponses(chunks) };
    case 'messages':
      return { events: decodeMessages(chunks) };
    default:
      return undefined;
  }
}

function wireOf(chunk: Loose): 'dashscope' | 'chat' | 'responses' | 'messages' | undefined {
  if (isObject(chunk.output) && ['choices', 'text', 'message'].some((member) => member in (chunk.output as Loose)))
    return 'dashscope';
  if (Array.isArray(chunk.choices)) return 'chat';
  const type = typeof chunk.type === 'string' ? chunk.type : '';
  if (chunk.object === 'response' || type.startsWith('response.')) return 'responses';
  if (type.startsWith('message') || type.startsWith('content_block')) return 'messages';
  return undefined;
}

/** Pictures and sound come as parts of their own, for which there is no event. */
function holdsMedia({ output }: Loose): boolean {
  const choices = isObject(output) && Array.isArray(output.choices) ? output.choices : [];
  return choices.some(({ message }) => {
    const parts = isObject(message) && Array.isArray(message.content) ? message.content : [];
    return parts.some((part) => isObject(part) && ('image' in part || 'audio' in part || 'video' in part));
  });
}

function isRefusal(chunk: Loose): boolean {
  return isObject(chunk.error) || (typeof chunk.code === 'string' && typeof chunk.message === 'string');
}

function asksForDeltas(request: Recording['request']): boolean {
  const body = request?.body;
  const parameters = isObject(body) && isObject(body.parameters) ? body.parameters : {};
  return parameters.incremental_output === true;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
