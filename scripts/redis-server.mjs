/** A Redis for the suites that need a real one: the system's, or its package where a run may install packages, as in CI. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Whatever the network does, the other suites begin after that. */
const INSTALL_LIMIT_MS = 90_000;

/** Undefined when there is a `redis-server` on the PATH, else why not; the suites look by themselves. */
export async function ensureRedis() {
  if (hasRedis()) return undefined;
  const mayInstall = process.env.CI && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');
  if (!mayInstall) return 'no redis-server is on the PATH';
  const deadline = Date.now() + INSTALL_LIMIT_MS;
  await aptGet(['update'], deadline);
  await aptGet(['install', '--yes', '--no-install-recommends', 'redis-server'], deadline);
  return hasRedis() ? undefined : 'redis-server could not be installed';
}

function hasRedis() {
  return spawnSync('redis-server', ['--version'], { stdio: 'ignore' }).status === 0;
}

/** Quietly; that it failed shows by what is there afterwards. */
function aptGet(parameters, deadline) {
  return new Promise((resolve) => {
    const child = spawn('apt-get', ['-qq', '-o', 'Acquire::http::Timeout=15', ...parameters], {
      stdio: 'ignore',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
    const timer = setTimeout(() => child.kill('SIGTERM'), Math.max(0, deadline - Date.now()));
    child.once('error', resolve);
    child.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
