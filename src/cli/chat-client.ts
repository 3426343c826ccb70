/** Asks a server over the Chat Completions wire, as any other client would, and gives the answer as it comes. */
import { createParser } from 'eventsource-parser';

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export interface ChatQuestion {
  readonly baseUrl: string;
  readonly key: string;
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  readonly isThinking: boolean;
  readonly maxTokens?: number | undefined;
  readonly signal: AbortSignal;
}

export type ChatPiece =
  | { readonly type: 'reasoning' | 'text'; readonly text: string }
  | { readonly type: 'usage'; readonly inputTokens: number; readonly outputTokens: number };

/** The server refused or broke off; `message` is its own word. */
export class ChatError extends Error {}

interface Chunk {
  readonly choices?: readonly {
    readonly delta?: { readonly content?: string | null; readonly reasoning_content?: string | null };
  }[];
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number } | null;
  readonly error?: { readonly message?: string };
}

/** Streams one answer. Ends quietly when the signal aborts. */
export async function* ask(question: ChatQuestion): AsyncIterable<ChatPiece> {
  try {
    const response = await post(question);
    for await (const data of eventsOf(response)) {
      if (data === '[DONE]') return;
      yield* piecesOf(JSON.parse(data) as Chunk);
    }
  } catch (error) {
    if (question.signal.aborted) return;
    if (error instanceof ChatError) throw error;
    const { cause } = error as { cause?: Error };
    throw new ChatError(`${question.baseUrl} does not answer: ${cause?.message || String(error)}`, { cause: error });
  }
}

async function post({ baseUrl, key, model, messages, isThinking, maxTokens, signal }: ChatQuestion): Promise<Response> {
  const response = await fetch(`${baseUrl}/compatible-mode/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model,
      messages,
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: maxTokens,
      // Said only when asked for: a model that never thinks refuses the field.
      ...(isThinking ? { enable_thinking: true } : {}),
    }),
    signal,
  });
  if (response.ok) return response;
  const body = (await response.json().catch(() => undefined)) as Chunk | undefined;
  throw new ChatError(body?.error?.message ?? `the server answered ${response.status}`);
}

async function* eventsOf(response: Response): AsyncIterable<string> {
  const ready: string[] = [];
  const parser = createParser({ onEvent: ({ data }) => ready.push(data) });
  const decoder = new TextDecoder();
  for await (const bytes of response.body ?? []) {
    parser.feed(decoder.decode(bytes, { stream: true }));
    yield* ready.splice(0);
  }
}

function* piecesOf(chunk: Chunk): Iterable<ChatPiece> {
  if (chunk.error) throw new ChatError(chunk.error.message ?? 'the answer broke off');
  const delta = chunk.choices?.[0]?.delta;
  if (delta?.reasoning_content) yield { type: 'reasoning', text: delta.reasoning_content };
  if (delta?.content) yield { type: 'text', text: delta.content };
  if (chunk.usage)
    yield { type: 'usage', inputTokens: chunk.usage.prompt_tokens, outputTokens: chunk.usage.completion_tokens };
}
