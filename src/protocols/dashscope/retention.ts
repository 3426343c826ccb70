/** Takes out what is past its time: uploads after 48 hours, results of tasks after 24. */

import type { Wire, WirePorts } from '../protocol.ts';
import { hourly } from '../regular-work.ts';
import { TASK_RETENTION_MS } from './tasks.ts';

/** What is past its time is not shown before it is swept either. */
export function retention({
  uploads,
  uploadBlobs,
  tasks,
  clock,
  log,
}: Pick<WirePorts, 'uploads' | 'uploadBlobs' | 'tasks' | 'clock' | 'log'>): NonNullable<Wire['work']> {
  return hourly(async () => {
    await tasks.removeEnded(clock.now() - TASK_RETENTION_MS);
    for (const { blobId } of await uploads.takeExpired(clock.now())) await uploadBlobs.delete(blobId);
  }, log);
}
