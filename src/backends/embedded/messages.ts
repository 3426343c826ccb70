/** The request's turns as the messages that a chat template knows: text, with a character for each picture. */
import { StudioError } from '../../core/errors.ts';
import type { ContentPart, GenerationRequest, ToolResultPart, Turn } from '../../core/generation.ts';
import { PICTURE, withoutPictures } from './prompt-images.ts';

export interface ChatCall {
  readonly callId: string;
  readonly name: string;
  readonly inputText: string;
}

export type ChatMessage =
  | { readonly role: 'system' | 'user'; readonly content: string; readonly name?: string | undefined }
  | {
      readonly role: 'assistant';
      readonly content: string;
      /** Earlier reasoning; undefined when there is none or it is not kept. */
      readonly reasoning: string | undefined;
      readonly calls: readonly ChatCall[];
      readonly name?: string | undefined;
    }
  | { readonly role: 'tool'; readonly content: string; readonly callId: string; readonly name: string | undefined };

export interface Conversation {
  readonly messages: readonly ChatMessage[];
  /** Partial mode: what the answer begins with already. */
  readonly answerPrefix: string;
  /** URLs, in their order in the messages. */
  readonly pictures: readonly string[];
}

/** Earlier reasoning that a client replays inside the text, as open-source servers give it. */
const LEADING_REASONING = /^\s*<think>([\s\S]*?)<\/think>\s*/;

/** The conversation of a request. Throws for parts that no text model can read. */
export function conversationOf(request: GenerationRequest): Conversation {
  const messages: ChatMessage[] = [];
  const keepsReasoning = request.thinking.keepsHistory === true || request.thinking.keepsLoop === true;
  const callNames = new Map<string, string>();
  const pictures: string[] = [];
  const instructions = textOnly(request.instructions);
  if (instructions !== '') messages.push({ role: 'system', content: instructions });

  const last = request.turns.at(-1);
  const partialTurn = last?.role === 'assistant' && last.isPartial ? last : undefined;
  const turns = partialTurn ? request.turns.slice(0, -1) : request.turns;
  for (const turn of turns) {
    for (const part of turn.parts) if (part.type === 'tool-call') callNames.set(part.callId, part.name);
    for (const message of messagesOf(turn, keepsReasoning, callNames, pictures)) push(messages, message);
  }
  return { messages, answerPrefix: partialTurn ? textOnly(partialTurn.parts) : '', pictures };
}

/**
 * The conversation with one more paragraph of system text, behind the caller's own or, where the caller has none, behind
 * what the template would have said: a model that is told to think should not forget who it is.
 */
export function withSystemText(
  messages: readonly ChatMessage[],
  text: string,
  defaultSystemText: string,
): readonly ChatMessage[] {
  if (text === '') return messages;
  const [first, ...rest] = messages;
  if (first?.role !== 'system') {
    const content = defaultSystemText === '' ? text : `${defaultSystemText}\n\n${text}`;
    return [{ role: 'system', content }, ...messages];
  }
  return [{ ...first, content: `${first.content}\n\n${text}` }, ...rest];
}

/**
 * The calls and results after the last user turn, told in that turn as plain text: for weights that, shown a call in the
 * form they know, write it again instead of answering.
 */
export function withResultsTold(messages: readonly ChatMessage[]): readonly ChatMessage[] {
  const asked = messages.findLastIndex(({ role }) => role === 'user');
  const question = messages[asked];
  if (question?.role !== 'user') return messages;
  const calls = new Map<string, ChatCall>();
  const lines: string[] = [];
  for (const message of messages.slice(asked + 1)) {
    if (message.role === 'assistant') {
      for (const call of message.calls) calls.set(call.callId, call);
      if (message.content !== '') lines.push(message.content);
    } else if (message.role === 'tool') {
      const call = calls.get(message.callId);
      lines.push(call ? `${call.name}(${call.inputText}) gave: ${message.content}` : message.content);
    } else {
      lines.push(message.content);
    }
  }
  const content = `${question.content}\n\nThis was looked up to answer it:\n${lines.join('\n')}\n\nAnswer from it in plain words.`;
  return [...messages.slice(0, asked), { ...question, content }];
}

