/** A model hub on loopback whose behaviour a test chooses per request. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type HubBehaviour =
  /** Answers whole files and ranges. */
  | 'serve'
  | 'ignore-range'
  /** Sends half of what is left, then drops the connection. */
  | 'cut'
  /** Takes the request and says nothing. */
  | 'silent'
  | 'silent-after-headers'
  | 'not-found'
  /** Other bytes of the same length. */
  | 'wrong-bytes'
  /** Redirects to a store, telling the digest as the hub does. */
  | 'redirect'
  | 'html';

export interface FakeHub {
  readonly endpoint: string;
  /** One line a request: path and range. */
  readonly requests: string[];
  /** For the coming requests, in order; the last one stays. */
  behave(...behaviours: HubBehaviour[]): void;
  close(): Promise<void>;
}

/** Starts a hub that has one file, whatever path is asked for. */
export async function startFakeHub(content: Buffer): Promise<FakeHub> {
  let behaviours: HubBehaviour[] = ['serve'];
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.url} ${request.headers.range ?? ''}`.trim());
    const isStore = request.url?.startsWith('/store');
    const behaviour = isStore ? 'serve' : ((behaviours.length > 1 ? behaviours.shift() : behaviours[0]) ?? 'serve');
    answer(behaviour, content, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    behave: (...next) => {
      behaviours = next;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(behaviour: HubBehaviour, content: Buffer, request: IncomingMessage, response: ServerResponse): void {
  const offset = behaviour === 'ignore-range' ? 0 : Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const rest = content.subarray(offset);
  switch (behaviour) {
    case 'silent':
      return;
    case 'silent-after-headers':
      response.writeHead(200, { 'content-length': content.length });
      response.flushHeaders();
      return;
    case 'not-found':
      response.writeHead(404).end();
      return;
    case 'html':
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Please log in</html>');
      return;
    case 'redirect':
      response.writeHead(302, { location: '/store/file', 'x-linked-etag': `"${sha256(content)}"` }).end();
      return;
    case 'wrong-bytes':
      response.writeHead(200, { 'content-length': content.length }).end(Buffer.alloc(content.length, 'GGUF'));
      return;
    case 'cut':
      writeHead(response, content, offset);
      response.write(rest.subarray(0, Math.ceil(rest.length / 2)), () => response.destroy());
      return;
    case 'serve':
    case 'ignore-range':
      writeHead(response, content, offset);
      response.end(rest);
      return;
    default:
      behaviour satisfies never;
  }
}

function writeHead(response: ServerResponse, content: Buffer, offset: number): void {
  if (offset > content.length) response.writeHead(416, { 'content-range': `bytes */${content.length}` });
  else if (offset > 0)
    response.writeHead(206, {
      'content-length': content.length - offset,
      'content-range': `bytes ${offset}-${content.length - 1}/${content.length}`,
    });
  else response.writeHead(200, { 'content-length': content.length });
}

export function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
