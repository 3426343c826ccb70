/** Where a llama-server is on this machine, whether it can be used, and which engine the settings come to. */
import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, readdir } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Config } from '../config.ts';
import { OLDEST_BUILD } from './releases.ts';

/** A llama-server that runs. */
export interface FoundServer {
  readonly binary: string;
  /** `b11194`, or `of an unknown build` where it does not say. */
  readonly version: string;
  readonly from: 'settings' | 'path' | 'installed';
}

export type EngineChoice =
  | { readonly kind: 'binding' /** A sentence. */; readonly why: string }
  | { readonly kind: 'llama-server'; readonly server: FoundServer; readonly why: string };

/** The engine that the settings ask for cannot be used; the message says why and what to do. */
export class EngineError extends Error {}

/** What of the settings and the machine decides. */
export interface EngineWish {
  readonly kind: Config['engine']['kind'];
  /** `engine.llamaServer`. */
  readonly binary: string | undefined;
  /** Where `atelier engine install` puts engines. */
  readonly folder: string;
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly platform?: NodeJS.Platform | undefined;
}

/** What the wish is, by a configuration. */
export function engineWishOf({ engine, home }: Pick<Config, 'engine' | 'home'>): EngineWish {
  return { kind: engine.kind, binary: engine.llamaServer, folder: enginesFolderOf(home) };
}

export function enginesFolderOf(home: string): string {
  return path.join(home, 'engines');
}

/** Throws an EngineError when a llama-server is asked for, by kind or by its path, and none can be used. */
export async function chooseEngine(wish: EngineWish): Promise<EngineChoice> {
  if (wish.kind === 'binding') return { kind: 'binding', why: 'engine.kind asks for it' };
  const found = await findServer(wish);
  if (!('problem' in found)) {
    const why = { settings: 'engine.llamaServer names it', path: 'it is on the PATH', installed: 'it was installed' };
    return { kind: 'llama-server', server: found, why: why[found.from] };
  }
  if (wish.kind === 'llama-server' || wish.binary !== undefined)
    throw new EngineError(`${found.problem}.\nFix: ${HOW_TO_GET_IT}, or set engine.kind to binding.`);
  return { kind: 'binding', why: found.problem };
}

/** For people who want the faster engine. */
export const HOW_TO_GET_IT =
  'atelier engine install fetches a llama-server; or put one on the PATH, or name it in engine.llamaServer';

const VERSION_TIMEOUT_MS = 15_000;

/** The first that is there decides: one that does not run is told, not passed over in silence. */
async function findServer(wish: EngineWish): Promise<FoundServer | { readonly problem: string }> {
  const { platform = process.platform, env = process.env } = wish;
  const name = platform === 'win32' ? 'llama-server.exe' : 'llama-server';
  if (wish.binary !== undefined) return checked(wish.binary, 'settings');
  for (const folder of (env.PATH ?? '').split(path.delimiter)) {
    const binary = path.join(folder, name);
    if (folder !== '' && (await isProgram(binary))) return checked(binary, 'path');
  }
  const installed = await installedServer(wish.folder, name);
  return installed ? checked(installed, 'installed') : { problem: 'there is no llama-server on this machine' };
}

async function checked(binary: string, from: FoundServer['from']): Promise<FoundServer | { readonly problem: string }> {
  if (!(await isProgram(binary))) return { problem: `${binary} is no program that may be run` };
  try {
    const { stdout, stderr } = await promisify(execFile)(binary, ['--version'], { timeout: VERSION_TIMEOUT_MS });
    // Built outside of its repository it calls itself build 0.
    const build = Number(/version:\s*(\d+)/.exec(`${stdout}\n${stderr}`)?.[1] ?? 0);
    if (build > 0 && build < OLDEST_BUILD)
      return { problem: `${binary} is build ${build}, and the oldest that can be used is ${OLDEST_BUILD}` };
    return { binary, version: build > 0 ? `b${build}` : 'of an unknown build', from };
  } catch (error) {
    return { problem: `${binary} does not run: ${firstLine((error as Error).message)}` };
  }
}

/** The newest of those that `atelier engine install` has put there. */
async function installedServer(folder: string, name: string): Promise<string | undefined> {
  const builds = (await readdir(folder).catch(() => [])).filter((each) => /^llama-b\d+/.test(each));
  const newestFirst = builds.toSorted((a, b) => Number(/\d+/.exec(b)) - Number(/\d+/.exec(a)));
  for (const build of newestFirst) {
    const binary = await binaryIn(path.join(folder, build), name);
    if (binary) return binary;
  }
  return undefined;
}

/** Archives of some platforms have a folder inside. */
export async function binaryIn(folder: string, name: string): Promise<string | undefined> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const entry = entries.find((each) => each.name === name && (each.isFile() || each.isSymbolicLink()));
  return entry && path.join(entry.parentPath, entry.name);
}

async function isProgram(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? text;
}
