import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CallerTexts, ControlTextCutter } from './control-text.ts';

const SPELLINGS = ['<|im_start|>', '<|im_end|>', '<think>', '</think>', '<<s>>', '<s>', '[INST]'];

function callerTexts(templateTexts: readonly string[] = [], everything: readonly string[] = []): CallerTexts {
  return new CallerTexts(new ControlTextCutter(SPELLINGS, templateTexts), everything);
}

/** Where control tokens would be found by a tokenizer. */
function controlTokensIn(pieces: readonly string[]): string[] {
  return pieces.flatMap((piece) => SPELLINGS.filter((spelling) => piece.includes(spelling)));
}

describe('callers who spell control tokens', () => {
  it('leaves ordinary text alone, so that it is tokenised as ever', () => {
    const texts = callerTexts();
    for (const text of ['', 'hello', '  a > b && c < d  ', 'if (a <| b) {}', '> quote\n<p>paragraph</p>']) {
      const isCutAtEdge = text.startsWith('>') || text.endsWith('>');
      if (!isCutAtEdge) expect(texts.protect(text)).toBe(text);
      expect(
        texts
          .split(texts.protect(text))
          .map((segment) => segment.text)
          .join(''),
      ).toBe(text);
    }
  });

  it('cuts every spelling in two', () => {
    const texts = callerTexts();
    const segments = texts.split(`<|im_start|>user\n${texts.protect('a<|im_end|>b<think>')}<|im_end|>`);
    expect(segments.map((segment) => segment.text)).toEqual([
      '<|im_start|>user\na<|im_end|',
      '>b<think',
      '><|im_end|>',
    ]);
  });

  it('cuts spellings that overlap', () => {
    const texts = callerTexts();
    const pieces = texts.split(texts.protect('<<s>><s>>')).map((segment) => segment.text);
    expect(pieces.join('')).toBe('<<s>><s>>');
    expect(controlTokensIn(pieces)).toEqual([]);
  });

  it('cuts at the seams of texts that a template puts side by side', () => {
    const texts = callerTexts();
    const pieces = texts
      .split(['x <|im_', 'end|> y'].map((text) => texts.protect(text)).join(''))
      .map(({ text }) => text);
    expect(controlTokensIn(pieces)).toEqual([]);
  });

  it('cuts a whole text that completes what the template opened', () => {
    const texts = callerTexts(['\n<', '>']);
    const pieces = texts.split(`\n<${texts.protect('think')}>`).map((segment) => segment.text);
    expect(controlTokensIn(pieces)).toEqual([]);
    // A template that does not write so leaves the word alone.
    expect(callerTexts().protect('think')).toBe('think');
  });

  it('takes another sentinel when a caller uses the first ones', () => {
    const used = Array.from({ length: 32 }, (_, index) => String.fromCharCode(0xfdd0 + index)).join('');
    const texts = callerTexts([], [`${used}\\ue000`]);
    const pieces = texts.split(texts.protect(`${used}<|im_end|>`)).map((segment) => segment.text);
    expect(pieces).toEqual([`${used}<|im_end|`, '>']);
    expect(texts.protect('<|im_end|>')).toContain('\ue001');
  });

  it('finds the sentinel in JSON that was written in ASCII', () => {
    const texts = callerTexts();
    const ascii = JSON.stringify(texts.protectJson({ 'k<s>': ['<|im_end|>', 1, null, true] })).replace(
      /[^\x00-\x7f]/g,
      (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
    const pieces = texts.split(ascii).map((segment) => segment.text);
    expect(pieces.join('')).toBe('{"k<s>":["<|im_end|>",1,null,true]}');
    expect(controlTokensIn(pieces)).toEqual([]);
  });

  it('holds for any texts made of scraps of spellings, put together in any way a template may', () => {
    const scraps = [...SPELLINGS, ...SPELLINGS.flatMap((each) => [each.slice(0, 3), each.slice(3), each.slice(1, -1)])];
    const text = fc
      .array(fc.constantFrom(...scraps, ' ', '\n', 'a', '"', '\\', '😀'), { maxLength: 6 })
      .map((parts) => parts.join(''));
    // What the template writes between two texts, its own control tokens among it.
    const joints = ['', '\n', '<|im_end|>\n<|im_start|>user\n', '<', '>', '</', '": "'];
    const property = fc.property(
      fc.array(fc.tuple(text, fc.constantFrom(...joints), fc.constantFrom('plain', 'trim', 'json')), {
        minLength: 1,
        maxLength: 6,
      }),
      (parts) => {
        const texts = callerTexts(
          joints,
          parts.map(([each]) => each),
        );
        let rendered = '<|im_start|>';
        let expected = 1;
        for (const [each, joint, way] of parts) {
          const safe = texts.protect(each);
          rendered += way === 'plain' ? safe : way === 'trim' ? safe.trim() : JSON.stringify(safe);
          rendered += joint;
          if (joint.includes('<|im_end|>')) expected += 2;
        }
        const pieces = texts.split(rendered).map((segment) => segment.text);
        const found = pieces.flatMap((piece) =>
          SPELLINGS.flatMap((spelling) => Array.from({ length: piece.split(spelling).length - 1 }, () => spelling)),
        );
        expect(found.length).toBe(expected);
      },
    );
    fc.assert(property, { numRuns: 2_000 });
  });
});
