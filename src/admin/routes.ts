/** The routes of `/admin`. Only an admin key opens them; an API key never does. */
import { StudioError, toStudioError } from '../core/errors.ts';
import type { AdminKeys, KeyRing, PriceBook } from '../core/platform.ts';
import type { Clock } from '../core/ports.ts';
import type { QuotaSum } from '../core/receipts.ts';
import type { Region } from '../core/regions.ts';
import type { AdminApi, AdminReply, AdminResource, AdminRoute } from './api.ts';
import {
  type AdminErrorBody,
  type KeyChangesRequest,
  type KeyQuery,
  type ModelView,
  modelQuerySchema,
  type NewKeyRequest,
  type NewPriceRequest,
  type NewWorkspaceRequest,
  type PageQuery,
  type QuotaChangesRequest,
  type QuotaView,
  type WorkspaceChangesRequest,
} from './contract.ts';
import { queryOf } from './read.ts';
import type { AdminService } from './service.ts';
import { modelView, type ServedModel } from './views.ts';

export interface AdminApiPorts {
  readonly service: AdminService;
  readonly keys: AdminKeys & Pick<KeyRing, 'verify'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly defaultRegion: Region;
  readonly prices: PriceBook;
  listModels(region: Region): readonly ServedModel[];
  /** What is used of those that have begun. */
  freeQuotas(): Promise<readonly QuotaSum[]>;
  /** Reports and whatever else answers below `/admin`. */
  readonly others?: readonly AdminResource[] | undefined;
}

export function createAdminApi(ports: AdminApiPorts): AdminApi {
  const resources = [
    ...keyResources(ports),
    ...workspaceResources(ports),
    ...modelResources(ports),
    ...moneyResources(ports),
    ...auditResources(ports),
    ...(ports.others ?? []),
  ];
  return { routes: resources.map((resource) => guarded(resource, ports.keys)), handleError: errorReply };
}

function guarded({ method, path, handle }: AdminResource, keys: AdminApiPorts['keys']): AdminRoute {
  return {
    method,
    path: `/admin${path}`,
    handle: async ({ authorization, ...inputs }) => {
      const actor = await actorOf(authorization, keys);
      return handle({ ...inputs, actor });
    },
  };
}

/** The id of the admin key. */
async function actorOf(authorization: string | undefined, keys: AdminApiPorts['keys']): Promise<string> {
  const secret = /^Bearer\s+(\S+)\s*$/i.exec(authorization ?? '')?.[1];
  if (secret === undefined)
    throw new StudioError('missing-api-key', 'No admin key provided: Authorization: Bearer sk-admin-…');
  const key = await keys.verifyAdmin(secret);
  if (key) return key.id;
  if (await keys.verify(secret)) throw new StudioError('access-denied', 'An API key does not open the administration.');
  throw new StudioError('invalid-api-key', 'Incorrect admin key provided.');
}

function errorReply(thrown: unknown): AdminReply {
  const { status, code, message } = toStudioError(thrown);
  const body: AdminErrorBody = { error: { code, message } };
  return { status, body };
}

const ok = (body: unknown): AdminReply => ({ status: 200, body });
const created = (body: unknown): AdminReply => ({ status: 201, body });

/** Bodies and queries are whatever was sent: the service checks them. */
function keyResources({ service }: AdminApiPorts): AdminResource[] {
  return [
    {
      method: 'GET',
      path: '/keys',
      handle: async ({ query }) => ok(await service.listKeys(Object.fromEntries(query) as KeyQuery)),
    },
    {
      method: 'POST',
      path: '/keys',
      handle: async ({ actor, body }) => created(await service.createKey(actor, body as NewKeyRequest)),
    },
    { method: 'GET', path: '/keys/:id', handle: async ({ params }) => ok(await service.getKey(idOf(params))) },
    {
      method: 'PATCH',
      path: '/keys/:id',
      handle: async ({ actor, params, body }) =>
        ok(await service.updateKey(actor, idOf(params), body as KeyChangesRequest)),
    },
    {
      method: 'DELETE',
      path: '/keys/:id',
      handle: async ({ actor, params }) => ok(await service.revokeKey(actor, idOf(params))),
    },
  ];
}

function workspaceResources({ service }: AdminApiPorts): AdminResource[] {
  return [
    {
      method: 'GET',
      path: '/workspaces',
      handle: async ({ query }) => ok(await service.listWorkspaces(Object.fromEntries(query) as PageQuery)),
    },
    {
      method: 'POST',
      path: '/workspaces',
      handle: async ({ actor, body }) => created(await service.createWorkspace(actor, body as NewWorkspaceRequest)),
    },
    {
      method: 'GET',
      path: '/workspaces/:id',
      handle: async ({ params }) => ok(await service.getWorkspace(idOf(params))),
    },
    {
      method: 'PATCH',
      path: '/workspaces/:id',
      handle: async ({ actor, params, body }) =>
        ok(await service.updateWorkspace(actor, idOf(params), body as WorkspaceChangesRequest)),
    },
    {
      method: 'DELETE',
      path: '/workspaces/:id',
      handle: async ({ actor, params }) => {
        await service.deleteWorkspace(actor, idOf(params));
        return { status: 204 };
      },
    },
  ];
}

function modelResources({ listModels, prices, clock, defaultRegion }: AdminApiPorts): AdminResource[] {
  return [
    {
      method: 'GET',
      path: '/models',
      handle: async ({ query }) => {
        const { region = defaultRegion } = queryOf(query, modelQuerySchema);
        const atMs = clock.now();
        const items = listModels(region).map((model): ModelView => {
          const pricesNow = prices.pricesOf({ model: model.card.id, region, atMs });
          return modelView(model, region, pricesNow);
        });
        return ok({ items, nextCursor: null });
      },
    },
  ];
}

function moneyResources({ service, freeQuotas }: AdminApiPorts): AdminResource[] {
  const quota = async (): Promise<QuotaView> => ({
    freeTierOnly: await service.freeTierOnly(),
    used: await freeQuotas(),
  });
  return [
    {
      method: 'GET',
      path: '/prices',
      handle: async ({ query }) => ok(await service.listPrices(Object.fromEntries(query) as PageQuery)),
    },
    {
      method: 'PUT',
      path: '/prices',
      handle: async ({ actor, body }) => ok(await service.setPrice(actor, body as NewPriceRequest)),
    },
    { method: 'GET', path: '/quota', handle: async () => ok(await quota()) },
    {
      method: 'PUT',
      path: '/quota',
      handle: async ({ actor, body }) => {
        await service.setQuota(actor, body as QuotaChangesRequest);
        return ok(await quota());
      },
    },
  ];
}

function auditResources({ service }: AdminApiPorts): AdminResource[] {
  return [
    {
      method: 'GET',
      path: '/audit',
      handle: async ({ query }) => ok(await service.audit(Object.fromEntries(query) as PageQuery)),
    },
  ];
}

function idOf(params: { readonly [name: string]: string }): string {
  return params.id ?? '';
}
