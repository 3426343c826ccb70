/**
 * Reads GBNF into rules, as llama.cpp reads it ("GBNF Guide" of its repository). llama-server takes a grammar only from
 * its beginning; to go on in the middle of one, what is left of it has to be written anew (held-grammar.ts), and for
 * that it has to be read.
 */

export type GrammarNode =
  | { readonly type: 'class'; readonly isNegated: boolean; readonly ranges: readonly (readonly [number, number])[] }
  | { readonly type: 'rule'; readonly name: string }
  | { readonly type: 'sequence'; readonly parts: readonly GrammarNode[] }
  | { readonly type: 'choice'; readonly options: readonly GrammarNode[] }
  | { readonly type: 'repeat'; readonly part: GrammarNode; readonly minimum: number; readonly maximum: number };

export type GrammarRules = ReadonlyMap<string, GrammarNode>;

/** Every character: a class that excludes none. */
const ANY: GrammarNode = { type: 'class', isNegated: true, ranges: [] };

const ESCAPES: Readonly<Record<string, string>> = {
  t: '\t',
  r: '\r',
  n: '\n',
  '\\': '\\',
  '"': '"',
  '[': '[',
  ']': ']',
};
const HEX_ESCAPE = /x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}/y;

/** Throws an Error that says where the text is malformed, which rule is missing, or which one begins with itself. */
export function readGrammar(gbnf: string): GrammarRules {
  const rules = new GrammarReader(gbnf).rules();
  for (const [name, node] of rules) checkNames(rules, name, node);
  for (const name of rules.keys()) refuseLeftRecursion(rules, name);
  return rules;
}

class GrammarReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  rules(): GrammarRules {
    const rules = new Map<string, GrammarNode>();
    for (this.#skip(true); this.#at < this.#text.length; this.#skip(true)) {
      const name = this.#name();
      this.#skip(false);
      if (!this.#takes('::=')) this.#fail('::=');
      this.#skip(true);
      rules.set(name, this.#choice(false));
      if (this.#at < this.#text.length && !/[\r\n]/.test(this.#text[this.#at] ?? '')) this.#fail('the end of a rule');
    }
    return rules;
  }

  #choice(isNested: boolean): GrammarNode {
    const options = [this.#sequence(isNested)];
    while (this.#takes('|')) {
      this.#skip(true);
      options.push(this.#sequence(isNested));
    }
    const [only] = options;
    return options.length === 1 && only !== undefined ? only : { type: 'choice', options };
  }

  #sequence(isNested: boolean): GrammarNode {
    const parts: GrammarNode[] = [];
    for (;;) {
      const part = this.#single();
      if (part === undefined) return parts.length === 1 && parts[0] ? parts[0] : { type: 'sequence', parts };
      parts.push(this.#repeated(part, isNested));
      this.#skip(isNested);
    }
  }

  #single(): GrammarNode | undefined {
    if (this.#takes('"')) return this.#literal();
    if (this.#takes('[')) return this.#class();
    if (this.#takes('.')) return ANY;
    if (this.#takes('(')) {
      this.#skip(true);
      const inner = this.#choice(true);
      if (!this.#takes(')')) this.#fail(')');
      return inner;
    }
    return /[A-Za-z0-9-]/.test(this.#text[this.#at] ?? '') ? { type: 'rule', name: this.#name() } : undefined;
  }

  #repeated(part: GrammarNode, isNested: boolean): GrammarNode {
    this.#skip(isNested && this.#isQuantifierAhead());
    const unbounded = Number.POSITIVE_INFINITY;
    if (this.#takes('*')) return { type: 'repeat', part, minimum: 0, maximum: unbounded };
    if (this.#takes('+')) return { type: 'repeat', part, minimum: 1, maximum: unbounded };
    if (this.#takes('?')) return { type: 'repeat', part, minimum: 0, maximum: 1 };
    if (!this.#takes('{')) return part;
    const [whole, least = '', comma, most] = this.#match(/\s*(\d+)\s*(,?)\s*(\d*)\s*\}/y) ?? [];
    if (whole === undefined) this.#fail('a number of repetitions');
    const minimum = Number(least);
    return { type: 'repeat', part, minimum, maximum: comma === '' ? minimum : most ? Number(most) : unbounded };
  }

  #isQuantifierAhead(): boolean {
    return /^\s*[*+?{]/.test(this.#text.slice(this.#at, this.#at + 40));
  }

  #literal(): GrammarNode {
    const parts: GrammarNode[] = [];
    while (!this.#takes('"')) {
      const codePoint = this.#character();
      parts.push({ type: 'class', isNegated: false, ranges: [[codePoint, codePoint]] });
    }
    return { type: 'sequence', parts };
  }

  #class(): GrammarNode {
    const isNegated = this.#takes('^');
    const ranges: (readonly [number, number])[] = [];
    while (!this.#takes(']')) {
      const low = this.#character();
      const isRange = this.#text[this.#at] === '-' && this.#text[this.#at + 1] !== ']';
      if (isRange) this.#at++;
      ranges.push([low, isRange ? this.#character() : low]);
    }
    return { type: 'class', isNegated, ranges };
  }

  #character(): number {
    const codePoint = this.#text.codePointAt(this.#at);
    if (codePoint === undefined) this.#fail('a character');
    this.#at += codePoint > 0xffff ? 2 : 1;
    if (codePoint !== 0x5c) return codePoint;
    const [hex] = this.#match(HEX_ESCAPE) ?? [];
    if (hex !== undefined) return Number.parseInt(hex.slice(1), 16);
    const plain = ESCAPES[this.#text[this.#at] ?? ''];
    if (plain === undefined) this.#fail('an escape');
    this.#at++;
    return plain.charCodeAt(0);
  }

  #name(): string {
    const [name] = this.#match(/[A-Za-z0-9-]+/y) ?? [];
    return name ?? this.#fail('a name');
  }

  #takes(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #match(expected: RegExp): RegExpExecArray | null {
    expected.lastIndex = this.#at;
    const found = expected.exec(this.#text);
    if (found) this.#at += found[0].length;
    return found;
  }

  /** Blanks and comments; new lines where the rule may go on in the next one. */
  #skip(takesNewLines: boolean): void {
    this.#match(takesNewLines ? /(?:[ \t\r\n]|#[^\r\n]*)*/y : /(?:[ \t]|#[^\r\n]*)*/y);
  }

  #fail(expected: string): never {
    const found = this.#text.slice(this.#at, this.#at + 20);
    throw new Error(`malformed grammar: ${expected} expected at ${this.#at}${found ? `, not ${found}` : ''}`);
  }
}

function checkNames(rules: GrammarRules, rule: string, node: GrammarNode): void {
  if (node.type === 'rule' && !rules.has(node.name))
    throw new Error(`malformed grammar: ${rule} needs ${node.name}, which is not defined`);
  for (const child of childrenOf(node)) checkNames(rules, rule, child);
}

/** The parts a node is made of. */
export function childrenOf(node: GrammarNode): readonly GrammarNode[] {
  switch (node.type) {
    case 'class':
    case 'rule':
      return [];
    case 'sequence':
      return node.parts;
    case 'choice':
      return node.options;
    case 'repeat':
      return [node.part];
  }
}

/** Such a rule would be expanded without end; llama.cpp refuses it, too. */
function refuseLeftRecursion(rules: GrammarRules, name: string): void {
  const nullable = nullableRules(rules);
  const seen = new Set<string>();
  const visit = (node: GrammarNode): void => {
    for (const first of firstRules(node, nullable)) {
      if (first === name) throw new Error(`malformed grammar: ${name} begins with itself`);
      if (seen.has(first)) continue;
      seen.add(first);
      const rule = rules.get(first);
      if (rule) visit(rule);
    }
  };
  const rule = rules.get(name);
  if (rule) visit(rule);
}

function firstRules(node: GrammarNode, nullable: ReadonlySet<string>): string[] {
  switch (node.type) {
    case 'class':
      return [];
    case 'rule':
      return [node.name];
    case 'choice':
      return node.options.flatMap((option) => firstRules(option, nullable));
    case 'repeat':
      return firstRules(node.part, nullable);
    case 'sequence': {
      const found: string[] = [];
      for (const part of node.parts) {
        found.push(...firstRules(part, nullable));
        if (!isNullable(part, nullable)) break;
      }
      return found;
    }
  }
}

function nullableRules(rules: GrammarRules): ReadonlySet<string> {
  const nullable = new Set<string>();
  for (let size = -1; size !== nullable.size; ) {
    size = nullable.size;
    for (const [name, node] of rules) if (isNullable(node, nullable)) nullable.add(name);
  }
  return nullable;
}

function isNullable(node: GrammarNode, nullable: ReadonlySet<string>): boolean {
  switch (node.type) {
    case 'class':
      return false;
    case 'rule':
      return nullable.has(node.name);
    case 'sequence':
      return node.parts.every((part) => isNullable(part, nullable));
    case 'choice':
      return node.options.some((option) => isNullable(option, nullable));
    case 'repeat':
      return node.minimum === 0 || isNullable(node.part, nullable);
  }
}
