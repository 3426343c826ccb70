/**
 * What an administrator can do, the same by HTTP and on the command line. Requests are checked here; every change is audited by
 * the store. Throws `invalid-parameter`, `not-found` and `conflict`.
 */
import type { z } from 'zod';
import { StudioError } from '../core/errors.ts';
import type { AuditRow, PlatformState, PlatformStore, StoredKey, StoredWorkspace } from '../core/platform.ts';
import { type Clock, DEFAULT_WORKSPACE_ID } from '../core/ports.ts';
import type { PriceTier } from '../core/prices.ts';
import type { Region } from '../core/regions.ts';
import { hashOfSecret, makeSecret, type RandomBytes, randomHex } from '../core/secrets.ts';
import {
  type CreatedKey,
  type KeyChangesRequest,
  type KeyQuery,
  type KeyView,
  keyChangesSchema,
  keyQuerySchema,
  type NewKeyRequest,
  type NewPriceRequest,
  type NewWorkspaceRequest,
  newKeySchema,
  newPriceSchema,
  newWorkspaceSchema,
  type Page,
  type PageQuery,
  type PriceView,
  pageQuerySchema,
  type QuotaChangesRequest,
  quotaChangesSchema,
  type WorkspaceChangesRequest,
  type WorkspaceView,
  workspaceChangesSchema,
} from './contract.ts';
import { read } from './read.ts';
import { auditView, keyView, priceView, stateOf, workspaceView } from './views.ts';

export interface AdminServicePorts {
  readonly store: PlatformStore;
  /** What is stored now, with every change of before this call. */
  current(): Promise<PlatformState>;
  readonly clock: Pick<Clock, 'now'>;
  readonly random?: RandomBytes | undefined;
  /** Of keys that name none. */
  readonly defaultRegion: Region;
}

/** `actor` is the id of an admin key, or `cli`. */
export interface AdminService {
  createKey(actor: string, request: NewKeyRequest): Promise<CreatedKey>;
  /** Oldest first. */
  listKeys(query?: KeyQuery): Promise<Page<KeyView>>;
  getKey(id: string): Promise<KeyView>;
  /** The live key of a secret. */
  findBySecret(secret: string): Promise<KeyView | undefined>;
  updateKey(actor: string, id: string, request: KeyChangesRequest): Promise<KeyView>;
  /** Does nothing to a key that is revoked. */
  revokeKey(actor: string, id: string): Promise<KeyView>;
  createWorkspace(actor: string, request: NewWorkspaceRequest): Promise<WorkspaceView>;
  /** Oldest first, without deleted ones. */
  listWorkspaces(query?: PageQuery): Promise<Page<WorkspaceView>>;
  getWorkspace(id: string): Promise<WorkspaceView>;
  updateWorkspace(actor: string, id: string, request: WorkspaceChangesRequest): Promise<WorkspaceView>;
  /** Its keys are refused from then on. What it keeps stays until its time is up. */
  deleteWorkspace(actor: string, id: string): Promise<void>;
  setPrice(actor: string, request: NewPriceRequest): Promise<PriceView>;
  /** In the order in which they were set. */
  listPrices(query?: PageQuery): Promise<Page<PriceView>>;
  setQuota(actor: string, request: QuotaChangesRequest): Promise<readonly string[]>;
  /** The models whose calls stop when their free tokens are used up. */
  freeTierOnly(): Promise<readonly string[]>;
  /** Newest first. */
  audit(query?: PageQuery): Promise<Page<AuditRow>>;
}

export function createAdminService(ports: AdminServicePorts): AdminService {
  return { ...keyActions(ports), ...workspaceActions(ports), ...moneyActions(ports), audit: auditReader(ports) };
}

type KeyActions = Pick<AdminService, 'createKey' | 'listKeys' | 'getKey' | 'findBySecret' | 'updateKey' | 'revokeKey'>;

