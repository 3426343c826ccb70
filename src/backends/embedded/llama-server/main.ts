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
import { factsOf, failToLoad, liveWithParent, send, serveParent } from '../child/parent.ts';
import { ModelVocabulary } from '../child/vocabulary.ts';
import type { EngineOptions } from '../engine-protocol.ts';
import { LlamaJobs } from './jobs.ts';
import { ServerProcess } from './server-process.ts';

const slotFolder = mkdtempSync(path.join(tmpdir(), 'atelier-slots-'));
const starting = new AbortController();
let server: ServerProcess | undefined;

process.on('exit', () => {
  server?.kill();
  rmSync(slotFolder, { recursive: true, force: true });
});
liveWithParent();

async function main(): Promise<void> {
  const options = JSON.parse(process.argv[2] ?? '{}') as EngineOptions;
  const { llamaServer, weightsFile, sequences } = options;
  if (llamaServer === undefined) throw new Error('no llama-server was named');
  const weights = await loadVocabulary(weightsFile);
  const { shape, tokeniser, cores } = weights;
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
  const { contextTokens: usable, slots } = jobs;
  const seesImages = told.imageMarker !== undefined;
  serveParent(jobs, factsOf(weights, vocabulary, { contextTokens: usable, sequences: slots, seesImages }));
}

main().catch(failToLoad);
