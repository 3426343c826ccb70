/** Batches as OpenAI's clients know them, with the service's metadata and filters: the registration. */
import type { StoredBatch } from '../../core/batches.ts';
import { StudioError } from '../../core/errors.ts';
import { gatewayErrorReply } from '../openai-envelope.ts';
import type { ResourceReply, ResourceRequest, ResourceRoute, Wire, WirePorts } from '../protocol.ts';
import { fileNotFound } from '../stored-files.ts';
import { decodeCreate, decodeListQuery } from './decode.ts';
import { encodeBatch, encodeBatchList } from './encode.ts';
import { BatchRunner } from './runner.ts';

const PREFIXES = ['/compatible-mode/v1/batches', '/v1/batches'];

/** Create, list, one batch, cancel: under the service's prefix and OpenAI's own. The work goes on between the calls. */
export function createOpenAiBatchesWire(ports: WirePorts): Wire {
  const runner = new BatchRunner(ports);
  return {
    id: 'openai-batches',
    prefixes: PREFIXES,
    generations: [],
    resources: PREFIXES.flatMap((prefix) => batchRoutes(prefix, ports, runner)),
    sockets: [],
    encodeError: gatewayErrorReply,
    work: runner,
  };
}

function batchRoutes(prefix: string, ports: WirePorts, runner: BatchRunner): ResourceRoute[] {
  return [
    { method: 'POST', path: prefix, handle: (request) => create(request, ports, runner) },
    { method: 'GET', path: prefix, handle: (request) => list(request, ports) },
    {
      method: 'GET',
      path: `${prefix}/:id`,
      handle: async (request) => ({ status: 200, body: encodeBatch(await batchOf(request, ports)) }),
    },
    { method: 'POST', path: `${prefix}/:id/cancel`, handle: (request) => cancel(request, ports, runner) },
  ];
}

async function batchOf({ account, params }: ResourceRequest, { batches }: WirePorts): Promise<StoredBatch> {
  const id = params.id ?? '';
  const batch = await batches.find(account, id);
  if (!batch) throw new StudioError('not-found', `No batch found with id '${id}'.`, { param: 'batch_id' });
  return batch;
}

async function create(
  { account, body }: ResourceRequest,
  ports: WirePorts,
  runner: BatchRunner,
): Promise<ResourceReply> {
  const { windowMs, inputFileId, ...asked } = decodeCreate(body);
  const file = await ports.files.find(account, inputFileId);
  if (!file) throw new StudioError('invalid-parameter', fileNotFound(inputFileId).message, { param: 'input_file_id' });
  if (file.purpose !== 'batch')
    throw new StudioError('invalid-parameter', `File [id:${inputFileId}] must have the purpose 'batch'.`, {
      param: 'input_file_id',
    });
  const inputBlobId = await ports.blobs.copy(file.blobId);
  const nowMs = ports.clock.now();
  const batch = await ports.batches
    .create({
      ...asked,
      batchId: `batch_${ports.ids.uuid()}`,
      account,
      inputFileId,
      inputBlobId,
      createdAtMs: nowMs,
      expiresAtMs: nowMs + windowMs,
    })
    .catch(async (thrown: unknown) => {
      await ports.blobs.delete(inputBlobId);
      throw thrown;
    });
  runner.take(batch);
  return { status: 200, body: encodeBatch(batch) };
}

async function list({ account, query }: ResourceRequest, ports: WirePorts): Promise<ResourceReply> {
  const filter = decodeListQuery(query, ports.clock.now());
  const { afterBatchId } = filter;
  if (afterBatchId !== undefined && !(await ports.batches.find(account, afterBatchId)))
    throw new StudioError('invalid-parameter', `No batch found with id '${afterBatchId}'.`, { param: 'after' });
  const { batches, hasMore } = await ports.batches.list(account, filter);
  return { status: 200, body: encodeBatchList(batches, hasMore) };
}

/** Recorded: the answer says `cancelling` without its time, which comes when the work has been cut. */
async function cancel(request: ResourceRequest, ports: WirePorts, runner: BatchRunner): Promise<ResourceReply> {
  for (;;) {
    const batch = await batchOf(request, ports);
    const { batchId, status } = batch;
    if (status === 'cancelling') return { status: 200, body: encodeBatch(batch) };
    if (status !== 'validating' && status !== 'in_progress')
      throw new StudioError('unsupported-operation', `Cannot cancel a batch with status '${status}'.`);
    // It may have gone on since it was read; then it is read again.
    if (!(await ports.batches.update(batchId, status, { status: 'cancelling' }))) continue;
    runner.interrupt(batchId);
    return { status: 200, body: encodeBatch({ ...batch, status: 'cancelling' }) };
  }
}
