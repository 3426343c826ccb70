/**
 * The build of llama-server that `atelier engine install` fetches: one release of llama.cpp, pinned, and the SHA-256 of
 * each of its archives. Only data.
 *
 * GitHub tells a digest of every release asset. Those below are as two public repositories recorded them independently
 * for Linux on x64, and as one did for the others (decision 0021); none was fetched from where this was written, because
 * there is no network there. A wrong one costs an install that is refused, never an archive that is trusted wrongly.
 */

export interface EngineArchive {
  readonly platform: NodeJS.Platform;
  readonly arch: string;
  /** `cpu` uses the GPU of a Mac as well; `vulkan` that of most others. */
  readonly device: 'cpu' | 'vulkan';
  readonly file: string;
  readonly sizeBytes: number;
  /** Null: not known, and then it is not installed. */
  readonly sha256: string | null;
}

/** The first release that streams how much of a prompt it found (`return_progress`), with some months of mending after. */
export const OLDEST_BUILD = 6_700;

export const PINNED_BUILD = 11_194;
export const PINNED_TAG = `b${PINNED_BUILD}`;
export const RELEASE_REPOSITORY = 'ggml-org/llama.cpp';

const archive = (
  platform: NodeJS.Platform,
  arch: string,
  device: EngineArchive['device'],
  name: string,
  sizeBytes: number,
  sha256: string | null,
): EngineArchive => ({ platform, arch, device, file: `llama-${PINNED_TAG}-bin-${name}`, sizeBytes, sha256 });

export const ENGINE_ARCHIVES: readonly EngineArchive[] = [
  archive(
    'linux',
    'x64',
    'cpu',
    'ubuntu-x64.tar.gz',
    17_014_362,
    '527c09064f3c89e4b6e1008a641e31903a04ccdd1c69abd0752acbbd4e1905f6',
  ),
  archive(
    'linux',
    'x64',
    'vulkan',
    'ubuntu-vulkan-x64.tar.gz',
    30_955_864,
    'e4f8163eaf2e4d45639238a6fbc09f559e4ff5c0e7d612088a282ed128359c5e',
  ),
  archive(
    'linux',
    'arm64',
    'cpu',
    'ubuntu-arm64.tar.gz',
    13_608_309,
    '92a8e5bb9f2f16804715fa6876f64691827a54d41d39dca67e2a83aa70f133ce',
  ),
  archive(
    'linux',
    'arm64',
    'vulkan',
    'ubuntu-vulkan-arm64.tar.gz',
    24_776_725,
    '1aa413dda941b31f58ff40205dcd9bad200eb569ef82623b8bc3adf8115162ef',
  ),
  archive(
    'darwin',
    'arm64',
    'cpu',
    'macos-arm64.tar.gz',
    11_767_333,
    'cc5d31e048c1c440149a0aaf25a6e387823511c0f23561ec534a4ec07c14e9e1',
  ),
  archive(
    'darwin',
    'x64',
    'cpu',
    'macos-x64.tar.gz',
    11_250_068,
    'fe9b6c1a2856647303b31401b89e9aab320416706c358c3ce4beb71d21b1f37a',
  ),
  archive(
    'win32',
    'x64',
    'cpu',
    'win-cpu-x64.zip',
    18_579_455,
    'a508189eb974891c6d665b00d7e1eb5f38adc98345ef1f4815d158dabe188edb',
  ),
  archive(
    'win32',
    'x64',
    'vulkan',
    'win-vulkan-x64.zip',
    32_469_369,
    '2ba6c1f42f571c5e7d309aeae1052b846794003eca4c332b0ce5498b5bcd7305',
  ),
  archive(
    'win32',
    'arm64',
    'cpu',
    'win-cpu-arm64.zip',
    12_051_155,
    'ce9602bae7616831ec3863df7d509fb160183c4a784f98345086723b353d9beb',
  ),
];

/** The archive for a machine; undefined where the release has none. */
export function archiveFor(
  platform: NodeJS.Platform,
  arch: string,
  device: EngineArchive['device'] = 'cpu',
): EngineArchive | undefined {
  return ENGINE_ARCHIVES.find((each) => each.platform === platform && each.arch === arch && each.device === device);
}
