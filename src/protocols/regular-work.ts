/** What runs once the server listens and then again and again, mostly taking out what is past its time. */
import type { Logger } from '../core/ports.ts';
import type { Wire } from './protocol.ts';

const HOUR_MS = 60 * 60 * 1000;

type Work = NonNullable<Wire['work']>;

/** A sweep that fails is logged and tried again an hour later; `stop` waits for the one that runs. */
export function hourly(sweep: () => void | Promise<void>, log: Logger): Work {
  return every(HOUR_MS, sweep, log, 'what is past its time could not be removed; tried again in an hour');
}

/** As `hourly`, at other times; one run never overlaps the next. */
export function every(periodMs: number, run: () => void | Promise<void>, log: Logger, failure: string): Work {
  let timer: NodeJS.Timeout | undefined;
  let running = Promise.resolve();
  const next = async (): Promise<void> => {
    try {
      await run();
    } catch (thrown) {
      log.error({ err: thrown }, failure);
    }
  };
  return {
    start() {
      running = next();
      timer = setInterval(() => {
        running = running.then(next);
      }, periodMs).unref();
    },
    async stop() {
      clearInterval(timer);
      await running;
    },
  };
}
