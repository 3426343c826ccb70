/** The model hub, ModelScope and releases on GitHub: a file over HTTP, from any offset. */
import {
  BrokenOffError,
  OffsetError,
  type OpenedFile,
  reasonOf,
  SourceError,
  type WantedFile,
  type WeightsSource,
} from './sources.ts';
import type { HubFile } from './weights-catalogue.ts';

/** A source that says nothing for this long is passed over. */
const ANSWER_TIMEOUT_MS = 3000;
/** Once bytes flow, silence is more likely a slow line. */
const STALL_TIMEOUT_MS = 30_000;

const HUB_ENDPOINT = 'https://huggingface.co';
const MODELSCOPE_ENDPOINT = 'https://modelscope.cn/models';
const RELEASES_ENDPOINT = 'https://github.com';

export interface HttpSourceOptions {
  readonly answerTimeoutMs?: number | undefined;
  readonly stallTimeoutMs?: number | undefined;
}

type Environment = { readonly [name: string]: string | undefined };

/** The model hub; `HF_ENDPOINT` names a mirror, `HF_TOKEN` opens gated repositories. */
export function hubSource(env: Environment, options: HttpSourceOptions = {}): WeightsSource {
  const endpoint = (env.HF_ENDPOINT || HUB_ENDPOINT).replace(/\/+$/, '');
  return httpSource({
    id: 'hub',
    fileOf: (wanted) => wanted.hub,
    urlOf: ({ repository, file }) => `${endpoint}/${repository}/resolve/main/${encodePath(file)}`,
    headers: env.HF_TOKEN ? { authorization: `Bearer ${env.HF_TOKEN}` } : {},
    options,
  });
}

/** ModelScope, which carries the vendor's repositories under the same names. */
export function modelScopeSource(options: HttpSourceOptions = {}, endpoint = MODELSCOPE_ENDPOINT): WeightsSource {
  return httpSource({
    id: 'ModelScope',
    fileOf: (wanted) => wanted.modelScope,
    urlOf: ({ repository, file }) => `${endpoint}/${repository}/resolve/master/${encodePath(file)}`,
    headers: {},
    options,
  });
}

/** The releases of a project on GitHub; a file is named `TAG/FILE`. */
export function releaseSource(options: HttpSourceOptions = {}, endpoint = RELEASES_ENDPOINT): WeightsSource {
  return httpSource({
    id: 'GitHub',
    fileOf: (wanted) => wanted.hub,
    urlOf: ({ repository, file }) => `${endpoint}/${repository}/releases/download/${encodePath(file)}`,
    headers: {},
    options,
  });
}

interface HttpSource {
  readonly id: string;
  readonly fileOf: (wanted: WantedFile) => HubFile | undefined;
  readonly urlOf: (file: HubFile) => string;
  readonly headers: { readonly [name: string]: string };
  readonly options: HttpSourceOptions;
}

function httpSource(source: HttpSource): WeightsSource {
  return {
    id: source.id,
    has: (wanted) => source.fileOf(wanted) !== undefined,
    async open(wanted, offset, signal) {
      const file = source.fileOf(wanted);
      if (!file) throw new SourceError('it does not carry these weights');
      return openUrl(source.urlOf(file), { wanted, offset, signal, headers: source.headers, options: source.options });
    },
  };
}

interface UrlRequest {
  readonly wanted: WantedFile;
  readonly offset: number;
  readonly signal: AbortSignal;
  readonly headers: { readonly [name: string]: string };
  readonly options: HttpSourceOptions;
}

async function openUrl(url: string, request: UrlRequest): Promise<OpenedFile> {
  const { answerTimeoutMs = ANSWER_TIMEOUT_MS, stallTimeoutMs = STALL_TIMEOUT_MS } = request.options;
  const watchdog = new Watchdog(request.signal);
  watchdog.restart(answerTimeoutMs);
  try {
    const { response, sha256 } = await follow(url, request, watchdog.signal);
    const { startsAt, totalBytes } = rangeOf(response, request.offset);
    const { sizeBytes } = request.wanted;
    if (sizeBytes !== null && totalBytes !== null && totalBytes !== sizeBytes)
      throw new SourceError(`its file has ${totalBytes} bytes, not ${sizeBytes}`);
    return { startsAt, totalBytes, sha256, body: watched(response, watchdog, stallTimeoutMs) };
  } catch (thrown) {
    watchdog.stop();
    throw watchdog.explain(thrown);
  }
}

