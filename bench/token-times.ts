/** A streamed call, read with the time of each of its pieces. */
import type { AtelierProcess } from './atelier.ts';

export interface TimedStream {
  /** When each piece of text came, by `performance.now()`. */
  readonly pieceMs: number[];
  readonly text: string;
  /** Undefined where the stream ended well. */
  readonly error: string | undefined;
  readonly outputTokens: number | undefined;
  readonly promptTokens: number | undefined;
  /** Of the prompt: what had not to be computed. */
  readonly cachedTokens: number | undefined;
}

/** Reads a call to its end, or until the signal aborts. `onPiece` hears how many there were. */
export async function timedStream(
  atelier: Pick<AtelierProcess, 'post'>,
  body: object,
  options: { readonly signal?: AbortSignal; readonly onPiece?: (count: number) => void } = {},
): Promise<TimedStream> {
  const pieceMs: number[] = [];
  let text = '';
  let error: string | undefined;
  let outputTokens: number | undefined;
  let promptTokens: number | undefined;
  let cachedTokens: number | undefined;
  let hasEnded = false;
  try {
    const streamed = { ...body, stream: true, stream_options: { include_usage: true } };
    const response = await atelier.post(streamed, options.signal);
    if (response.status !== 200)
      return { pieceMs, text, error: await response.text(), outputTokens, promptTokens, cachedTokens };
    for await (const data of framesOf(response)) {
      if (data === '[DONE]') {
        hasEnded = true;
        continue;
      }
      const chunk = JSON.parse(data) as Chunk;
      if (chunk.error) error = JSON.stringify(chunk.error);
      outputTokens = chunk.usage?.completion_tokens ?? outputTokens;
      promptTokens = chunk.usage?.prompt_tokens ?? promptTokens;
      cachedTokens = chunk.usage?.prompt_tokens_details?.cached_tokens ?? cachedTokens;
      const piece = chunk.choices?.[0]?.delta?.content ?? '';
      if (piece === '') continue;
      text += piece;
      pieceMs.push(performance.now());
      options.onPiece?.(pieceMs.length);
    }
  } catch (thrown) {
    if (!options.signal?.aborted) error = String(thrown);
  }
  error ??= hasEnded || options.signal?.aborted ? undefined : 'cut off';
  return { pieceMs, text, error, outputTokens, promptTokens, cachedTokens };
}

interface Chunk {
  readonly error?: unknown;
  readonly usage?: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly prompt_tokens_details?: { readonly cached_tokens?: number };
  } | null;
  readonly choices?: readonly { readonly delta?: { readonly content?: string | null } }[];
}

/** The data of a stream's frames as they come, `[DONE]` among them. */
export async function* framesOf(response: Response): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const data of response.body ?? []) {
    rest += decoder.decode(data, { stream: true });
    const frames = rest.split('\n\n');
    rest = frames.pop() ?? '';
    for (const frame of frames) if (frame.startsWith('data: ')) yield frame.slice('data: '.length);
  }
}
