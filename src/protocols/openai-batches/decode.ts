/** Reads the create request and list queries. */

import type { BatchFilter, BatchStatus } from '../../core/batches.ts';
import { StudioError } from '../../core/errors.ts';
import { parseBeijingTime } from '../beijing-time.ts';
import { checkEndpoint } from './endpoints.ts';
import { createBatchSchema } from './schema.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** "completion_window: 24h to 336h, integers, in hours or days". */
const MIN_WINDOW_MS = 24 * HOUR_MS;
const MAX_WINDOW_MS = 336 * HOUR_MS;

/** "limit: 1 to 100, 20 by default"; "input_file_ids: at most 20"; "batches of the last 30 days", unless others are named. */
const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 100;
const MAX_FILE_IDS = 20;
const LISTED_MS = 30 * DAY_MS;

const STATUSES: readonly BatchStatus[] = [
  'validating',
  'in_progress',
  'finalizing',
  'completed',
  'failed',
  'expired',
  'cancelling',
  'cancelled',
];

export interface CreateRequest {
  readonly inputFileId: string;
  readonly endpoint: string;
  readonly completionWindow: string;
  readonly windowMs: number;
  readonly metadata: { readonly [key: string]: string } | null;
}

export function decodeCreate(body: unknown): CreateRequest {
  const parsed = createBatchSchema.safeParse(body);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw invalid(String(issue?.path.at(-1) ?? 'body'), issue?.message ?? '');
  }
  const { input_file_id: inputFileId, endpoint, completion_window: completionWindow, metadata } = parsed.data;
  checkEndpoint(endpoint);
  return {
    inputFileId,
    endpoint,
    completionWindow,
    windowMs: windowMsOf(completionWindow),
    metadata: (metadata as CreateRequest['metadata']) ?? null,
  };
}

function windowMsOf(text: string): number {
  const [, count, unit] = /^(\d{1,4})(h|d)$/.exec(text) ?? [];
  const windowMs = Number(count) * (unit === 'd' ? DAY_MS : HOUR_MS);
  if (windowMs >= MIN_WINDOW_MS && windowMs <= MAX_WINDOW_MS) return windowMs;
  throw invalid('completion_window', "'completion_window' must be from 24h to 336h, in whole hours (h) or days (d).");
}

export function decodeListQuery(query: URLSearchParams, nowMs: number): BatchFilter {
  return {
    afterBatchId: query.get('after') || undefined,
    limit: decodeLimit(query.get('limit')),
    name: query.get('ds_name') || undefined,
    inputFileIds: decodeFileIds(query),
    statuses: decodeStatuses(query),
    createdAfterMs: decodeTime(query, 'create_after') ?? nowMs - LISTED_MS,
    createdBeforeMs: decodeTime(query, 'create_before'),
  };
}

function decodeLimit(text: string | null): number {
  if (text === null || text === '') return DEFAULT_LIMIT;
  const limit = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > MAX_LIMIT) throw invalid('limit', `'limit' must be a whole number from 1 to ${MAX_LIMIT}.`);
  return limit;
}

function decodeFileIds(query: URLSearchParams): readonly string[] | undefined {
  const ids = listOf(query, 'input_file_ids');
  if (ids && ids.length > MAX_FILE_IDS)
    throw invalid('input_file_ids', `'input_file_ids' must not hold more than ${MAX_FILE_IDS} ids.`);
  return ids;
}

function decodeStatuses(query: URLSearchParams): readonly BatchStatus[] | undefined {
  return listOf(query, 'status')?.map((text) => {
    const status = STATUSES.find((each) => each === text);
    if (!status) throw invalid('status', `'status' must be among ${STATUSES.join(', ')}.`);
    return status;
  });
}

/** Clients send the names of filters they do not use with nothing behind them. */
function listOf(query: URLSearchParams, name: string): string[] | undefined {
  const list = (query.get(name) ?? '')
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
  return list.length > 0 ? list : undefined;
}

function decodeTime(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  const milliseconds = parseBeijingTime(text);
  if (milliseconds === undefined) throw invalid(name, `'${name}' must have the form yyyyMMddHHmmss.`);
  return milliseconds;
}

function invalid(param: string, message: string): StudioError {
  return new StudioError('invalid-parameter', message, { param });
}
