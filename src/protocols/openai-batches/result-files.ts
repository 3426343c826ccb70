/** Makes the output and the error file of a batch out of its results. */
import type { StoredBatch } from '../../core/batches.ts';
import type { NewFile } from '../../core/files.ts';
import type { WirePorts } from '../protocol.ts';

/** Results read at once: few enough that long ones do not fill the memory. */
const PAGE = 50;

type FilePorts = Pick<WirePorts, 'batches' | 'blobs' | 'files' | 'clock'>;

/** The ids of the files, made where they are not there yet; null for a file that would be empty. */
export async function makeResultFiles(
  batch: StoredBatch,
  ports: FilePorts,
): Promise<{ readonly outputFileId: string | null; readonly errorFileId: string | null }> {
  return {
    outputFileId: batch.completed > 0 ? await makeFile(batch, batch.outputFileId, false, ports) : null,
    errorFileId: batch.failed > 0 ? await makeFile(batch, batch.errorFileId, true, ports) : null,
  };
}

/** Also when it was made before by a process that died right after: the id was given first, so there is one file. */
async function makeFile(
  { batchId, account }: StoredBatch,
  fileId: string | null,
  isFailure: boolean,
  ports: FilePorts,
): Promise<string> {
  if (fileId === null) throw new Error(`batch ${batchId} has no ids for its files`);
  const { workspaceId, region, keyId } = account;
  if (await ports.files.find(account, fileId)) return fileId;
  // Not under the quota: a full one must not cost what has been generated.
  const blob = await ports.blobs.write(resultLines(batchId, isFailure, ports), Number.MAX_SAFE_INTEGER);
  const file: NewFile = {
    ...blob,
    fileId,
    workspaceId,
    region,
    keyId,
    name: `${batchId}_${isFailure ? 'error' : 'output'}.jsonl`,
    purpose: 'batch_output',
    description: '',
    createdAtMs: ports.clock.now(),
  };
  try {
    await ports.files.create(file);
  } catch (thrown) {
    await ports.blobs.delete(blob.blobId);
    throw thrown;
  }
  return fileId;
}

async function* resultLines(batchId: string, isFailure: boolean, { batches }: FilePorts): AsyncGenerator<string> {
  let lastLine = 0;
  for (;;) {
    const page = await batches.results(batchId, isFailure, lastLine, PAGE);
    const last = page.at(-1);
    if (!last) return;
    yield page.map(({ text }) => `${text}\n`).join('');
    lastLine = last.line;
  }
}
