/**
 * Takes batches from state to state until they have ended. The state is in the store and every step can be done again, so
 * that a batch goes on after a restart where it was: lines that have a result are not called again, files that are there
 * are not made again.
 *
 * A step ends early when its signal aborts: the batch was cancelled, its time is over, or the server stops. What comes next
 * is read from the store.
 */
import type { BatchError, BatchState, BatchStatus, StoredBatch } from '../../core/batches.ts';
import { StudioError } from '../../core/errors.ts';
import type { Owner } from '../../core/ports.ts';
import type { WirePorts } from '../protocol.ts';
import { every } from '../regular-work.ts';
import { newFileId } from '../stored-files.ts';
import { encodeBatch, encodeResult, encodeUncalled, hasEnded } from './encode.ts';
import { callLine } from './line-calls.ts';
import { type FileLine, linesOf } from './lines.ts';
import { pause } from './pause.ts';
import { makeResultFiles } from './result-files.ts';
import type { InputLine } from './schema.ts';
import { Slots } from './slots.ts';
import { MAX_LINE_BYTES, validateInput } from './validate.ts';

/** Batches whose lines are called side by side; each holds its input file open. The others wait. */
const RUNNING_BATCHES = 16;

/** After a failure of ours (a full disk), before the step is tried again. */
const STEP_RETRY_MS = 5000;

/** How often is looked for batches of servers that are gone, and for what was cancelled on another server. */
const LOOK_MS = 5000;

/** Lines that are given up are written so many at a time. */
const GIVEN_UP_PAGE = 500;

export type BatchPorts = Pick<
  WirePorts,
  'batches' | 'batchConcurrency' | 'blobs' | 'files' | 'callWire' | 'findModel' | 'webhooks' | 'clock' | 'ids' | 'log'
>;

/** One batch that is worked on. */
interface Working {
  /** The step under way. */
  step: AbortController;
  /** What the step began with; undefined before the first. */
  status: BatchStatus | undefined;
  /** Another server has taken it, which believed this one gone. */
  isElsewhere: boolean;
  done: Promise<void> | undefined;
}

export class BatchRunner {
  readonly #ports: BatchPorts;
  readonly #validations = new Slots(1);
  readonly #running = new Slots(RUNNING_BATCHES);
  readonly #calls: Slots;
  /** The batches that are worked on, by id. */
  readonly #working = new Map<string, Working>();
  readonly #looks: ReturnType<typeof every>;
  #isRunning = false;

  constructor(ports: BatchPorts) {
    this.#ports = ports;
    this.#calls = new Slots(ports.batchConcurrency);
    this.#looks = every(LOOK_MS, () => this.#look(), ports.log, 'batches could not be looked for');
  }

  /** Goes on with everything that has not ended. */
  start(): void {
    this.#isRunning = true;
    this.#looks.start();
  }

