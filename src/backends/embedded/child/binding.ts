/**
 * The only file that touches the insides of node-llama-cpp.
 *
 * Why inside: the package's public `sequence.evaluate` is one promise chain a token and a stream. With four streams on
 * the 0.5B it gives 47 tokens/s where the same native calls, driven by one batching loop, give 78. Grammars that begin
 * in the middle of an answer, prefix copies between sequences and cheap token probabilities are not public either.
 *
 * So we load by the public functions and then drive `context._ctx`, `model._model` and `llama._bindings`, which are
 * marked `@internal`. The version is pinned exactly in package.json. On an upgrade, compare with
 * `dist/bindings/AddonTypes.d.ts`: these names, the argument order of `addToBatch` and `sampleToken`, and the config
 * keys of `AddonSampler.applyConfig` are all we rely on; `main.weights.test.ts` fails if one of them changed.
 */
import {
  getLlama,
  getModuleVersion,
  type Llama,
  type LlamaContext,
  LlamaLogLevel,
  type LlamaModel,
} from 'node-llama-cpp';

type Opaque<Name extends string> = { readonly __opaque: Name };
/** A parsed GBNF. */
export type CompiledGrammar = Opaque<'grammar'>;
/** A GBNF and the rule a text has to match. */
export interface Grammar {
  readonly gbnf: string;
  readonly root: string;
}
/** Where one text stands in a grammar. A sampler that holds it moves it on with each token it samples. */
export type GrammarState = Opaque<'grammar-state'>;

/** What `applyConfig` reads; a key that is absent switches its sampler off. */
export interface NativeSamplerConfig {
  readonly temperature: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly seed: number;
  readonly repeatPenalty?: number;
  readonly repeatPenaltyMaxTokens?: number;
  readonly repeatPenaltyTokens?: Uint32Array;
  readonly grammarEvaluationState?: GrammarState;
  readonly tokenBiasKeys?: Uint32Array;
  readonly tokenBiasValues?: Float32Array;
}

export interface NativeSampler {
  applyConfig(config: NativeSamplerConfig): void;
  dispose(): void;
}

type LogitsFilter = readonly [tokens: readonly number[], max: boolean, min: boolean, selected: boolean, top: number];
type SampleDetails = readonly [number, unknown, unknown, readonly number[] | undefined, number | undefined];

interface NativeContext {
  initBatch(size: number): void;
  addToBatch(sequence: number, firstPosition: number, tokens: Uint32Array, logitIndexes: Uint32Array): Uint32Array;
  decodeBatch(): Promise<void>;
  sampleToken(logitsIndex: number, sampler: NativeSampler): Promise<number>;
  sampleToken(
    logitsIndex: number,
    sampler: NativeSampler,
    probabilities: boolean,
    confidence: boolean,
    logits: LogitsFilter,
    totalLogitWeight: boolean,
  ): Promise<SampleDetails>;
  disposeSequence(sequence: number): void;
  removeTokenCellsFromSequence(sequence: number, start: number, end: number): boolean;
  copySequenceStateFromOtherSequence(target: number, source: number): Promise<number>;
  saveSequenceStateToFile(file: string, sequence: number, tokens: Uint32Array): Promise<number>;
  loadSequenceStateFromFile(file: string, sequence: number, maxTokens: number): Promise<Uint32Array>;
  getSequenceKvCacheMinPosition(sequence: number): number;
  getSequenceKvCacheMaxPosition(sequence: number): number;
  setThreads(threads: number): void;
}

interface NativeModel {
  tokenize(text: string, controlTokens: boolean): Uint32Array;
  detokenize(tokens: Uint32Array, controlTokens: boolean): string;
  getTokenString(token: number): string | undefined;
  getTokenAttributes(token: number): number;
  isEogToken(token: number): boolean;
  getVocabularyType(): number;
  shouldPrependBosToken(): boolean;
  tokenBos(): number;
  tokenEos(): number;
}

interface NativeBindings {
  readonly AddonSampler: new (model: NativeModel) => NativeSampler;
  readonly AddonGrammar: new (
    gbnf: string,
    options: { addonExports: NativeBindings; rootRuleName: string },
  ) => CompiledGrammar;
  readonly AddonGrammarEvaluationState: new (model: NativeModel, grammar: CompiledGrammar) => GrammarState;
}

/** Tokens of one sequence in a batch; positions follow `firstPosition`. */
export interface BatchEntry {
  readonly sequence: number;
  readonly firstPosition: number;
  readonly tokens: readonly number[];
  /** Places in `tokens` behind which logits are wanted. */
  readonly logitsAt: readonly number[];
}

