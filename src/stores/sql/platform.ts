/** Workspaces, keys, prices, switches and the audit of who changed them. Of secrets there are hashes only. */
import type { Selectable, Transaction } from 'kysely';
import { StudioError } from '../../core/errors.ts';
import type {
  AuditRow,
  PlatformState,
  PlatformStore,
  PriceOverride,
  StoredKey,
  StoredWorkspace,
} from '../../core/platform.ts';
import type { Clock } from '../../core/ports.ts';
import type { Region } from '../../core/regions.ts';
import type { Database } from './database.ts';
import type { ApiKeysTable, AuditTable, PricesTable, Tables, WorkspacesTable } from './tables.ts';

const FREE_TIER_ONLY = 'freeTierOnly';

/** The store of one database. */
export function createPlatformStore({ queries }: Pick<Database, 'queries'>, clock: Pick<Clock, 'now'>): PlatformStore {
  /**
   * One change. Raising the revision comes first: it is a write, so that SQLite takes its lock at once, and it holds a row that
   * every change needs, so that what `write` looks at stays as it is. Nothing is audited when `write` changed nothing.
   */
  const change = (
    entry: Pick<AuditRow, 'actor' | 'action' | 'subject'> & { readonly details: object },
    write: (transaction: Transaction<Tables>) => Promise<boolean>,
  ): Promise<boolean> =>
    queries.transaction().execute(async (transaction) => {
      await transaction
        .updateTable('revisions')
        .set((column) => ({ revision: column('revision', '+', 1) }))
        .where('name', '=', 'platform')
        .execute();
      if (!(await write(transaction))) return false;
      await transaction
        .insertInto('audit')
        .values({ ...entry, at_ms: clock.now(), details: JSON.stringify(entry.details) })
        .execute();
      return true;
    });

  return {
    revision: async () => (await revisionOf(queries)) ?? 0,

    // One snapshot: a state is never newer than its revision says.
    load: () =>
      queries
        .transaction()
        .setIsolationLevel('repeatable read')
        .execute(async (transaction): Promise<PlatformState> => {
          const revision = (await revisionOf(transaction)) ?? 0;
          const workspaces = await transaction
            .selectFrom('workspaces')
            .selectAll()
            .orderBy('created_at_ms')
            .orderBy('id')
            .execute();
          const keys = await transaction
            .selectFrom('api_keys')
            .selectAll()
            .orderBy('created_at_ms')
            .orderBy('id')
            .execute();
          const prices = await transaction.selectFrom('prices').selectAll().orderBy('sequence').execute();
          const setting = await transaction
            .selectFrom('settings')
            .select('value')
            .where('name', '=', FREE_TIER_ONLY)
            .executeTakeFirst();
          return {
            revision,
            workspaces: workspaces.map(workspaceOf),
            keys: keys.map(keyOf),
            prices: prices.map(priceOf),
            freeTierOnly: setting === undefined ? [] : JSON.parse(setting.value),
          };
        }),

    async createWorkspace(actor, workspace) {
      const { id, name, models, budget } = workspace;
      const details = withoutNulls({ name, models, budget });
      await change({ actor, action: 'workspaces.create', subject: id, details }, async (transaction) => {
        await refuseTakenId(transaction, id);
        await refuseTakenName(transaction, id, name);
        await transaction.insertInto('workspaces').values(workspaceRow(workspace)).execute();
        return true;
      });
    },

    updateWorkspace(actor, id, changes) {
      const action = changes.deletedAtMs == null ? 'workspaces.update' : 'workspaces.delete';
      return change({ actor, action, subject: id, details: changes }, async (transaction) => {
        if (changes.name !== undefined) await refuseTakenName(transaction, id, changes.name);
        const { numUpdatedRows } = await transaction
          .updateTable('workspaces')
          .set(workspaceRow(changes))
          .where('id', '=', id)
          .where('deleted_at_ms', 'is', null)
          .executeTakeFirst();
        return numUpdatedRows > 0n;
      });
    },

    async createKey(actor, key) {
      const { kind, name, region, workspaceId, models, budget, limits, keepsBodies, expiresAtMs } = key;
      const rules = { models, budget, limits, keepsBodies, expiresAtMs };
      const details = withoutNulls({ kind, name, region, workspaceId, ...rules });
      await change({ actor, action: 'keys.create', subject: key.id, details }, async (transaction) => {
        await transaction.insertInto('api_keys').values(keyRow(key)).execute();
        return true;
      });
    },

    updateKey(actor, id, changes) {
      const action = changes.revokedAtMs == null ? 'keys.update' : 'keys.revoke';
      return change({ actor, action, subject: id, details: changes }, async (transaction) => {
        const { numUpdatedRows } = await transaction
          .updateTable('api_keys')
          .set(keyRow(changes))
          .where('id', '=', id)
          .where('revoked_at_ms', 'is', null)
          .executeTakeFirst();
        return numUpdatedRows > 0n;
      });
    },

    async createTemporaryKey({ hash, parentId, expiresAtMs }) {
      await queries.deleteFrom('temporary_keys').where('expires_at_ms', '<=', clock.now()).execute();
      const row = { hash, parent_id: parentId, expires_at_ms: expiresAtMs };
      await queries.insertInto('temporary_keys').values(row).execute();
    },

    async findTemporaryKeys(hashes) {
      if (hashes.length === 0) return [];
      const rows = await queries.selectFrom('temporary_keys').selectAll().where('hash', 'in', hashes).execute();
      return rows.map(({ hash, parent_id, expires_at_ms }) => ({
        hash,
        parentId: parent_id,
        expiresAtMs: expires_at_ms,
      }));
    },

    async addPrice(actor, { model, region, validFromMs, prices }) {
      const details = { region, validFromMs, prices };
      await change({ actor, action: 'prices.set', subject: model, details }, async (transaction) => {
        const row = { model, region, valid_from_ms: validFromMs, created_at_ms: clock.now() };
        await transaction
          .insertInto('prices')
          .values({ ...row, prices: JSON.stringify(prices) })
          .execute();
        return true;
      });
    },

    async setFreeTierOnly(actor, models) {
      const value = JSON.stringify(models);
      await change(
        { actor, action: 'quota.set', subject: FREE_TIER_ONLY, details: { models } },
        async (transaction) => {
          await transaction
            .insertInto('settings')
            .values({ name: FREE_TIER_ONLY, value })
            .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
            .execute();
          return true;
        },
      );
    },

    async audit({ limit, beforeSequence }) {
      let rows = queries.selectFrom('audit').selectAll().orderBy('sequence', 'desc').limit(limit);
      if (beforeSequence !== undefined) rows = rows.where('sequence', '<', beforeSequence);
      return (await rows.execute()).map(auditRowOf);
    },
  };
}

