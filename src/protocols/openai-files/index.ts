/** Files as OpenAI's clients know them: the registration. */
import { StudioError } from '../../core/errors.ts';
import type { StoredFile } from '../../core/files.ts';
import type { ResourceRequest, ResourceRoute, Wire, WirePorts } from '../protocol.ts';
import { contentReply, dropFile, fileNotFound } from '../stored-files.ts';
import { decodeListQuery, receiveUpload } from './decode.ts';
import { encodeFile, encodeFileList } from './encode.ts';
import { encodeFileError } from './errors.ts';
import type { DeletedFile } from './schema.ts';

const PREFIXES = ['/compatible-mode/v1/files', '/v1/files'];

/** Upload, list, one file, its bytes, delete: under the service's prefix and OpenAI's own. */
export function createOpenAiFilesWire(ports: WirePorts): Wire {
  return {
    id: 'openai-files',
    prefixes: PREFIXES,
    generations: [],
    resources: PREFIXES.flatMap((prefix) => fileRoutes(prefix, ports)),
    sockets: [],
    encodeError: encodeFileError,
  };
}

function fileRoutes(prefix: string, ports: WirePorts): ResourceRoute[] {
  const fileOf = async ({ account, params }: ResourceRequest): Promise<StoredFile> => {
    const id = params.id ?? '';
    const file = await ports.files.find(account, id);
    if (!file) throw fileNotFound(id);
    return file;
  };
  return [
    {
      method: 'POST',
      path: prefix,
      accepts: 'multipart',
      handle: async (request) => ({ status: 200, body: encodeFile(await receiveUpload(request, ports)) }),
    },
    {
      method: 'GET',
      path: prefix,
      handle: async ({ account, query }) => {
        const filter = decodeListQuery(query);
        const { afterFileId } = filter;
        if (afterFileId !== undefined && !(await ports.files.find(account, afterFileId)))
          throw new StudioError('invalid-parameter', fileNotFound(afterFileId).message, { param: 'after' });
        const { files, hasMore } = await ports.files.list(account, filter);
        return { status: 200, body: encodeFileList(files, hasMore) };
      },
    },
    {
      method: 'GET',
      path: `${prefix}/:id`,
      handle: async (request) => ({ status: 200, body: encodeFile(await fileOf(request)) }),
    },
    {
      method: 'DELETE',
      path: `${prefix}/:id`,
      handle: async (request) => {
        const { fileId } = await fileOf(request);
        await dropFile(ports, request.account, fileId);
        return { status: 200, body: { id: fileId, object: 'file', deleted: true } satisfies DeletedFile };
      },
    },
    {
      method: 'GET',
      path: `${prefix}/:id/content`,
      handle: async (request) => contentReply(ports, await fileOf(request)),
    },
  ];
}
