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
  const fileOf = ({ account, params }: ResourceRequest): StoredFile => {
    const id = params.id ?? '';
    const file = ports.files.find(account.workspaceId, id);
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
      handle: ({ account, query }) => {
        const filter = decodeListQuery(query);
        const { afterFileId } = filter;
        if (afterFileId !== undefined && !ports.files.find(account.workspaceId, afterFileId))
          throw new StudioError('invalid-parameter', fileNotFound(afterFileId).message, { param: 'after' });
        const { files, hasMore } = ports.files.list(account.workspaceId, filter);
        return { status: 200, body: encodeFileList(files, hasMore) };
      },
    },
    {
      method: 'GET',
      path: `${prefix}/:id`,
      handle: (request) => ({ status: 200, body: encodeFile(fileOf(request)) }),
    },
    {
      method: 'DELETE',
      path: `${prefix}/:id`,
      handle: async (request) => {
        const { fileId } = fileOf(request);
        await dropFile(ports, request.account.workspaceId, fileId);
        return { status: 200, body: { id: fileId, object: 'file', deleted: true } satisfies DeletedFile };
      },
    },
    {
      method: 'GET',
      path: `${prefix}/:id/content`,
      handle: (request) => contentReply(ports, fileOf(request)),
    },
  ];
}
