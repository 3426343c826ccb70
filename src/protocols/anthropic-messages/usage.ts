/** `usage` of a message (anthropic-messages reference §8.2). */
import type { Usage } from '../../core/usage.ts';

/** The three input counts add up to the prompt: `input_tokens` is what no cache read or wrote. */
export function encodeUsage({ input, output, hostedTools }: Usage): object {
  const searches = hostedTools?.web_search ?? 0;
  return {
    input_tokens: input.total - input.cachedRead - input.cacheWritten,
    output_tokens: output.total,
    cache_creation_input_tokens: input.cacheWritten,
    cache_read_input_tokens: input.cachedRead,
    ...(input.markedRead === undefined ? {} : { cache_creation: writtenByLife(input.cacheWritten) }),
    ...(output.reasoning > 0 ? { output_tokens_details: { thinking_tokens: output.reasoning } } : {}),
    ...(searches > 0 ? { server_tool_use: { web_search_requests: searches } } : {}),
  };
}

/** Anthropic's count by how long it is kept: here five minutes, whatever was asked for ("Anthropic compatible - Messages"). */
function writtenByLife(written: number): object {
  return { ephemeral_5m_input_tokens: written, ephemeral_1h_input_tokens: 0 };
}
