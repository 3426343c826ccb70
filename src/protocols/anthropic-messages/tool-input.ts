/**
 * The input of a call as this wire's clients can read it. They join the fragments of a stream and parse them, and some
 * throw when that fails, so whatever a model writes leaves here as one JSON object (reference §19, 7).
 *
 * Strict JSON goes on as it comes. From the first loose character on the rest waits for the end, where it is repaired; a
 * text that was cut off is closed. What is no object at all becomes `{}`: the tool then misses its arguments and says so
 * to the model.
 */
import { jsonrepair } from 'jsonrepair';
import { createStreamedJson, type StreamedJson } from '../../core/streamed-json.ts';

/** One per call. */
export class ToolInput {
  /** White space before the object is not held against a model. */
  #before = '';
  #reader: StreamedJson | undefined;
  /** The text begins as no object does. */
  #foreign: string | undefined;
  #passed = '';
  #isComplete = false;

  /** What may be shown now. */
  push(text: string): string {
    if (this.#isComplete) return '';
    if (this.#foreign !== undefined) {
      this.#foreign += text;
      return '';
    }
    if (this.#reader) return this.#read(this.#reader, text);
    const start = (this.#before + text).trimStart();
    if (start === '') {
      this.#before += text;
      return '';
    }
    if (!start.startsWith('{')) {
      this.#foreign = start;
      return '';
    }
    this.#reader = createStreamedJson();
    return this.#read(this.#reader, start);
  }

  /** What is left to show: joined to the rest it is one object. */
  end(): string {
    if (!this.#reader) return this.#foreign === undefined ? '{}' : objectWithin(this.#foreign);
    const rest = this.#reader.end(false);
    return isObjectText(this.#passed + rest) ? rest : closingOf(this.#passed);
  }

  #read(reader: StreamedJson, text: string): string {
    const { passed, isComplete } = reader.push(text);
    this.#isComplete = isComplete;
    this.#passed += passed;
    return passed;
  }
}

/** The object that a whole input text stands for. */
export function toolInputOf(text: string): unknown {
  const input = new ToolInput();
  return JSON.parse(input.push(text) + input.end());
}

/** Some models write the object as text in JSON, or a text around it. */
function objectWithin(text: string): string {
  const value = parse(text) ?? parse(repaired(text));
  const inner = typeof value === 'string' ? value : JSON.stringify(value ?? {});
  return isObjectText(inner) ? inner : '{}';
}

/** What ends the beginning of an object in strict JSON: open strings and brackets closed, a missing value null. */
function closingOf(beginning: string): string {
  const closers: string[] = [];
  let isInString = false;
  let isEscaped = false;
  let isKey = false;
  /** The last thing outside of strings: a sign, or what a string was. */
  let last = '';
  for (const character of beginning) {
    if (isInString) {
      if (isEscaped) isEscaped = false;
      else if (character === '\\') isEscaped = true;
      else if (character === '"') {
        isInString = false;
        last = isKey ? 'key' : 'value';
      }
    } else if (character === '"') {
      isInString = true;
      isKey = closers.at(-1) === '}' && last !== ':';
    } else {
      if (character === '{') closers.push('}');
      if (character === '[') closers.push(']');
      if (character === '}' || character === ']') closers.pop();
      if (character.trim() !== '') last = character;
    }
  }
  const closing = closers.reverse().join('');
  if (isInString) return isKey ? `":null${closing}` : `"${closing}`;
  if (last === 'key') return `:null${closing}`;
  return last === ':' ? `null${closing}` : closing;
}

function repaired(text: string): string {
  try {
    return jsonrepair(text);
  } catch {
    return '';
  }
}

function isObjectText(text: string): boolean {
  const value = parse(text);
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Undefined when the text is not JSON; JSON itself has no undefined. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
