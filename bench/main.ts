/**
 * `npm run bench [-- gateway | wires | engine | structured | tools | schema-suite | disconnects | usage | ledger | cache | cache-trials | soak | kills | models] [--rounds N] [--scale X] [--count N] [--weights FILE] [--write]`
 *
 * gateway, wires and engine: one run, interleaved rounds, medians. structured and disconnects: proofs on real weights. usage:
 * reports over a million receipts (`--count`). ledger: what the accounts of a call cost. schema-suite:
 * the JSON-Schema Test Suite against the constraint compiler, no weights (`--suite FOLDER` where it is at hand). cache: a long prefix (`--count` tokens) cold, warm and from its file;
 * cache-trials: answers from files against cold ones (`--count` trials; without `--weights` on random ones). `--write` appends the table to docs/measured.md. Run it alone: two
 * cores shared with anything else measure the other thing.
 */
import { appendFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { benchCache } from './cache.ts';
import { proveCache } from './cache-trials.ts';
import { proveDisconnects } from './disconnects.ts';
import { benchEngine, benchStalls } from './engine.ts';
import { benchGateway, type Row } from './gateway.ts';
import { killUnderLoad } from './kills.ts';
import { benchLedger } from './ledger.ts';
import { measureSwitches } from './many-models.ts';
import { measureSchemaSuite } from './schema-suite.ts';
import { soak } from './soak.ts';
import { proveStructured } from './structured.ts';
import { benchTools, categoriesOf, toolWeights } from './tools.ts';
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
    /** models: the weights that take turns with `--weights`. */
    other: { type: 'string' },
    half: { type: 'string', default: 'other' },
    choice: { type: 'string', default: 'auto' },
    'llama-server': { type: 'string' },
    suite: { type: 'string' },
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
        [
          ...(await benchEngine(flags.weights, Math.min(3, Number(flags.rounds)))),
          ...(await benchStalls(flags.weights)),
        ],
      ),
    );
}
if (wanted.includes('soak')) sections.push(facts('Soak', await soak(flags.weights, Number(flags.count ?? 2000))));
if (wanted.includes('kills'))
  sections.push(facts('Engine killed under load', await killUnderLoad(flags.weights, Number(flags.count ?? 50))));
if (wanted.includes('models')) {
  const report = await measureSwitches(flags.weights, flags.other ?? '', Math.min(5, Number(flags.rounds)));
  sections.push(facts('Two models that take turns', report));
}
if (wanted.includes('structured')) {
  const { lines, failures } = await proveStructured(flags.weights, Number(flags.count ?? 200), Number(flags.seed));
  sections.push(
    ['### Structured answers', '', '| | parse, validate, declared |', '|---|--:|', ...lines, ''].join('\n'),
  );
  for (const failure of failures) process.stdout.write(`${failure}\n`);
}
if (wanted.includes('tools')) {
  const lines = await benchTools({
    weightsFiles: toolWeights(flags.weights),
    count: Number(flags.count ?? 20),
    seed: Number(flags.seed),
    half: flags.half === 'all' ? undefined : flags.half === 'training' ? 'training' : 'other',
    categories: categoriesOf(wanted),
    toolChoice: flags.choice === 'required' ? 'required' : 'auto',
    llamaServer: flags['llama-server'],
    onMistake: (line) => process.stdout.write(`${line}\n`),
  });
  sections.push(['### Tool calls, by the rules of BFCL v4', '', ...lines, ''].join('\n'));
}
if (wanted.includes('schema-suite')) {
  const { rows, notes } = await measureSchemaSuite(flags.suite);
  sections.push(table('JSON-Schema Test Suite', Object.keys(rows[0]?.values ?? {}), rows));
  for (const note of notes) process.stdout.write(`${note}\n`);
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
if (wanted.includes('cache')) {
  const rows = await benchCache(flags.weights, Number(flags.count ?? 4_000));
  sections.push(table(`Prefixes, ${flags.weights.split('/').at(-1)}`, ['atelier'], rows));
}
if (wanted.includes('cache-trials')) {
  const report = await proveCache({
    weightsFile: flags.weights || undefined,
    trials: Number(flags.count ?? 100_000),
    seed: Number(flags.seed),
    killEvery: 2_000,
  });
  const lines = Object.entries(report).map(([name, value]) => `| ${name} | ${value} |`);
  sections.push(['### Prefixes on disk, trials', '', '| | |', '|---|--:|', ...lines, ''].join('\n'));
}
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

/** A report as it is, one fact a row. */
function facts(title: string, report: object): string {
  const rows = Object.entries(report).map(
    ([name, value]) => `| ${name} | ${typeof value === 'number' ? format(value) : JSON.stringify(value)} |`,
  );
  return [`### ${title}`, '', '| | |', '|---|--:|', ...rows, ''].join('\n');
}

function format(value: number): string {
  if (Number.isInteger(value)) return String(value);
  if (Math.abs(value) >= 100) return value.toFixed(0);
  return Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(3);
}
