/**
 * The Python SDKs that the contract tests drive, in a virtual environment of their own. Made once and kept in the user's
 * cache under the digest of the pinned list; without Python 3.10 or a package index those tests are skipped and say why.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { ROOT } from './setup.mjs';

const REQUIREMENTS = path.join(ROOT, 'test', 'contract', 'python', 'requirements.txt');
const OLDEST_PYTHON = [3, 10];
const INSTALL_LIMIT_MS = 180_000;

/** Resolves to `{ python }`, the program to run, or `{ reason }` why there is none. */
export async function ensurePythonSdks() {
  const system = findPython();
  if (!system) return { reason: `no Python ${OLDEST_PYTHON.join('.')} or newer on the PATH` };
  const digest = createHash('sha256')
    .update(readFileSync(REQUIREMENTS))
    .update(system.version)
    .digest('hex')
    .slice(0, 16);
  const cache = process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache');
  const folder = path.join(cache, 'atelier', `python-sdks-${digest}`);
  const python = path.join(folder, 'bin', 'python');
  const isReady = path.join(folder, 'ready');
  if (existsSync(isReady)) return { python };
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(path.dirname(folder), { recursive: true });
  const made = await run(system.program, ['-m', 'venv', folder]);
  if (made.status !== 0) return { reason: `python -m venv failed: ${lastLine(made.output)}` };
  const installed = await run(python, ['-m', 'pip', 'install', '--quiet', '--no-input', '-r', REQUIREMENTS]);
  if (installed.status !== 0) return { reason: `pip could not install the SDKs: ${lastLine(installed.output)}` };
  mkdirSync(`${isReady}.part`);
  renameSync(`${isReady}.part`, isReady);
  return { python };
}

function findPython() {
  for (const program of ['python3', 'python']) {
    const { status, stdout } = spawnSync(program, ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])'], {
      encoding: 'utf8',
    });
    if (status !== 0) continue;
    const version = stdout.trim();
    const [major, minor] = version.split('.').map(Number);
    if (major > OLDEST_PYTHON[0] || (major === OLDEST_PYTHON[0] && minor >= OLDEST_PYTHON[1]))
      return { program, version };
  }
  return undefined;
}

function run(program, args) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const collect = (chunk) => {
      output += chunk;
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    const timer = setTimeout(() => child.kill('SIGKILL'), INSTALL_LIMIT_MS);
    child.once('error', (error) => resolve({ status: -1, output: error.message }));
    child.once('close', (status) => {
      clearTimeout(timer);
      resolve({ status, output });
    });
  });
}

function lastLine(output) {
  return output.trim().split('\n').at(-1) || `nothing was said within ${INSTALL_LIMIT_MS / 1000} s`;
}
