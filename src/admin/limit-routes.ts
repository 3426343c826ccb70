/** `/admin/limits`: what is left of the limits of a model, and of those of a key. */
import { z } from 'zod';
import { StudioError } from '../core/errors.ts';
import type { LimitsLeft } from '../core/limits.ts';
import type { PlatformStore, StoredKey } from '../core/platform.ts';
import { ANONYMOUS_KEY_ID, DEFAULT_WORKSPACE_ID } from '../core/ports.ts';
import { REGIONS, type Region } from '../core/regions.ts';
import type { AdminResource } from './api.ts';
import { queryOf } from './read.ts';

export interface LimitRoutePorts {
  readonly left: LimitsLeft;
  readonly store: Pick<PlatformStore, 'load'>;
  readonly defaultRegion: Region;
}

/** One limit of the reply: so many at once, gathered again at so many a second. */
export interface LimitView {
  /** `beijing/qwen-plus/second`, `key/key-1/requests`. */
  readonly name: string;
  readonly kind: 'requests' | 'tokens' | 'burst';
  readonly limit: number;
  readonly perSecond: number;
  readonly remaining: number;
}

export interface LimitsView {
  /** False: `limits: off`. */
  readonly areOn: boolean;
  readonly items: readonly LimitView[];
}

const querySchema = z.strictObject({
  model: z.string().min(1),
  /** The id of a key, whose own limits are told too; its region holds then. */
  key: z.string().optional(),
  region: z.enum(REGIONS).optional(),
});

export function limitResources({ left, store, defaultRegion }: LimitRoutePorts): AdminResource[] {
  const find = async (id: string): Promise<StoredKey> => {
    const key = (await store.load()).keys.find((each) => each.id === id);
    if (!key) throw new StudioError('not-found', `There is no key ${id}.`);
    return key;
  };
  return [
    {
      method: 'GET',
      path: '/limits',
      handle: async ({ query }) => {
        const { model, key: keyId, region } = queryOf(query, querySchema);
        const key = keyId === undefined ? undefined : await find(keyId);
        const account = {
          keyId: key?.id ?? ANONYMOUS_KEY_ID,
          name: key?.name ?? ANONYMOUS_KEY_ID,
          workspaceId: key?.workspaceId ?? DEFAULT_WORKSPACE_ID,
          region: key?.region ?? region ?? defaultRegion,
        };
        const rates = await left({ account, model });
        const items = (rates ?? []).map(
          ({ bucket, kind, capacity, perSecond, remaining }): LimitView => ({
            name: bucket,
            kind,
            limit: capacity,
            perSecond,
            remaining: Math.floor(remaining),
          }),
        );
        const body: LimitsView = { areOn: rates !== undefined, items };
        return { status: 200, body };
      },
    },
  ];
}
