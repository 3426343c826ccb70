/** Takes out what is past its time: uploads after 48 hours, results of tasks after 24. */
import type { Wire, WirePorts } from '../protocol.ts';
import { TASK_RETENTION_MS } from './tasks.ts';

const SWEEP_MS = 60 * 60 * 1000;

/** Once at the start, then every hour. What is past its time is not shown before it is swept either. */
export function retention({
  uploads,
  uploadBlobs,
  tasks,
  clock,
  log,
}: Pick<WirePorts, 'uploads' | 'uploadBlobs' | 'tasks' | 'clock' | 'log'>): NonNullable<Wire['work']> {
  let timer: NodeJS.Timeout | undefined;
  let sweeping = Promise.resolve();
  const sweep = async (): Promise<void> => {
    try {
      tasks.removeEnded(clock.now() - TASK_RETENTION_MS);
      for (const { blobId } of uploads.takeExpired(clock.now())) await uploadBlobs.delete(blobId);
    } catch (thrown) {
      log.error({ err: thrown }, 'expired uploads and tasks could not be removed; tried again in an hour');
    }
  };
  const start = (): void => {
    sweeping = sweep();
    timer = setInterval(() => {
      sweeping = sweep();
    }, SWEEP_MS).unref();
  };
  return {
    start,
    stop: async () => {
      clearInterval(timer);
      await sweeping;
    },
  };
}
