/** `usage` of a response (responses-and-tools reference §3.2): OpenAI's members, and the vendor's detail beside them. */
import type { Usage } from '../../core/usage.ts';
import type { JsonObject } from '../parameters.ts';

/** Both detail objects are always there: the Python SDK demands them. */
export function encodeUsage({ input, output, hostedTools }: Usage): JsonObject {
  const total = input.total + output.total;
  const reasoning = { reasoning_tokens: output.reasoning };
  return {
    input_tokens: input.total,
    input_tokens_details: { cached_tokens: input.cachedRead },
    output_tokens: output.total,
    output_tokens_details: reasoning,
    total_tokens: total,
    x_details: [
      {
        input_tokens: input.total,
        output_tokens: output.total,
        total_tokens: total,
        output_tokens_details: reasoning,
        prompt_tokens_details: {
          cached_tokens: input.cachedRead,
          ...(input.cacheWritten > 0 || input.markedRead !== undefined
            ? { cache_creation_input_tokens: input.cacheWritten, cache_type: 'ephemeral' }
            : {}),
        },
        ...(input.image > 0 ? { image_tokens: input.image } : {}),
        x_billing_type: 'response_api',
      },
    ],
    ...(hostedTools ? toolCounts(hostedTools) : {}),
  };
}

/** The vendor tells the counts twice. */
function toolCounts(hostedTools: NonNullable<Usage['hostedTools']>): JsonObject {
  const counts = Object.fromEntries(Object.entries(hostedTools).map(([kind, count]) => [kind, { count }]));
  return { x_tools: counts, plugins: counts };
}
