/**
 * The yardstick for the engine: the binding's own way to generate (`sequence.evaluate`), in a process of its own, told
 * over IPC what to run. Same weights, threads and sampling as the server beside it.
 */
import { availableParallelism } from 'node:os';
import { getLlama, LlamaLogLevel, type Token } from 'node-llama-cpp';

export interface BareRequest {
  readonly prompt: string;
  readonly streams: number;
  readonly tokens: number;
}

export interface BareReply {
  readonly tokensPerSecond: number;
  readonly firstTokenMs: number;
}

const [, , weightsFile = '', sequences = '4', contextTokens = '4096'] = process.argv;
// Left to itself the binding takes more threads than a small machine has cores, and they spin against each other.
const threads = availableParallelism();
const llama = await getLlama({
  build: 'never',
  skipDownload: true,
  gpu: false,
  logLevel: LlamaLogLevel.error,
  maxThreads: threads,
});
const model = await llama.loadModel({ modelPath: weightsFile });
const context = await model.createContext({
  sequences: Number(sequences),
  contextSize: Number(contextTokens),
  batchSize: 512,
  threads,
});
const all = Array.from({ length: Number(sequences) }, () => context.getSequence());

process.on('message', (request: BareRequest) => void run(request).then((reply) => process.send?.(reply)));
process.send?.('ready');

async function run({ prompt, streams, tokens }: BareRequest): Promise<BareReply> {
  const promptTokens = model.tokenize(prompt, true);
  const startedAt = performance.now();
  const runs = await Promise.all(
    all.slice(0, streams).map((_, index) => generate(index, promptTokens, tokens, startedAt)),
  );
  const firstTokenMs = Math.max(...runs.map((each) => each.firstTokenMs));
  const sampled = runs.reduce((sum, each) => sum + each.count - 1, 0);
  return { tokensPerSecond: (sampled / (performance.now() - startedAt - firstTokenMs)) * 1000, firstTokenMs };
}

async function generate(
  index: number,
  prompt: Token[],
  tokens: number,
  startedAt: number,
): Promise<{ count: number; firstTokenMs: number }> {
  const sequence = all[index];
  if (!sequence) throw new Error('no such sequence');
  await sequence.adaptStateToTokens(prompt.slice(0, -1), false);
  const rest = prompt.slice(sequence.nextTokenIndex);
  let count = 0;
  let firstTokenMs = 0;
  for await (const _ of sequence.evaluate(rest, {
    temperature: 0.7,
    topK: 20,
    topP: 0.8,
    seed: index + 1,
    yieldEogToken: true,
  })) {
    if (count === 0) firstTokenMs = performance.now() - startedAt;
    if (++count >= tokens) break;
  }
  return { count, firstTokenMs };
}
