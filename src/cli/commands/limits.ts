/** `atelier limits` */
import type { KeyView } from '../../admin/contract.ts';
import type { LimitsView } from '../../admin/limit-routes.ts';
import { type Config, type ConfigFlags, loadConfig } from '../../config.ts';
import { isRegion, REGIONS, type Region } from '../../core/regions.ts';
import { askAdmin } from '../admin-client.ts';
import { modelsOf } from '../local-catalogue.ts';
import { withReports } from '../local-database.ts';
import { asTyped, say, styled, table, UserError } from '../terminal.ts';
import { resolveKey } from './keys.ts';

type LimitsFlags = ConfigFlags & {
  readonly model?: string;
  readonly key?: string;
  readonly region?: string;
  readonly json?: boolean;
};

/** What calls are limited by; of a model also what is left, as a running server knows it. */
export async function limits(flags: LimitsFlags): Promise<void> {
  const { model, key: keyName, json } = flags;
  const config = loadConfig({ flags });
  await withReports(config, async ({ service, state }) => {
    const key = keyName === undefined ? undefined : await resolveKey(service, keyName);
    const region = key?.region ?? regionOf(flags.region, config);
    if (model === undefined) {
      const { items } = await service.listKeys({ state: 'live', kind: 'api', limit: 1000 });
      const keys = key ? [key] : items.filter(({ limits: own }) => own !== null);
      say(json ? JSON.stringify({ limits: config.limits, keys }, null, 2) : rulesText(config, keys));
      return;
    }
    const query = new URLSearchParams({ model, region, ...(key && { key: key.id }) });
    const left = await askAdmin<LimitsView>(config, `/admin/limits?${query}`);
    if (left) {
      say(json ? JSON.stringify(left, null, 2) : leftText(left));
      return;
    }
    const card = (await modelsOf(config, region, (await state()).prices)).find(({ id }) => id === model);
    if (!card) throw new UserError(`There is no model ${model} in ${region}. Fix: atelier models --region ${region}`);
    say(json ? JSON.stringify(card.limits, null, 2) : staticText(config, card.limits));
  });
}

function regionOf(given: string | undefined, config: Config): Region {
  if (given === undefined) return config.regions.default;
  if (isRegion(given)) return given;
  throw new UserError(`--region ${given} is not known. Fix: one of ${REGIONS.join(', ')}.`);
}

function rulesText({ limits: all }: Config, keys: readonly KeyView[]): string {
  if (!all.enabled) return 'Calls are not limited: limits are off.';
  const own = (count: number | undefined): string => (count === undefined ? '-' : String(count));
  const rows = keys.map(({ id, name, limits: of }) => [
    `${name} (${id})`,
    own(of?.requestsPerSecond),
    own(of?.requestsPerMinute),
    own(of?.tokensPerMinute),
    own(of?.concurrentStreams ?? all.concurrentStreams),
  ]);
  return [
    `Of one model in one region, all keys together: ${all.requestsPerSecond} calls a second${all.catalogue ? ', and the calls and tokens a minute of the catalogue' : ''}.`,
    `Of a key: ${all.concurrentStreams} streams and sockets at a time.`,
    ...(rows.length === 0
      ? []
      : ['', table(['key', 'calls a second', 'calls a minute', 'tokens a minute', 'streams'], rows)]),
    '',
    styled('dim', asTyped('Of a model, and what is left: atelier limits --model ID [--key NAME] [--region REGION]')),
  ].join('\n');
}

function leftText({ areOn, items }: LimitsView): string {
  if (!areOn) return 'Calls are not limited: limits are off.';
  const rows = items.map(({ name, kind, limit, perSecond, remaining }) => [
    name,
    kind,
    String(limit),
    perSecond.toFixed(1),
    String(remaining),
  ]);
  return table(['limit', 'of', 'at once', 'again a second', 'left'], rows);
}

function staticText(
  { limits: all }: Config,
  own: { requestsPerMinute: number | null; tokensPerMinute: number | null } | null,
): string {
  if (!all.enabled) return 'Calls are not limited: limits are off.';
  const known = (count: number | null | undefined): string => (count == null || !all.catalogue ? '-' : String(count));
  const rows = [[String(all.requestsPerSecond), known(own?.requestsPerMinute), known(own?.tokensPerMinute)]];
  return [
    table(['calls a second', 'calls a minute', 'tokens a minute'], rows),
    styled('dim', 'No server of this configuration runs, so nobody knows what is left.'),
  ].join('\n');
}
