/** The checks that read the sources without running them. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { ROOT } from './setup.mjs';

const CHECKS = [
  { name: 'type-check', file: 'typescript/bin/tsc', args: ['--noEmit'] },
  { name: 'format and lint', file: '@biomejs/biome/bin/biome', args: ['check', '.'] },
];

/** Runs every check, shows the output of those that fail, and returns how many did. */
export async function runChecks(node) {
  let failed = 0;
  for (const { name, file, args } of CHECKS) {
    const { status, output } = await collect(node, [path.join(ROOT, 'node_modules', file), ...args]);
    process.stdout.write(status === 0 ? `✓ ${name}\n` : `✗ ${name}\n${output}\n`);
    if (status !== 0) failed++;
  }
  return failed;
}

function collect(node, args) {
  return new Promise((resolve) => {
    const child = spawn(node, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const add = (chunk) => {
      output += chunk;
    };
    child.stdout.on('data', add);
    child.stderr.on('data', add);
    child.once('error', (error) => resolve({ status: -1, output: error.message }));
    child.once('close', (status) => resolve({ status, output }));
  });
}
