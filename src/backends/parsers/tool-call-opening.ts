/**
 * Finds the beginning of a tool call in model text as it streams, in every spelling small models use:
 *
 *     opening = ( tag | fence )* value | the marks of a family, up to its arguments (`marked-opening.ts`)
 *     tag     = <tool_call> | <tools> | <json> | [TOOL_CALLS] | …          anywhere
 *     fence   = ``` word?                                                  anywhere
 *     value   = [ object | object                     without tag or fence: only at the start of a line
 *     object  = { pair-type? name-key : quote NAME quote | { wrap-key : value | { object
 *
 * with quoted or bare keys, either quote character, and white space between any two pieces. Text is held back only
 * while it can still become an opening; a name that is not declared releases everything as text, so an answer that
 * merely is JSON stays an answer. One character is one step, so the cut of the text cannot matter.
 *
 * Not seen, because no opening tells them: calls whose arguments come before their name, and names without quotes.
 */

import { MarkedOpenings } from './marked-opening.ts';
import type { ToolFormat } from './tool-formats.ts';

/** The beginning of a call: everything up to and with the quote that closes its name, or what a family writes after it. */
export interface ToolCallOpening {
  /** The declared name, however the model spelt its dots. */
  readonly name: string;
  /** From the first held character to the closing quote of the name. */
  readonly raw: string;
  /** An array of calls was opened. */
  readonly isArray: boolean;
  /** The quote character around the name. */
  readonly quote: string;
  /** What is open after the name, innermost first, as the text that would close it: `}]`, `}\n</tool_call>`. */
  readonly closing: string;
  /** The family by whose own marks it was told; its arguments follow at once. Undefined: members of a JSON object do. */
  readonly format?: ToolFormat | undefined;
}

/** What one push gave: text that is just text, then perhaps an opening, then what followed it in the same push. */
export interface OpeningRead {
  readonly text: string;
  readonly opening?: ToolCallOpening | undefined;
  /** Not consumed: it belongs to the call. Always '' without an opening. */
  readonly rest: string;
}

export interface OpeningDetector {
  push(text: string): OpeningRead;
  /** The held text, when the stream is over; the detector then begins afresh. */
  flush(): string;
}

const TAGS = ['tool_call', 'tool_calls', 'tools', 'tool', 'json', 'function_call', 'function_calls', 'functions'];
/** Marks that nothing closes: of Llama, and of Mistral. */
const OPEN_TAG = '|python_tag|';
const BRACKET_MARK = 'TOOL_CALLS]';
/** Keys whose string value is the function's name. */
const NAME_KEYS = ['name', 'function', 'function_name', 'tool', 'tool_name'];
/** Keys whose object or array value holds the call. */
const WRAP_KEYS = ['function', 'tool', 'tool_call', 'tool_calls', 'function_call'];
/** The one pair that may stand before the name: "type": "function". */
const TYPE_KEY = 'type';
const TYPE_VALUE = 'function';
const KNOWN_KEYS = [...new Set([...NAME_KEYS, ...WRAP_KEYS, TYPE_KEY])];

/** Beyond this nothing is a call any more: a flood of white space must not swallow an answer. */
const MAX_HELD_CHARACTERS = 1024;
const MAX_LANGUAGE_CHARACTERS = 16;
/** Deepest real one: a tag and a fence around `{"tool_calls": [{"function": {"name"`. */
const MAX_OPEN_PIECES = 6;

type State =
  /** Only white space so far in the whole text: held, because before a call it is not part of an answer. */
  | 'leading'
  /** Nothing is held. */
  | 'text'
  | 'tag'
  | 'bracket-mark'
  | 'fence'
  | 'language'
  | 'before-value'
  | 'before-object'
  | 'before-key'
  | 'quoted-key'
  | 'bare-key'
  | 'before-colon'
  | 'after-colon'
  | 'type-value'
  | 'before-comma'
  | 'name';

type Step = 'held' | 'failed' | 'opened' | 'opened-before';

/** A detector of calls to the functions of these names; of families' own marks, those that are wanted (all by default). */
export function createOpeningDetector(
  names: readonly string[],
  isWanted: (format: ToolFormat) => boolean = () => true,
): OpeningDetector {
  return new StreamingOpeningDetector(names, isWanted);
}

class StreamingOpeningDetector implements OpeningDetector {
  readonly #names: readonly string[];
  readonly #comparableNames: readonly string[];
  #state: State = 'leading';
  #held = '';
  /** Where in the held text the candidate begins; before it lies leading white space. */
  #candidateAt = 0;
  #isLineStart = true;
  /** The tag, language, key or name being read. */
  #word = '';
  #quote = '';
  /** What would close each thing that is open, outermost first. */
  #closers: string[] = [];
  /** The candidate can still be JSON. */
  #mayBeJson = true;
  readonly #marked: MarkedOpenings;
  #found: ToolFormat | undefined;
  #foundName: string | undefined;

