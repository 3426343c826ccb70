/** `metadata` of responses and conversations, which the service keeps and gives back. */
import { z } from 'zod';
import { StudioError } from '../core/errors.ts';
import { kindOf } from './openai-items.ts';
import { isObject } from './parameters.ts';

/** "Create a conversation" of the vendor's API reference: pairs, characters of a key, characters of a value. */
const MAX_PAIRS = 16;
const MAX_KEY_LENGTH = 64;
const MAX_VALUE_LENGTH = 512;

export type Metadata = { readonly [key: string]: string };

const schema = z
  .custom<Metadata>(isObject, {
    error: ({ input }) => `Invalid 'metadata': expected an object, but got ${kindOf(input)} instead.`,
  })
  .superRefine((metadata, context) => {
    const refuse = (message: string): void => void context.addIssue({ code: 'custom', message });
    const pairs = Object.entries<unknown>(metadata);
    if (pairs.length > MAX_PAIRS)
      refuse(`Invalid 'metadata': expected at most ${MAX_PAIRS} pairs, but got ${pairs.length} instead.`);
    for (const [key, value] of pairs) {
      const name = `metadata.${key.slice(0, MAX_KEY_LENGTH)}`;
      if (key.length > MAX_KEY_LENGTH) refuse(`Invalid '${name}': a key has at most ${MAX_KEY_LENGTH} characters.`);
      if (typeof value !== 'string') refuse(`Invalid '${name}': expected a string, but got ${kindOf(value)} instead.`);
      else if (value.length > MAX_VALUE_LENGTH)
        refuse(
          `Invalid '${name}': a value has at most ${MAX_VALUE_LENGTH} characters, but got ${value.length} instead.`,
        );
    }
  })
  .nullish();

/** The metadata of a body; none is the empty map. */
export function decodeMetadata(metadata: unknown): Metadata {
  const parsed = schema.safeParse(metadata);
  if (parsed.success) return parsed.data ?? {};
  throw new StudioError('invalid-parameter', parsed.error.issues[0]?.message, { param: 'metadata' });
}
