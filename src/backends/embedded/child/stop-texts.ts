/** Finds texts that end a stretch of text, also when they arrive in pieces. */

export interface StopScan {
  /** The match that is complete first, as it is found when tokens come one by one; of two that end together, the longer. */
  readonly match: { readonly index: number; readonly text: string } | undefined;
  /** Characters at the end that may still become a stop text and must not be shown yet. */
  readonly held: number;
}

export class StopTexts {
  readonly #texts: readonly string[];

  constructor(texts: readonly string[]) {
    this.#texts = texts.filter((text) => text !== '').toSorted((a, b) => b.length - a.length);
  }

  /** Looks at the text that has not been shown. What was held before must be in it again. */
  scan(unshown: string): StopScan {
    let match: StopScan['match'];
    let end = Number.POSITIVE_INFINITY;
    // The longest first, so that it stays where others end with it.
    for (const text of this.#texts) {
      const index = unshown.indexOf(text);
      if (index < 0 || index + text.length >= end) continue;
      match = { index, text };
      end = index + text.length;
    }
    return { match, held: match === undefined ? this.#heldSuffix(unshown) : 0 };
  }

  #heldSuffix(unshown: string): number {
    const longest = Math.min(unshown.length, (this.#texts[0]?.length ?? 0) - 1);
    for (let length = longest; length > 0; length--) {
      const suffix = unshown.slice(-length);
      if (this.#texts.some((text) => text.length > length && text.startsWith(suffix))) return length;
    }
    return 0;
  }
}

/** The same for tokens: a row of tokens that ends an answer. */
export class StopTokens {
  readonly #rows: readonly (readonly number[])[];
  #recent: number[] = [];

  constructor(rows: readonly (readonly number[])[]) {
    this.#rows = rows.filter((row) => row.length > 0);
  }

  /** Takes the next token: how many tokens, this one included, are a whole stop row, or may still become one. */
  push(token: number): { readonly matched: number; readonly held: number } {
    if (this.#rows.length === 0) return { matched: 0, held: 0 };
    this.#recent.push(token);
    const matched = this.#rows.find((row) => this.#endsWith(row))?.length ?? 0;
    while (this.#recent.length > 0 && !this.#rows.some((row) => startsWith(row, this.#recent))) this.#recent.shift();
    return { matched, held: matched > 0 ? 0 : this.#recent.length };
  }

  #endsWith(row: readonly number[]): boolean {
    const offset = this.#recent.length - row.length;
    return offset >= 0 && row.every((token, i) => this.#recent[offset + i] === token);
  }
}

function startsWith(row: readonly number[], start: readonly number[]): boolean {
  return start.length <= row.length && start.every((token, i) => row[i] === token);
}
