/** The wire's own types ("OpenAI compatible - Batch"); key order as recorded. */
import { z } from 'zod';
import type { BatchStatus } from '../../core/batches.ts';

export interface BatchObject {
  readonly id: string;
  readonly object: 'batch';
  readonly endpoint: string;
  readonly errors: { readonly object: 'list'; readonly data: readonly BatchErrorObject[] } | null;
  readonly input_file_id: string;
  readonly completion_window: string;
  readonly status: BatchStatus;
  readonly output_file_id: string | null;
  readonly error_file_id: string | null;
  /** Seconds, as all times. */
  readonly created_at: number;
  readonly in_progress_at: number | null;
  /** Documented, and null in every recording. */
  readonly expires_at: null;
  readonly finalizing_at: number | null;
  readonly completed_at: number | null;
  readonly failed_at: number | null;
  readonly expired_at: number | null;
  readonly cancelling_at: number | null;
  readonly cancelled_at: number | null;
  readonly request_counts: { readonly total: number; readonly completed: number; readonly failed: number };
  readonly metadata: { readonly [key: string]: string } | null;
}

export interface BatchErrorObject {
  readonly code: string;
  readonly message: string;
  readonly param: string | null;
  readonly line: number | null;
}

export interface BatchList {
  readonly object: 'list';
  /** Null when there is none. */
  readonly data: readonly BatchObject[] | null;
  readonly first_id: string | null;
  readonly last_id: string | null;
  readonly has_more: boolean;
}

/** A line of the output or the error file. */
export interface ResultLine {
  readonly id: string;
  readonly custom_id: string;
  readonly response: { readonly status_code: number; readonly request_id: string; readonly body: unknown } | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

const text = (name: string) => z.string({ error: `'${name}' must be a string.` });
const upTo = (name: string, most: number) =>
  text(name).refine((value) => [...value].length <= most, { error: `'${name}' must not be longer than ${most}.` });

/** The body of `POST /batches`. */
export const createBatchSchema = z.object(
  {
    input_file_id: text('input_file_id'),
    endpoint: text('endpoint'),
    completion_window: text('completion_window'),
    metadata: z
      .object(
        {
          ds_name: upTo('ds_name', 100).optional(),
          ds_description: upTo('ds_description', 200).optional(),
          ds_batch_finish_callback: text('ds_batch_finish_callback')
            .refine((value) => /^https?:$/.test(URL.parse(value)?.protocol ?? ''), {
              error: "'ds_batch_finish_callback' must be an http or https URL.",
            })
            .optional(),
        },
        { error: "'metadata' must be an object." },
      )
      .catchall(z.string({ error: "Values of 'metadata' must be strings." }))
      .nullish(),
  },
  { error: 'The request body must be a JSON object.' },
);

/** A line of the input, as far as it is the batch's concern; the body is the called wire's. */
export const inputLineSchema = z.object({
  custom_id: z.string().min(1),
  method: z.string(),
  url: z.string(),
  body: z.looseObject({ model: z.string().min(1) }),
});

export type InputLine = z.output<typeof inputLineSchema>;
