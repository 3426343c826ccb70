/**
 * Takes batches from state to state until they have ended. The state is in the store and every step can be done again, so
 * that a batch goes on after a restart where it was: lines that have a result are not called again, files that are there
 * are not made again.
 *
 * A step ends early when its signal aborts: the batch was cancelled, its time is over, or the server stops. What comes next
 * is read from the store.
 */
import type { BatchError, BatchState, StoredBatch } from '../../core/batches.ts';
import { StudioError } from '../../core/errors.ts';
import type { WirePorts } from '../protocol.ts';
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

/** Lines that are given up are written so many at a time. */
const GIVEN_UP_PAGE = 500;

export type BatchPorts = Pick<
  WirePorts,
  'batches' | 'batchConcurrency' | 'blobs' | 'files' | 'callWire' | 'findModel' | 'webhooks' | 'clock' | 'ids' | 'log'
>;

export class BatchRunner {
  readonly #ports: BatchPorts;
  readonly #validations = new Slots(1);
  readonly #running = new Slots(RUNNING_BATCHES);
  readonly #calls: Slots;
  /** The step under way of each batch that is worked on. */
  readonly #steps = new Map<string, AbortController>();
  readonly #work = new Set<Promise<void>>();
  #isRunning = false;

  constructor(ports: BatchPorts) {
    this.#ports = ports;
    this.#calls = new Slots(ports.batchConcurrency);
  }

  /** Goes on with everything that has not ended. */
  start(): void {
    this.#isRunning = true;
    for (const batch of this.#ports.batches.unfinished()) this.take(batch);
  }

  /** Cuts what runs; it is done again after the next start. */
  async stop(): Promise<void> {
    this.#isRunning = false;
    for (const step of this.#steps.values()) step.abort();
    await Promise.all(this.#work);
  }

  /** Works on a batch until it has ended. */
  take(batch: StoredBatch): void {
    if (!this.#isRunning) return;
    const work = this.#workOn(batch).finally(() => this.#work.delete(work));
    this.#work.add(work);
  }

  /** The state of the batch was changed from outside. */
  interrupt(batchId: string): void {
    this.#steps.get(batchId)?.abort();
  }

  async #workOn({ account, batchId }: StoredBatch): Promise<void> {
    while (this.#isRunning) {
      const batch = this.#ports.batches.find(account.workspaceId, batchId);
      if (!batch) return;
      if (hasEnded(batch)) {
        this.#tellEnd(batch);
        return;
      }
      const step = new AbortController();
      this.#steps.set(batchId, step);
      try {
        await this.#stepOf(batch, step);
      } catch (thrown) {
        this.#ports.log.error({ batchId, status: batch.status, err: thrown }, 'a batch could not go on');
        if (thrown instanceof StudioError && thrown.code === 'not-found') await this.#failForLostInput(batch);
        else if (this.#isRunning) await this.#rest(batchId);
      } finally {
        this.#steps.delete(batchId);
      }
    }
  }

  /** The step's own signal may be what the failure has aborted. */
  async #rest(batchId: string): Promise<void> {
    const rest = new AbortController();
    this.#steps.set(batchId, rest);
    await pause(STEP_RETRY_MS, rest.signal);
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
      const found = await validateInput(input, batch.endpoint, this.#ports, signal);
      if (signal.aborted) return;
      const { total, errors } = found;
      if (errors.length > 0) await this.#fail(batch, errors);
      else batches.update(batch.batchId, 'validating', { status: 'in_progress', total, inProgressAtMs: clock.now() });
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
    if (this.#ports.batches.finish(batchId, status, changes)) await this.#ports.blobs.delete(inputBlobId);
  }

  // In progress

  async #run(batch: StoredBatch, step: AbortController): Promise<void> {
    const { clock } = this.#ports;
    const timeLeftMs = batch.expiresAtMs - clock.now();
    const expire = (): void => {
      this.#endCalls(batch, { expiredAtMs: clock.now() });
      step.abort();
    };
    if (timeLeftMs <= 0) {
      expire();
      return;
    }
    const timer = setTimeout(expire, timeLeftMs);
    try {
      const leave = await this.#running.take(step.signal);
      if (!leave) return;
      await this.#callLines(batch, step).finally(leave);
      if (!step.signal.aborted) this.#endCalls(batch, {});
    } finally {
      clearTimeout(timer);
    }
  }

  #endCalls({ batchId }: StoredBatch, changes: Partial<BatchState>): void {
    const { batches, clock } = this.#ports;
    const state = { status: 'finalizing', finalizingAtMs: clock.now(), ...this.#newFileIds(), ...changes } as const;
    batches.update(batchId, 'in_progress', state);
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
    this.#ports.batches.addResults(batch.batchId, [{ line: number, isFailure: reply.status !== 200, text: result }]);
  }

  async *#linesLeft({ batchId, inputBlobId }: StoredBatch): AsyncGenerator<FileLine> {
    const { batches, blobs } = this.#ports;
    const done = batches.doneLines(batchId);
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
      batches.update(batch.batchId, 'cancelling', { cancellingAtMs: clock.now(), ...this.#newFileIds() });
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
      batches.addResults(batch.batchId, page);
      page = [];
    }
    batches.addResults(batch.batchId, page);
    return batches.find(batch.account.workspaceId, batch.batchId);
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
