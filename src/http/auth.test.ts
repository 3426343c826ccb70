import { describe, expect, it } from 'vitest';
import { StudioError } from '../core/errors.ts';
import type { KeyStore, StoredKey } from '../core/ports.ts';
import { authenticate } from './auth.ts';

const key: StoredKey = { id: 'key-1', name: 'ci', hash: '', hint: '', createdAtMs: 0, revokedAtMs: null };
const keys: KeyStore = {
  create: () => ({ key, secret: '' }),
  list: () => [key],
  revoke: () => false,
  verify: (secret) => (secret === 'sk-right' ? key : secret === 'st-right' ? { ...key, isTemporary: true } : undefined),
};

describe('authenticate', () => {
  it.each([
    [{ authorization: 'Bearer sk-right' }],
    [{ authorization: 'bearer  sk-right ' }],
    [{ 'x-api-key': 'sk-right' }],
    [{ authorization: 'Bearer sk-wrong', 'x-api-key': 'sk-right' }],
    [{ authorization: 'Bearer sk-right', 'x-api-key': 'sk-wrong' }],
  ])('knows the key in %o', (headers) => {
    expect(authenticate(headers, keys, true)).toEqual({ keyId: 'key-1', name: 'ci', workspaceId: 'default' });
  });

  it('tells a temporary key from its parent', () => {
    expect(authenticate({ authorization: 'Bearer st-right' }, keys, true)).toEqual({
      keyId: 'key-1',
      name: 'ci',
      workspaceId: 'default',
      isTemporary: true,
    });
  });

  it.each([
    [{}],
    [{ authorization: 'Bearer sk-wrong' }],
    [{ authorization: 'Basic sk-right' }],
    [{ authorization: '' }],
  ])('refuses %o', (headers) => {
    expect(() => authenticate(headers, keys, true)).toThrow(StudioError);
    expect(authenticate(headers, keys, false).keyId).toBe('anonymous');
  });
});
