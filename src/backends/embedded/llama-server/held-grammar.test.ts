import { describe, expect, it } from 'vitest';
import { GbnfWalker, matchesGbnf, parseGbnf } from '../constraints/gbnf.test-support.ts';
import { compileJsonSchema } from '../constraints/index.ts';
import { ORDINARY_SCHEMAS } from '../constraints/schemas.test-support.ts';
import { readGrammar } from './grammar-rules.ts';
import { HeldGrammar } from './held-grammar.ts';

function heldAfter(gbnf: string, text: string, root = 'root'): HeldGrammar {
  const held = new HeldGrammar({ gbnf, root });
  held.push(new TextEncoder().encode(text));
  return held;
}

const leftOf = (gbnf: string, text: string): string => heldAfter(gbnf, text).write();

describe('what is left of a grammar', () => {
  it.each(Object.entries(ORDINARY_SCHEMAS))('is right at every place of random texts: %s', (_, schema) => {
    const { grammar } = compileJsonSchema(schema);
    const whole = parseGbnf(grammar);
    for (let seed = 0; seed < 6; seed++) {
      const characters = [...new GbnfWalker(whole).text(seed, 40)];
      for (let cut = 0; cut <= characters.length; cut += 1 + Math.floor(characters.length / 12)) {
        const [before, after] = [characters.slice(0, cut).join(''), characters.slice(cut).join('')];
        const left = parseGbnf(leftOf(grammar, before));
        expect(matchesGbnf(left, after), `${before}⟨here⟩${after}`).toBe(true);
        for (const other of [after.slice(1), `${after}x`, after.replace(/["0-9]/, '')])
          expect(matchesGbnf(left, other), `${before}⟨here⟩${other}`).toBe(matchesGbnf(whole, before + other));
        // What is left of what is left is what is left.
        const next = characters[cut];
        if (next === undefined) continue;
        const again = parseGbnf(leftOf(leftOf(grammar, before), next));
        expect(matchesGbnf(again, characters.slice(cut + 1).join(''))).toBe(true);
      }
    }
  });

  it('begins at the rule it is told to begin at', () => {
    const gbnf = 'root ::= "a"+\nother ::= " "? root\n';
    expect(matchesGbnf(parseGbnf(heldAfter(gbnf, '', 'other').write()), ' aa')).toBe(true);
  });

  it('counts repetitions', () => {
    const gbnf = 'root ::= [a-z]{2,3} "." digit{0,2}\ndigit ::= [0-9]';
    const left = parseGbnf(leftOf(gbnf, 'ab'));
    expect(['.', 'c.1', 'c.12', '.123', 'cd.'].map((text) => matchesGbnf(left, text))).toEqual([
      true,
      true,
      true,
      false,
      false,
    ]);
  });

  it('knows when only the end can follow', () => {
    const gbnf = 'root ::= "ab" | "abc"?';
    expect(heldAfter(gbnf, 'a').isWhole).toBe(false);
    expect(heldAfter(gbnf, 'ab').isWhole).toBe(false);
    expect(heldAfter(gbnf, 'abc').isWhole).toBe(true);
    expect(heldAfter('root ::= "a"*', 'aaa').isWhole).toBe(false);
  });

  it('cannot be written inside a character, nor after a text that is not of the grammar', () => {
    const held = new HeldGrammar({ gbnf: 'root ::= [^x]+', root: 'root' });
    const [first = 0, ...rest] = new TextEncoder().encode('🦊');
    held.push(Uint8Array.of(first));
    expect(held.canBeWritten).toBe(false);
    held.push(Uint8Array.from(rest.slice(0, 1)));
    expect(held.canBeWritten).toBe(false);
    held.push(Uint8Array.from(rest.slice(1)));
    expect(held.canBeWritten).toBe(true);
    expect(held.write()).toContain('[^x]');
    held.push(new TextEncoder().encode('x'));
    expect(held.canBeWritten).toBe(false);
    expect(held.isWhole).toBe(false);
  });

  it('stays small where much is alike', () => {
    const gbnf = 'root ::= (ws "a" ws)* ws "b"\nws ::= [ \\n]*';
    expect(leftOf(gbnf, ' a a  a \n '.repeat(200)).length).toBeLessThan(600);
  });
});

describe('reading a grammar', () => {
  it.each([
    'root ::= (',
    'root ::= "a',
    'root ::= [a',
    'root ::= other',
    'root = "a"',
    'root ::= "\\q"',
    'root ::= "a"{x}',
    'root ::= "a" )',
    'root ::= root "a" | "b"',
    'root ::= a "b"\na ::= "c"? root',
  ])('refuses %s', (gbnf) => {
    expect(() => readGrammar(gbnf)).toThrow(/malformed grammar/);
  });

  it('takes comments, lines that go on, every escape and every quantifier', () => {
    const gbnf = [
      '# a comment',
      'root ::= (',
      '  item ("," item)* # another',
      '  | "none"',
      ') end',
      'item ::= [^"\\\\\\]\\x00-\\x1f] . "\\t\\u00e9\\U0001F98A\\"" x{2} x{1,} x?',
      'x ::= "x"+ | ""',
      'end ::=',
      '  "."',
    ].join('\n');
    expect(() => readGrammar(gbnf)).not.toThrow();
    expect(heldAfter(gbnf, 'a🌍\té🦊"xxx,').canBeWritten).toBe(true);
    expect(heldAfter(gbnf, 'none.').isWhole).toBe(true);
  });
});
