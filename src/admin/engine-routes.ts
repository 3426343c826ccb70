/** `/admin/engines`: the local models, which of them are in memory, and what they are doing. */
import { z } from 'zod';
import type { AdminResource } from './api.ts';
import { queryOf } from './read.ts';

/** One local model. */
export interface LocalModelView {
  readonly weights: string;
  /** `ready`: in memory. `idle`: asleep, the next call loads it. */
  readonly phase: string;
  readonly detail: string;
  readonly processId: number | null;
  /** What it takes, or would take, in memory with its context; null where it is always loaded and nobody asks. */
  readonly memoryBytes: number | null;
  /** Minutes it stays without use; null: until others need the room. */
  readonly keepAliveMinutes: number | null;
  readonly contextTokens: number | null;
  readonly sequences: number | null;
  readonly runningCalls: number;
  readonly waitingCalls: number;
  readonly warmTokens: number;
  /** Since its last use; null where nobody counts. */
  readonly idleMs: number | null;
  /** How often it was loaded, and what the last loading took. */
  readonly loads: number | null;
  readonly loadMs: number | null;
}

export interface LocalModelsView {
  /** What all loaded ones may take together; null: there is no limit. */
  readonly limitBytes: number | null;
  readonly items: readonly LocalModelView[];
}

/** `read` is asked at each call. */
export function engineResources(read: () => LocalModelsView): AdminResource[] {
  return [
    {
      method: 'GET',
      path: '/engines',
      handle: async ({ query }) => {
        queryOf(query, z.strictObject({}));
        return { status: 200, body: read() };
      },
    },
  ];
}
