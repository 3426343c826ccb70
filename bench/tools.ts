/**
 * Tool calls by the rules of the Berkeley leaderboard: do calls arrive, are they valid for their schema, are they right,
 * and is none made where none fits. Ours, and llama-server on the same weights where one is named or on the PATH.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { THREADS } from '../src/backends/embedded/llama-server/server-arguments.ts';
import { resolveFolders } from '../src/config-folders.ts';
import { isJson } from '../src/core/json.ts';
import { engineYaml, startAtelier } from './atelier.ts';
import { type MadeCall, mistakeIn } from './bfcl-check.ts';
import {
  bfclCases,
  bfclPackage,
  CATEGORIES,
  type Category,
  type Half,
  sampleOf,
  schemaOf,
  type ToolCase,
  toolOf,
  wireName,
} from './bfcl-data.ts';

const WEIGHTS = ['qwen2.5-coder-0.5b-instruct-q4_k_m.gguf', 'qwen2.5-coder-1.5b-instruct-q4_k_m.gguf'];

export interface ToolBenchOptions {
  readonly weightsFiles: readonly string[];
  /** Cases of each category. */
  readonly count: number;
  readonly seed: number;
  /** The half that may be looked at while the program is made, the other one, or (undefined) all. */
  readonly half: Half | undefined;
  readonly categories: readonly Category[];
  readonly toolChoice: 'auto' | 'required';
  /** A llama-server to measure beside ours; undefined: the one on the PATH, if there is one. */
  readonly llamaServer: string | undefined;
  /** Hears of every case that went wrong. */
  readonly onMistake?: ((line: string) => void) | undefined;
}

interface Tally {
  cases: number;
  /** As many answers with a call as are due; for irrelevance, answers without one. */
  arrived: number;
  calls: number;
  valid: number;
  right: number;
  falseCalls: number;
  cut: number;
  ms: number;
}

interface ChatBody {
  readonly choices?: readonly {
    readonly finish_reason: string;
    readonly message: {
      readonly content: string | null;
      readonly tool_calls?: readonly { readonly function: { readonly name: string; readonly arguments: string } }[];
    };
  }[];
  readonly error?: { readonly message: string };
}

type Ask = (body: object) => Promise<ChatBody>;

/** The table's lines, or one line that says why there is none. */
export async function benchTools(options: ToolBenchOptions): Promise<readonly string[]> {
  let file: string;
  try {
    file = bfclPackage();
  } catch (thrown) {
    return [`left out: ${thrown instanceof Error ? thrown.message : String(thrown)}`];
  }
  const cases: ToolCase[] = [];
  for (const category of options.categories) {
    cases.push(...sampleOf(await bfclCases(file, category), options.half, options.count, options.seed));
  }
  const lines = [
    '| weights | server | category | cases | arrived | calls valid | right | false calls | cut | s a case |',
    '|---|---|---|--:|--:|--:|--:|--:|--:|--:|',
  ];
  for (const weightsFile of options.weightsFiles) {
    const name = basename(weightsFile, '.gguf');
    const atelier = await startAtelier(engineYaml(weightsFile));
    const ask: Ask = async (body) => (await (await atelier.post({ model: 'qwen3-max', ...body })).json()) as ChatBody;
    lines.push(...(await measure(name, 'atelier', ask, cases, options)));
    await atelier.stop();
    const binary = options.llamaServer ?? onPath('llama-server');
    if (binary === undefined) continue;
    const llama = await startLlamaServer(binary, weightsFile);
    lines.push(...(await measure(name, 'llama-server', llama.ask, cases, options)));
    await llama.stop();
  }
  return lines;
}