export type VocabularyKind = 'byte-pair' | 'sentence-piece' | 'other';
export type TokenKind = 'text' | 'byte' | 'control' | 'unused';

/** The part of the engine that needs weights but no context; what the vocabulary is read through. */
export interface Tokeniser {
  readonly size: number;
  readonly kind: VocabularyKind;
  readonly beginToken: number | undefined;
  readonly endToken: number | undefined;
  readonly prependsBeginToken: boolean;
  tokenise(text: string, controlTokens: boolean): number[];
  detokenise(token: number): string;
  /** The token's spelling in the vocabulary, encoded as the kind of vocabulary does. */
  spelling(token: number): string;
  tokenKind(token: number): TokenKind;
  /** Control tokens and those the makers of the model added by name; their spelling in a prompt becomes the token. */
  isNamed(token: number): boolean;
  isEndOfGeneration(token: number): boolean;
}

/** Sizes that decide how much memory a token of context costs. */
export interface ModelShape {
  readonly architecture: string;
  readonly name: string;
  readonly chatTemplate: string | undefined;
  readonly trainContextTokens: number;
  readonly layers: number;
  readonly keyValueHeads: number;
  readonly headDimension: number;
}

// Values of `llama_vocab_type` and bits of `llama_token_attr` in llama.h.
const VOCABULARY_KINDS: Readonly<Record<number, VocabularyKind>> = {
  1: 'sentence-piece',
  2: 'byte-pair',
  4: 'sentence-piece',
};
const TOKEN_UNUSED = 1 << 1;
const TOKEN_NORMAL = 1 << 2;
const TOKEN_CONTROL = 1 << 3;
const TOKEN_USER_DEFINED = 1 << 4;
const TOKEN_BYTE = 1 << 5;

/** Weights in memory, without a context yet. */
export interface LoadedWeights {
  readonly shape: ModelShape;
  readonly tokeniser: Tokeniser;
  readonly cores: number;
  /** Of the binding and of what it is built from. */
  readonly engineVersion: string;
  openContext(options: { sequences: number; contextTokens: number; threads: number }): Promise<Engine>;
}

/** Reads a weights file; `onProgress` hears the share done, 0 to 1. */
export async function loadWeights(file: string, onProgress: (share: number) => void): Promise<LoadedWeights> {
  // `never` and `skipDownload`: the installed binary or an error, and nothing is ever fetched or compiled.
  const llama = await getLlama({ build: 'never', skipDownload: true, gpu: false, logLevel: LlamaLogLevel.error });
  const model = await llama.loadModel({ modelPath: file, onLoadProgress: onProgress });
  const tokeniser = tokeniserOf(nativeModelOf(model), model.fileInfo.metadata.tokenizer.ggml.tokens.length);
  return {
    shape: shapeOf(model),
    tokeniser,
    cores: llama.cpuMathCores,
    engineVersion: `${await getModuleVersion()} ${llama.llamaCppRelease.release}`,
    async openContext({ sequences, contextTokens, threads }) {
      const context = await model.createContext({
        sequences,
        contextSize: contextTokens,
        batchSize: Math.min(MAX_BATCH_TOKENS, contextTokens * sequences),
        threads,
        // A sliding window that has dropped old cells could not be trimmed back to a shorter prefix.
        swaFullCache: true,
        // Ours is the estimate that counts (core/context-memory.ts), and a number asked for is a number meant.
        ignoreMemorySafetyChecks: true,
        failedCreationRemedy: false,
      });
      return new Engine(llama, model, context);
    },
  };
}

/** What a weights file says of itself, and its vocabulary, for an engine that has the weights elsewhere. */
export async function loadVocabulary(file: string): Promise<Pick<LoadedWeights, 'shape' | 'tokeniser' | 'cores'>> {
  const llama = await getLlama({ build: 'never', skipDownload: true, gpu: false, logLevel: LlamaLogLevel.error });
  const model = await llama.loadModel({ modelPath: file, vocabOnly: true });
  const { metadata, architectureMetadata } = model.fileInfo;
  return {
    // Without the weights the native side does not know how long a text they were made for.
    shape: { ...shapeOf(model), trainContextTokens: architectureMetadata.context_length ?? MIN_TRAIN_TOKENS },
    tokeniser: tokeniserOf(nativeModelOf(model), metadata.tokenizer.ggml.tokens.length),
    cores: llama.cpuMathCores,
  };
}

/** Of files that do not say; no model of today was made for less. */
const MIN_TRAIN_TOKENS = 2_048;

