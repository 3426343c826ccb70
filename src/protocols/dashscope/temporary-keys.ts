/** `POST /tokens`: a key for a place that must not see the real one ("Generate a temporary API key"). */
import { StudioError } from '../../core/errors.ts';
import type { ResourceRoute, WirePorts } from '../protocol.ts';

/** "By default, a temporary API key is valid for 60 seconds", and between 1 and 1,800. */
const DEFAULT_SECONDS = 60;
const MAX_SECONDS = 1800;

export function temporaryKeyRoutes(
  prefix: string,
  { temporaryKeys }: Pick<WirePorts, 'temporaryKeys'>,
): ResourceRoute[] {
  return [
    {
      method: 'POST',
      path: `${prefix}/tokens`,
      handle: async ({ query, account }) => {
        const seconds = secondsOf(query.get('expire_in_seconds'));
        if (account.isTemporary)
          throw new StudioError('access-denied', 'A temporary API-key cannot create another one.');
        const made = await temporaryKeys.createTemporary(account.keyId, seconds * 1000);
        // Where no key is asked for, there is none to inherit from.
        if (!made) throw new StudioError('missing-api-key');
        return { status: 200, body: { token: made.secret, expires_at: Math.floor(made.expiresAtMs / 1000) } };
      },
    },
  ];
}

function secondsOf(text: string | null): number {
  if (text === null) return DEFAULT_SECONDS;
  const seconds = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(seconds >= 1 && seconds <= MAX_SECONDS))
    throw new StudioError('invalid-parameter', `Range of expire_in_seconds should be [1, ${MAX_SECONDS}]`);
  return seconds;
}
