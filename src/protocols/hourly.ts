/** What runs once the server listens and then every hour: taking out what is past its time. */
import type { Logger } from '../core/ports.ts';
import type { Wire } from './protocol.ts';

const HOUR_MS = 60 * 60 * 1000;

/** A sweep that fails is logged and tried again an hour later; `stop` waits for the one that runs. */
export function hourly(sweep: () => void | Promise<void>, log: Logger): NonNullable<Wire['work']> {
  let timer: NodeJS.Timeout | undefined;
  let sweeping = Promise.resolve();
  const run = async (): Promise<void> => {
    try {
      await sweep();
    } catch (thrown) {
      log.error({ err: thrown }, 'what is past its time could not be removed; tried again in an hour');
    }
  };
  return {
    start() {
      sweeping = run();
      timer = setInterval(() => {
        sweeping = run();
      }, HOUR_MS).unref();
    },
    async stop() {
      clearInterval(timer);
      await sweeping;
    },
  };
}
