import type { IncomingHttpHeaders } from 'node:http';
import { describe, expect, it } from 'vitest';
import { StudioError } from '../core/errors.ts';
import type { StoredWorkspace, VerifiedKey } from '../core/platform.ts';
import { REGIONS } from '../core/regions.ts';
import { type Admission, authenticate } from './auth.ts';
import type { Place } from './places.ts';

const stored: VerifiedKey = {
  id: 'key-1',
  kind: 'api',
  name: 'ci',
  hash: '',
  hint: '',
  region: 'beijing',
  workspaceId: 'default',
  models: null,
  budget: null,
  limits: null,
  keepsBodies: false,
  expiresAtMs: null,
  createdAtMs: 0,
  revokedAtMs: null,
};

const KEYS: { readonly [secret: string]: VerifiedKey } = {
  'sk-right': stored,
  'sk-other': { ...stored, id: 'key-2' },
  'st-right': { ...stored, isTemporary: true },
  'sk-singapore': { ...stored, id: 'key-3', region: 'singapore' },
  'sk-ws-team': { ...stored, id: 'key-4', workspaceId: 'ws-team' },
  'st-team': { ...stored, id: 'key-4', workspaceId: 'ws-team', isTemporary: true },
  'sk-orphan': { ...stored, id: 'key-5', workspaceId: 'ws-deleted' },
  'sk-admin-1': { ...stored, id: 'key-6', kind: 'admin' },
};
const WORKSPACES = ['default', 'ws-team', 'ws-lab'];

/** Keys that are known at once, and keys that have to be looked up. */
const rings = {
  'at once': (secret: string) => KEYS[secret],
  'after a look-up': async (secret: string) => KEYS[secret],
};

const here: Place = { region: 'beijing', prefix: '', workspaceId: undefined };
const bearer = (secret: string): IncomingHttpHeaders => ({ authorization: `Bearer ${secret}` });

