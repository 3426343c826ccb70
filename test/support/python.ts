/** Contract tests in Python: a script of cases against a server of its own, each case a test here. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ConfigFlags } from '../../src/config.ts';
import { startTestServer, type TestServerOptions } from './server.ts';

const FOLDER = join(import.meta.dirname, '../contract/python');

interface CaseResult {
  readonly title: string;
  readonly error?: string;
}

/**
 * Runs a script of `test/contract/python` with the environment that `npm test` made, against a scripted server. At least
 * `leastCases` must be told of, so that a script that dies early is seen.
 */
export async function describePython(
  script: string,
  leastCases: number,
  flags: ConfigFlags = {},
  options: TestServerOptions = {},
): Promise<void> {
  const python = process.env.ATELIER_TEST_PYTHON;
  if (python === undefined) {
    const reason = process.env.ATELIER_TEST_PYTHON_MISSING ?? 'npm test prepares the Python SDKs';
    test.skip(`${script}: ${reason}`, () => {});
    return;
  }
  const server = await startTestServer(flags, options);
  let run: { results: CaseResult[]; output: string };
  try {
    run = await runScript(python, script, { ATELIER_URL: server.running.baseUrl, ATELIER_KEY: server.key });
  } finally {
    await server.close();
  }
  describe(script, () => {
    test('told of its cases', () => {
      expect(run.results.length, run.output).toBeGreaterThanOrEqual(leastCases);
    });
    test.each(run.results)('$title', ({ error }) => {
      expect(error).toBeUndefined();
    });
  });
}

function runScript(
  python: string,
  script: string,
  variables: { readonly [name: string]: string },
): Promise<{ results: CaseResult[]; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(python, [join(FOLDER, script)], {
      env: { ...process.env, ...variables, PYTHONDONTWRITEBYTECODE: '1', NO_PROXY: '127.0.0.1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let lines = '';
    let output = '';
    child.stdout.on('data', (chunk) => {
      lines += chunk;
    });
    child.stderr.on('data', (chunk) => {
      output += chunk;
    });
    child.once('error', reject);
    child.once('close', () => {
      const isCase = (line: string): boolean => line.startsWith('{"title"');
      const results = lines
        .split('\n')
        .filter(isCase)
        .map((line) => JSON.parse(line) as CaseResult);
      resolve({ results, output });
    });
  });
}
