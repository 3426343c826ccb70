/**
 * What every command does first: install what is locked when it is not there, and find the Node that runs TypeScript.
 * Plain JavaScript for Node >= 20 without dependencies, since nothing is installed yet when it runs.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** The repository's folder. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Node runs TypeScript by itself from these versions on. */
const OLDEST_NODE = [22, 18];
const LOCK_POLL_MS = 250;
const ORPHAN_POLL_MS = 500;
/** An install lock without an owner's id is believed for this long: its owner may be about to write it. */
const UNOWNED_LOCK_MS = 10_000;

/** A failure that the user can do something about; it is shown without a stack. */
export class SetupError extends Error {}

/** Installs what the lock file asks for unless it is there already. With `dev`, development tools too. */
export async function ensureInstalled({ dev, root = ROOT }) {
  if (isInstalled({ dev, root })) return;
  const lock = path.join(tmpdir(), `atelier-install-${createHash('sha256').update(root).digest('hex').slice(0, 16)}`);
  await withLock(lock, async () => {
    // Another process may have done it while this one waited.
    if (!isInstalled({ dev, root })) await install({ dev, root });
  });
}

/**
 * True when npm's own record of `node_modules` holds every package of the lock file in the same version. npm writes
 * that record last, so an install that was interrupted has none; and it does not matter who ran npm.
 */
export function isInstalled({ dev, root = ROOT }) {
  const wanted = readPackages(path.join(root, 'package-lock.json'));
  const present = readPackages(path.join(root, 'node_modules', '.package-lock.json'));
  if (!wanted) throw new SetupError(`package-lock.json is missing in ${root}. Fix: check the repository out again.`);
  if (!present) return false;
  return Object.entries(wanted).every(([place, entry]) => {
    if (place === '' || (!dev && (entry.dev || entry.devOptional))) return true;
    const there = present[place];
    // Packages for other systems are optional, and absent.
    if (!there) return Boolean(entry.optional);
    return there.version === entry.version && there.integrity === entry.integrity;
  });
}

/** The program that runs our TypeScript: the locked Node, else the one at hand when it is new enough. */
export function findNode({ root = ROOT } = {}) {
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  const binary = process.platform === 'win32' ? 'node.exe' : 'node';
  const locked = path.join(root, 'node_modules', `node-${platform}-${process.arch}`, 'bin', binary);
  // It may be there and not run: a system without glibc, for one.
  if (existsSync(locked) && spawnSync(locked, ['--version']).status === 0) return locked;
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) return process.execPath;
  throw new SetupError(
    `Atelier runs on Node ${OLDEST_NODE.join('.')} or newer. This is Node ${process.versions.node}, and the Node of the lock file does not run on ${process.platform} ${process.arch}. Fix: install Node 24 and try again.`,
  );
}

/** Runs `node args…` in the terminal of this process, passes signals on, and resolves to its exit code. */
export function runNode(node, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(node, args, { stdio: 'inherit', ...options });
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    const forward = (signal) => child.kill(signal);
    for (const signal of signals) process.on(signal, forward);
    // npm hands SIGTERM to the shell between it and us, and that shell dies without a word. Its death is the word.
    const parent = process.ppid;
    const isUnderNpm = process.env.npm_lifecycle_event !== undefined && process.platform !== 'win32';
    const watch =
      isUnderNpm &&
      setInterval(() => {
        if (process.ppid === parent) return;
        clearInterval(watch);
        // Once: a program may take a second one for impatience.
        child.kill('SIGTERM');
      }, ORPHAN_POLL_MS);
    const settle = (code, signal) => {
      if (watch) clearInterval(watch);
      for (const each of signals) process.off(each, forward);
      resolve(signal ? 128 + (constants.signals[signal] ?? 0) : (code ?? 1));
    };
    child.once('error', (error) => {
      if (watch) clearInterval(watch);
      reject(error);
    });
    child.once('exit', settle);
  });
}

/** Starts the CLI with the given arguments, installing first; the exit code becomes this process's. */
export async function launchCli(args) {
  await main(async () => {
    await ensureInstalled({ dev: false });
    return runNode(findNode(), [...nodeFlags(), path.join(ROOT, 'src', 'cli', 'main.ts'), ...args], {
      env: withCompileCache(),
    });
  });
}

/**
 * A server under load makes much garbage and holds little. Left alone, V8 lets the heap grow to several times what is
 * live before it looks; with these it stays flat for a few per cent of CPU (docs/decisions/0007).
 */