  constructor(names: readonly string[], isWanted: (format: ToolFormat) => boolean) {
    this.#names = names;
    this.#comparableNames = names.map(comparable);
    this.#marked = new MarkedOpenings(names, isWanted);
  }

  push(text: string): OpeningRead {
    let released = '';
    let input = text;
    let position = 0;
    while (position < input.length) {
      if (this.#state === 'text') {
        const from = position;
        while (position < input.length && !this.#mayBegin(input.charAt(position))) position++;
        released += input.slice(from, position);
        if (position === input.length) break;
        this.#candidateAt = 0;
        this.#begin(input.charAt(position++));
        continue;
      }
      const character = input.charAt(position);
      const step = this.#held.length < MAX_HELD_CHARACTERS ? this.#stepBoth(character) : 'failed';
      if (step === 'failed') {
        // The first character is text now, but another candidate may begin at any later one: read them again.
        released += this.#held.slice(0, this.#candidateAt + 1);
        input = this.#held.slice(this.#candidateAt + 1) + input.slice(position);
        position = 0;
        this.#isLineStart = this.#candidateAt === this.#held.length;
        this.#reset('text');
        continue;
      }
      if (step === 'opened-before') return { text: released, opening: this.#take(), rest: input.slice(position) };
      this.#held += character;
      position++;
      if (step === 'opened') return { text: released, opening: this.#take(), rest: input.slice(position) };
    }
    return { text: released, rest: '' };
  }

  flush(): string {
    const held = this.#held;
    this.#isLineStart = true;
    this.#reset('leading');
    return held;
  }

  /** Whether a candidate begins with this character of plain text. */
  #mayBegin(character: string): boolean {
    switch (character) {
      case '<':
      case '`':
        return true;
      case '[':
        return true;
      case '{':
        return this.#isLineStart;
      case '\n':
        this.#isLineStart = true;
        return false;
      default:
        if (!isSpace(character)) this.#isLineStart = false;
        return false;
    }
  }

  #begin(character: string): void {
    this.#marked.begin();
    this.#marked.step(character);
    this.#mayBeJson = true;
    // Inside a line an array is no call, but the mark that begins like one is.
    if (character === '[' && !this.#isLineStart) this.#go('bracket-mark');
    else this.#stepBeforeValue(character);
    this.#held += character;
  }

  /** A candidate is read as JSON and as the marks of families, until one of them opens or both have failed. */
  #stepBoth(character: string): Step {
    if (this.#state === 'leading') {
      this.#marked.begin();
      this.#mayBeJson = true;
    }
    const marked = this.#marked.step(character);
    if (marked.kind === 'opened') {
      this.#found = marked.opening.format;
      this.#foundName = marked.opening.name;
      return marked.isBefore ? 'opened-before' : 'opened';
    }
    const step = this.#mayBeJson ? this.#step(character) : 'failed';
    if (step !== 'failed') return step;
    this.#mayBeJson = false;
    return marked.kind;
  }

  /** The step of a character at which a tag, a fence, an array or an object may begin. */
  #stepBeforeValue(character: string): Step {
    switch (character) {
      case '<':
        return this.#go('tag');
      case '`':
        return this.#go('fence', character);
      case '{':
        return this.#openObject();
      case '[':
        this.#closers.push(']');
        return this.#go('before-object');
      default:
        return isSpace(character) ? 'held' : 'failed';
    }
  }

