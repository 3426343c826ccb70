/**
 * Who calls: the key of a request, in either spelling the service knows, and the workspace it calls in. A key holds in one
 * region; one of the default workspace may name another (docs/decisions/0010).
 */
import type { IncomingHttpHeaders } from 'node:http';
import { StudioError } from '../core/errors.ts';
import type { KeyRing, VerifiedKey } from '../core/platform.ts';
import { type Account, ANONYMOUS_KEY_ID, DEFAULT_WORKSPACE_ID } from '../core/ports.ts';
import { REGION_FACTS, type Region } from '../core/regions.ts';
import type { Place } from './places.ts';

export interface Admission {
  readonly keys: Pick<KeyRing, 'verify' | 'workspace'>;
  /** False lets everyone in, for local development. */
  readonly isAuthRequired: boolean;
}

/** Who calls where no key is asked for. */
export function anyoneIn(region: Region): Account {
  return { keyId: ANONYMOUS_KEY_ID, name: ANONYMOUS_KEY_ID, workspaceId: DEFAULT_WORKSPACE_ID, region };
}

/** What a caller shows. */
export interface Caller {
  readonly headers: IncomingHttpHeaders;
  readonly place: Place;
}

/**
 * The account of a request, by `Authorization: Bearer` or `x-api-key`; clients that send both are let in when either is
 * good. A promise only where a key has to be looked up. Throws (or rejects with) `missing-api-key`; `invalid-api-key` for
 * a wrong, an expired and a revoked key alike, and for one of another region; `workspace-not-found`;
 * `workspace-access-denied`.
 */
export function authenticate(caller: Caller, admission: Admission): Account | Promise<Account> {
  const [secret, other] = secretsOf(caller.headers);
  if (secret === undefined) return accountWithout(caller, admission, 'missing-api-key');
  const found = admission.keys.verify(secret);
  if (other === undefined && !(found instanceof Promise)) return accountOf(found, caller, admission);
  return betterOf(found, other, caller, admission).then((key) => accountOf(key, caller, admission));
}

/** The key of the first secret, or of the other where only that one is good here. */
async function betterOf(
  first: VerifiedKey | undefined | Promise<VerifiedKey | undefined>,
  other: string | undefined,
  { place }: Caller,
  { keys }: Admission,
): Promise<VerifiedKey | undefined> {
  const found = await first;
  if (other === undefined || (isApiKey(found) && found.region === place.region)) return found;
  const second = await keys.verify(other);
  return isApiKey(second) ? second : found;
}

function accountOf(key: VerifiedKey | undefined, caller: Caller, admission: Admission): Account {
  const { region } = caller.place;
  if (!isApiKey(key)) return accountWithout(caller, admission, 'invalid-api-key');
  if (key.region !== region)
    return accountWithout(caller, admission, 'invalid-api-key', otherRegion(key.region, region));
  const workspaceId = workspaceOf(key.workspaceId, caller, admission);
  const account = { keyId: key.id, name: key.name, workspaceId, region };
  return key.isTemporary ? { ...account, isTemporary: true } : account;
}

/** Nobody's account where no key is asked for, else a refusal. */
function accountWithout(
  caller: Caller,
  admission: Admission,
  code: 'missing-api-key' | 'invalid-api-key',
  explanation?: string,
): Account {
  if (admission.isAuthRequired) throw new StudioError(code, undefined, { explanation });
  return {
    ...anyoneIn(caller.place.region),
    workspaceId: workspaceOf(DEFAULT_WORKSPACE_ID, caller, admission),
  };
}

/** Admin keys open `/admin` and nothing else. */
function isApiKey(key: VerifiedKey | undefined): key is VerifiedKey {
  return key !== undefined && key.kind === 'api';
}

/** Founding document "FAQ". */
function otherRegion(keyRegion: Region, region: Region): string {
  const [made, here] = [REGION_FACTS[keyRegion].title, REGION_FACTS[region].title];
  return `API keys are strictly region-specific: this one was made for ${made} and does not work with the endpoint of ${here}. Make sure that the base_url matches the region in which the key was made.`;
}

/**
 * The workspace a key calls in: its own, or with a key of the default workspace the one that is named by
 * `X-DashScope-WorkSpace` or the host ("Sub-workspaces"). Who may not choose is not told what there is.
 */
function workspaceOf(own: string, { headers, place }: Caller, { keys }: Admission): string {
  if (!keys.workspace(own)) throw new StudioError('workspace-access-denied');
  const header = headers['x-dashscope-workspace'];
  const byHeader = typeof header === 'string' && header !== '' ? header : undefined;
  const byHost = place.workspaceId;
  if (byHeader !== undefined && byHost !== undefined && byHeader !== byHost)
    throw new StudioError('workspace-access-denied');
  const named = byHeader ?? byHost ?? own;
  if (named === own) return own;
  if (own !== DEFAULT_WORKSPACE_ID) throw new StudioError('workspace-access-denied');
  if (!keys.workspace(named)) throw new StudioError('workspace-not-found');
  return named;
}

function secretsOf({ authorization, 'x-api-key': apiKey }: IncomingHttpHeaders): readonly (string | undefined)[] {
  const bearer = authorization === undefined ? undefined : /^Bearer\s+(\S+)\s*$/i.exec(authorization)?.[1];
  if (typeof apiKey !== 'string' || apiKey === bearer) return [bearer];
  return bearer === undefined ? [apiKey] : [bearer, apiKey];
}