async function revisionOf(queries: Pick<Database['queries'], 'selectFrom'>): Promise<number | undefined> {
  const row = await queries
    .selectFrom('revisions')
    .select('revision')
    .where('name', '=', 'platform')
    .executeTakeFirst();
  return row?.revision;
}

/** What a deleted workspace kept, and its receipts, may still be there, and would be another's. */
async function refuseTakenId(transaction: Transaction<Tables>, id: string): Promise<void> {
  const other = await transaction
    .selectFrom('workspaces')
    .select('deleted_at_ms')
    .where('id', '=', id)
    .executeTakeFirst();
  if (other)
    throw new StudioError('conflict', `Another workspace ${other.deleted_at_ms === null ? 'has' : 'had'} this id.`);
}

/** People tell workspaces apart by their names. */
async function refuseTakenName(transaction: Transaction<Tables>, id: string, name: string): Promise<void> {
  const other = await transaction
    .selectFrom('workspaces')
    .select('id')
    .where('name', '=', name)
    .where('id', '!=', id)
    .where('deleted_at_ms', 'is', null)
    .executeTakeFirst();
  if (other) throw new StudioError('conflict', `Another workspace is named ${name}: ${other.id}.`);
}

/** The columns of what is given; what is not given stays out. */
function workspaceRow<Given extends Partial<StoredWorkspace>>(workspace: Given) {
  const { id, name, models, budget, createdAtMs, deletedAtMs } = workspace;
  return givenOnly({
    id,
    name,
    models: jsonOrNull(models),
    budget: jsonOrNull(budget),
    created_at_ms: createdAtMs,
    deleted_at_ms: deletedAtMs,
  }) as Given extends StoredWorkspace ? Selectable<WorkspacesTable> : Partial<Selectable<WorkspacesTable>>;
}

function workspaceOf(row: Selectable<WorkspacesTable>): StoredWorkspace {
  return {
    id: row.id,
    name: row.name,
    models: parseOrNull(row.models),
    budget: parseOrNull(row.budget),
    createdAtMs: row.created_at_ms,
    deletedAtMs: row.deleted_at_ms,
  };
}

/** As `workspaceRow`. */
function keyRow<Given extends Partial<StoredKey>>(key: Given) {
  const { id, kind, name, hash, hint, region } = key;
  return givenOnly({
    id,
    kind,
    name,
    hash,
    hint,
    region,
    workspace_id: key.workspaceId,
    models: jsonOrNull(key.models),
    budget: jsonOrNull(key.budget),
    limits: jsonOrNull(key.limits),
    keeps_bodies: key.keepsBodies === undefined ? undefined : Number(key.keepsBodies),
    expires_at_ms: key.expiresAtMs,
    created_at_ms: key.createdAtMs,
    revoked_at_ms: key.revokedAtMs,
  }) as Given extends StoredKey ? Selectable<ApiKeysTable> : Partial<Selectable<ApiKeysTable>>;
}

function keyOf(row: Selectable<ApiKeysTable>): StoredKey {
  return {
    id: row.id,
    kind: row.kind as StoredKey['kind'],
    name: row.name,
    hash: row.hash,
    hint: row.hint,
    region: row.region as Region,
    workspaceId: row.workspace_id,
    models: parseOrNull(row.models),
    budget: parseOrNull(row.budget),
    limits: parseOrNull(row.limits),
    keepsBodies: row.keeps_bodies === 1,
    expiresAtMs: row.expires_at_ms,
    createdAtMs: row.created_at_ms,
    revokedAtMs: row.revoked_at_ms,
  };
}

function priceOf(row: Selectable<PricesTable>): PriceOverride {
  return {
    model: row.model,
    region: row.region as Region | null,
    validFromMs: row.valid_from_ms,
    prices: JSON.parse(row.prices),
  };
}

function auditRowOf({ at_ms, details, ...row }: Selectable<AuditTable>): AuditRow {
  return { ...row, atMs: at_ms, details: JSON.parse(details) };
}

function jsonOrNull(value: unknown): string | null | undefined {
  return value == null ? (value as null | undefined) : JSON.stringify(value);
}

function parseOrNull(text: string | null) {
  return text === null ? null : JSON.parse(text);
}

function givenOnly(columns: object): object {
  return Object.fromEntries(Object.entries(columns).filter(([, value]) => value !== undefined));
}

function withoutNulls(details: object): object {
  return Object.fromEntries(Object.entries(details).filter(([, value]) => value !== null));
}
