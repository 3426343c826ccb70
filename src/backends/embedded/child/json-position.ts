/** Where in a JSON text the last character stands: enough to know when a value is whole, and how to close it soon. */
export class JsonPosition {
  #depth = 0;
  #isInString = false;
  #isEscaped = false;
  #hasOpened = false;
  /** A string that begins now is a key of the outermost object. */
  #isKeyNext = false;
  #key = '';
  readonly #keys = new Set<string>();

  /** Reads up to where the value is whole. Gives how much of the text that is. */
  push(text: string): number {
    let read = 0;
    for (const character of text) {
      if (this.isWhole) break;
      read += character.length;
      if (this.#isInString) this.#inString(character);
      else this.#outside(character);
    }
    return read;
  }

  get isInString(): boolean {
    return this.#isInString;
  }

  /** The keys of the outermost object, once each is whole. */
  get keys(): ReadonlySet<string> {
    return this.#keys;
  }

  /** Behind a key of the outermost object: in its value, unless that is an object or an array, or right behind it. */
  get isAtValue(): boolean {
    return this.#depth === 1 && this.#keys.size > 0 && !this.#isKeyNext;
  }

  /** Objects and arrays that are open. */
  get depth(): number {
    return this.#depth;
  }

  /** An object or array has been opened and everything is closed again. */
  get isWhole(): boolean {
    return this.#hasOpened && this.#depth === 0 && !this.#isInString;
  }

  #inString(character: string): void {
    const isEnd = character === '"' && !this.#isEscaped;
    if (this.#isEscaped) this.#isEscaped = false;
    else if (character === '\\') this.#isEscaped = true;
    if (isEnd) this.#isInString = false;
    if (!this.#isKeyNext || this.#depth !== 1) return;
    if (isEnd) this.#keys.add(keyOf(this.#key));
    else this.#key += character;
  }

  #outside(character: string): void {
    switch (character) {
      case '"':
        this.#isInString = true;
        this.#key = '';
        break;
      case '{':
      case '[':
        this.#depth++;
        this.#hasOpened = true;
        if (this.#depth === 1) this.#isKeyNext = character === '{';
        break;
      case '}':
      case ']':
        this.#depth--;
        break;
      case ',':
        if (this.#depth === 1) this.#isKeyNext = true;
        break;
      case ':':
        if (this.#depth === 1) this.#isKeyNext = false;
        break;
    }
  }
}

function keyOf(spelt: string): string {
  try {
    return JSON.parse(`"${spelt}"`) as string;
  } catch {
    return spelt;
  }
}
