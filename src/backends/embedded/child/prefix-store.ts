/**
 * The books of the prefixes on disk: which are there, which of them is best for a prompt, which have to go. Pure; what
 * the books say is done by `prefix-cache.ts`.
 *
 * A prompt is looked for among the prefixes of its own namespace alone, by its tokens alone. A prefix that goes on
 * otherwise than the prompt is good too, up to where they part: cells can be cut.
 */
import type { SequenceBooks } from './sequences.ts';
import { commonPrefix, type TokenRow, TokenTree } from './token-tree.ts';

export interface StoredPrefix {
  readonly id: string;
  readonly namespace: string;
  readonly tokens: Uint32Array;
  readonly books: SequenceBooks;
  /** Of all its files. */
  readonly bytes: number;
  readonly createdAtMs: number;
  lastUseMs: number;
  hits: number;
  /** Computing time that its hits saved. */
  savedMs: number;
}

export interface FoundPrefix {
  readonly prefix: StoredPrefix;
  /** Tokens that prompt and prefix have in common. */
  readonly common: number;
}

export interface PrefixStoreOptions {
  /** What was not used for so long has to go. */
  readonly maxAgeMs: number;
}

/** So much longer a prefix has to be for a shorter one to be worth keeping beside it: that one is loaded sooner. */
const WORTH_BESIDE = 4;
/** What a prefix has beyond a longer one may be dropped with it: it is computed as soon as it is loaded. */
const NEGLIGIBLE_TOKENS = 64;

export class PrefixStore {
  readonly #maxAgeMs: number;
  readonly #prefixes = new Map<string, StoredPrefix>();
  /** By namespace. */
  readonly #trees = new Map<string, TokenTree<StoredPrefix>>();
  #bytes = 0;

  constructor({ maxAgeMs }: PrefixStoreOptions) {
    this.#maxAgeMs = maxAgeMs;
  }

  get size(): number {
    return this.#prefixes.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  has(id: string): boolean {
    return this.#prefixes.has(id);
  }

  all(): Iterable<StoredPrefix> {
    return this.#prefixes.values();
  }

  /** Adds a prefix, in place of one of the same tokens. Gives those that need not be kept beside it. */
  add(prefix: StoredPrefix): StoredPrefix[] {
    const superfluous = this.#superfluousBeside(prefix);
    for (const { id } of superfluous) this.remove(id);
    const tree = this.#trees.get(prefix.namespace) ?? new TokenTree<StoredPrefix>();
    this.#trees.set(prefix.namespace, tree);
    tree.set(prefix.tokens, prefix);
    this.#prefixes.set(prefix.id, prefix);
    this.#bytes += prefix.bytes;
    return superfluous;
  }

  remove(id: string): void {
    const prefix = this.#prefixes.get(id);
    if (prefix === undefined) return;
    this.#prefixes.delete(id);
    this.#bytes -= prefix.bytes;
    const tree = this.#trees.get(prefix.namespace);
    tree?.delete(prefix.tokens);
    if (tree?.size === 0) this.#trees.delete(prefix.namespace);
  }

  /** The one that has most in common with a row of tokens; of several the one that is loaded soonest. */
  find(namespace: string, row: TokenRow, maxTokens = Number.POSITIVE_INFINITY): FoundPrefix | undefined {
    const nearest = this.#trees.get(namespace)?.nearest(row);
    if (nearest === undefined || nearest.common === 0) return undefined;
    const usable = nearest.values.filter(
      ({ books, tokens }) => books.floor <= nearest.common && tokens.length <= maxTokens,
    );
    const prefix = usable.toSorted((a, b) => a.tokens.length - b.tokens.length)[0];
    return prefix && { prefix, common: nearest.common };
  }

  /** Those that were not used for too long. */
  expired(nowMs: number): StoredPrefix[] {
    return [...this.all()].filter(({ lastUseMs }) => lastUseMs + this.#maxAgeMs <= nowMs);
  }

  /** By the order in which they have to make room: those that a caller pays for last, else the least recently used first. */
  byLastUse(isPaidFor: (prefix: StoredPrefix) => boolean): StoredPrefix[] {
    return [...this.all()]
      .map((prefix) => ({ prefix, rank: isPaidFor(prefix) ? 1 : 0 }))
      .toSorted((a, b) => a.rank - b.rank || a.prefix.lastUseMs - b.prefix.lastUseMs)
      .map(({ prefix }) => prefix);
  }

  #superfluousBeside(prefix: StoredPrefix): StoredPrefix[] {
    const { namespace, tokens, books } = prefix;
    return [...this.all()].filter((other) => {
      if (other.namespace !== namespace || other.tokens.length > tokens.length) return false;
      if (other.tokens.length === tokens.length) return commonPrefix(other.tokens, tokens) === tokens.length;
      if (other.tokens.length * WORTH_BESIDE < tokens.length || books.floor > 0) return false;
      const common = commonPrefix(other.tokens, tokens);
      const isExact = books.cold >= Math.min(other.books.cold, common);
      return isExact && other.tokens.length - common < NEGLIGIBLE_TOKENS;
    });
  }
}
