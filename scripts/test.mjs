/**
 * `npm test`: install when needed, check types, format and lint, fetch the test weights, the Python SDKs and a Redis, run
 * every suite. The last line is always `N passed, N failed, N skipped`; a failed check counts as one failed test.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runChecks } from './checks.mjs';
import { ensurePythonSdks } from './python-sdks.mjs';
import { ensureRedis } from './redis-server.mjs';
import { ensureInstalled, findNode, main, ROOT, runNode } from './setup.mjs';

/** Suites on real weights read their file from a variable, and skip with the reason when there is none. */
const TEST_WEIGHTS = [
  { name: 'smollm2-135m', variable: 'ATELIER_TEST_WEIGHTS' },
  { name: 'qwen2.5-coder-0.5b', variable: 'ATELIER_TEST_WEIGHTS_CODER' },
];
const FETCH_LIMIT_MS = 240_000;

await main(async () => {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  try {
    await ensureInstalled({ dev: true });
    const node = findNode();
    counts.failed += await runChecks(node);
    const env = { ...process.env, ...(await fetchWeights(node)), ...(await preparePython()) };
    const noRedis = await ensureRedis();
    if (noRedis) process.stdout.write(`- suites on Redis are skipped: ${noRedis}\n`);
    addCounts(counts, await runSuites(node, env, process.argv.slice(2)));
  } catch (error) {
    process.stderr.write(`${error.stack ?? error}\n`);
    counts.failed++;
  }
  process.stdout.write(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
  return counts.failed === 0 ? 0 : 1;
});

function addCounts(counts, more) {
  for (const key of Object.keys(counts)) counts[key] += more[key];
}

/** The variables for the suites on real weights. */
async function fetchWeights(node) {
  const variables = {};
  for (const { name, variable } of TEST_WEIGHTS) {
    if (process.env[variable]) continue;
    const { file, reason } = await pull(node, name);
    if (file) variables[variable] = file;
    else {
      variables[`${variable}_MISSING`] = reason;
      process.stdout.write(`- suites on ${name} are skipped: ${reason}\n`);
    }
  }
  return variables;
}

/** The variables for the suites that drive Python SDKs. */
async function preparePython() {
  if (process.env.ATELIER_TEST_PYTHON) return {};
  const { python, reason } = await ensurePythonSdks();
  if (python) return { ATELIER_TEST_PYTHON: python };
  process.stdout.write(`- suites on the Python SDKs are skipped: ${reason}\n`);
  return { ATELIER_TEST_PYTHON_MISSING: reason };
}

function pull(node, name) {
  return new Promise((resolve) => {
    const child = spawn(node, [path.join(ROOT, 'src', 'cli', 'main.ts'), 'pull', name, '--json'], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    const timer = setTimeout(() => child.kill('SIGTERM'), FETCH_LIMIT_MS);
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.once('error', (error) => resolve({ reason: error.message }));
    child.once('close', (status, signal) => {
      clearTimeout(timer);
      if (signal) return resolve({ reason: `not fetched within ${FETCH_LIMIT_MS / 1000} s` });
      try {
        const { file, error } = JSON.parse(output);
        resolve(status === 0 && file ? { file } : { reason: error ?? `the fetcher ended with ${status}` });
      } catch {
        resolve({ reason: `the fetcher ended with ${status}` });
      }
    });
  });
}

/** Runs vitest and reads the true counts from its own report. */
async function runSuites(node, env, filters) {
  const folder = mkdtempSync(path.join(tmpdir(), 'atelier-test-'));
  const reportFile = path.join(folder, 'report.json');
  try {
    const vitest = path.join(ROOT, 'node_modules', 'vitest', 'vitest.mjs');
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`];
    const status = await runNode(node, [vitest, 'run', ...reporters, ...filters], { cwd: ROOT, env });
    return countsOf(JSON.parse(readFileSync(reportFile, 'utf8')), status);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function countsOf(report, status) {
  const skipped = report.numPendingTests + report.numTodoTests;
  // A file that cannot even be loaded has no tests to fail; an error outside of any test fails the run alone.
  const broken = report.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0);
  const failed = report.numFailedTests + broken.length;
  return { passed: report.numPassedTests, failed: failed === 0 && status !== 0 ? 1 : failed, skipped };
}
