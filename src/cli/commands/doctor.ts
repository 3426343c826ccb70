/** `atelier doctor`: looks at everything a start needs, and names the fix for what is wrong. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, constants, mkdir, mkdtemp, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Config, ConfigError, type ConfigFlags, loadConfig } from '../../config.ts';
import { chooseEngine, EngineError, engineWishOf, HOW_TO_GET_IT } from '../../engines/find.ts';
import { isGguf } from '../../weights/gguf.ts';
import { parseWeightsSpec, placeOf, shortName, WeightsError } from '../../weights/pull.ts';
import { freeMemoryBytes, listWeights, type ResolvedWeights } from '../../weights/resolve.ts';
import { chooseDefaultWeights, findWeights, WEIGHTS_CATALOGUE } from '../../weights/weights-catalogue.ts';
import { ask } from '../chat-client.ts';
import { localUrl, startLocalServer, whoAnswers } from '../local-server.ts';
import { fitReportOf } from '../memory-fit.ts';
import { findFreePort, ownerOfPort, probePort } from '../port-owner.ts';
import { asTyped, formatBytes, say, styled } from '../terminal.ts';

type Finding =
  | { readonly state: 'good' | 'skipped'; readonly detail: string }
  | { readonly state: 'bad'; readonly detail: string; readonly fix: string };

const OLDEST_NODE: readonly [major: number, minor: number] = [22, 18];
/** Besides the weights: context for four sequences, the engine's buffers, the server. */
const WORKING_BYTES = 1e9;
const SPARE_DISK_BYTES = 0.2e9;
const ANSWER_TIMEOUT_MS = 120_000;

/** Prints one line a check; the exit code is 1 when one is bad. */
export async function doctor(flags: ConfigFlags & { readonly skipEngine?: boolean }): Promise<void> {
  const report = new Report();
  await report.run('node', checkNode);
  let config: Config | undefined;
  await report.run('settings', () => {
    config = loadConfig({ flags });
    return good(config.file ?? 'defaults, environment and flags; no file');
  });
  if (config) await checkMachine(report, config, flags.skipEngine ?? false);
  process.exitCode = report.hasBad ? 1 : 0;
}

async function checkMachine(report: Report, config: Config, skipsEngine: boolean): Promise<void> {
  await report.run('home', () => checkHome(config));
  await report.run('port', () => checkPort(config));
  if (!config.engine.enabled) {
    await report.run('engine', () => skipped('not used by these settings'));
    return;
  }
  const weights = await weightsHere(config).catch((error: Error) => error);
  const found = weights instanceof Error ? undefined : weights;
  await report.run('memory', () => checkMemory(config, found));
  await report.run('disk', () => checkDisk(config, found));
  await report.run('decoder', () => checkDecoder(config));
  const areWeightsGood = await report.run('weights', () => checkWeights(weights));
  await report.run('engine', () => {
    if (skipsEngine) return skipped('not tried (--skip-engine)');
    if (!areWeightsGood || !found) return skipped('not tried without good weights');
    return checkEngine(config, found);
  });
}

class Report {
  hasBad = false;

  /** Runs one check and prints it; true when it is good. */
  async run(name: string, check: () => Finding | Promise<Finding>): Promise<boolean> {
    const finding = await Promise.resolve()
      .then(check)
      .catch((error: unknown): Finding => {
        const detail = error instanceof Error ? error.message : String(error);
        return bad(detail, error instanceof ConfigError ? 'correct these settings.' : 'see the message above.');
      });
    const marks = { good: styled('green', '✓'), bad: styled('red', '✗'), skipped: styled('dim', '-') };
    say(`${marks[finding.state]} ${name.padEnd(9)} ${finding.detail}`);
    if (finding.state === 'bad') {
      this.hasBad = true;
      say(`            ${styled('bold', 'Fix:')} ${asTyped(finding.fix)}`);
    }
    return finding.state === 'good';
  }
}

function good(detail: string): Finding {
  return { state: 'good', detail };
}

function skipped(detail: string): Finding {
  return { state: 'skipped', detail };
}

function bad(detail: string, fix: string): Finding {
  return { state: 'bad', detail, fix };
}

function checkNode(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const isNew = major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
  return isNew
    ? good(`${process.versions.node} on ${process.platform} ${process.arch}`)
    : bad(`${process.versions.node} is too old`, 'start with `npm start`, which brings its own, or install Node 24.');
}

async function checkHome({ home, weightsFolder }: Config): Promise<Finding> {
  for (const folder of [home, weightsFolder]) {
    try {
      await mkdir(folder, { recursive: true });
      await access(folder, constants.W_OK);
    } catch (error) {
      return bad(
        `${folder} cannot be written: ${(error as Error).message}`,
        `chown it to you, or set ATELIER_HOME elsewhere.`,
      );
    }
  }
  return good(`${home}; weights in ${weightsFolder}`);
}

async function checkPort(config: Config): Promise<Finding> {
  const { host, port } = config.server;
  if (port === 0) return good('the system chooses one');
  const state = await probePort(host, port);
  if (state === 'free') return good(`${host}:${port} is free`);
  if (state !== 'taken')
    return bad(`cannot listen on ${host}:${port}: ${state.refusal}`, 'choose another with --port or --host.');
  const owner = (await ownerOfPort(port)) ?? 'another program';
  if ((await whoAnswers(await localUrl(config))) === 'atelier') return good(`${port} is served by Atelier: ${owner}`);
  return bad(
    `${port} is taken by ${owner}`,
    `stop it, or serve on a free one: --port ${await findFreePort(host, port)}`,
  );
}

