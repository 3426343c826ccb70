/** `atelier workspaces create|list|update|delete` */
import type { WorkspaceView } from '../../admin/contract.ts';
import type { AdminService } from '../../admin/service.ts';
import { type ConfigFlags, loadConfig } from '../../config.ts';
import { type RuleFlags, rulesOf } from '../key-rules.ts';
import { CLI_ACTOR, withAdmin } from '../local-database.ts';
import { say, table, UserError } from '../terminal.ts';

type WorkspaceFlags = ConfigFlags & RuleFlags & { readonly json?: boolean };

export async function createWorkspace(name: string, flags: WorkspaceFlags & { readonly id?: string }): Promise<void> {
  const workspace = await withAdmin(loadConfig({ flags }), ({ service }) =>
    service.createWorkspace(CLI_ACTOR, { ...rulesOf(flags), name, id: flags.id }),
  );
  tell(
    workspace,
    flags,
    `${workspace.id} (${workspace.name}) is made. Keys for it: atelier keys create NAME --workspace ${workspace.id}`,
  );
}

export async function listWorkspaces(flags: WorkspaceFlags): Promise<void> {
  const workspaces = await withAdmin(loadConfig({ flags }), ({ service }) => allWorkspaces(service));
  if (flags.json) say(JSON.stringify(workspaces, null, 2));
  else say(table(['id', 'name', 'keys', 'budget', 'models'], workspaces.map(rowOf)));
}

/** Changes the rules that are named; the others stay. */
export async function updateWorkspace(idOrName: string, flags: WorkspaceFlags): Promise<void> {
  const workspace = await withAdmin(loadConfig({ flags }), async ({ service }) => {
    const before = await resolveWorkspace(service, idOrName);
    return service.updateWorkspace(CLI_ACTOR, before.id, rulesOf(flags, before.budget));
  });
  tell(workspace, flags, `${workspace.id} (${workspace.name}) is changed; running servers follow within a second.`);
}

export async function deleteWorkspace(idOrName: string, flags: WorkspaceFlags): Promise<void> {
  const workspace = await withAdmin(loadConfig({ flags }), async ({ service }) => {
    const found = await resolveWorkspace(service, idOrName);
    await service.deleteWorkspace(CLI_ACTOR, found.id);
    return found;
  });
  const keys = workspace.liveKeys === 1 ? 'its 1 key is' : `its ${workspace.liveKeys} keys are`;
  tell(workspace, flags, `${workspace.id} (${workspace.name}) is deleted; ${keys} refused within a second.`);
}

/** By id, or by its name, which no other live one has. */
export async function resolveWorkspace(service: AdminService, idOrName: string): Promise<WorkspaceView> {
  const workspaces = await allWorkspaces(service);
  const found =
    workspaces.find(({ id }) => id === idOrName) ?? workspaces.find((workspace) => workspace.name === idOrName);
  if (!found) throw new UserError(`There is no workspace ${idOrName}. Fix: atelier workspaces list shows them.`);
  return found;
}

async function allWorkspaces(service: AdminService): Promise<WorkspaceView[]> {
  const workspaces: WorkspaceView[] = [];
  let after: string | undefined;
  do {
    const page = await service.listWorkspaces({ limit: 1000, after });
    workspaces.push(...page.items);
    after = page.nextCursor ?? undefined;
  } while (after !== undefined);
  return workspaces;
}

function tell(workspace: WorkspaceView, flags: WorkspaceFlags, text: string): void {
  say(flags.json ? JSON.stringify(workspace) : text);
}

function rowOf({ id, name, liveKeys, budget, models }: WorkspaceView): string[] {
  const spend = budget ? `${budget.yuan} yuan ${budget.period === 'month' ? 'a month' : 'in all'}` : 'none';
  return [id, name, String(liveKeys), spend, models?.join(', ') ?? 'all'];
}