function keyActions({ store, current, clock, random, defaultRegion }: AdminServicePorts): KeyActions {
  const find = async (id: string): Promise<StoredKey> =>
    foundOr404(
      'key',
      (await current()).keys.find((key) => key.id === id),
    );
  const view = (key: StoredKey): KeyView => keyView(key, clock.now());
  const refusePast = (expiresAtMs: number | null | undefined): void => {
    if (expiresAtMs != null && expiresAtMs <= clock.now())
      throw new StudioError('invalid-parameter', 'expiresAtMs must be in the future.');
  };
  return {
    async createKey(actor, request) {
      const given = read(newKeySchema, request);
      if (given.kind === 'admin') refuseRulesOfAdmin(given);
      refusePast(given.expiresAtMs);
      const workspaceId = given.workspaceId ?? DEFAULT_WORKSPACE_ID;
      if (!findWorkspace(await current(), workspaceId))
        throw new StudioError('invalid-parameter', 'workspaceId: there is no such workspace.');
      const isOfDefault = workspaceId === DEFAULT_WORKSPACE_ID;
      const made = makeSecret(given.kind === 'admin' ? 'admin' : isOfDefault ? 'api' : 'workspace', random);
      const key: StoredKey = {
        id: `key-${randomHex(6, random)}`,
        kind: given.kind,
        name: given.name,
        hash: made.hash,
        hint: made.hint,
        region: given.region ?? defaultRegion,
        workspaceId,
        models: given.models ?? null,
        budget: given.budget ?? null,
        limits: given.limits ?? null,
        keepsBodies: given.keepsBodies ?? false,
        expiresAtMs: given.expiresAtMs ?? null,
        createdAtMs: clock.now(),
        revokedAtMs: null,
      };
      await store.createKey(actor, key);
      await current();
      return { key: view(key), secret: made.secret };
    },

    async listKeys(query = {}) {
      const { limit, after, state, ...wanted } = read(keyQuerySchema, query);
      const { keys } = await current();
      const now = clock.now();
      const matching = keys.filter(
        (key) =>
          (state === undefined || stateOf(key, now) === state) &&
          Object.entries(wanted).every(
            ([name, value]) => value === undefined || key[name as keyof StoredKey] === value,
          ),
      );
      const page = pageOf(matching, { limit, after }, ({ id }) => id);
      return { ...page, items: page.items.map(view) };
    },

    getKey: async (id) => view(await find(id)),

    async findBySecret(secret) {
      const hash = hashOfSecret(secret);
      const key = (await current()).keys.find((each) => each.hash === hash);
      return key && stateOf(key, clock.now()) === 'live' ? view(key) : undefined;
    },

    async updateKey(actor, id, request) {
      const given = withoutUndefined(read(keyChangesSchema, request));
      refuseEmpty(given);
      const key = await find(id);
      if (key.kind === 'admin') refuseRulesOfAdmin(given);
      refusePast(given.expiresAtMs);
      if (!(await store.updateKey(actor, id, given))) throw new StudioError('conflict', 'The key is revoked.');
      return view(await find(id));
    },

    async revokeKey(actor, id) {
      await find(id);
      await store.updateKey(actor, id, { revokedAtMs: clock.now() });
      return view(await find(id));
    },
  };
}

/** An admin key opens everything, so that limits on it would only look like limits. */
function refuseRulesOfAdmin(given: z.output<typeof keyChangesSchema>): void {
  const { kind: _, name: __, expiresAtMs: ___, ...rules } = given as z.output<typeof newKeySchema>;
  const [first] = Object.keys(withoutUndefined(rules));
  if (first !== undefined) throw new StudioError('invalid-parameter', `${first} is not for admin keys.`);
}

type WorkspaceActions = Pick<
  AdminService,
  'createWorkspace' | 'listWorkspaces' | 'getWorkspace' | 'updateWorkspace' | 'deleteWorkspace'
>;

function workspaceActions({ store, current, clock, random }: AdminServicePorts): WorkspaceActions {
  const get = async (id: string): Promise<WorkspaceView> => {
    const state = await current();
    return workspaceView(foundOr404('workspace', findWorkspace(state, id)), state.keys, clock.now());
  };
  return {
    async createWorkspace(actor, request) {
      const given = read(newWorkspaceSchema, request);
      const id = given.id ?? `ws-${randomHex(8, random)}`;
      const rules = { models: given.models ?? null, budget: given.budget ?? null };
      const times = { createdAtMs: clock.now(), deletedAtMs: null };
      await store.createWorkspace(actor, { id, name: given.name, ...rules, ...times });
      return get(id);
    },

    async listWorkspaces(query = {}) {
      const { workspaces, keys } = await current();
      const live = workspaces.filter(({ deletedAtMs }) => deletedAtMs === null);
      const page = pageOf(live, read(pageQuerySchema, query), ({ id }) => id);
      return { ...page, items: page.items.map((workspace) => workspaceView(workspace, keys, clock.now())) };
    },

    getWorkspace: get,

    async updateWorkspace(actor, id, request) {
      const given = withoutUndefined(read(workspaceChangesSchema, request));
      refuseEmpty(given);
      foundOr404('workspace', await store.updateWorkspace(actor, id, given));
      return get(id);
    },

    async deleteWorkspace(actor, id) {
      if (id === DEFAULT_WORKSPACE_ID) throw new StudioError('conflict', 'The default workspace is always there.');
      foundOr404('workspace', await store.updateWorkspace(actor, id, { deletedAtMs: clock.now() }));
      await current();
    },
  };
}