/** What a file of cells gave. */
export interface LoadedState {
  readonly tokens: Uint32Array;
  /** Above 0: some layers look back no further than a window, and the file has only what they see from its end. */
  readonly firstPosition: number;
  readonly lastPosition: number;
}

/** Tokens one decode may hold; our loop never builds a batch near it. */
export const MAX_BATCH_TOKENS = 512;

/** What the loop, the samplers and the grammars use of an engine; tests put a scripted one in its place. */
export type DecodingEngine = Pick<
  Engine,
  | 'contextTokens'
  | 'decode'
  | 'newSampler'
  | 'freeSampler'
  | 'sample'
  | 'topLogits'
  | 'logitAndWeight'
  | 'trim'
  | 'clear'
  | 'copy'
  | 'saveState'
  | 'loadState'
  | 'compileGrammar'
  | 'openGrammar'
  | 'setThreads'
>;

/** A choice has up to three samplers. */
const MAX_IDLE_SAMPLERS = 32;
/** llama.cpp reads it as "any"; `ChoiceSampler` never asks for it. */
const NO_SEED = 0xffffffff;

/** One context over the weights: sequences with their cells, batches, sampling. Not to be touched while it decodes. */
export class Engine {
  readonly #context: NativeContext;
  readonly #model: NativeModel;
  readonly #bindings: NativeBindings;
  readonly #publicContext: LlamaContext;
  readonly #idleSamplers: NativeSampler[] = [];

  constructor(llama: Llama, model: LlamaModel, context: LlamaContext) {
    this.#context = (context as unknown as { _ctx: NativeContext })._ctx;
    this.#model = nativeModelOf(model);
    this.#bindings = (llama as unknown as { _bindings: NativeBindings })._bindings;
    this.#publicContext = context;
  }

  /** Tokens a sequence really holds; the native side may have rounded what was asked. */
  get contextTokens(): number {
    return this.#publicContext.contextSize;
  }

  /** Computes a batch. Gives for each entry where the logits lie that it wants, in its order. */
  async decode(entries: readonly BatchEntry[]): Promise<(readonly number[])[]> {
    this.#context.initBatch(entries.reduce((sum, entry) => sum + entry.tokens.length, 0));
    const places = entries.map(({ sequence, firstPosition, tokens, logitsAt }) =>
      Array.from(
        this.#context.addToBatch(sequence, firstPosition, Uint32Array.from(tokens), Uint32Array.from(logitsAt)),
      ),
    );
    await this.#context.decodeBatch();
    return places;
  }

  /** From the next batch on. */
  setThreads(threads: number): void {
    this.#context.setThreads(threads);
  }

  /** To be given back with `freeSampler`. */
  newSampler(): NativeSampler {
    return this.#idleSamplers.pop() ?? new this.#bindings.AddonSampler(this.#model);
  }

  /**
   * Keeps a sampler for the next choice. Its row of candidates (12 bytes a token of the vocabulary: 1.8 MB) is freed by the
   * garbage collector alone, whatever was disposed, and that does not know how large it is: hundreds would pile up.
   */
  freeSampler(sampler: NativeSampler): void {
    if (this.#idleSamplers.length >= MAX_IDLE_SAMPLERS) {
      sampler.dispose();
      return;
    }
    // A setting that is left out is off again. The seed is none of a choice: the next one's is another, so its dice are new.
    sampler.applyConfig({ temperature: 0, seed: NO_SEED });
    this.#idleSamplers.push(sampler);
  }

  /** Samples after the logits at `place`. Several samplers may sample one place at the same time. */
  async sample(place: number, sampler: NativeSampler): Promise<number> {
    const token = await this.#context.sampleToken(place, sampler);
    if (token < 0) throw new Error('no token could be sampled');
    return token;
  }

