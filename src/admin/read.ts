/** Checks what comes in; a refusal says where it stands and what it must be. */
import type { z } from 'zod';
import { StudioError } from '../core/errors.ts';

/** A body, or what a command line makes of its options. */
export function read<Schema extends z.ZodType>(schema: Schema, given: unknown): z.output<Schema> {
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new StudioError('invalid-parameter', issue === undefined ? undefined : textOf(issue));
}

/** A query; unknown names are refused, so that a misspelt filter does not show everything. */
export function queryOf<Schema extends z.ZodType>(query: URLSearchParams, schema: Schema): z.output<Schema> {
  return read(schema, Object.fromEntries(query));
}

function textOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') return `${[...issue.path, issue.keys[0]].join('.')} is not known.`;
  const place = issue.path.length === 0 ? 'The body' : issue.path.join('.');
  // Our own words begin with `must`; zod's tell what it expected and never repeat what it was given.
  return issue.message.startsWith('must') ? `${place} ${issue.message}.` : `${place}: ${issue.message}.`;
}
