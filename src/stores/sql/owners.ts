/** Whose a row is: the columns of every table of stored things. */
import type { Owner } from '../../core/ports.ts';
import type { Region } from '../../core/regions.ts';

interface OwnerColumns {
  readonly workspace_id: string;
  readonly region: string;
}

/** What is written of an owner, and what is looked for: `where(({ and }) => and(ownerColumns(owner)))`. */
export function ownerColumns({ workspaceId, region }: Owner): OwnerColumns {
  return { workspace_id: workspaceId, region };
}

export function ownerOf({ workspace_id, region }: OwnerColumns): Owner {
  return { workspaceId: workspace_id, region: region as Region };
}
