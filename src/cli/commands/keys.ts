/** `atelier keys create|list|show|update|revoke` */
import type { KeyView, NewKeyRequest } from '../../admin/contract.ts';
import type { AdminService } from '../../admin/service.ts';
import { type ConfigFlags, didYouMean, loadConfig } from '../../config.ts';
import { isRegion, REGIONS } from '../../core/regions.ts';
import { type KeyRuleFlags, keyRulesOf } from '../key-rules.ts';
import { CLI_ACTOR, withAdmin } from '../local-database.ts';
import { asTyped, say, styled, table, UserError } from '../terminal.ts';
import { resolveWorkspace } from './workspaces.ts';

type KeyFlags = ConfigFlags & { readonly json?: boolean };
type RuledKeyFlags = KeyFlags & KeyRuleFlags;
type NewKeyFlags = RuledKeyFlags & {
  readonly region?: string;
  readonly workspace?: string;
  readonly admin?: boolean;
};

/** Makes a key. Its secret is nowhere to be had again. */
export async function createKey(name: string, flags: NewKeyFlags): Promise<void> {
  const { region, workspace } = flags;
  if (region !== undefined && !isRegion(region)) {
    const guess = didYouMean(region, REGIONS);
    throw new UserError(
      `--region ${region} is not known. Fix: ${guess ? `did you mean ${guess}?` : `one of ${REGIONS.join(', ')}.`}`,
    );
  }
  const { key, secret } = await withService(flags, async (service) => {
    const request: NewKeyRequest = {
      ...keyRulesOf(flags, Date.now()),
      name,
      region,
      workspaceId: workspace === undefined ? undefined : (await resolveWorkspace(service, workspace)).id,
      kind: flags.admin ? 'admin' : 'api',
    };
    return service.createKey(CLI_ACTOR, request);
  });
  if (flags.json) {
    say(JSON.stringify({ ...key, secret }));
    return;
  }
  say(secret);
  const place = key.kind === 'admin' ? 'an admin key' : `of ${key.region}, workspace ${key.workspaceId}`;
  say(styled('dim', `${key.id}, named ${key.name}, ${place}. Keep the secret now: only its hash is stored.`));
}

export async function listKeys(flags: KeyFlags & { readonly live?: boolean }): Promise<void> {
  const keys = await withService(flags, (service) => allKeys(service, flags.live ? 'live' : undefined));
  if (flags.json) say(JSON.stringify(keys, null, 2));
  else if (keys.length === 0) say(asTyped('There are no keys yet. Make one: atelier keys create NAME'));
  else say(table(['id', 'name', 'key', 'region', 'workspace', 'made', 'state'], keys.map(rowOf)));
}

export async function showKey(idOrName: string, flags: KeyFlags): Promise<void> {
  tell(await withService(flags, (service) => resolveKey(service, idOrName)), flags);
}

/** Changes the rules that are named; the others stay. */
export async function updateKey(idOrName: string, flags: RuledKeyFlags): Promise<void> {
  const key = await withService(flags, async (service) => {
    const before = await resolveKey(service, idOrName);
    return service.updateKey(CLI_ACTOR, before.id, keyRulesOf(flags, Date.now(), before));
  });
  tell(key, flags);
}

export async function revokeKey(idOrName: string, flags: KeyFlags): Promise<void> {
  const key = await withService(flags, async (service) =>
    service.revokeKey(CLI_ACTOR, (await resolveKey(service, idOrName, 'live')).id),
  );
  if (flags.json) say(JSON.stringify(key));
  else say(`${key.id} (${key.name}, ${key.hint}) is revoked; running servers refuse it within a second.`);
}

function withService<Result>(flags: ConfigFlags, action: (service: AdminService) => Promise<Result>): Promise<Result> {
  return withAdmin(loadConfig({ flags }), ({ service }) => action(service));
}

/** By id, or by a name that only one key (only one live key) has. */
/** By id, or by its name, which only one has that is live, or only one at all. */
export async function resolveKey(service: AdminService, idOrName: string, state?: 'live'): Promise<KeyView> {
  const keys = await allKeys(service, state);
  const byId = keys.find(({ id }) => id === idOrName);
  const named = keys.filter(({ name }) => name === idOrName);
  const live = named.filter((key) => key.state === 'live');
  const key = byId ?? (live.length === 1 ? live[0] : named.length === 1 ? named[0] : undefined);
  if (key) return key;
  const what = state === 'live' ? 'live key' : 'key';
  throw new UserError(
    named.length > 1
      ? `${named.length} ${what}s are named ${idOrName}. Fix: give the id (atelier keys list).`
      : `There is no ${what} ${idOrName}. Fix: atelier keys list shows them.`,
  );
}

async function allKeys(service: AdminService, state: KeyView['state'] | undefined): Promise<KeyView[]> {
  const keys: KeyView[] = [];
  let after: string | undefined;
  do {
    const page = await service.listKeys({ limit: 1000, after, state });
    keys.push(...page.items);
    after = page.nextCursor ?? undefined;
  } while (after !== undefined);
  return keys;
}

function tell(key: KeyView, flags: KeyFlags): void {
  say(flags.json ? JSON.stringify(key) : keyText(key));
}

/** What a key may do, one rule a line. */
export function keyText(key: KeyView): string {
  const { limits } = key;
  const limited = [
    limits?.requestsPerSecond && `${limits.requestsPerSecond} calls a second`,
    limits?.requestsPerMinute && `${limits.requestsPerMinute} calls a minute`,
    limits?.tokensPerMinute && `${limits.tokensPerMinute} tokens a minute`,
    limits?.concurrentStreams && `${limits.concurrentStreams} streams at a time`,
  ].filter(Boolean);
  const period = key.budget?.period === 'month' ? 'a month' : 'in all';
  const facts: [string, string][] = [
    ['id', key.id],
    ['name', key.name],
    ['key', key.hint],
    ['state', stateText(key)],
    ['made', minute(key.createdAtMs)],
    ['expires', key.expiresAtMs === null ? 'never' : minute(key.expiresAtMs)],
  ];
  if (key.kind === 'admin') facts.push(['opens', 'the administration']);
  else
    facts.push(
      ['region', key.region],
      ['workspace', key.workspaceId],
      ['models', key.models?.join(', ') ?? 'all of its workspace'],
      ['budget', key.budget ? `${key.budget.yuan} yuan ${period}` : 'none'],
      ['limits', limited.length > 0 ? limited.join(', ') : "everybody's"],
      ['bodies', key.keepsBodies ? 'kept' : 'not kept'],
    );
  return facts.map(([name, fact]) => `${styled('dim', name.padEnd(10))} ${fact}`).join('\n');
}

function rowOf(key: KeyView): string[] {
  const place = key.kind === 'admin' ? ['admin', ''] : [key.region, key.workspaceId];
  return [key.id, key.name, key.hint, ...place, minute(key.createdAtMs), stateText(key)];
}

function stateText({ state, revokedAtMs, expiresAtMs }: KeyView): string {
  if (state === 'revoked') return `revoked ${minute(revokedAtMs)}`;
  return state === 'expired' ? `expired ${minute(expiresAtMs)}` : 'live';
}

function minute(atMs: number | null): string {
  return atMs === null ? '' : new Date(atMs).toISOString().slice(0, 16).replace('T', ' ');
}
