/**
 * Tokens that are only a part of a character. llama-server streams such a token not by itself: it says the character
 * once it is whole, with the id of the last token only. The bytes tell which tokens may have been before it.
 */
import type { ModelVocabulary } from '../child/vocabulary.ts';

export class PartTokens {
  readonly #vocabulary: ModelVocabulary;
  #byBytes: Map<string, number> | undefined;

  constructor(vocabulary: ModelVocabulary) {
    this.#vocabulary = vocabulary;
  }

  /**
   * `count` tokens before `last` that make `text` together with it. Bytes that never became a character are lost on the
   * way; then it is as many tokens that are none either.
   */
  before(last: number, text: string, count: number): readonly number[] {
    const whole = Buffer.from(text);
    const end = Buffer.from(this.#vocabulary.bytes(last));
    const start = whole.subarray(0, Math.max(0, whole.length - end.length));
    const found = whole.subarray(start.length).equals(end) ? this.#split(start.toString('latin1'), count) : undefined;
    if (found !== undefined) return found;
    const [anyPart] = this.#index().values();
    return anyPart === undefined ? [] : new Array<number>(count).fill(anyPart);
  }

  #split(bytes: string, count: number): number[] | undefined {
    if (count === 0 || bytes === '') return count === 0 && bytes === '' ? [] : undefined;
    for (let length = bytes.length - count + 1; length > 0; length--) {
      const token = this.#index().get(bytes.slice(0, length));
      if (token === undefined) continue;
      const rest = this.#split(bytes.slice(length), count - 1);
      if (rest !== undefined) return [token, ...rest];
    }
    return undefined;
  }

  /** Made when it is needed for the first time: it takes a look at every token. */
  #index(): ReadonlyMap<string, number> {
    this.#byBytes ??= new Map(
      this.#vocabulary
        .tokensWhere((text) => text.includes('\ufffd'))
        .map((token) => [Buffer.from(this.#vocabulary.bytes(token)).toString('latin1'), token]),
    );
    return this.#byBytes;
  }
}