async function measure(
  weights: string,
  server: string,
  ask: Ask,
  cases: readonly ToolCase[],
  { toolChoice, onMistake }: ToolBenchOptions,
): Promise<string[]> {
  const tallies = new Map<Category, Tally>();
  for (const each of cases) {
    const tally = tallies.get(each.category) ?? emptyTally();
    tallies.set(each.category, tally);
    const startedMs = performance.now();
    const body = await ask({
      messages: each.messages,
      tools: each.functions.map(toolOf),
      tool_choice: toolChoice,
      parallel_tool_calls: each.category === 'parallel',
      temperature: 0,
      max_tokens: 512,
    });
    tally.ms += performance.now() - startedMs;
    const problem = note(tally, each, body);
    if (problem !== undefined) onMistake?.(`${weights} ${server} ${each.id}: ${problem}`);
  }
  return [...tallies].map(([category, tally]) => {
    const { cases: count, arrived, calls, valid, right, falseCalls, cut, ms } = tally;
    const seconds = (ms / 1000 / count).toFixed(1);
    return `| ${weights} | ${server} | ${category} | ${count} | ${arrived} | ${valid} of ${calls} | ${right} | ${falseCalls} | ${cut} | ${seconds} |`;
  });
}

/** Counts one answer; gives what was wrong with it. */
function note(tally: Tally, each: ToolCase, body: ChatBody): string | undefined {
  tally.cases++;
  const [choice] = body.choices ?? [];
  if (choice === undefined) return body.error?.message ?? 'no answer';
  const made = choice.message.tool_calls ?? [];
  if (choice.finish_reason === 'length') tally.cut++;
  tally.calls += made.length;
  tally.valid += made.filter(({ function: call }) => isValid(call, each)).length;
  if (each.category === 'irrelevance') {
    if (made.length > 0) tally.falseCalls++;
    else {
      tally.arrived++;
      tally.right++;
    }
    return made.length > 0 ? `called ${JSON.stringify(made.map(({ function: call }) => call))}` : undefined;
  }
  if (made.length === 0) return `no call: ${JSON.stringify(choice.message.content)?.slice(0, 200)}`;
  tally.arrived++;
  const calls = made.map(
    ({ function: call }): MadeCall => ({
      name: call.name,
      input: isJson(call.arguments) ? JSON.parse(call.arguments) : undefined,
    }),
  );
  const mistake = mistakeIn(calls, each);
  if (mistake === undefined) tally.right++;
  return mistake && `${mistake} in ${JSON.stringify(calls)}`;
}

function isValid(call: { readonly name: string; readonly arguments: string }, { functions }: ToolCase): boolean {
  const described = functions.find(({ name }) => wireName(name) === wireName(call.name));
  if (described === undefined || !isJson(call.arguments)) return false;
  const ajv = new Ajv2020({ strict: false, logger: false });
  return ajv.compile(schemaOf(described.parameters))(JSON.parse(call.arguments));
}

function emptyTally(): Tally {
  return { cases: 0, arrived: 0, calls: 0, valid: 0, right: 0, falseCalls: 0, cut: 0, ms: 0 };
}

function onPath(program: string): string | undefined {
  const { status } = spawnSync(program, ['--version'], { stdio: 'ignore' });
  return status === 0 ? program : undefined;
}

async function startLlamaServer(binary: string, weightsFile: string): Promise<{ ask: Ask; stop(): Promise<void> }> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'llama-server-bench-'));
  const child = spawn(binary, ['-m', weightsFile, '--port', String(port), '--jinja', '-c', '4096', '--no-webui'], {
    cwd: folder,
    stdio: 'ignore',
    env: { ...process.env, ...THREADS },
  });
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; ; tries++) {
    const isUp = await fetch(`${url}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isUp) break;
    if (tries > 600 || child.exitCode !== null) throw new Error('llama-server did not start');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return {
    ask: async (body) => {
      const response = await fetch(`${url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      return (await response.json()) as ChatBody;
    },
    stop: async () => {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill();
      await gone;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** The weights files that are named, with commas between; without a name, those of the small coder that are here. */
export function toolWeights(named: string): readonly string[] {
  if (named !== '') return named.split(',');
  const { weightsFolder } = resolveFolders(undefined, '.', process.env);
  return WEIGHTS.map((file) => join(weightsFolder, file)).filter((file) => existsSync(file));
}

/** Which of the categories are named; all where none is. */
export function categoriesOf(named: readonly string[]): readonly Category[] {
  const wanted = CATEGORIES.filter((category) => named.includes(category));
  return wanted.length > 0 ? wanted : CATEGORIES;
}
