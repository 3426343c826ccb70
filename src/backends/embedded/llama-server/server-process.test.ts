import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { serverArguments, serverEnvironment } from './server-arguments.ts';
import { ServerProcess, type ServerProcessSetting } from './server-process.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'atelier-llama-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const here = (file: string): string => path.join(import.meta.dirname, 'testing', file);

/** The fake as a program of its own, as a real one would be. */
function program(): string {
  const file = path.join(folder, 'llama-server');
  writeFileSync(file, `#!/bin/sh\nexec "${process.execPath}" "${here('fake-llama-program.ts')}" "$@"\n`);
  chmodSync(file, 0o755);
  return file;
}

const settingOf = (weights: string): ServerProcessSetting => ({
  binary: program(),
  weightsFile: path.join(folder, weights),
  projectorFile: undefined,
  slots: 2,
  contextTokens: 1_000,
  threads: 2,
  slotFolder: folder,
});

interface Started {
  readonly pid: number;
  readonly arguments: readonly string[];
  readonly environment: readonly string[];
}

const started = (weights: string): Started =>
  JSON.parse(readFileSync(path.join(folder, `${weights}.started`), 'utf8')) as Started;

async function untilGone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
      // A process that was killed is seen for a moment yet.
      if (readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')[2] === 'Z') return;
    } catch {
      return;
    }
    await new Promise(setImmediate);
  }
}

describe.skipIf(process.platform !== 'linux')('a llama-server of our own', () => {
  const signal = new AbortController().signal;

  it('is there when it is healthy, answers only to its key, and ends when it is killed', async () => {
    const server = await ServerProcess.start(settingOf('ok'), signal);
    expect(await server.client.facts(signal)).toMatchObject({ slots: 2, contextTokens: 1_256 });
    const { pid, arguments: words, environment } = started('ok');
    const port = words[words.indexOf('--port') + 1];
    expect((await fetch(`http://127.0.0.1:${port}/props`)).status).toBe(401);
    expect(words.join(' ')).not.toContain('api-key');
    expect(environment).toContain('LLAMA_API_KEY');
    server.kill();
    expect(await server.gone).toMatch(/^llama-server ended/);
    await untilGone(pid);
  });

  it('says why it ended before it was ready', async () => {
    await expect(ServerProcess.start(settingOf('exit'), signal)).rejects.toThrow(
      'llama-server ended with code 1: E main: error: failed to load the model',
    );
  });

  it('is given up when its starter is', async () => {
    const aborter = new AbortController();
    const start = ServerProcess.start(settingOf('never'), aborter.signal);
    const pid = await new Promise<number>((resolve) => {
      const look = (): void => {
        try {
          resolve(started('never').pid);
        } catch {
          setImmediate(look);
        }
      };
      look();
    });
    aborter.abort(new Error('no more'));
    await expect(start).rejects.toThrow('no more');
    await untilGone(pid);
  });

  it('does not outlive a parent that is killed', async () => {
    const parent = spawn(process.execPath, [here('keeper-parent.ts'), program(), path.join(folder, 'orphan')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => parent.stdout.once('data', resolve));
    const { pid } = started('orphan');
    parent.kill('SIGKILL');
    await untilGone(pid);
  });
});

describe('the command line', () => {
  const setting = { ...settingOf('w'), port: 7, projectorFile: undefined };
  const needed = '--model --host --port --parallel --ctx-size --threads';

  it('has what the server knows and nothing else', () => {
    const words = serverArguments(setting, `${needed} --batch-size --cache-ram --no-webui`);
    expect(words).toContain('--no-webui');
    expect(words).not.toContain('--offline');
    expect(words.slice(words.indexOf('--ctx-size')).slice(0, 2)).toEqual(['--ctx-size', '2512']);
  });

  it('reads prompts in long pieces, however many stream beside them', () => {
    const batchFor = (slots: number): number => {
      const words = serverArguments({ ...setting, slots }, `${needed} --batch-size --ubatch-size`);
      expect(words[words.indexOf('--ubatch-size') + 1]).toBe(words[words.indexOf('--batch-size') + 1]);
      return Number(words[words.indexOf('--batch-size') + 1]);
    };
    for (const slots of [1, 4, 16]) {
      expect(batchFor(slots) - slots).toBeGreaterThan(64);
      expect(batchFor(slots) - slots).toBeLessThan(72);
    }
  });

  it('is refused to a server that is too old, or that would have to see and cannot', () => {
    expect(() => serverArguments(setting, '--model --host')).toThrow(/too old: it does not know --port, --parallel/);
    expect(() => serverArguments({ ...setting, projectorFile: 'p.gguf' }, needed)).toThrow(/cannot see/);
  });

  it('passes on neither secrets nor settings of its own', () => {
    const env = { PATH: '/bin', LLAMA_ARG_PORT: '1', ATELIER_HOME: '/h', HF_TOKEN: 't', CUDA_VISIBLE_DEVICES: '0' };
    expect(serverEnvironment(env, 'key')).toEqual({
      PATH: '/bin',
      CUDA_VISIBLE_DEVICES: '0',
      LLAMA_API_KEY: 'key',
      OMP_WAIT_POLICY: 'passive',
      GOMP_SPINCOUNT: '1000',
    });
  });
});
