/** `atelier keys create|list|revoke` */
import { type ConfigFlags, loadConfig } from '../../config.ts';
import type { StoredKey } from '../../core/ports.ts';
import { withKeyStore } from '../local-database.ts';
import { asTyped, say, styled, table, UserError } from '../terminal.ts';

type KeyFlags = ConfigFlags & { readonly json?: boolean };

/** Makes a key. Its secret is nowhere to be had again. */
export async function createKey(name: string, flags: KeyFlags): Promise<void> {
  const { key, secret } = await withKeyStore(loadConfig({ flags }), (keys) => keys.create(name));
  if (flags.json) say(JSON.stringify({ id: key.id, name: key.name, secret }));
  else {
    say(secret);
    say(styled('dim', `${key.id}, named ${key.name}. Keep the secret now: only its hash is stored.`));
  }
}

export async function listKeys(flags: KeyFlags): Promise<void> {
  const keys = await withKeyStore(loadConfig({ flags }), (store) => store.list());
  if (flags.json) {
    say(
      JSON.stringify(
        keys.map(({ hash: _, ...rest }) => rest),
        null,
        2,
      ),
    );
    return;
  }
  if (keys.length === 0) say(asTyped('There are no keys yet. Make one: atelier keys create NAME'));
  else say(table(['id', 'name', 'key', 'made', 'state'], keys.map(rowOf)));
}

export async function revokeKey(idOrName: string, flags: KeyFlags): Promise<void> {
  await withKeyStore(loadConfig({ flags }), (store) => {
    const live = store.list().filter((key) => key.revokedAtMs === null);
    const byName = live.filter((key) => key.name === idOrName);
    const key = live.find(({ id }) => id === idOrName) ?? (byName.length === 1 ? byName[0] : undefined);
    if (!key)
      throw new UserError(
        byName.length > 1
          ? `${byName.length} live keys are named ${idOrName}. Fix: give the id (atelier keys list).`
          : `There is no live key ${idOrName}. Fix: atelier keys list shows them.`,
      );
    store.revoke(key.id);
    say(`${key.id} (${key.name}, ${key.hint}) is revoked; running servers refuse it within a second.`);
  });
}

function rowOf(key: StoredKey): string[] {
  const day = (atMs: number) => new Date(atMs).toISOString().slice(0, 16).replace('T', ' ');
  return [
    key.id,
    key.name,
    key.hint,
    day(key.createdAtMs),
    key.revokedAtMs === null ? 'live' : `revoked ${day(key.revokedAtMs)}`,
  ];
}
