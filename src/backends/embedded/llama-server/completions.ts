/**
 * llama-server over HTTP: what of its API is used, and nothing else ("HTTP Server", `tools/server/README.md` of
 * llama.cpp: `/completion`, `/health`, `/props`, `/slots/{id}`). Prompts go as tokens, so the server never tokenises for
 * us; what it samples comes back as tokens, too.
 */
import { Agent, type IncomingMessage, request } from 'node:http';

/** A prompt with images is text with markers; every other one is tokens. */
export type CompletionPrompt =
  | readonly number[]
  | { readonly prompt_string: string; readonly multimodal_data: readonly string[] };

/** The fields of `/completion` that are sent. */
export interface CompletionBody {
  readonly prompt: CompletionPrompt;
  readonly id_slot: number;
  readonly cache_prompt: boolean;
  readonly n_predict: number;
  readonly stream: boolean;
  readonly temperature: number;
  readonly top_k: number;
  readonly top_p: number;
  readonly min_p: number;
  readonly repeat_penalty: number;
  readonly repeat_last_n: number;
  readonly seed: number;
  readonly samplers: readonly string[];
  readonly logit_bias: readonly (readonly [token: number, bias: number | false])[];
  readonly grammar?: string | undefined;
  readonly n_probs: number;
}

/** The model's own probabilities at one token, before anything was done to them. */
export interface TokenProbabilities {
  readonly logprob: number;
  readonly top: readonly { readonly token: number; readonly logprob: number }[];
}

export type CompletionEvent =
  /** The prompt was looked up: so many of its tokens need not be computed. */
  | { readonly type: 'begun'; readonly promptTokens: number; readonly cachedTokens: number }
  /**
   * A token. Those before it that were only parts of a character come without a token: `text` has their bytes, and
   * `predicted` tells how many tokens there have been.
   */
  | {
      readonly type: 'token';
      readonly token: number;
      readonly text: string;
      readonly predicted: number;
      readonly probabilities: TokenProbabilities | undefined;
    }
  | { readonly type: 'end'; readonly reason: 'end-of-text' | 'limit' | 'context' };

/** llama-server refused, or could not be asked. */
export class LlamaServerError extends Error {
  /** Set when the prompt was longer than a slot. */
  readonly promptTokens: number | undefined;

  constructor(message: string, promptTokens?: number, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LlamaServerError';
    this.promptTokens = promptTokens;
  }
}

export interface LlamaServerAddress {
  readonly port: number;
  readonly apiKey: string;
}

/** What `/props` tells that is needed. */
export interface ServerFacts {
  readonly slots: number;
  readonly contextTokens: number;
  /** What stands for an image in a prompt; undefined where the server does not see. */
  readonly imageMarker: string | undefined;
}

export class CompletionClient {
  readonly #address: LlamaServerAddress;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(address: LlamaServerAddress) {
    this.#address = address;
  }

  /** True once the weights are loaded. */
  async isReady(signal: AbortSignal): Promise<boolean> {
    const answer = await this.#ask('GET', '/health', undefined, signal);
    answer.resume();
    return answer.statusCode === 200;
  }

  async facts(signal: AbortSignal): Promise<ServerFacts> {
    const props = (await this.#json('GET', '/props', undefined, signal)) as {
      total_slots?: number;
      default_generation_settings?: { n_ctx?: number };
      modalities?: { vision?: boolean };
      media_marker?: string;
    };
    return {
      slots: props.total_slots ?? 1,
      contextTokens: props.default_generation_settings?.n_ctx ?? 0,
      imageMarker: props.modalities?.vision === true ? (props.media_marker ?? DEFAULT_MARKER) : undefined,
    };
  }

  /** Streams a completion. Leaving the loop ends it at the server. */
  async *complete(body: CompletionBody, signal: AbortSignal): AsyncGenerator<CompletionEvent> {
    const answer = await this.#ask('POST', '/completion', { ...body, ...ALWAYS }, signal);
    if (answer.statusCode !== 200) throw await refusal(answer);
    try {
      for await (const event of serverSentEvents(answer)) {
        const read = completionEvent(event);
        if (read) yield read;
        if (read?.type === 'end') return;
      }
      throw new LlamaServerError('llama-server broke off its answer');
    } catch (thrown) {
      throw thrown instanceof LlamaServerError ? thrown : brokenOff(thrown);
    } finally {
      answer.destroy();
    }
  }

  /** One token, told even where it is only a part of a character. */
  async completeOne(body: CompletionBody, signal: AbortSignal): Promise<CompletionEvent[]> {
    const whole = { ...body, ...ALWAYS, n_predict: 1, stream: false };
    const reply = (await this.#json('POST', '/completion', whole, signal)) as FinalChunk;
    const [token] = reply.tokens ?? [];
    const begun = {
      type: 'begun' as const,
      promptTokens: reply.tokens_evaluated ?? 0,
      cachedTokens: reply.timings?.cache_n ?? 0,
    };
    if (token === undefined) return [begun, endOf(reply)];
    const probabilities = probabilitiesOf(reply);
    return [begun, { type: 'token', token, text: reply.content ?? '', predicted: 1, probabilities }];
  }

  /** Keeps a slot's cells in a file of the server's folder for them. */
  async saveSlot(slot: number, file: string, signal: AbortSignal): Promise<void> {
    await this.#json('POST', `/slots/${slot}?action=save`, { filename: file }, signal);
  }

  /** Gives how many tokens the file had. */
  async restoreSlot(slot: number, file: string, signal: AbortSignal): Promise<number> {
    const reply = await this.#json('POST', `/slots/${slot}?action=restore`, { filename: file }, signal);
    return (reply as { n_restored?: number }).n_restored ?? 0;
  }

  close(): void {
    this.#agent.destroy();
  }

  async #json(method: string, path: string, body: object | undefined, signal: AbortSignal): Promise<unknown> {
    const answer = await this.#ask(method, path, body, signal);
    if (answer.statusCode !== 200) throw await refusal(answer);
    try {
      return JSON.parse(await textOf(answer));
    } catch (thrown) {
      throw brokenOff(thrown);
    }
  }

  #ask(method: string, path: string, body: object | undefined, signal: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const payload = body === undefined ? undefined : JSON.stringify(body);
      const headers = {
        authorization: `Bearer ${this.#address.apiKey}`,
        ...(payload === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
      };
      const { port } = this.#address;
      const sent = request(
        { host: '127.0.0.1', port, method, path, headers, signal, agent: this.#agent },
        (answer: IncomingMessage) => resolve(answer),
      );
      sent.on('error', (error) => reject(brokenOff(error)));
      sent.end(payload);
    });
  }
}