describe.each(Object.entries(rings))('a caller whose key is known %s', (_, verify) => {
  const admission: Admission = {
    keys: { verify, workspace: (id) => (WORKSPACES.includes(id) ? ({ id } as StoredWorkspace) : undefined) },
    isAuthRequired: true,
  };
  const open: Admission = { ...admission, isAuthRequired: false };
  const account = async (headers: IncomingHttpHeaders, place: Partial<Place> = {}, rules = admission) =>
    authenticate({ headers, place: { ...here, ...place } }, rules);

  it.each([
    [{ authorization: 'Bearer sk-right' }],
    [{ authorization: 'bearer  sk-right ' }],
    [{ 'x-api-key': 'sk-right' }],
    [{ authorization: 'Bearer sk-right', 'x-api-key': 'sk-right' }],
    [{ authorization: 'Bearer sk-wrong', 'x-api-key': 'sk-right' }],
    [{ authorization: 'Bearer sk-right', 'x-api-key': 'sk-wrong' }],
    [{ authorization: 'Bearer sk-right', 'x-api-key': 'sk-other' }],
    [{ authorization: 'Bearer sk-singapore', 'x-api-key': 'sk-right' }],
    [{ authorization: 'Bearer sk-admin-1', 'x-api-key': 'sk-right' }],
  ])('is known by %o', async (headers) => {
    expect(await account(headers)).toEqual({
      keyId: 'key-1',
      name: 'ci',
      workspaceId: 'default',
      region: 'beijing',
    });
  });

  it('is told from its parent with a temporary key', async () => {
    expect(await account(bearer('st-right'))).toMatchObject({ keyId: 'key-1', isTemporary: true });
  });

  it.each([
    [{}, 'missing-api-key'],
    [{ authorization: '' }, 'missing-api-key'],
    [{ authorization: 'Basic sk-right' }, 'missing-api-key'],
    [bearer('sk-wrong'), 'invalid-api-key'],
    [bearer('sk-admin-1'), 'invalid-api-key'],
    [{ 'x-api-key': 'sk-admin-1' }, 'invalid-api-key'],
  ])('is refused with %o, unless no key is asked for', async (headers, code) => {
    await expect(account(headers)).rejects.toMatchObject({ code, explanation: undefined });
    for (const region of REGIONS)
      expect(await account(headers, { region }, open)).toEqual({
        keyId: 'anonymous',
        name: 'anonymous',
        workspaceId: 'default',
        region,
      });
  });

  it('is refused in another region, and told why', async () => {
    for (const headers of [bearer('sk-singapore'), { ...bearer('sk-wrong'), 'x-api-key': 'sk-singapore' }]) {
      const refusal = await account(headers, { region: 'virginia' }).catch((thrown: unknown) => thrown);
      expect(refusal).toBeInstanceOf(StudioError);
      expect(refusal).toMatchObject({ code: 'invalid-api-key', message: 'Incorrect API key provided.' });
      expect((refusal as StudioError).explanation).toBe(
        'API keys are strictly region-specific: this one was made for Singapore and does not work with the endpoint of US (Virginia). Make sure that the base_url matches the region in which the key was made.',
      );
    }
    expect(await account(bearer('sk-singapore'), { region: 'singapore' })).toMatchObject({ region: 'singapore' });
    expect(await account(bearer('sk-singapore'), {}, open)).toMatchObject({ keyId: 'anonymous', region: 'beijing' });
  });

  it.each([
    ['sk-right', undefined, undefined, 'default'],
    ['sk-right', '', undefined, 'default'],
    ['sk-right', 'default', 'default', 'default'],
    ['sk-right', 'ws-lab', undefined, 'ws-lab'],
    ['sk-right', undefined, 'ws-lab', 'ws-lab'],
    ['sk-right', 'ws-lab', 'ws-lab', 'ws-lab'],
    ['st-right', 'ws-lab', undefined, 'ws-lab'],
    ['sk-ws-team', undefined, undefined, 'ws-team'],
    ['sk-ws-team', 'ws-team', undefined, 'ws-team'],
    ['sk-ws-team', undefined, 'ws-team', 'ws-team'],
    ['st-team', undefined, undefined, 'ws-team'],
  ])('with %s, header %s and host of %s is in %s', async (secret, header, workspaceId, expected) => {
    const headers = { ...bearer(secret), 'x-dashscope-workspace': header };
    expect(await account(headers, { workspaceId })).toMatchObject({ workspaceId: expected });
  });

  it.each([
    ['sk-right', 'ws-none', undefined, 'workspace-not-found'],
    ['sk-right', undefined, 'ws-none', 'workspace-not-found'],
    ['sk-right', 'ws-deleted', undefined, 'workspace-not-found'],
    ['sk-right', 'ws-lab', 'ws-team', 'workspace-access-denied'],
    ['sk-ws-team', 'ws-lab', undefined, 'workspace-access-denied'],
    ['sk-ws-team', 'ws-none', undefined, 'workspace-access-denied'],
    ['sk-ws-team', 'default', undefined, 'workspace-access-denied'],
    ['sk-ws-team', undefined, 'ws-lab', 'workspace-access-denied'],
    ['sk-ws-team', 'ws-team', 'ws-lab', 'workspace-access-denied'],
    ['st-team', 'default', undefined, 'workspace-access-denied'],
    ['sk-orphan', undefined, undefined, 'workspace-access-denied'],
    ['sk-orphan', 'ws-deleted', undefined, 'workspace-access-denied'],
  ])('with %s, header %s and host of %s is refused: %s', async (secret, header, workspaceId, code) => {
    const headers = { ...bearer(secret), 'x-dashscope-workspace': header };
    await expect(account(headers, { workspaceId })).rejects.toMatchObject({ code });
  });

  it('may name a workspace where no key is asked for', async () => {
    const named = (id: string) => account({ 'x-dashscope-workspace': id }, {}, open);
    expect(await named('ws-lab')).toMatchObject({ keyId: 'anonymous', workspaceId: 'ws-lab' });
    await expect(named('ws-none')).rejects.toMatchObject({ code: 'workspace-not-found' });
  });
});

it('does not wait where the key is known', () => {
  const keys = { verify: () => stored, workspace: () => ({}) as StoredWorkspace };
  expect(authenticate({ headers: bearer('sk-right'), place: here }, { keys, isAuthRequired: true })).not.toBeInstanceOf(
    Promise,
  );
});
