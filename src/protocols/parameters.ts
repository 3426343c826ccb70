/**
 * Parameters that Chat Completions, Completions and the native wire have in common: the forms of members in zod, each
 * naming itself in the vendor's words for a wrong type, and what they mean (openai-chat reference §3, dashscope-native
 * reference §3.2). A `null` member counts as absent.
 */
import { z } from 'zod';
import type { Json, Sampling } from '../core/generation.ts';

export type JsonObject = { readonly [key: string]: Json };

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export function badType(
  parameter: string,
  type: 'Float' | 'Integer' | 'Boolean' | 'String' | 'Object' | 'Array',
): string {
  return `'${parameter}' must be ${type}`;
}

export const float = (name: string) => z.number({ error: badType(name, 'Float') }).nullish();
export const integer = (name: string) => z.int({ error: badType(name, 'Integer') }).nullish();
export const boolean = (name: string) => z.boolean({ error: badType(name, 'Boolean') }).nullish();
export const text = (name: string) => z.string({ error: badType(name, 'String') }).nullish();
export const jsonObject = (name: string) =>
  z.custom<JsonObject>(isObject, { error: badType(name, 'Object') }).nullish();

/** Token id → bias. */
export const logitBias = z
  .record(z.string(), z.number({ error: badType('logit_bias', 'Object') }), { error: badType('logit_bias', 'Object') })
  .nullish();

const STOP_FORMS =
  'The "stop" parameter must be of type "str", "list[str]", "list[int]", or "list[list[int]]", and all elements within the list must be of the same type.';

export const stopSchema = z
  .union([z.string(), z.array(z.string()), z.array(z.int()), z.array(z.array(z.int()))], { error: STOP_FORMS })
  .nullish();

/** A list of numbers is a list of single tokens, a list of lists is a list of sequences. */
export function decodeStop(stop: z.infer<typeof stopSchema>): Pick<Sampling, 'stopTexts' | 'stopTokens'> {
  if (stop === undefined || stop === null) return {};
  const stopTexts: string[] = [];
  const stopTokens: (readonly number[])[] = [];
  for (const entry of typeof stop === 'string' ? [stop] : stop) {
    if (typeof entry === 'string') stopTexts.push(entry);
    else stopTokens.push(typeof entry === 'number' ? [entry] : entry);
  }
  return {
    stopTexts: stopTexts.length > 0 ? stopTexts : undefined,
    stopTokens: stopTokens.length > 0 ? stopTokens : undefined,
  };
}

/** Top-k off, inside; on these wires an explicit `null` says so. */
export const TOP_K_OFF = 0;
