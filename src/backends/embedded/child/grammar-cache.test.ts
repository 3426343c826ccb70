import { describe, expect, it } from 'vitest';
import { GrammarCache } from './grammar-cache.ts';
import { scriptedEngine } from './testing/letter-model.ts';

function countingCache(): { cache: GrammarCache; compiled: string[] } {
  const engine = scriptedEngine({ sequences: 1, contextTokens: 8, script: () => 0 });
  const compiled: string[] = [];
  const cache = new GrammarCache({
    ...engine,
    compileGrammar(grammar) {
      compiled.push(grammar.gbnf);
      return engine.compileGrammar(grammar);
    },
  });
  return { cache, compiled };
}

describe('GrammarCache', () => {
  it('parses a grammar once, and once more for another root', () => {
    const { cache, compiled } = countingCache();
    for (let i = 0; i < 3; i++) cache.open({ gbnf: 'a', root: 'root' });
    cache.open({ gbnf: 'a', root: 'other' });
    expect(compiled).toEqual(['a', 'a']);
  });

  it('forgets the grammar that was not used for longest', () => {
    const { cache, compiled } = countingCache();
    for (let i = 0; i < 256; i++) cache.compile({ gbnf: `g${i}`, root: 'root' });
    cache.compile({ gbnf: 'g0', root: 'root' });
    cache.compile({ gbnf: 'one more', root: 'root' });
    compiled.length = 0;
    cache.compile({ gbnf: 'g0', root: 'root' });
    cache.compile({ gbnf: 'g1', root: 'root' });
    expect(compiled).toEqual(['g1']);
  });

  it('throws on a malformed grammar, each time', () => {
    const { cache } = countingCache();
    for (let i = 0; i < 2; i++) expect(() => cache.compile({ gbnf: 'malformed', root: 'root' })).toThrow('parse');
  });
});