/**
 * The same conversation for a template that knows no system role or wants user and assistant to alternate: system text
 * goes in front of the user text that follows, neighbours of one role become one message.
 */
export function alternating(messages: readonly ChatMessage[]): readonly ChatMessage[] {
  const merged: ChatMessage[] = [];
  let systemText = '';
  for (const message of messages) {
    if (message.role === 'system') {
      systemText += `${message.content}\n\n`;
      continue;
    }
    const content = message.role === 'user' ? systemText + message.content : message.content;
    if (message.role === 'user') systemText = '';
    const before = merged.at(-1);
    if (before && before.role === message.role && message.role === 'user') {
      merged[merged.length - 1] = { ...message, content: `${before.content}\n\n${content}` };
    } else {
      merged.push({ ...message, content });
    }
  }
  if (systemText !== '') merged.push({ role: 'user', content: systemText.trimEnd() });
  return merged;
}

/** System texts at the beginning become one: templates look at the first message only. */
function push(messages: ChatMessage[], message: ChatMessage): void {
  const before = messages.at(-1);
  if (messages.length === 1 && before?.role === 'system' && message.role === 'system') {
    messages[0] = { ...before, content: `${before.content}\n\n${message.content}` };
    return;
  }
  messages.push(message);
}

/** Adds the turn's pictures to `pictures`. */
function messagesOf(
  turn: Turn,
  keepsReasoning: boolean,
  callNames: ReadonlyMap<string, string>,
  pictures: string[],
): ChatMessage[] {
  const results = turn.parts.filter((part): part is ToolResultPart => part.type === 'tool-result');
  const messages: ChatMessage[] = results.map((result) => ({
    role: 'tool',
    content: textOnly(result.parts, pictures),
    callId: result.callId,
    name: callNames.get(result.callId),
  }));
  const others = turn.parts.filter((part) => part.type !== 'tool-result');
  if (others.length === 0 && results.length > 0) return messages;
  const content = textOnly(others, pictures);
  switch (turn.role) {
    case 'assistant':
      messages.push(assistantMessage(turn, content, keepsReasoning));
      return messages;
    case 'tool':
      // A tool turn whose text is not bound to a call.
      messages.push({ role: 'tool', content, callId: '', name: turn.name });
      return messages;
    case 'system':
    case 'user':
      messages.push({ role: turn.role, content, name: turn.name });
      return messages;
    default:
      return turn.role satisfies never;
  }
}

function assistantMessage(turn: Turn, content: string, keepsReasoning: boolean): ChatMessage {
  const calls = turn.parts.flatMap((part) =>
    part.type === 'tool-call' ? [{ callId: part.callId, name: part.name, inputText: part.inputText }] : [],
  );
  const replayed = turn.parts.flatMap((part) => (part.type === 'reasoning' ? [part.text] : [])).join('');
  const inText = LEADING_REASONING.exec(content);
  const reasoning = replayed || inText?.[1]?.trim() || '';
  return {
    role: 'assistant',
    content: inText ? content.slice(inText[0].length) : content,
    reasoning: keepsReasoning && reasoning !== '' ? reasoning : undefined,
    calls,
    name: turn.name,
  };
}

/** Pictures are a character each where they may be, and are added to `pictures`. */
function textOnly(parts: readonly ContentPart[], pictures?: string[]): string {
  let text = '';
  for (const part of parts) {
    switch (part.type) {
      case 'text':
        text += withoutPictures(part.text);
        break;
      case 'reasoning':
      case 'tool-call':
      case 'tool-result':
        break;
      case 'image':
        if (pictures === undefined) throw unexpectedPart();
        pictures.push(part.url);
        text += PICTURE;
        break;
      case 'video':
      case 'audio':
      case 'file':
        throw unexpectedPart();
      default:
        part satisfies never;
    }
  }
  return text;
}

/** The vendor's words for a text model that is shown a picture: "Error messages", 400. */
export function unexpectedPart(): StudioError {
  return new StudioError(
    'invalid-parameter',
    'The provided messages input is invalid. The error info is [Unexpected item type in content.]',
    { param: 'messages' },
  );
}