  #step(character: string): Step {
    switch (this.#state) {
      case 'text':
        return 'failed';
      case 'leading':
        this.#candidateAt = this.#held.length;
        return this.#stepBeforeValue(character);
      case 'before-value':
        return this.#stepBeforeValue(character);
      case 'tag':
        return this.#stepTag(character);
      case 'bracket-mark':
        this.#word += character;
        if (this.#word === BRACKET_MARK) return this.#go('before-value');
        return BRACKET_MARK.startsWith(this.#word) ? 'held' : 'failed';
      case 'fence':
        if (character !== '`') return 'failed';
        this.#word += character;
        if (this.#word.length < 3) return 'held';
        this.#closers.push('\n```');
        return this.#go('language');
      case 'language':
        return this.#stepLanguage(character);
      case 'before-object':
        if (isSpace(character)) return 'held';
        if (character === '{') return this.#openObject();
        if (character !== BRACKET_MARK.charAt(0) || this.#closers.length > 1) return 'failed';
        this.#closers = [];
        return this.#go('bracket-mark', character);
      case 'before-key':
        return this.#stepBeforeKey(character);
      case 'quoted-key':
        if (character === this.#quote)
          return KNOWN_KEYS.includes(this.#word) ? this.#go('before-colon', this.#word) : 'failed';
        return this.#extendKey(character);
      case 'bare-key':
        if (character !== ':' && !isSpace(character)) return this.#extendKey(character);
        if (!KNOWN_KEYS.includes(this.#word)) return 'failed';
        return this.#go(character === ':' ? 'after-colon' : 'before-colon', this.#word);
      case 'before-colon':
        if (isSpace(character)) return 'held';
        return character === ':' ? this.#go('after-colon', this.#word) : 'failed';
      case 'after-colon':
        return this.#stepAfterColon(character);
      case 'type-value':
        if (character === this.#quote) return this.#word === TYPE_VALUE ? this.#go('before-comma') : 'failed';
        this.#word += character;
        return TYPE_VALUE.startsWith(this.#word) ? 'held' : 'failed';
      case 'before-comma':
        if (isSpace(character)) return 'held';
        return character === ',' ? this.#go('before-key') : 'failed';
      case 'name':
        return this.#stepName(character);
      default:
        return this.#state satisfies never;
    }
  }

  #stepTag(character: string): Step {
    if (character === '>') {
      if (this.#word === OPEN_TAG) return this.#go('before-value');
      if (!TAGS.includes(this.#word)) return 'failed';
      this.#closers.push(`\n</${this.#word}>`);
      return this.#go('before-value');
    }
    this.#word += character.toLowerCase();
    return [...TAGS, OPEN_TAG].some((tag) => tag.startsWith(this.#word)) ? 'held' : 'failed';
  }

  /** Any language word will do: what follows decides, and models write calls in `python` and `xml` fences too. */
  #stepLanguage(character: string): Step {
    if (/[\w+#.-]/.test(character)) {
      this.#word += character;
      return this.#word.length <= MAX_LANGUAGE_CHARACTERS ? 'held' : 'failed';
    }
    if (character === '`') return 'failed';
    this.#state = 'before-value';
    return this.#stepBeforeValue(character);
  }

  #stepBeforeKey(character: string): Step {
    if (isSpace(character)) return 'held';
    if (character === '"' || character === "'") {
      this.#quote = character;
      return this.#go('quoted-key');
    }
    // Templates that show the format with doubled braces teach some models to write them.
    if (character === '{') return this.#openObject();
    this.#go('bare-key');
    return this.#extendKey(character);
  }

  #extendKey(character: string): Step {
    this.#word += character.toLowerCase();
    return KNOWN_KEYS.some((key) => key.startsWith(this.#word)) ? 'held' : 'failed';
  }

  #stepAfterColon(character: string): Step {
    if (isSpace(character)) return 'held';
    const key = this.#word;
    if (character === '"' || character === "'") {
      this.#quote = character;
      if (key === TYPE_KEY) return this.#go('type-value');
      return NAME_KEYS.includes(key) ? this.#go('name') : 'failed';
    }
    if (!WRAP_KEYS.includes(key)) return 'failed';
    return character === '{' || character === '[' ? this.#stepBeforeValue(character) : 'failed';
  }

  #stepName(character: string): Step {
    if (character === this.#quote) return this.#declaredName() === undefined ? 'failed' : 'opened';
    this.#word += character;
    const soFar = comparable(this.#word);
    return this.#comparableNames.some((name) => name.startsWith(soFar)) ? 'held' : 'failed';
  }

  /** The declared name that was read: the very same, else the same with dots as underscores. */
  #declaredName(): string | undefined {
    if (this.#names.includes(this.#word)) return this.#word;
    const index = this.#comparableNames.indexOf(comparable(this.#word));
    return index < 0 ? undefined : this.#names[index];
  }

  #openObject(): Step {
    this.#closers.push('}');
    if (this.#closers.length > MAX_OPEN_PIECES) return 'failed';
    return this.#go('before-key');
  }

  #take(): ToolCallOpening {
    const opening: ToolCallOpening = this.#found
      ? {
          name: this.#foundName ?? '',
          raw: this.#held,
          isArray: false,
          quote: '',
          closing: '',
          format: this.#found,
        }
      : {
          name: this.#declaredName() ?? this.#word,
          raw: this.#held,
          isArray: this.#closers.includes(']'),
          quote: this.#quote,
          closing: this.#closers.toReversed().join(''),
        };
    this.flush();
    return opening;
  }

  #go(state: State, word = ''): Step {
    this.#state = state;
    this.#word = word;
    return 'held';
  }

  #reset(state: 'leading' | 'text'): void {
    this.#go(state);
    this.#held = '';
    this.#candidateAt = 0;
    this.#closers = [];
    this.#found = undefined;
    this.#foundName = undefined;
  }
}

function comparable(name: string): string {
  return name.replaceAll('.', '_');
}

function isSpace(character: string): boolean {
  return character === ' ' || character === '\n' || character === '\r' || character === '\t';
}
