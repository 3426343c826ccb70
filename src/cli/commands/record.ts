/** `atelier record` */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { createRecordingProxy } from '../../record/proxy.ts';
import { note, say, styled, UserError } from '../terminal.ts';

export interface RecordFlags {
  readonly upstream: string;
  readonly out: string;
  readonly key?: string;
  readonly keyEnv?: string;
  readonly port: string;
}

/** Only programs of this machine: whoever reaches the port calls with our key. */
const HOST = '127.0.0.1';

/** Passes on and records until a signal. */
export async function record(flags: RecordFlags): Promise<void> {
  const upstream = upstreamOf(flags.upstream);
  const folder = path.resolve(flags.out);
  const proxy = createRecordingProxy({ upstream, key: keyOf(flags), folder, onNote: note });
  const stopped = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  proxy.server.listen(portOf(flags.port), HOST);
  try {
    await once(proxy.server, 'listening');
  } catch (thrown) {
    await proxy.close();
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new UserError(`Cannot listen on ${HOST}:${flags.port}: ${reason}\nFix: choose another with --port.`);
  }
  const { port } = proxy.server.address() as AddressInfo;
  say(`Recording ${styled('bold', upstream.origin)} into ${folder}`);
  say(`Let your program call ${styled('bold', `http://${HOST}:${port}`)} in its place; Ctrl-C ends.`);
  await stopped;
  await proxy.close();
}

function upstreamOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol))
    throw new UserError(
      `--upstream ${text} is no http or https URL.\nFix: give one, such as https://dashscope.aliyuncs.com`,
    );
  return url;
}

function keyOf({ key, keyEnv }: RecordFlags): string | undefined {
  if (key !== undefined && keyEnv !== undefined)
    throw new UserError('--key and --key-env were both given.\nFix: leave one out.');
  if (keyEnv === undefined) return key;
  const value = process.env[keyEnv];
  if (!value)
    throw new UserError(`The environment variable ${keyEnv} is not set.\nFix: export ${keyEnv} before the start.`);
  return value;
}

function portOf(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new UserError(`--port ${text} is no port.\nFix: give a whole number from 0 to 65535.`);
  return port;
}
