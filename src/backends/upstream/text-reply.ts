/**
 * A chunk or body of Completions in the shape of Chat Completions, which is what our decoder reads: the answer is in
 * `text`, and log probabilities are lists side by side.
 */
import type { LooseChoice, LooseChunk, LooseLogprobs, LooseTokenLogprob } from '../parsers/chat-reply/wire.ts';

/** As loose as `LooseChoice`: nothing is promised. */
interface LooseTextChoice extends LooseChoice {
  readonly text?: unknown;
}

/** The lists of OpenAI's older form; llama-server and Ollama write `content`, as on Chat Completions. */
interface LooseLists extends LooseLogprobs {
  readonly tokens?: unknown;
  readonly token_logprobs?: unknown;
  readonly top_logprobs?: unknown;
}

/** The same chunk, as if a chat had been asked for. */
export function chatChunkOf(chunk: LooseChunk): LooseChunk {
  if (!Array.isArray(chunk.choices)) return chunk;
  return { ...chunk, choices: (chunk.choices as readonly unknown[]).flatMap(chatChoiceOf) };
}

function chatChoiceOf(value: unknown): LooseChoice[] {
  if (typeof value !== 'object' || value === null) return [];
  const choice = value as LooseTextChoice;
  return [
    {
      ...choice,
      delta: { content: typeof choice.text === 'string' ? choice.text : '' },
      logprobs: chatLogprobsOf(choice.logprobs),
    },
  ];
}

function chatLogprobsOf(logprobs: LooseLists | null | undefined): LooseLogprobs | null {
  if (!logprobs || Array.isArray(logprobs.content)) return logprobs ?? null;
  const { tokens } = logprobs;
  if (!Array.isArray(tokens)) return null;
  return {
    content: tokens.map(
      (token: unknown, index): LooseTokenLogprob => ({
        token: typeof token === 'string' ? token : '',
        logprob: numberAt(logprobs.token_logprobs, index),
        top_logprobs: alternativesAt(logprobs.top_logprobs, index),
      }),
    ),
  };
}

function alternativesAt(list: unknown, index: number): LooseTokenLogprob[] {
  const alternatives: unknown = Array.isArray(list) ? list[index] : undefined;
  if (typeof alternatives !== 'object' || alternatives === null) return [];
  return Object.entries(alternatives)
    .flatMap(([token, logprob]) => (typeof logprob === 'number' ? [{ token, logprob }] : []))
    .sort((a, b) => b.logprob - a.logprob);
}

function numberAt(list: unknown, index: number): number | null {
  const value: unknown = Array.isArray(list) ? list[index] : undefined;
  return typeof value === 'number' ? value : null;
}