/** Of versions that do not tell theirs. */
const DEFAULT_MARKER = '<__media__>';

/** `return_tokens`: ids also of what is not streamed; `return_progress`: how much of the prompt was found, first of all. */
const ALWAYS = { return_tokens: true, return_progress: true, typical_p: 1, post_sampling_probs: false } as const;

interface ProbabilityEntry {
  readonly id: number;
  readonly logprob?: number;
  readonly top_logprobs?: readonly { readonly id: number; readonly logprob: number }[];
}

interface Chunk {
  readonly content?: string;
  readonly tokens?: readonly number[];
  readonly stop?: boolean;
  readonly tokens_predicted?: number;
  readonly tokens_evaluated?: number;
  readonly prompt_progress?: { readonly total: number; readonly cache: number };
  readonly completion_probabilities?: readonly ProbabilityEntry[];
  readonly error?: { readonly message?: string; readonly n_prompt_tokens?: number };
}

interface FinalChunk extends Chunk {
  readonly stop_type?: string;
  readonly truncated?: boolean;
  readonly timings?: { readonly cache_n?: number };
}

function completionEvent(data: string): CompletionEvent | undefined {
  const chunk = JSON.parse(data) as FinalChunk;
  if (chunk.error) throw errorOf(chunk.error, 'llama-server failed');
  if (chunk.stop === true) return endOf(chunk);
  if (chunk.prompt_progress) {
    const { total, cache } = chunk.prompt_progress;
    return { type: 'begun', promptTokens: total, cachedTokens: cache };
  }
  const [token] = chunk.tokens ?? [];
  if (token === undefined) return undefined;
  const { content: text = '', tokens_predicted: predicted = 0 } = chunk;
  return { type: 'token', token, text, predicted, probabilities: probabilitiesOf(chunk) };
}

function endOf({ stop_type, truncated }: FinalChunk): CompletionEvent {
  if (stop_type === 'eos') return { type: 'end', reason: 'end-of-text' };
  return { type: 'end', reason: truncated === true ? 'context' : 'limit' };
}

function probabilitiesOf({ completion_probabilities }: Chunk): TokenProbabilities | undefined {
  const entry = completion_probabilities?.at(-1);
  if (entry?.logprob === undefined) return undefined;
  const top = (entry.top_logprobs ?? []).map(({ id, logprob }) => ({ token: id, logprob }));
  return { logprob: entry.logprob, top };
}

/** The `data` of each event; comments, which keep the connection alive, are nothing. */
async function* serverSentEvents(stream: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const bytes of stream) {
    text += decoder.decode(bytes, { stream: true });
    const lines = text.split('\n');
    text = lines.pop() ?? '';
    // One line is one event: llama-server writes JSON without line breaks. Old versions name errors by the field.
    for (const line of lines) {
      if (line.startsWith('data: ')) yield line.slice(6);
      else if (line.startsWith('error: ')) yield `{"error":${line.slice(7)}}`;
    }
  }
}

async function textOf(answer: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

async function refusal(answer: IncomingMessage): Promise<LlamaServerError> {
  const text = await textOf(answer).catch(() => '');
  const told = `llama-server answered ${answer.statusCode}`;
  try {
    return errorOf((JSON.parse(text) as Chunk).error, told);
  } catch {
    // Whatever it is, it is not from llama-server's own hand: the status has to do.
    return new LlamaServerError(told);
  }
}

function errorOf(error: Chunk['error'], otherwise: string): LlamaServerError {
  return new LlamaServerError(error?.message ?? otherwise, error?.n_prompt_tokens);
}

function brokenOff(thrown: unknown): LlamaServerError {
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  return new LlamaServerError(`llama-server cannot be heard: ${reason}`, undefined, { cause: thrown });
}
