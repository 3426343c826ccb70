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
      handle: (request) => ({ status: 200, body: encodeBatch(batchOf(request, ports)) }),
    },
    { method: 'POST', path: `${prefix}/:id/cancel`, handle: (request) => cancel(request, ports, runner) },
  ];
}

function batchOf({ account, params }: ResourceRequest, { batches }: WirePorts): StoredBatch {
  const id = params.id ?? '';
  const batch = batches.find(account.workspaceId, id);
  if (!batch) throw new StudioError('not-found', `No batch found with id '${id}'.`, { param: 'batch_id' });
  return batch;
}

async function create(
  { account, body }: ResourceRequest,
  ports: WirePorts,
  runner: BatchRunner,
): Promise<ResourceReply> {
  const { windowMs, inputFileId, ...asked } = decodeCreate(body);
  const file = ports.files.find(account.workspaceId, inputFileId);
  if (!file) throw new StudioError('invalid-parameter', fileNotFound(inputFileId).message, { param: 'input_file_id' });
  if (file.purpose !== 'batch')
    throw new StudioError('invalid-parameter', `File [id:${inputFileId}] must have the purpose 'batch'.`, {
      param: 'input_file_id',
    });
  const inputBlobId = await ports.blobs.copy(file.blobId);
  const nowMs = ports.clock.now();
  const batch = ports.batches.create({
    ...asked,
    batchId: `batch_${ports.ids.uuid()}`,
    account,
    inputFileId,
    inputBlobId,
    createdAtMs: nowMs,
    expiresAtMs: nowMs + windowMs,
  });
  runner.take(batch);
  return { status: 200, body: encodeBatch(batch) };
}

function list({ account, query }: ResourceRequest, ports: WirePorts): ResourceReply {
  const filter = decodeListQuery(query, ports.clock.now());
  const { afterBatchId } = filter;
  if (afterBatchId !== undefined && !ports.batches.find(account.workspaceId, afterBatchId))
    throw new StudioError('invalid-parameter', `No batch found with id '${afterBatchId}'.`, { param: 'after' });
  const { batches, hasMore } = ports.batches.list(account.workspaceId, filter);
  return { status: 200, body: encodeBatchList(batches, hasMore) };
}

/** Recorded: the answer says `cancelling` without its time, which comes when the work has been cut. */
function cancel(request: ResourceRequest, ports: WirePorts, runner: BatchRunner): ResourceReply {
  const { batchId, status } = batchOf(request, ports);
  if (status === 'validating' || status === 'in_progress') {
    ports.batches.update(batchId, status, { status: 'cancelling' });
    runner.interrupt(batchId);
  } else if (status !== 'cancelling') {
    throw new StudioError('unsupported-operation', `Cannot cancel a batch with status '${status}'.`);
  }
  return { status: 200, body: encodeBatch(batchOf(request, ports)) };
}
