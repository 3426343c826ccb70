/** Parsed grammars by their text: the same schema comes with every call of an application. */
import type { CompiledGrammar, DecodingEngine, Grammar, GrammarState } from './binding.ts';

/** A grammar is some kilobytes; a busy application has a few dozen. */
const MAX_GRAMMARS = 256;

export class GrammarCache {
  readonly #engine: Pick<DecodingEngine, 'compileGrammar' | 'openGrammar'>;
  readonly #compiled = new Map<string, CompiledGrammar>();

  constructor(engine: Pick<DecodingEngine, 'compileGrammar' | 'openGrammar'>) {
    this.#engine = engine;
  }

  /** Throws on a malformed grammar. */
  compile({ gbnf, root }: Grammar): CompiledGrammar {
    const key = `${root}\n${gbnf}`;
    const grammar = this.#compiled.get(key) ?? this.#engine.compileGrammar({ gbnf, root });
    // A Map keeps the order of insertion: what was used last goes to the end, the first is the one to forget.
    this.#compiled.delete(key);
    this.#compiled.set(key, grammar);
    const [oldest] = this.#compiled.keys();
    if (this.#compiled.size > MAX_GRAMMARS && oldest !== undefined) this.#compiled.delete(oldest);
    return grammar;
  }

  open(grammar: Grammar): GrammarState {
    return this.#engine.openGrammar(this.compile(grammar));
  }
}
