/**
 * A llama-server without weights, for tests: what of its HTTP API is used, over a model of letters whose script says
 * which tokens may follow, best first. It behaves as the real one does where that matters: a slot keeps its tokens and
 * tells how many it found, a busy slot lets the next completion wait, a token that is half a character is not streamed by
 * itself, a grammar and biases decide what is sampled, and a connection that is gone ends its completion.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Tokeniser } from '../../child/binding.ts';
import { ModelVocabulary } from '../../child/vocabulary.ts';
import type { CompletionBody } from '../completions.ts';
import { HeldGrammar } from '../held-grammar.ts';

/** Tokens that may follow these, best first. */
export type Preferences = (tokens: readonly number[]) => readonly number[];

export interface FakeLlamaServer {
  readonly port: number;
  readonly apiKey: string;
  /** Bodies of the completions so far. */
  readonly completions: readonly CompletionBody[];
  /** Completions that are running. */
  readonly running: number;
  /** Tokens each slot holds. */
  readonly slots: readonly (readonly number[])[];
  close(): Promise<void>;
}

export interface FakeLlamaOptions {
  readonly tokeniser: Tokeniser;
  readonly prefers: Preferences;
  readonly slots?: number;
  readonly contextTokens?: number;
  readonly sees?: boolean;
  readonly port?: number;
  readonly apiKey?: string;
}

interface FakeSlot {
  tokens: number[];
  turn: Promise<void>;
}

const BAN = -1e9;

export async function startFakeLlamaServer(options: FakeLlamaOptions): Promise<FakeLlamaServer> {
  const fake = new Fake(options);
  await fake.listen();
  return fake;
}

class Fake implements FakeLlamaServer {
  readonly apiKey: string;
  readonly completions: CompletionBody[] = [];
  running = 0;
  readonly #options: FakeLlamaOptions;
  readonly #vocabulary: ModelVocabulary;
  readonly #slots: FakeSlot[];
  readonly #files = new Map<string, readonly number[]>();
  readonly #server: Server;

