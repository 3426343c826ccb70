/**
 * Grammar expressions: what stands on the right of a GBNF rule, as data, and how it is printed.
 *
 * GBNF is the grammar language of llama.cpp (its `grammars/README.md`). Facts of its parser that shape this file: rule
 * names are letters, digits and dashes; an alternative may not be left empty at the end of a line, so the empty text is
 * printed as `""`; a repetition is unrolled by the parser and may not reach 2,000 copies, so long ones are built of blocks.
 */

/** Inclusive ranges of code points, sorted, apart. */
export type CodePointRanges = readonly (readonly [low: number, high: number])[];

export type Expression =
  | { readonly type: 'literal'; readonly text: string }
  | { readonly type: 'class'; readonly ranges: CodePointRanges }
  | { readonly type: 'reference'; readonly name: string }
  | { readonly type: 'sequence'; readonly parts: readonly Expression[] }
  | { readonly type: 'choice'; readonly options: readonly Expression[] }
  | { readonly type: 'repeat'; readonly part: Expression; readonly minimum: number; readonly maximum: number };

/** Matches nothing at all: a contradiction in the schema. */
export const NEVER: Expression = { type: 'choice', options: [] };
/** Matches the empty text. */
export const EMPTY: Expression = { type: 'literal', text: '' };

export function isNever(expression: Expression): boolean {
  return expression.type === 'choice' && expression.options.length === 0;
}

export function isEmpty(expression: Expression): boolean {
  return expression.type === 'literal' && expression.text === '';
}

export function literal(text: string): Expression {
  return text === '' ? EMPTY : { type: 'literal', text };
}

export function reference(name: string): Expression {
  return { type: 'reference', name };
}

/** One character out of ranges of code points. */
export function characterClass(ranges: CodePointRanges): Expression {
  if (ranges.length === 0) return NEVER;
  const [only] = ranges;
  if (ranges.length === 1 && only !== undefined && only[0] === only[1]) return literal(String.fromCodePoint(only[0]));
  return { type: 'class', ranges };
}

/** One after another; neighbouring literals become one, and one part that cannot match makes the whole impossible. */
export function sequence(...parts: readonly Expression[]): Expression {
  const flat: Expression[] = [];
  for (const part of parts) {
    if (isNever(part)) return NEVER;
    for (const piece of part.type === 'sequence' ? part.parts : [part]) {
      if (isEmpty(piece)) continue;
      const last = flat.at(-1);
      if (piece.type === 'literal' && last?.type === 'literal') flat[flat.length - 1] = literal(last.text + piece.text);
      else flat.push(piece);
    }
  }
  const [first] = flat;
  if (first === undefined) return EMPTY;
  return flat.length === 1 ? first : { type: 'sequence', parts: flat };
}

/** One of several; impossible options and repeated ones fall away. */
export function choice(...options: readonly Expression[]): Expression {
  const flat: Expression[] = [];
  const seen = new Set<string>();
  for (const option of options) {
    for (const piece of option.type === 'choice' ? option.options : [option]) {
      // Only what is cheap to compare: printing whole trees at every level would cost the square of their size.
      const text = piece.type === 'literal' || piece.type === 'reference' ? printExpression(piece) : undefined;
      if (text !== undefined && seen.has(text)) continue;
      if (text !== undefined) seen.add(text);
      flat.push(piece);
    }
  }
  const [first] = flat;
  return first !== undefined && flat.length === 1 ? first : { type: 'choice', options: flat };
}

export function optional(part: Expression): Expression {
  return repeat(part, 0, 1);
}

/** `part` between `minimum` and `maximum` times (`Infinity`: without end). */
export function repeat(part: Expression, minimum: number, maximum: number): Expression {
  if (maximum < minimum) return NEVER;
  if (maximum === 0 || isEmpty(part)) return EMPTY;
  if (isNever(part)) return minimum === 0 ? EMPTY : NEVER;
  if (minimum === 1 && maximum === 1) return part;
  return { type: 'repeat', part, minimum, maximum };
}

/** The direct children of an expression, for walks over a grammar. */
export function childrenOf(expression: Expression): readonly Expression[] {
  switch (expression.type) {
    case 'literal':
    case 'class':
    case 'reference':
      return [];
    case 'sequence':
      return expression.parts;
    case 'choice':
      return expression.options;
    case 'repeat':
      return [expression.part];
  }
}

/** GBNF text of an expression, as it stands on the right of `::=`. */
export function printExpression(expression: Expression): string {
  switch (expression.type) {
    case 'literal':
      return `"${escapeLiteral(expression.text)}"`;
    case 'class':
      return `[${expression.ranges.map(printRange).join('')}]`;
    case 'reference':
      return expression.name;
    case 'sequence':
      return expression.parts
        .map((part) => (part.type === 'choice' ? `(${printExpression(part)})` : printExpression(part)))
        .join(' ');
    case 'choice':
      return expression.options.map(printExpression).join(' | ');
    case 'repeat':
      return printRepeated(expression.part) + printQuantifier(expression.minimum, expression.maximum);
  }
}

function printRepeated(part: Expression): string {
  const text = printExpression(part);
  return part.type === 'sequence' || part.type === 'choice' || part.type === 'repeat' ? `(${text})` : text;
}

function printQuantifier(minimum: number, maximum: number): string {
  if (maximum === Number.POSITIVE_INFINITY) {
    if (minimum === 0) return '*';
    return minimum === 1 ? '+' : `{${minimum},}`;
  }
  if (minimum === 0 && maximum === 1) return '?';
  return minimum === maximum ? `{${minimum}}` : `{${minimum},${maximum}}`;
}

function escapeLiteral(text: string): string {
  let escaped = '';
  for (const character of text) {
    if (character === '"' || character === '\\') escaped += `\\${character}`;
    else
      escaped += character < ' ' || character === '\x7f' ? escapeCodePoint(character.codePointAt(0) ?? 0) : character;
  }
  return escaped;
}

function printRange([low, high]: readonly [number, number]): string {
  return low === high ? printClassMember(low) : `${printClassMember(low)}-${printClassMember(high)}`;
}

function printClassMember(codePoint: number): string {
  const character = String.fromCodePoint(codePoint);
  return /^[A-Za-z0-9]$/.test(character) ? character : escapeCodePoint(codePoint);
}

function escapeCodePoint(codePoint: number): string {
  const hexadecimal = codePoint.toString(16).toUpperCase();
  if (codePoint <= 0xff) return `\\x${hexadecimal.padStart(2, '0')}`;
  if (codePoint <= 0xffff) return `\\u${hexadecimal.padStart(4, '0')}`;
  return `\\U${hexadecimal.padStart(8, '0')}`;
}
