/** Asynchronous tasks: calls that are answered with an id at once and with a result later. */
import type { Json } from './generation.ts';
import type { Owner } from './ports.ts';

export type TaskStatus = 'PENDING' | 'RUNNING' | 'SUSPENDED' | 'SUCCEEDED' | 'FAILED' | 'CANCELED';

export interface StoredTask extends Owner {
  readonly taskId: string;
  readonly keyId: string;
  /** Of the call that made it. */
  readonly requestId: string;
  readonly model: string;
  /** The API it was made by, as `task group:task:function`. */
  readonly api: string;
  readonly status: TaskStatus;
  readonly createdAtMs: number;
  readonly startedAtMs?: number | undefined;
  readonly endedAtMs?: number | undefined;
  /** How many parts the task has, and how they went. */
  readonly metrics?: { readonly total: number; readonly succeeded: number; readonly failed: number } | undefined;
  /** What the model adds to `output`; `code` and `message` of a failure. */
  readonly output?: { readonly [name: string]: Json } | undefined;
  readonly usage?: { readonly [name: string]: Json } | undefined;
}

export interface TaskFilter {
  readonly createdFromMs: number;
  readonly createdToMs?: number | undefined;
  readonly model?: string | undefined;
  readonly status?: string | undefined;
  readonly keyId?: string | undefined;
  readonly limit: number;
  readonly offset: number;
}

/** Lists are newest first. */
export interface TaskStore {
  create(task: StoredTask): Promise<void>;
  find(owner: Owner, taskId: string): Promise<StoredTask | undefined>;
  list(owner: Owner, filter: TaskFilter): Promise<{ readonly tasks: readonly StoredTask[]; readonly total: number }>;
  /** Cancels a task that waits; false when there is none or it no longer does. */
  cancel(owner: Owner, taskId: string, nowMs: number): Promise<boolean>;
  /** Takes out tasks that ended before `endedBeforeMs`. */
  removeEnded(endedBeforeMs: number): Promise<void>;
}
