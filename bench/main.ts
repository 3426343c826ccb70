/**
 * `npm run bench [-- gateway | wires | engine | structured | disconnects | usage | ledger] [--rounds N] [--scale X] [--count N] [--weights FILE] [--write]`
 *
 * gateway, wires and engine: one run, interleaved rounds, medians. structured and disconnects: proofs on real weights. usage:
 * reports over a million receipts (`--count`). ledger: what the accounts of a call cost. `--write` appends the table to docs/measured.md. Run it alone: two
 * cores shared with anything else measure the other thing.
 */
import { appendFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { proveDisconnects } from './disconnects.ts';
import { benchEngine } from './engine.ts';
import { benchGateway, type Row } from './gateway.ts';
import { benchLedger } from './ledger.ts';
import { proveStructured } from './structured.ts';
import { benchUsage } from './usage.ts';
import { benchWires } from './wires.ts';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    scale: { type: 'string', default: '1' },
    weights: { type: 'string', default: process.env.ATELIER_TEST_WEIGHTS_CODER ?? '' },
    count: { type: 'string' },
    seed: { type: 'string', default: '1' },
    write: { type: 'boolean', default: false },
  },
});

const wanted = positionals.length > 0 ? positionals : ['gateway', 'engine'];
const sections: string[] = [];
if (wanted.includes('gateway')) {
  const rows = await benchGateway({ rounds: Number(flags.rounds), scale: Number(flags.scale) });
  sections.push(table('Gateway', Object.keys(rows[0]?.values ?? {}), rows));
}
if (wanted.includes('wires')) {
  const rows = await benchWires({ rounds: Number(flags.rounds), scale: Number(flags.scale) });
  sections.push(table('Wires', Object.keys(rows[0]?.values ?? {}), rows));
}
if (wanted.includes('engine')) {
  if (flags.weights === '')
    process.stdout.write('engine: no weights were named (--weights FILE), so this part is left out\n');
  else
    sections.push(
      table(
        `Engine, ${flags.weights.split('/').at(-1)}`,
        ['bare binding', 'atelier'],
        await benchEngine(flags.weights, Math.min(3, Number(flags.rounds))),
      ),
    );
}
if (wanted.includes('structured')) {
  const { lines, failures } = await proveStructured(flags.weights, Number(flags.count ?? 200), Number(flags.seed));
  sections.push(
    ['### Structured answers', '', '| | parse, validate, declared |', '|---|--:|', ...lines, ''].join('\n'),
  );
  for (const failure of failures) process.stdout.write(`${failure}\n`);
}
if (wanted.includes('disconnects')) {
  const report = await proveDisconnects(flags.weights, Number(flags.count ?? 1000), 12);
  sections.push(
    [
      '### Clients that leave',
      '',
      '| | |',
      '|---|--:|',
      ...Object.entries(report).map(([name, value]) => `| ${name} | ${value} |`),
      '',
    ].join('\n'),
  );
}
if (wanted.includes('usage')) {
  const rows = await benchUsage(Number(flags.count ?? 1_000_000), Number(flags.seed));
  sections.push(table('Reports, p50 / p95 in ms', Object.keys(rows[0]?.values ?? {}), rows));
}
if (wanted.includes('ledger'))
  sections.push(table('Accounts of a call', ['ledger'], await benchLedger(Number(flags.count ?? 100_000))));
for (const section of sections) process.stdout.write(`${section}\n`);
if (flags.write) {
  const command = `npm run bench -- ${process.argv
    .slice(2)
    .filter((arg) => arg !== '--write' && !arg.includes('/'))
    .join(' ')}`.trim();
  appendFileSync(
    join(import.meta.dirname, '../docs/measured.md'),
    `\n## ${new Date().toISOString().slice(0, 10)}, ${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.versions.node}\n\n\`${command}\`\n\n${sections.join('\n')}`,
  );
}
process.exit(0);

function table(title: string, targets: readonly string[], rows: readonly Row[]): string {
  const lines = rows.map((row) => {
    const cells = targets.map((target) => (row.values[target] === undefined ? '' : format(row.values[target])));
    return `| ${row.name}${row.unit === '' ? '' : ` (${row.unit})`} | ${cells.join(' | ')} |`;
  });
  return [
    `### ${title}`,
    '',
    `| | ${targets.join(' | ')} |`,
    `|---|${targets.map(() => '--:').join('|')}|`,
    ...lines,
    '',
  ].join('\n');
}

function format(value: number): string {
  if (Number.isInteger(value)) return String(value);
  if (Math.abs(value) >= 100) return value.toFixed(0);
  return Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(3);
}
