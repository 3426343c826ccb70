/** Calls a line of a batch, again where that may help. */
import type { StoredBatch } from '../../core/batches.ts';
import type { InnerReply, WirePorts } from '../protocol.ts';
import { calledBody, DRY_RUN_ENDPOINT } from './endpoints.ts';
import { pause } from './pause.ts';
import type { InputLine } from './schema.ts';

/** Waits between calls of one line: doubled each time, up to a minute. */
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 60_000;

/** Too busy, or not there yet: tried again for as long as the batch has time. */
const BUSY = new Set([429, 503]);
/** Something broke, which the same line may break again. */
const BROKEN = new Set([500, 502, 504]);
const MAX_BROKEN_CALLS = 5;

export type LinePorts = Pick<WirePorts, 'callWire' | 'ids' | 'clock'>;

/** What the line's call gave in the end; undefined when `signal` aborted. */
export async function callLine(
  line: InputLine,
  { endpoint, account }: StoredBatch,
  ports: LinePorts,
  signal: AbortSignal,
): Promise<InnerReply | undefined> {
  if (endpoint === DRY_RUN_ENDPOINT) return dryRunReply(line, ports);
  const body = calledBody(line.body);
  let broken = 0;
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)) {
    const reply = await (ports.callWire({ path: endpoint, body, account, priority: 'batch', signal }) ??
      nobodyThere(endpoint, ports));
    // A call that was cut has a reply, too: what there was of it until then.
    if (signal.aborted) return undefined;
    if (BROKEN.has(reply.status)) broken++;
    const isWorthwhile = BUSY.has(reply.status) || (BROKEN.has(reply.status) && broken < MAX_BROKEN_CALLS);
    if (!isWorthwhile) return reply;
    await pause(waitMs, signal);
    if (signal.aborted) return undefined;
  }
}

function nobodyThere(endpoint: string, { ids }: LinePorts): InnerReply {
  const message = `The provided url '${endpoint}' is not supported by the Batch API.`;
  return { status: 404, requestId: ids.uuid(), body: { error: { code: 'url_not_found', message } } };
}

/** "The test model does not run inference": the documented answer, the same for every line. */
function dryRunReply({ body: { model } }: InputLine, { ids, clock }: LinePorts): InnerReply {
  const requestId = ids.uuid();
  const body = {
    created: Math.floor(clock.now() / 1000),
    usage: { completion_tokens: 6, prompt_tokens: 20, total_tokens: 26 },
    model,
    id: `chatcmpl-${requestId}`,
    choices: [{ finish_reason: 'stop', index: 0, message: { role: 'assistant', content: 'This is a test result.' } }],
    object: 'chat.completion',
  };
  return { status: 200, requestId, body };
}
