/** Real time and real ids. */
import { randomBytes, randomUUID } from 'node:crypto';
import type { Clock, IdSource } from './ports.ts';

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};

/** The third group of nearly every recorded uuid of the service starts with 9 (openai-chat §1, "Ids"). */
export const systemIds: IdSource = {
  uuid() {
    const uuid = randomUUID();
    return `${uuid.slice(0, 14)}9${uuid.slice(15)}`;
  },
  callId: () => `call_${randomBytes(12).toString('hex')}`,
};
