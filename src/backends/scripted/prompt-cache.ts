/**
 * The context cache of scripted models: the same rules as a real one's, on scripted tokens, so that a program can be tested
 * offline for what it finds again and what it pays (docs/context-cache.md). In memory, and gone with the process.
 */
import { hash } from 'node:crypto';
import {
  type CacheEntryInfo,
  type ContextCache,
  cacheBlocksOf,
  markedBlocksOf,
  type PromptCache,
  type PromptCacheReport,
} from '../../core/context-cache.ts';
import type { GenerationRequest } from '../../core/generation.ts';
import type { Clock } from '../../core/ports.ts';
import type { InputUsage } from '../../core/usage.ts';
import { tokensOfPart } from './tokens.ts';

/** What one call found, and what is to be done when its answer has ended. */
export interface CachedCall {
  readonly counts: Partial<InputUsage>;
  settle(): void;
}

const NOTHING_CACHED: CachedCall = { counts: {}, settle: () => {} };

/** Prompts that are found again without marks; the one used longest ago makes room. */
const MAX_PROMPTS = 64;

interface Entry {
  readonly namespace: string;
  readonly createdAtMs: number;
  lastUseMs: number;
  hits: number;
}

interface KeptPrompt extends Entry {
  readonly tokens: readonly string[];
}

interface KeptBlock extends Entry {
  readonly tokens: number;
  expiresAtMs: number;
}

export class ScriptedPromptCache implements PromptCache {
  readonly #clock: Clock;
  // By the digests of what they say; the least recently used first, which is the one that expires first.
  readonly #prompts = new Map<string, KeptPrompt>();
  readonly #blocks = new Map<string, KeptBlock>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Looks up what the call's prompt, of so many tokens, has in common with earlier ones. */
  open(request: GenerationRequest, inputTokens: number): CachedCall {
    const cache = request.contextCache;
    if (!cache) return NOTHING_CACHED;
    const { mode } = cache;
    switch (mode) {
      case 'off':
        return NOTHING_CACHED;
      case 'implicit':
        return inputTokens < cache.minTokens ? NOTHING_CACHED : this.#openImplicit(request, cache, inputTokens);
      case 'explicit':
      case 'session':
        return this.#openExplicit(request, cache);
      default:
        return mode satisfies never;
    }
  }

