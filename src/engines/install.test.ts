import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { releaseSource } from '../weights/hub-source.ts';
import { type FakeHub, sha256, startFakeHub } from '../weights/testing/fake-hub.ts';
import { chooseEngine, type EngineWish } from './find.ts';
import { installLlamaServer } from './install.ts';
import { archiveFor, ENGINE_ARCHIVES, type EngineArchive, PINNED_TAG } from './releases.ts';

let folder: string;
let hub: FakeHub | undefined;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'atelier-engines-'));
});
afterEach(async () => {
  await hub?.close();
  hub = undefined;
  rmSync(folder, { recursive: true, force: true });
});

/** A program that says its version and nothing else. */
function writeServer(file: string, says = 'version: 11194 (9f70b2ce)'): string {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `#!/bin/sh\necho "${says}" >&2\n`);
  chmodSync(file, 0o755);
  return file;
}

/** An archive as a release has it: a folder with the program in it. */
function archiveBytes(): Buffer {
  const inside = path.join(folder, 'made');
  writeServer(path.join(inside, `llama-${PINNED_TAG}`, 'llama-server'));
  const file = path.join(folder, 'made.tar.gz');
  execFileSync('tar', ['-czf', file, '-C', inside, '.']);
  const bytes = readFileSync(file);
  rmSync(inside, { recursive: true });
  rmSync(file);
  return bytes;
}

const engines = (): string => path.join(folder, 'engines');

async function install(bytes: Buffer, changes: Partial<EngineArchive> = {}) {
  hub ??= await startFakeHub(bytes);
  const archive: EngineArchive = {
    platform: 'linux',
    arch: 'x64',
    device: 'cpu',
    file: 'llama-test.tar.gz',
    sizeBytes: bytes.length,
    sha256: sha256(bytes),
    ...changes,
  };
  const sources = [releaseSource({}, hub.endpoint)];
  return installLlamaServer({ folder: engines(), archive, sources });
}

const wish = (changes: Partial<EngineWish> = {}): EngineWish => ({
  kind: 'auto',
  binary: undefined,
  folder: engines(),
  env: { PATH: path.join(folder, 'bin') },
  platform: 'linux',
  ...changes,
});

describe.skipIf(process.platform === 'win32')('installing a llama-server', () => {
  it('fetches the archive of the release, checks it, unpacks it, and then finds it', async () => {
    const bytes = archiveBytes();
    const { binary, wasHere } = await install(bytes);
    expect(wasHere).toBe(false);
    expect(hub?.requests).toEqual([`/ggml-org/llama.cpp/releases/download/${PINNED_TAG}/llama-test.tar.gz`]);
    expect(readdirSync(engines())).toEqual([`llama-${PINNED_TAG}-linux-x64-cpu`]);
    expect(await chooseEngine(wish())).toEqual({
      kind: 'llama-server',
      server: { binary, version: PINNED_TAG, from: 'installed' },
      why: 'it was installed',
    });
    expect(await install(bytes)).toMatchObject({ binary, wasHere: true });
    expect(hub?.requests).toHaveLength(1);
  });

  it('refuses other bytes and leaves nothing of them', async () => {
    const bytes = archiveBytes();
    await expect(install(bytes, { sha256: '0'.repeat(64) })).rejects.toThrow(/has the SHA-256 .*refused and deleted/);
    expect(readdirSync(engines())).toEqual([]);
  });

  it('refuses an archive whose digest nobody knows, before it asks for it', async () => {
    await expect(install(archiveBytes(), { sha256: null })).rejects.toThrow(/is not known here.*not installed/);
    expect(hub?.requests).toEqual([]);
  });

  it('says what else can be done without a network, and on a machine without a build', async () => {
    hub = await startFakeHub(Buffer.from(''));
    hub.behave('not-found');
    await expect(install(archiveBytes())).rejects.toThrow(/GitHub: it answered 404.*\nFix: try again with a network/);
    const options = { folder: engines(), platform: 'linux', arch: 'riscv64' } as const;
    await expect(installLlamaServer(options)).rejects.toThrow(/no build for linux riscv64/);
  });

  it('refuses an archive without the program', async () => {
    const inside = path.join(folder, 'made');
    mkdirSync(inside);
    writeFileSync(path.join(inside, 'readme'), 'nothing');
    execFileSync('tar', ['-czf', path.join(folder, 'made.tar.gz'), '-C', inside, '.']);
    const bytes = readFileSync(path.join(folder, 'made.tar.gz'));
    await expect(install(bytes)).rejects.toThrow(/has no llama-server in it/);
    expect(existsSync(path.join(engines(), `llama-${PINNED_TAG}-linux-x64-cpu`))).toBe(false);
  });
});

describe('the pinned release', () => {
  it('has an archive with a digest for every ordinary machine', () => {
    for (const machine of ['linux x64', 'linux arm64', 'darwin arm64', 'darwin x64', 'win32 x64', 'win32 arm64']) {
      const [platform, arch] = machine.split(' ') as [NodeJS.Platform, string];
      expect(archiveFor(platform, arch)?.sha256, machine).toMatch(/^[0-9a-f]{64}$/);
    }
    expect(new Set(ENGINE_ARCHIVES.map(({ sha256: digest }) => digest)).size).toBe(ENGINE_ARCHIVES.length);
  });
});

describe.skipIf(process.platform === 'win32')('choosing the engine', () => {
  const onPath = (): string => path.join(folder, 'bin', 'llama-server');

  it('takes the named one, then the one on the PATH, then the installed one, then the binding', async () => {
    expect(await chooseEngine(wish())).toEqual({ kind: 'binding', why: 'there is no llama-server on this machine' });
    writeServer(path.join(engines(), 'llama-b7000-linux-x64-cpu', 'llama-server'), 'version: 7000 (a)');
    writeServer(path.join(engines(), 'llama-b11194-linux-x64-cpu', 'llama-server'));
    expect(await chooseEngine(wish())).toMatchObject({ server: { version: 'b11194', from: 'installed' } });
    writeServer(onPath(), 'version: 0 (unknown)');
    expect(await chooseEngine(wish())).toMatchObject({ server: { version: 'of an unknown build', from: 'path' } });
    const named = writeServer(path.join(folder, 'mine'));
    expect(await chooseEngine(wish({ binary: named }))).toMatchObject({ server: { binary: named, from: 'settings' } });
    expect(await chooseEngine(wish({ kind: 'binding', binary: named }))).toMatchObject({ kind: 'binding' });
  });

  it('passes over one that is too old or does not run, and says so', async () => {
    writeServer(onPath(), 'version: 4000 (a)');
    expect(await chooseEngine(wish())).toMatchObject({ kind: 'binding', why: expect.stringMatching(/is build 4000/) });
    writeFileSync(onPath(), '#!/nowhere/at-all\n');
    expect(await chooseEngine(wish())).toMatchObject({ kind: 'binding', why: expect.stringMatching(/does not run/) });
  });

  it('refuses to start with another engine than the one that is asked for', async () => {
    await expect(chooseEngine(wish({ kind: 'llama-server' }))).rejects.toThrow(
      /no llama-server.*\nFix: atelier engine/,
    );
    const missing = path.join(folder, 'missing');
    await expect(chooseEngine(wish({ binary: missing }))).rejects.toThrow(/missing is no program/);
  });
});