  /** Cuts what runs; it is done again after the next start. */
  async stop(): Promise<void> {
    this.#isRunning = false;
    await this.#looks.stop();
    for (const { step } of this.#working.values()) step.abort();
    await Promise.all([...this.#working.values()].map(({ done }) => done));
  }

  /** Takes what there is to do, and sees what other servers have done to what is worked on here. */
  async #look(): Promise<void> {
    if (!this.#isRunning) return;
    const before = [...this.#working];
    const claimed = new Map((await this.#ports.batches.claimUnfinished()).map((batch) => [batch.batchId, batch]));
    for (const [batchId, working] of before) {
      const batch = claimed.get(batchId);
      working.isElsewhere = !batch;
      if (!batch || (batch.status === 'cancelling' && working.status !== 'cancelling')) working.step.abort();
    }
    for (const batch of claimed.values()) this.take(batch);
  }

  /** Works on a batch until it has ended. */
  take({ account, batchId }: StoredBatch): void {
    if (!this.#isRunning || this.#working.has(batchId)) return;
    const working: Working = { step: new AbortController(), status: undefined, isElsewhere: false, done: undefined };
    this.#working.set(batchId, working);
    working.done = this.#workOn(account, batchId, working).finally(() => this.#working.delete(batchId));
  }

  /** The state of the batch was changed from outside. */
  interrupt(batchId: string): void {
    this.#working.get(batchId)?.step.abort();
  }

  /** Never rejects. */
  async #workOn(owner: Owner, batchId: string, working: Working): Promise<void> {
    while (this.#isRunning) {
      // Before the batch is read: what is changed from then on interrupts the step.
      const step = new AbortController();
      working.step = step;
      let batch: StoredBatch | undefined;
      try {
        batch = await this.#ports.batches.find(owner, batchId);
        if (!batch) return;
        // One that had ended before was taken by an old list.
        if (hasEnded(batch)) {
          if (working.status) this.#tellEnd(batch);
          return;
        }
        if (working.isElsewhere) {
          this.#ports.log.warn({ batchId }, 'a batch goes on on another server');
          return;
        }
        working.status = batch.status;
        if (!step.signal.aborted) await this.#stepOf(batch, step);
      } catch (thrown) {
        await this.#onFailure(thrown, batchId, batch, working);
      }
    }
  }

  async #onFailure(thrown: unknown, batchId: string, batch: StoredBatch | undefined, working: Working): Promise<void> {
    this.#ports.log.error({ batchId, status: batch?.status, err: thrown }, 'a batch could not go on');
    // The step's own signal may be what the failure has aborted.
    const rest = new AbortController();
    working.step = rest;
    if (batch && thrown instanceof StudioError && thrown.code === 'not-found') {
      const hasFailed = await this.#failForLostInput(batch).then(
        () => true,
        () => false,
      );
      if (hasFailed) return;
    }
    if (this.#isRunning) await pause(STEP_RETRY_MS, rest.signal);
  }

  #stepOf(batch: StoredBatch, step: AbortController): Promise<void> {
    switch (batch.status) {
      case 'validating':
        return this.#validate(batch, step.signal);
      case 'in_progress':
        return this.#run(batch, step);
      case 'finalizing':
        return this.#finalize(batch, step.signal);
      case 'cancelling':
        return this.#cancel(batch, step.signal);
      default:
        throw new Error(`no step for ${batch.status}`);
    }
  }

  // Validating

  async #validate(batch: StoredBatch, signal: AbortSignal): Promise<void> {
    const { batches, blobs, clock } = this.#ports;
    const leave = await this.#validations.take(signal);
    if (!leave) return;
    try {
      const input = blobs.read(batch.inputBlobId);
      const found = await validateInput(input, batch.endpoint, this.#ports, batch.account, signal);
      if (signal.aborted) return;
      const { total, errors } = found;
      if (errors.length > 0) await this.#fail(batch, errors);
      else
        await batches.update(batch.batchId, 'validating', {
          status: 'in_progress',
          total,
          inProgressAtMs: clock.now(),
        });
    } finally {
      leave();
    }
  }

  #fail(batch: StoredBatch, errors: readonly BatchError[]): Promise<void> {
    return this.#finish(batch, { status: 'failed', errors, failedAtMs: this.#ports.clock.now() });
  }

  #failForLostInput(batch: StoredBatch): Promise<void> {
    const message = 'The input file is no longer there.';
    return this.#fail(batch, [{ code: 'file_not_found', message, param: 'input_file_id', line: null }]);
  }

  async #finish({ batchId, status, inputBlobId }: StoredBatch, changes: Partial<BatchState>): Promise<void> {
    if (await this.#ports.batches.finish(batchId, status, changes)) await this.#ports.blobs.delete(inputBlobId);
  }

  // In progress

  async #run(batch: StoredBatch, step: AbortController): Promise<void> {
    const { clock } = this.#ports;
    const timeLeftMs = batch.expiresAtMs - clock.now();
    const expire = (): Promise<void> => this.#endCalls(batch, { expiredAtMs: clock.now() }).finally(() => step.abort());
    if (timeLeftMs <= 0) return expire();
    let expiry: Promise<void> | undefined;
    const timer = setTimeout(() => {
      expiry = expire();
      // It is awaited below, when the calls have been cut.
      expiry.catch(() => {});
    }, timeLeftMs);
    try {
      const leave = await this.#running.take(step.signal);
      if (!leave) return;
      await this.#callLines(batch, step).finally(leave);
      if (!step.signal.aborted) await this.#endCalls(batch, {});
    } finally {
      clearTimeout(timer);
      await expiry;
    }
  }

  async #endCalls({ batchId }: StoredBatch, changes: Partial<BatchState>): Promise<void> {
    const { batches, clock } = this.#ports;
    const state = { status: 'finalizing', finalizingAtMs: clock.now(), ...this.#newFileIds(), ...changes } as const;
    await batches.update(batchId, 'in_progress', state);
  }

  #newFileIds(): Pick<BatchState, 'outputFileId' | 'errorFileId'> {
    const { ids } = this.#ports;
    return { outputFileId: newFileId(ids, 'batch_output'), errorFileId: newFileId(ids, 'batch_output') };
  }