function findWorkspace({ workspaces }: PlatformState, id: string): StoredWorkspace | undefined {
  return workspaces.find((workspace) => workspace.id === id && workspace.deletedAtMs === null);
}

type MoneyActions = Pick<AdminService, 'setPrice' | 'listPrices' | 'setQuota' | 'freeTierOnly'>;

function moneyActions({ store, current, clock }: AdminServicePorts): MoneyActions {
  return {
    async setPrice(actor, request) {
      const { model, region, validFromMs = clock.now(), prices } = read(newPriceSchema, request);
      const override = {
        model,
        region,
        validFromMs,
        prices: prices && { ...prices, tiers: prices.tiers.map(priceTierOf) },
      };
      await store.addPrice(actor, override);
      await current();
      return priceView(override);
    },

    async listPrices(query = {}) {
      const numbered = (await current()).prices.map((price, index) => ({ price, cursor: String(index) }));
      const page = pageOf(numbered, read(pageQuerySchema, query), ({ cursor }) => cursor);
      return { ...page, items: page.items.map(({ price }) => priceView(price)) };
    },

    async setQuota(actor, request) {
      const { freeTierOnly } = read(quotaChangesSchema, request);
      await store.setFreeTierOnly(actor, [...new Set(freeTierOnly)]);
      return (await current()).freeTierOnly;
    },

    freeTierOnly: async () => (await current()).freeTierOnly,
  };
}

interface WrittenTier {
  readonly upToTokens: number | null;
  readonly input: number;
  readonly output: number;
  readonly outputThinking: number;
}

/** What is written in yuan a million tokens with six places is the same number of pico-yuan a token. */
function priceTierOf(tier: WrittenTier, index: number, tiers: readonly WrittenTier[]): PriceTier {
  return {
    overTokens: tiers[index - 1]?.upToTokens ?? 0,
    upToTokens: tier.upToTokens,
    inputPico: tier.input,
    outputPico: tier.output,
    outputThinkingPico: tier.outputThinking,
  };
}

function auditReader({ store }: AdminServicePorts): AdminService['audit'] {
  return async (query = {}) => {
    const { limit, after } = read(pageQuerySchema, query);
    if (after !== undefined && !/^\d{1,15}$/.test(after)) throw unknownCursor();
    const beforeSequence = after === undefined ? undefined : Number(after);
    const rows = await store.audit({ limit: limit + 1, beforeSequence });
    const items = rows.slice(0, limit).map(auditView);
    return { items, nextCursor: rows.length > limit ? String(items.at(-1)?.sequence) : null };
  };
}

function pageOf<Item>(
  items: readonly Item[],
  { limit, after }: { readonly limit: number; readonly after?: string | undefined },
  cursorOf: (item: Item) => string,
): Page<Item> {
  const start = after === undefined ? 0 : items.findIndex((item) => cursorOf(item) === after) + 1;
  if (after !== undefined && start === 0) throw unknownCursor();
  const page = items.slice(start, start + limit);
  const last = page.at(-1);
  return { items: page, nextCursor: last && start + limit < items.length ? cursorOf(last) : null };
}

function unknownCursor(): StudioError {
  return new StudioError('invalid-parameter', 'after must be the nextCursor of a page of this list.');
}

/** Also of whether a change found something. The id is not told back: it may be a secret that was pasted by mistake. */
function foundOr404<Found>(what: string, found: Found | undefined | false): Found {
  if (found === undefined || found === false) throw new StudioError('not-found', `There is no such ${what}.`);
  return found;
}

function refuseEmpty(changes: object): void {
  if (Object.keys(changes).length === 0) throw new StudioError('invalid-parameter', 'The body must change something.');
}

function withoutUndefined<Given extends object>(given: Given): Given {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Given;
}