/** Follows redirects by hand: the hub tells the digest only on its own answer, not on that of the store it points to. */
async function follow(url: string, request: UrlRequest, signal: AbortSignal) {
  let at = new URL(url);
  const { origin } = at;
  let sha256: string | null = null;
  for (let hops = 0; hops < 6; hops++) {
    const response = await fetch(at, {
      signal,
      redirect: 'manual',
      headers: {
        // Compressed transfer would make offsets and sizes mean something else.
        'accept-encoding': 'identity',
        ...(request.offset > 0 ? { range: `bytes=${request.offset}-` } : {}),
        ...(at.origin === origin ? request.headers : {}),
      },
    });
    sha256 ??= digestOf(response);
    const location = response.headers.get('location');
    if (response.status < 300 || response.status >= 400 || !location) return { response, sha256 };
    await response.body?.cancel();
    at = new URL(location, at);
  }
  throw new SourceError('it redirects without end');
}

/** Large files of the hub carry their SHA-256 as a linked ETag. */
function digestOf(response: Response): string | null {
  const tag = response.headers.get('x-linked-etag')?.replaceAll('"', '');
  return tag && /^[0-9a-f]{64}$/.test(tag) ? tag : null;
}

function rangeOf(response: Response, offset: number): { startsAt: number; totalBytes: number | null } {
  const contentRange = /^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers.get('content-range') ?? '');
  if (response.status === 206 && contentRange)
    return { startsAt: Number(contentRange[1]), totalBytes: Number(contentRange[2]) };
  if (response.status === 200) {
    const length = response.headers.get('content-length');
    return { startsAt: 0, totalBytes: length === null ? null : Number(length) };
  }
  if (response.status === 416) throw new OffsetError(`its file ends before byte ${offset}`);
  throw new SourceError(`it answered ${response.status} ${response.statusText}`.trim());
}

/** The body, cut off when it falls silent. Until its first byte the answer's own time limit still runs. */
async function* watched(response: Response, watchdog: Watchdog, stallTimeoutMs: number): AsyncIterable<Uint8Array> {
  let isSilent = true;
  try {
    if (!response.body) return;
    for await (const chunk of response.body) {
      isSilent = false;
      // The reader may take its time (a slow disk); only the source's silence counts.
      watchdog.stop();
      yield chunk;
      watchdog.restart(stallTimeoutMs);
    }
  } catch (thrown) {
    const explained = watchdog.explain(thrown);
    throw explained instanceof SourceError && !(isSilent && watchdog.hasFired)
      ? new BrokenOffError(explained.message, { cause: thrown })
      : explained;
  } finally {
    watchdog.stop();
  }
}

/** Aborts a transfer when it is not restarted in time. */
class Watchdog {
  readonly #controller = new AbortController();
  readonly signal: AbortSignal;
  readonly #outer: AbortSignal;
  #timer: NodeJS.Timeout | undefined;
  #limitMs = 0;

  constructor(outer: AbortSignal) {
    this.#outer = outer;
    this.signal = AbortSignal.any([outer, this.#controller.signal]);
  }

  restart(limitMs: number): void {
    clearTimeout(this.#timer);
    this.#limitMs = limitMs;
    this.#timer = setTimeout(() => this.#controller.abort(), limitMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  get hasFired(): boolean {
    return this.#controller.signal.aborted;
  }

  explain(thrown: unknown): unknown {
    if (this.#outer.aborted || thrown instanceof SourceError) return thrown;
    if (this.hasFired) return new SourceError(`it said nothing for ${this.#limitMs / 1000} s`);
    return new SourceError(reasonOf(thrown), { cause: thrown });
  }
}

function encodePath(file: string): string {
  return file.split('/').map(encodeURIComponent).join('/');
}