  async report(): Promise<PromptCacheReport> {
    this.#forgetExpired();
    const entries = [
      ...[...this.#prompts].map(([id, prompt]) => infoOf(id, 'implicit', prompt, prompt.tokens.length)),
      ...[...this.#blocks].map(([id, block]) => infoOf(id, 'explicit', block, block.tokens, block.expiresAtMs)),
    ];
    const hits = entries.reduce((sum, entry) => sum + entry.hits, 0);
    return { entries, totals: { entries: entries.length, bytes: 0, hits, savedMs: 0 } };
  }

  async clear(): Promise<{ entries: number; bytes: number }> {
    const entries = this.#prompts.size + this.#blocks.size;
    this.#prompts.clear();
    this.#blocks.clear();
    return { entries, bytes: 0 };
  }

  // Without marks

  #openImplicit(request: GenerationRequest, { namespace, minTokens }: ContextCache, inputTokens: number): CachedCall {
    const tokens = promptTokens(request).slice(0, inputTokens);
    let cachedRead = 0;
    let nearest: string | undefined;
    for (const [id, prompt] of this.#prompts) {
      if (prompt.namespace !== namespace) continue;
      // The last token is always read: what is said after it depends on it.
      const common = Math.min(commonPrefix(prompt.tokens, tokens), tokens.length - 1);
      if (common < minTokens || common <= cachedRead) continue;
      cachedRead = common;
      nearest = id;
    }
    if (nearest !== undefined) this.#use(this.#prompts, nearest);
    const settle = (): void => {
      const id = digestOf(namespace, tokens.join('\0'));
      if (!this.#prompts.has(id)) this.#prompts.set(id, { ...this.#newEntry(namespace), tokens });
      const [oldest] = this.#prompts.keys();
      if (this.#prompts.size > MAX_PROMPTS && oldest !== undefined) this.#prompts.delete(oldest);
    };
    return { counts: { cachedRead }, settle };
  }

  // With marks

  #openExplicit(request: GenerationRequest, { mode, namespace, minTokens, lifetimeMs }: ContextCache): CachedCall {
    this.#forgetExpired();
    const prefixes = prefixesOf(request, namespace);
    const marks = markedBlocksOf(cacheBlocksOf(request), mode);
    let cachedRead = 0;
    for (const { block, lookBack } of marks) {
      const ends = [block, ...lookBack].flatMap((at) => prefixes[at] ?? []);
      const found = ends.find(({ id }) => this.#blocks.has(id));
      if (!found) continue;
      cachedRead = Math.max(cachedRead, found.tokens);
      const kept = this.#use(this.#blocks, found.id);
      if (kept) kept.expiresAtMs = this.#clock.now() + lifetimeMs;
    }
    const made = marks
      .flatMap(({ block }) => prefixes[block] ?? [])
      .filter(({ id, tokens }) => tokens >= minTokens && !this.#blocks.has(id));
    const cacheWritten = Math.max(0, ...made.map(({ tokens }) => tokens - cachedRead));
    const settle = (): void => {
      const expiresAtMs = this.#clock.now() + lifetimeMs;
      for (const { id, tokens } of made) this.#blocks.set(id, { ...this.#newEntry(namespace), tokens, expiresAtMs });
    };
    return { counts: { cachedRead, markedRead: cachedRead, cacheWritten }, settle };
  }

  #forgetExpired(): void {
    const now = this.#clock.now();
    for (const [id, { expiresAtMs }] of this.#blocks) {
      if (expiresAtMs > now) break;
      this.#blocks.delete(id);
    }
  }

  /** The entry, used last now. */
  #use<Kept extends Entry>(entries: Map<string, Kept>, id: string): Kept | undefined {
    const entry = entries.get(id);
    if (!entry) return undefined;
    entry.hits++;
    entry.lastUseMs = this.#clock.now();
    entries.delete(id);
    entries.set(id, entry);
    return entry;
  }

  #newEntry(namespace: string): Entry {
    const now = this.#clock.now();
    return { namespace, createdAtMs: now, lastUseMs: now, hits: 0 };
  }
}

function infoOf(
  id: string,
  kind: CacheEntryInfo['kind'],
  { namespace, hits, createdAtMs, lastUseMs }: Entry,
  tokens: number,
  expiresAtMs?: number,
): CacheEntryInfo {
  const life = expiresAtMs === undefined ? {} : { expiresAtMs };
  return { id: id.slice(0, 16), kind, namespace, tokens, bytes: 0, hits, savedMs: 0, createdAtMs, lastUseMs, ...life };
}

interface Prefix {
  /** Digest of all that it says. */
  readonly id: string;
  readonly tokens: number;
}

/** The prefixes that end with each block. Tools come before all of them. */
function prefixesOf(request: GenerationRequest, namespace: string): Prefix[] {
  const tools = JSON.stringify(request.tools);
  let id = digestOf(namespace, 'tools', tools);
  let tokens = toolTokens(request).length;
  return cacheBlocksOf(request).map(({ turn, content }) => {
    const said = tokensOfPart(content);
    const role = request.turns[turn]?.role ?? 'system';
    id = digestOf(id, role, content.type, said.join('\0'));
    tokens += said.length;
    return { id, tokens };
  });
}

/** The whole prompt in tokens, as many as `countInput` counts; the first of a turn says whose it is. */
function promptTokens(request: GenerationRequest): string[] {
  const tokens = toolTokens(request);
  if (request.rawPrompt) tokens.push(...tokensOfPart({ type: 'text', text: request.rawPrompt.text }));
  tokens.push(...request.instructions.flatMap(tokensOfPart));
  for (const { role, parts } of request.turns) {
    const [first, ...rest] = parts.flatMap(tokensOfPart);
    if (first !== undefined) tokens.push(`${role}\0${first}`, ...rest);
  }
  return tokens;
}

function toolTokens({ tools }: GenerationRequest): string[] {
  return tools.flatMap((tool) => tokensOfPart({ type: 'text', text: JSON.stringify(tool) }));
}

function commonPrefix(a: readonly string[], b: readonly string[]): number {
  const length = Math.min(a.length, b.length);
  let index = 0;
  while (index < length && a[index] === b[index]) index++;
  return index;
}

function digestOf(...texts: readonly string[]): string {
  return hash('sha256', JSON.stringify(texts), 'hex');
}
