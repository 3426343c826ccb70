/**
 * The engine child that has a llama-server do its work: the same protocol over IPC as `child/main.ts`, the same decoder
 * of choices, and completions of llama-server in place of batches of our own. The vocabulary is read here, too, without
 * the weights, so that tokens mean the same on both sides.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { autoContextTokens } from '../../../core/context-memory.ts';
import { loadVocabulary } from '../child/binding.ts';
import { closingBiasOf } from '../child/closing-bias.ts';
import { ModelVocabulary } from '../child/vocabulary.ts';
import type { EngineOptions, FromEngine, ToEngine } from '../engine-protocol.ts';
import { LlamaJobs } from './jobs.ts';
import { ServerProcess } from './server-process.ts';

/** The parent decides when we go: Ctrl-C reaches the whole group, and live streams are to be finished first. */
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {});

const slotFolder = mkdtempSync(path.join(tmpdir(), 'atelier-slots-'));
const starting = new AbortController();
let server: ServerProcess | undefined;

process.on('exit', () => {
  server?.kill();
  rmSync(slotFolder, { recursive: true, force: true });
});
process.on('disconnect', () => process.exit(0));

function send(message: FromEngine): void {
  // Nothing to do about a failure: it means that the parent is gone, and `disconnect` follows.
  process.send?.(message, undefined, undefined, () => {});
}

async function main(): Promise<void> {
  const options = JSON.parse(process.argv[2] ?? '{}') as EngineOptions;
  const { llamaServer, weightsFile, sequences } = options;
  if (llamaServer === undefined) throw new Error('no llama-server was named');
  const { shape, tokeniser, cores } = await loadVocabulary(weightsFile);
  const { size: weightsBytes } = await stat(weightsFile);
  // The weights are not in memory yet, and will be beside the context.
  const freeBytes = Math.max(0, process.availableMemory() - weightsBytes);
  const contextTokens =
    options.contextTokens === 'auto' ? autoContextTokens(shape, sequences, freeBytes) : options.contextTokens;
  const threads = options.threads === 'auto' ? Math.max(1, Math.min(cores, availableParallelism())) : options.threads;
  server = await ServerProcess.start(
    {
      binary: llamaServer.binary,
      weightsFile,
      projectorFile: llamaServer.projectorFile,
      slots: sequences,
      contextTokens,
      threads,
      slotFolder,
    },
    starting.signal,
  );
  // Without its server this process is of no use; the supervisor starts both anew.
  void server.gone.then((how) => process.stderr.write(`${how}\n`, () => process.exit(1)));
  const { client } = server;
  const told = await client.facts(starting.signal);
  const vocabulary = new ModelVocabulary(tokeniser);
  const jobs = new LlamaJobs({
    client,
    vocabulary,
    closing: closingBiasOf(vocabulary),
    slots: Math.min(sequences, told.slots),
    contextTokens: Math.min(contextTokens, told.contextTokens - 1),
    slotFolder,
    imageMarker: told.imageMarker,
    send,
  });
  process.on('message', (message: ToEngine) => receive(jobs, message));
  const { architecture, name, chatTemplate, trainContextTokens } = shape;
  const { beginToken, endToken, size: vocabularySize, spelling } = tokeniser;
  send({
    type: 'ready',
    facts: {
      architecture,
      name,
      chatTemplate,
      bosText: beginToken === undefined ? '' : spelling(beginToken),
      eosText: endToken === undefined ? '' : spelling(endToken),
      controlTexts: vocabulary.controlTexts(),
      vocabularySize,
      trainContextTokens,
      contextTokens: jobs.contextTokens,
      sequences: jobs.slots,
      seesImages: told.imageMarker !== undefined,
    },
  });
}

function receive(jobs: LlamaJobs, message: ToEngine): void {
  switch (message.type) {
    case 'generate':
      jobs.generate(message.jobId, message.plan);
      return;
    case 'cancel':
      jobs.cancel(message.jobId);
      return;
    case 'count':
      jobs.count(message.askId, message.prompt);
      return;
    case 'tokenise':
      jobs.tokenise(message.askId, message.text);
      return;
    case 'cache-report':
      jobs.reportCache(message.askId);
      return;
    case 'cache-clear':
      jobs.clearCache(message.askId);
      return;
    case 'share':
      // Its number of threads is fixed when it starts.
      return;
    case 'shutdown':
      jobs.shutdown();
      process.exit(0);
      return;
    default:
      message satisfies never;
  }
}

main().catch((error: unknown) => {
  const message = error instanceof Error ? error.message : String(error);
  process.send?.({ type: 'load-failed', message } satisfies FromEngine, undefined, undefined, () => process.exit(1));
});