  /** Calls every line that has no result, several side by side. Rejects when a result cannot be kept. */
  async #callLines(batch: StoredBatch, step: AbortController): Promise<void> {
    const calls = new Set<Promise<void>>();
    let failure: { readonly thrown: unknown } | undefined;
    for await (const line of this.#linesLeft(batch)) {
      const leave = await this.#calls.take(step.signal);
      if (!leave) break;
      const call = this.#callLine(batch, line, step.signal)
        .catch((thrown) => {
          failure ??= { thrown };
          step.abort();
        })
        .finally(() => {
          leave();
          calls.delete(call);
        });
      calls.add(call);
    }
    await Promise.all(calls);
    if (failure) throw failure.thrown;
  }

  async #callLine(batch: StoredBatch, { number, text = '' }: FileLine, signal: AbortSignal): Promise<void> {
    const line = JSON.parse(text) as InputLine;
    const reply = await callLine(line, batch, this.#ports, signal);
    if (!reply) return;
    const result = JSON.stringify(encodeResult(line.custom_id, reply));
    const isFailure = reply.status !== 200;
    await this.#ports.batches.addResults(batch.batchId, [{ line: number, isFailure, text: result }]);
  }

  async *#linesLeft({ batchId, inputBlobId }: StoredBatch): AsyncGenerator<FileLine> {
    const { batches, blobs } = this.#ports;
    const done = await batches.doneLines(batchId);
    for await (const line of linesOf(blobs.read(inputBlobId), MAX_LINE_BYTES)) if (!done.has(line.number)) yield line;
  }

  // Ending

  async #finalize(batch: StoredBatch, signal: AbortSignal): Promise<void> {
    const { clock } = this.#ports;
    const isExpired = batch.expiredAtMs !== null;
    const all = isExpired ? await this.#giveUpRest(batch, EXPIRED, signal) : batch;
    if (!all) return;
    const files = await makeResultFiles(all, this.#ports);
    const end = isExpired
      ? { status: 'expired' as const }
      : { status: 'completed' as const, completedAtMs: clock.now() };
    await this.#finish(batch, { ...end, ...files });
  }

  async #cancel(batch: StoredBatch, signal: AbortSignal): Promise<void> {
    const { batches, clock } = this.#ports;
    if (batch.cancellingAtMs === null) {
      await batches.update(batch.batchId, 'cancelling', { cancellingAtMs: clock.now(), ...this.#newFileIds() });
      return;
    }
    // Without a total nothing was validated, and nothing of it can be given up line by line.
    const all = batch.total > 0 ? await this.#giveUpRest(batch, CANCELLED, signal) : batch;
    if (!all) return;
    const files = await makeResultFiles(all, this.#ports);
    await this.#finish(batch, { status: 'cancelled', cancelledAtMs: clock.now(), ...files });
  }

  /** The batch when every line has a result; undefined when the step was cut. */
  async #giveUpRest(
    batch: StoredBatch,
    { code, message }: { readonly code: string; readonly message: string },
    signal: AbortSignal,
  ): Promise<StoredBatch | undefined> {
    const { batches, ids } = this.#ports;
    let page = [];
    for await (const { number, text = '' } of this.#linesLeft(batch)) {
      if (signal.aborted) return undefined;
      const { custom_id: customId } = JSON.parse(text) as InputLine;
      const result = JSON.stringify(encodeUncalled(ids.uuid(), customId, code, message));
      page.push({ line: number, isFailure: true, text: result });
      if (page.length < GIVEN_UP_PAGE) continue;
      await batches.addResults(batch.batchId, page);
      page = [];
    }
    await batches.addResults(batch.batchId, page);
    return batches.find(batch.account, batch.batchId);
  }

  #tellEnd(batch: StoredBatch): void {
    const { log, webhooks } = this.#ports;
    const { batchId, status, total, completed, failed } = batch;
    log.info({ batchId, status, total, completed, failed }, 'batch');
    const url = batch.metadata?.ds_batch_finish_callback;
    if (url === undefined) return;
    // Nobody waits for it, least of all the end of the server.
    webhooks.post(url, encodeBatch(batch)).catch((thrown) => {
      log.warn({ batchId, err: thrown }, 'the callback of a batch failed');
    });
  }
}

const EXPIRED = {
  code: 'batch_expired',
  message: 'This request could not be executed before the completion window expired.',
};
const CANCELLED = {
  code: 'batch_cancelled',
  message: 'This request was not executed because the batch was cancelled.',
};