/** What a start would load, without fetching anything. Throws a WeightsError when it is not here. */
async function weightsHere(config: Config): Promise<ResolvedWeights> {
  const { weightsFolder: folder } = config;
  const wanted = config.engine.weights;
  const here = (await listWeights(folder)).filter(({ file }) => file !== undefined);
  const names = wanted === 'auto' ? chooseDefaultWeights(freeMemoryBytes()) : [wanted];
  for (const name of names) {
    const spec = parseWeightsSpec(name, { folder });
    const file = placeOf(spec, folder);
    const isHere = spec.kind === 'local' || here.some((each) => each.file === file);
    const entry = spec.kind === 'catalogue' ? spec.entry : undefined;
    if (isHere) return { name: entry?.name ?? shortName(file), file, entry, isVerified: undefined };
  }
  throw new WeightsError(`${names[0]} is not on this machine yet`);
}

async function checkWeights(weights: ResolvedWeights | Error): Promise<Finding> {
  if (weights instanceof Error) return bad(weights.message, 'atelier pull (the first start does it, too).');
  const { name, file, entry } = weights;
  if (!(await isGguf(file))) return bad(`${file} is not a GGUF file`, `delete it and run: atelier pull ${name}`);
  if (!entry?.sha256) return good(`${name}, ${file}; its SHA-256 is not known`);
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk);
  return hash.digest('hex') === entry.sha256
    ? good(`${name}, ${file}; the SHA-256 is right`)
    : bad(`${file} is damaged: its SHA-256 is not the official one`, `delete it and run: atelier pull ${name}`);
}

async function checkMemory(config: Config, weights: ResolvedWeights | undefined): Promise<Finding> {
  const fit = weights && (await fitReportOf(weights, config));
  if (fit?.fits === false) return bad(fit.advice.problem, fit.advice.fix);
  if (fit) {
    const { totalBytes, contextTokens } = fit.need;
    const context = `${config.engine.sequences} × ${contextTokens.toLocaleString('en')} tokens`;
    return good(`${formatBytes(fit.freeBytes)} free, ${formatBytes(totalBytes)} wanted with a context of ${context}`);
  }
  const free = freeMemoryBytes();
  const needed = (weights?.entry ?? findWeights(chooseDefaultWeights(free)[0]))?.sizeBytes ?? 0;
  const detail = `${formatBytes(free)} free, ${formatBytes(needed + WORKING_BYTES)} wanted`;
  const smallest = WEIGHTS_CATALOGUE.find(({ name }) => name === 'qwen2.5-coder-0.5b')?.name;
  return free >= needed + WORKING_BYTES
    ? good(detail)
    : bad(detail, `close other programs, or serve smaller weights: --weights ${smallest} --context-tokens 4096`);
}

/** Which engine a start would use, and how to get the faster one. */
async function checkDecoder(config: Config): Promise<Finding> {
  const choice = await chooseEngine(engineWishOf(config)).catch((error: unknown) => {
    if (error instanceof EngineError) return error;
    throw error;
  });
  if (choice instanceof EngineError) {
    const [problem = '', fix = ''] = choice.message.split('\nFix: ');
    return bad(problem, fix);
  }
  if (choice.kind === 'llama-server')
    return good(`llama-server ${choice.server.version}, ${choice.server.binary}: ${choice.why}`);
  const isOpen = config.engine.kind === 'auto';
  return good(`the engine that comes along: ${choice.why}${isOpen ? asTyped(`. A faster one: ${HOW_TO_GET_IT}`) : ''}`);
}

async function checkDisk(config: Config, weights: ResolvedWeights | undefined): Promise<Finding> {
  const { bavail, bsize } = await statfs(config.weightsFolder);
  const free = bavail * bsize;
  const missing = weights ? 0 : (findWeights(chooseDefaultWeights(freeMemoryBytes())[0])?.sizeBytes ?? 0);
  const detail = `${formatBytes(free)} free, ${formatBytes(missing + SPARE_DISK_BYTES)} wanted`;
  return free >= missing + SPARE_DISK_BYTES
    ? good(detail)
    : bad(detail, `free space in ${config.weightsFolder}, or set ATELIER_HOME to a larger disk.`);
}

/** Loads the weights in a child process as a start would, and has them say a word. */
async function checkEngine(config: Config, weights: ResolvedWeights): Promise<Finding> {
  const home = await mkdtemp(path.join(tmpdir(), 'atelier-doctor-'));
  const startedAtMs = performance.now();
  try {
    const trial = { ...config, home, models: [], upstreams: [], auth: { required: false } };
    const server = await startLocalServer(trial, weights);
    const loadedSeconds = (performance.now() - startedAtMs) / 1000;
    try {
      const question = { baseUrl: server.baseUrl, key: 'none', model: weights.name, isThinking: false, maxTokens: 16 };
      let text = '';
      const messages = [{ role: 'user', content: 'Say hello.' } as const];
      for await (const piece of ask({ ...question, messages, signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) }))
        if (piece.type === 'text') text += piece.text;
      if (text === '') return bad('it loaded, but answered nothing', 'try other weights: atelier serve --weights NAME');
    } finally {
      await server.close();
    }
    return good(`${weights.name} loaded in ${loadedSeconds.toFixed(1)} s and answered`);
  } catch (error) {
    return bad(
      `${weights.name} did not load: ${error instanceof Error ? error.message : String(error)}`,
      'give it more memory, or try smaller weights (atelier models).',
    );
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}