  constructor(options: FakeLlamaOptions) {
    this.#options = options;
    this.apiKey = options.apiKey ?? 'secret';
    this.#vocabulary = new ModelVocabulary(options.tokeniser);
    this.#slots = Array.from({ length: options.slots ?? 2 }, () => ({ tokens: [], turn: Promise.resolve() }));
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get slots(): readonly (readonly number[])[] {
    return this.#slots.map(({ tokens }) => tokens);
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(this.#options.port ?? 0, '127.0.0.1', resolve));
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const reply = (status: number, body: object): void =>
      void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    const url = new URL(request.url ?? '/', 'http://fake');
    if (url.pathname === '/health') return reply(200, { status: 'ok' });
    if (request.headers.authorization !== `Bearer ${this.apiKey}`)
      return reply(401, { error: { message: 'Invalid API Key', code: 401 } });
    if (url.pathname === '/props') return reply(200, this.#props());
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString()) as CompletionBody & { filename?: string };
    if (url.pathname === '/completion') return this.#complete(body, response);
    const slot = this.#slots[Number(url.pathname.split('/')[2])];
    if (!slot || !body.filename) return reply(404, { error: { message: 'no such thing' } });
    await slot.turn;
    if (url.searchParams.get('action') === 'save') {
      this.#files.set(body.filename, [...slot.tokens]);
      return reply(200, { n_saved: slot.tokens.length });
    }
    slot.tokens = [...(this.#files.get(body.filename) ?? [])];
    return reply(200, { n_restored: slot.tokens.length });
  }

  #props(): object {
    const { sees = false } = this.#options;
    return {
      total_slots: this.#slots.length,
      default_generation_settings: { n_ctx: this.#contextTokens },
      modalities: { vision: sees, audio: false },
      media_marker: '<__media_7__>',
    };
  }

  async #complete(body: CompletionBody, response: ServerResponse): Promise<void> {
    this.completions.push(body);
    const slot = this.#slots[body.id_slot];
    if (!slot) throw new Error(`no slot ${body.id_slot}`);
    const { turn } = slot;
    const done = Promise.withResolvers<void>();
    slot.turn = done.promise;
    await turn;
    this.running++;
    try {
      const prompt = this.#promptTokens(body);
      if (prompt.length >= this.#contextTokens) {
        const error = { message: 'the prompt is too long', n_prompt_tokens: prompt.length };
        response.writeHead(400).end(JSON.stringify({ error }));
        return;
      }
      const common = body.cache_prompt ? commonPrefix(slot.tokens, prompt) : 0;
      slot.tokens = prompt;
      await this.#stream(body, slot, Math.min(common, prompt.length - 1), response);
    } catch (error) {
      if (response.headersSent) response.destroy();
      else response.writeHead(400).end(JSON.stringify({ error: { message: (error as Error).message } }));
    } finally {
      this.running--;
      done.resolve();
    }
  }

  get #contextTokens(): number {
    return this.#options.contextTokens ?? 4_096;
  }

  #promptTokens({ prompt }: CompletionBody): number[] {
    if (!('prompt_string' in prompt)) return [...prompt];
    const pieces = prompt.prompt_string.split('<__media_7__>');
    if (pieces.length - 1 !== prompt.multimodal_data.length) throw new Error('number of media does not match');
    return pieces.flatMap((text, i) => {
      const tokens = this.#options.tokeniser.tokenise(text, true);
      return i === 0 ? tokens : [...[...'[picture]'].map((letter) => letter.charCodeAt(0)), ...tokens];
    });
  }

  async #stream(body: CompletionBody, slot: FakeSlot, cached: number, response: ServerResponse): Promise<void> {
    const total = slot.tokens.length;
    const say = (chunk: object): void => void response.write(`data: ${JSON.stringify(chunk)}\n\n`);
    if (body.stream) {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      say({ content: '', tokens: [0], stop: false, prompt_progress: { total, cache: cached, processed: cached } });
    }
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    const sampled: number[] = [];
    let unsent = '';
    let bytes = 0;
    let told = {};
    let end = { stop_type: 'limit', truncated: false };
    while (body.n_predict < 0 || sampled.length < body.n_predict) {
      await new Promise(setImmediate);
      if (response.destroyed || response.socket?.destroyed) return;
      if (slot.tokens.length + 1 >= this.#contextTokens) {
        end = { stop_type: 'limit', truncated: true };
        break;
      }
      const [best] = this.#options.prefers(slot.tokens);
      const token = this.#sample(body, slot.tokens, sampled);
      sampled.push(token);
      const isEnd = this.#vocabulary.isEndOfGeneration(token);
      if (!isEnd) slot.tokens.push(token);
      bytes += this.#vocabulary.bytes(token).length;
      unsent += decoder.decode(this.#vocabulary.bytes(token), { stream: true });
      const isPart = bytes > 0 && unsent === '' && !isEnd;
      if (body.stream && !isPart) {
        say({
          content: unsent,
          tokens: [token],
          stop: false,
          tokens_predicted: sampled.length,
          ...probabilitiesOf(body, token, best),
        });
        unsent = '';
        bytes = 0;
      }
      told = probabilitiesOf(body, token, best);
      if (!isEnd) continue;
      end = { stop_type: 'eos', truncated: false };
      break;
    }
    const last = { stop: true, tokens_evaluated: total, tokens_predicted: sampled.length, ...end };
    if (!body.stream) {
      const content = bytes > 0 && unsent === '' ? '\ufffd' : unsent;
      const timings = { cache_n: cached };
      response.end(JSON.stringify({ ...last, content, tokens: sampled, timings, ...told }));
      return;
    }
    say({ content: '', tokens: [], ...last });
    response.end();
  }

  /** The first of the script's wishes that bias and grammar leave. */
  #sample(body: CompletionBody, tokens: readonly number[], sampled: readonly number[]): number {
    if (this.#heldAfter(body, sampled)?.isWhole) return this.#vocabulary.endToken;
    const biases = new Map(body.logit_bias);
    const wishes = this.#options.prefers(tokens);
    const boosted = [...biases].filter(([, bias]) => bias !== false && bias > 20).map(([token]) => token);
    const score = (token: number): number => {
      const bias = biases.get(token) ?? 0;
      const place = wishes.indexOf(token);
      return (bias === false ? BAN : bias) - (place < 0 ? 30 : place);
    };
    const ordered = [...new Set([...wishes, ...boosted])].toSorted((a, b) => score(b) - score(a));
    const fits = (token: number): boolean => {
      if (body.grammar === undefined) return true;
      // The first line is the root; an end that may come is its last alternative.
      if (this.#vocabulary.isEndOfGeneration(token))
        return /^root ::= .*""$/m.test(this.#heldAfter(body, sampled)?.write().split('\n')[0] ?? '');
      const isPart = (this.#vocabulary.bytes(token).at(-1) ?? 0) >= 0x80;
      return isPart || this.#heldAfter(body, [...sampled, token])?.canBeWritten === true;
    };
    const chosen = ordered.find((token) => score(token) > BAN / 2 && fits(token));
    if (chosen !== undefined) return chosen;
    for (let byte = 0x20; byte < 0x7f; byte++) if (fits(byte)) return byte;
    return this.#vocabulary.endToken;
  }

  #heldAfter({ grammar }: CompletionBody, sampled: readonly number[]): HeldGrammar | undefined {
    if (grammar === undefined) return undefined;
    const held = new HeldGrammar({ gbnf: grammar, root: 'root' });
    for (const token of sampled) held.push(this.#vocabulary.bytes(token));
    return held;
  }
}

/** The script's first wish is the best; what was sampled follows where it is another. */
function probabilitiesOf({ n_probs }: CompletionBody, token: number, best = token): object {
  if (n_probs === 0) return {};
  const ids = [...new Set([best, token, token + 1, token + 2])].slice(0, n_probs);
  const top = ids.map((id, i) => ({ id, logprob: -0.5 - i }));
  return { completion_probabilities: [{ id: token, logprob: -0.5, top_logprobs: top }] };
}

function commonPrefix(a: readonly number[], b: readonly number[]): number {
  let i = 0;
  while (i < Math.min(a.length, b.length) && a[i] === b[i]) i++;
  return i;
}