function nodeFlags() {
  return JSON.parse(readFileSync(path.join(ROOT, 'scripts', 'node-flags.json'), 'utf8'));
}

/**
 * Stripped and compiled code is kept between starts: the second start is quicker, and a third of the memory of an idle
 * server was the type stripper itself.
 */
function withCompileCache() {
  return { NODE_COMPILE_CACHE: path.join(ROOT, 'node_modules', '.cache', 'node'), ...process.env };
}

/** Runs a command to its exit code; what the user can mend is shown as one sentence. */
export async function main(command) {
  try {
    process.exitCode = await command();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}

function readPackages(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch {
    return undefined;
  }
}

async function install({ dev, root }) {
  // `ci` starts from an empty node_modules. When a server runs from these very packages and only the development
  // tools are missing, they are added beside it instead; the lock file holds either way.
  const isAddingTools = dev && isInstalled({ dev: false, root });
  const args = [
    ...(isAddingTools ? ['install', '--no-save'] : ['ci']),
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    '--include=optional',
    dev ? '--include=dev' : '--omit=dev',
  ];
  const what = dev ? 'packages and development tools' : 'packages';
  const progress = startProgress(`Installing the locked ${what}, once`);
  const { status, output } = await runNpm(args, root);
  if (status === 0 && isInstalled({ dev, root })) {
    progress.end(`Installed the locked ${what}`);
    return;
  }
  progress.end('The installation failed');
  throw new SetupError(
    `${output.trim()}\nnpm could not install the packages of package-lock.json (exit code ${status}). Fix: see npm's message above; it needs a reachable package registry (npm config get registry) and room on the disk. Then run the command again.`,
  );
}

function runNpm(args, cwd) {
  // Under `npm start` npm says where it is; it is then run by this same Node, without a shell.
  const npmCli = process.env.npm_execpath;
  const isOwnNpm = npmCli && /npm-cli\.c?js$/.test(npmCli);
  const [command, first] = isOwnNpm ? [process.execPath, [npmCli]] : ['npm', []];
  return new Promise((resolve) => {
    const child = spawn(command, [...first, ...args], {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      // npm is a .cmd on Windows, which only a shell runs; no argument of ours needs quoting.
      shell: !isOwnNpm && process.platform === 'win32',
    });
    let output = '';
    const collect = (chunk) => {
      // The reason comes first, pages of usage after it.
      if (output.length < 2000) output += chunk;
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.once('error', (error) => resolve({ status: -1, output: `npm could not be started: ${error.message}` }));
    child.once('close', (status) => resolve({ status, output }));
  });
}

/** One line on stderr: it counts the seconds on a terminal and stands still in a log. */
function startProgress(text) {
  const startedAt = Date.now();
  const seconds = () => Math.round((Date.now() - startedAt) / 1000);
  const isTerminal = process.stderr.isTTY;
  process.stderr.write(isTerminal ? `${text}…` : `${text}…\n`);
  const timer = isTerminal && setInterval(() => process.stderr.write(`\r${text}… ${seconds()} s`), 1000);
  return {
    end(result) {
      if (timer) clearInterval(timer);
      process.stderr.write(`${isTerminal ? '\r\x1b[K' : ''}${result} (${seconds()} s).\n`);
    },
  };
}

/** Holds a lock folder during the action. A lock whose owner is gone is taken over. */
async function withLock(folder, action) {
  const ownerFile = path.join(folder, 'pid');
  let hasToldOfWaiting = false;
  while (!tryMakeFolder(folder)) {
    if (isAbandoned(folder, ownerFile)) {
      rmSync(folder, { recursive: true, force: true });
      continue;
    }
    if (!hasToldOfWaiting) process.stderr.write('Another Atelier is installing here; waiting for it…\n');
    hasToldOfWaiting = true;
    await delay(LOCK_POLL_MS);
  }
  try {
    writeFileSync(ownerFile, String(process.pid));
    await action();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function tryMakeFolder(folder) {
  try {
    mkdirSync(folder);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

function isAbandoned(folder, ownerFile) {
  try {
    const pid = Number(readFileSync(ownerFile, 'utf8'));
    if (pid > 0) return !isAlive(pid);
  } catch {
    // Not written yet, or the folder has just gone.
  }
  try {
    return Date.now() - statSync(folder).mtimeMs > UNOWNED_LOCK_MS;
  } catch {
    return false;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