  /** The `count` best tokens after the sampler's chain, with their logits as the chain left them, best first. */
  async topLogits(place: number, sampler: NativeSampler, count: number): Promise<Map<number, number>> {
    const details = await this.#context.sampleToken(
      place,
      sampler,
      false,
      false,
      [[], false, false, false, count],
      false,
    );
    return pairs(details[3]);
  }

  /** A token's logit, and the sum of exp(logit − highest logit) over all tokens the sampler's chain has left. */
  async logitAndWeight(
    place: number,
    sampler: NativeSampler,
    token: number,
  ): Promise<{ logit: number; weight: number }> {
    const details = await this.#context.sampleToken(
      place,
      sampler,
      false,
      false,
      [[token], false, false, false, 0],
      true,
    );
    const logit = pairs(details[3]).get(token);
    const weight = details[4];
    if (logit === undefined || weight === undefined) throw new Error('the binding gave no logits');
    return { logit, weight };
  }

  /** Cuts a sequence to its first `length` tokens. False: this architecture cannot, and nothing of it can be trusted. */
  trim(sequence: number, length: number): boolean {
    return this.#context.removeTokenCellsFromSequence(sequence, length, -1);
  }

  clear(sequence: number): void {
    this.#context.disposeSequence(sequence);
  }

  /** Makes `target` hold what `source` holds. The cells themselves are copied when the next batch is computed. */
  async copy(target: number, source: number): Promise<void> {
    await this.#context.copySequenceStateFromOtherSequence(target, source);
  }

  /**
   * Writes a sequence's cells to a file, with the tokens they are of. Gives the bytes written. A copy into the sequence
   * must have been made: the file would hold what was there before.
   */
  saveState(file: string, sequence: number, tokens: Uint32Array): Promise<number> {
    return this.#context.saveSequenceStateToFile(file, sequence, tokens);
  }

  /** Reads a sequence's cells from a file that is known to be whole and of these weights and settings: any other may crash. */
  async loadState(file: string, sequence: number): Promise<LoadedState> {
    const tokens = await this.#context.loadSequenceStateFromFile(file, sequence, this.contextTokens);
    return {
      tokens,
      firstPosition: this.#context.getSequenceKvCacheMinPosition(sequence),
      lastPosition: this.#context.getSequenceKvCacheMaxPosition(sequence),
    };
  }

  /** Throws on a malformed GBNF. */
  compileGrammar({ gbnf, root }: Grammar): CompiledGrammar {
    return new this.#bindings.AddonGrammar(gbnf, { addonExports: this.#bindings, rootRuleName: root });
  }

  openGrammar(grammar: CompiledGrammar): GrammarState {
    return new this.#bindings.AddonGrammarEvaluationState(this.#model, grammar);
  }
}

function nativeModelOf(model: LlamaModel): NativeModel {
  return (model as unknown as { _model: NativeModel })._model;
}

function pairs(flat: readonly number[] | undefined): Map<number, number> {
  const map = new Map<number, number>();
  for (let i = 0; flat !== undefined && i + 1 < flat.length; i += 2) map.set(flat[i] ?? -1, flat[i + 1] ?? 0);
  return map;
}

function tokeniserOf(native: NativeModel, size: number): Tokeniser {
  const present = (token: number): number | undefined => (token >= 0 ? token : undefined);
  return {
    size,
    kind: VOCABULARY_KINDS[native.getVocabularyType()] ?? 'other',
    beginToken: present(native.tokenBos()),
    endToken: present(native.tokenEos()),
    prependsBeginToken: native.shouldPrependBosToken(),
    tokenise: (text, controlTokens) => (text === '' ? [] : Array.from(native.tokenize(text, controlTokens))),
    detokenise: (token) => native.detokenize(Uint32Array.of(token), false),
    spelling: (token) => native.getTokenString(token) ?? '',
    isEndOfGeneration: (token) => native.isEogToken(token),
    isNamed: (token) => (native.getTokenAttributes(token) & (TOKEN_CONTROL | TOKEN_USER_DEFINED)) !== 0,
    tokenKind(token) {
      const attributes = native.getTokenAttributes(token);
      if (attributes & TOKEN_BYTE) return 'byte';
      // `</s>` is an ordinary piece of HTML in some vocabularies and carries both marks: it is text there.
      if (attributes & (TOKEN_NORMAL | TOKEN_USER_DEFINED)) return 'text';
      if (attributes & TOKEN_CONTROL) return 'control';
      return attributes & TOKEN_UNUSED ? 'unused' : 'control';
    },
  };
}

function shapeOf(model: LlamaModel): ModelShape {
  const { general, tokenizer } = model.fileInfo.metadata;
  const facts = model.fileInfo.architectureMetadata;
  const heads = facts.attention?.head_count;
  const keyValueHeads = facts.attention?.head_count_kv;
  const headCount = highest(heads) ?? 1;
  return {
    architecture: general.architecture,
    name: general.name ?? general.architecture,
    chatTemplate: tokenizer.chat_template,
    trainContextTokens: model.trainContextSize,
    layers: facts.block_count ?? 1,
    keyValueHeads: highest(keyValueHeads) ?? headCount,
    headDimension: facts.attention?.key_length ?? Math.ceil((facts.embedding_length ?? 0) / headCount),
  };
}

/** Some files give one number, some one a layer; the dearest layer is the safe guess. */
function highest(value: number | readonly number[] | undefined): number | undefined {
  return typeof value === 'object' ? Math.max(...value) : value;
}
