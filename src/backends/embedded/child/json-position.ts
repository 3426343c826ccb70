/** Where in a JSON text the last character stands: enough to know when a value is whole, and how to close it soon. */
export class JsonPosition {
  #depth = 0;
  #isInString = false;
  #isEscaped = false;
  #hasOpened = false;

  /** Reads up to where the value is whole. Gives how much of the text that is. */
  push(text: string): number {
    let read = 0;
    for (const character of text) {
      if (this.isWhole) break;
      read += character.length;
      if (this.#isEscaped) this.#isEscaped = false;
      else if (this.#isInString) this.#inString(character);
      else this.#outside(character);
    }
    return read;
  }

  get isInString(): boolean {
    return this.#isInString;
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
    if (character === '\\') this.#isEscaped = true;
    else if (character === '"') this.#isInString = false;
  }

  #outside(character: string): void {
    if (character === '"') this.#isInString = true;
    else if (character === '{' || character === '[') {
      this.#depth++;
      this.#hasOpened = true;
    } else if (character === '}' || character === ']') this.#depth--;
  }
}
