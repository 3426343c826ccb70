/** `usage` of a reply, in the recorded key order (openai-chat reference §16, §17). */
import type { Usage } from '../../core/usage.ts';

/** `completion_tokens_details` only when there is something to tell; `prompt_tokens_details.cached_tokens` always. */
export function encodeUsage({ input, output }: Usage): object {
  return {
    prompt_tokens: input.total,
    completion_tokens: output.total,
    total_tokens: input.total + output.total,
    ...(output.reasoning > 0 || output.audio > 0 ? { completion_tokens_details: outputDetails(output) } : {}),
    prompt_tokens_details: inputDetails(input),
  };
}

function outputDetails({ total, reasoning, audio }: Usage['output']): object {
  return {
    ...(reasoning > 0 ? { reasoning_tokens: reasoning } : {}),
    ...(audio > 0 ? { audio_tokens: audio, text_tokens: total - reasoning - audio } : {}),
  };
}

/**
 * Media counts appear once there is media; the counters of the explicit cache, zeros too, once it was used: the page's own
 * sample reads them on a call that only found ("Context cache").
 */
function inputDetails(input: Usage['input']): object {
  const { total, cachedRead, markedRead, cacheWritten, image, video, audio } = input;
  const media = image + video + audio;
  return {
    cached_tokens: cachedRead,
    ...(cacheWritten > 0 || markedRead !== undefined
      ? {
          cache_creation_input_tokens: cacheWritten,
          cache_creation: { ephemeral_5m_input_tokens: cacheWritten },
          cache_type: 'ephemeral',
        }
      : {}),
    ...(media > 0 ? { text_tokens: total - media } : {}),
    ...(image > 0 ? { image_tokens: image } : {}),
    ...(video > 0 ? { video_tokens: video } : {}),
    ...(audio > 0 ? { audio_tokens: audio } : {}),
  };
}
