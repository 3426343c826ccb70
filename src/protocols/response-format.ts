/** `response_format` as the wires that have it read it. */
import type { OutputFormat } from '../core/generation.ts';
import type { ModelCard } from '../core/models.ts';

/**
 * The name of the format that was asked for, where the model does not have it ("Structured output"). Messages and
 * Responses hold the answer to its schema whatever the model, as their clients rely on it.
 */
export function missingFormat(output: OutputFormat, card: ModelCard | undefined): string | undefined {
  if (output.type === 'json-object' && card?.abilities.jsonObject === false) return 'json_object';
  if (output.type === 'json-schema' && card?.abilities.jsonSchema === false) return 'json_schema';
  return undefined;
}
