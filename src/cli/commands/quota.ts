/** `atelier quota` */
import type { QuotaView } from '../../admin/contract.ts';
import type { AdminService } from '../../admin/service.ts';
import { type ConfigFlags, loadConfig } from '../../config.ts';
import type { QuotaSum } from '../../core/receipts.ts';
import { CLI_ACTOR, withReports } from '../local-database.ts';
import { asTyped, say, styled, table, UserError } from '../terminal.ts';

type QuotaFlags = ConfigFlags & {
  readonly freeTierOnly?: string;
  readonly model?: string;
  readonly json?: boolean;
};

const EVERY_MODEL = '*';

/** What is left of the free tokens of models, and whether their calls stop with them. */
export async function quota(flags: QuotaFlags): Promise<void> {
  const { freeTierOnly: wanted, model, json } = flags;
  if (wanted !== undefined && wanted !== 'on' && wanted !== 'off')
    throw new UserError(`--free-tier-only ${wanted} is not known. Fix: on or off.`);
  if (model !== undefined && wanted === undefined)
    throw new UserError('--model belongs to --free-tier-only on or off. Fix: leave it out to see every model.');
  const config = loadConfig({ flags });
  await withReports(config, async ({ service, quotas }) => {
    if (wanted !== undefined) await switchFreeTierOnly(service, wanted === 'on', model ?? EVERY_MODEL);
    const freeTierOnly = await service.freeTierOnly();
    const used = (await quotas()).filter((each) => model === undefined || each.model === model);
    const view: QuotaView = { freeTierOnly, used };
    if (json) say(JSON.stringify(view, null, 2));
    else say(quotaText(config.quota, freeTierOnly, used));
  });
}

async function switchFreeTierOnly(service: AdminService, isOn: boolean, model: string): Promise<void> {
  const before = await service.freeTierOnly();
  if (!isOn && model !== EVERY_MODEL && before.includes(EVERY_MODEL))
    throw new UserError(
      'Calls of every model stop when its free tokens are used up. Fix: atelier quota --free-tier-only off, then on for single models.',
    );
  const others = model === EVERY_MODEL ? [] : before.filter((each) => each !== model);
  await service.setQuota(CLI_ACTOR, { freeTierOnly: isOn ? [...others, model] : others });
}

function quotaText(
  { enabled, freeTierOnly: isForAll }: { readonly enabled: boolean; readonly freeTierOnly: boolean },
  freeTierOnly: readonly string[],
  used: readonly QuotaSum[],
): string {
  if (!enabled) return 'Nothing is free: quota.enabled is false.';
  const stopping = isForAll || freeTierOnly.includes(EVERY_MODEL) ? 'every model' : freeTierOnly.join(', ');
  const notes = [
    used.length === 0 ? 'No model has used free tokens yet.' : quotaTable(used),
    '',
    styled('dim', 'A model that is not listed has all of its free tokens left; their time begins with its first call.'),
    stopping === ''
      ? styled('dim', asTyped('Used up, calls are charged. Refuse them instead: atelier quota --free-tier-only on'))
      : `Used up, calls are refused: ${stopping}.`,
  ];
  return notes.join('\n');
}

function quotaTable(used: readonly QuotaSum[]): string {
  const nowMs = Date.now();
  return table(
    ['region', 'model', 'granted', 'used', 'left', 'until'],
    used.map(({ region, model, tokens, usedTokens, expiresAtMs }) => {
      const isOver = expiresAtMs <= nowMs;
      const left = isOver ? 0 : Math.max(0, tokens - usedTokens);
      const until = new Date(expiresAtMs).toISOString().slice(0, 10);
      return [region, model, String(tokens), String(usedTokens), String(left), isOver ? `${until} (over)` : until];
    }),
  );
}
