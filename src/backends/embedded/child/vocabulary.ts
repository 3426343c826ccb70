/**
 * Tokens and text, both ways, without ever losing a byte.
 *
 * A token's bytes are read from its spelling in the vocabulary, not by the native detokeniser: that one gives strings,
 * and half a character cannot be a string.
 */
import type { TextToken } from '../../../core/ports.ts';
import { byteOfSpelling, bytesOfBytePairSpelling, SENTENCE_PIECE_BLANK } from '../../parsers/token-spelling.ts';
import type { PromptSegment } from '../engine-protocol.ts';
import type { Tokeniser } from './binding.ts';

/** What the decoder of a choice needs to know of the vocabulary. */
export interface Vocabulary {
  /** What a token adds to a text. Control tokens add nothing. */
  bytes(token: number): Uint8Array;
  /** A control token's spelling; undefined for every other token. */
  controlText(token: number): string | undefined;
  isEndOfGeneration(token: number): boolean;
  /** Tokens of a text that follows other text; control tokens in it are meant. */
  tokeniseForced(text: string): number[];
}

const NO_BYTES = new Uint8Array(0);

export class ModelVocabulary implements Vocabulary {
  readonly #tokeniser: Tokeniser;
  readonly #bytes: (Uint8Array | undefined)[] = [];
  readonly #encoder = new TextEncoder();
  readonly #blanksStart: boolean;

  constructor(tokeniser: Tokeniser) {
    this.#tokeniser = tokeniser;
    this.#blanksStart = this.#startsWithBlank(tokeniser.tokenise('a', false));
  }

  bytes(token: number): Uint8Array {
    let bytes = this.#bytes[token];
    if (bytes === undefined) {
      bytes = this.#read(token);
      this.#bytes[token] = bytes;
    }
    return bytes;
  }

  controlText(token: number): string | undefined {
    return this.#tokeniser.tokenKind(token) === 'control' ? this.#tokeniser.spelling(token) : undefined;
  }

  isEndOfGeneration(token: number): boolean {
    return this.#tokeniser.isEndOfGeneration(token);
  }

  tokeniseForced(text: string): number[] {
    return this.#tokeniseAfter(text, true);
  }

  /** What spells a control token is text. */
  tokenisePlain(text: string): number[] {
    return this.#tokeniseAfter(text, false);
  }

  /** Where an answer to nothing begins: a model needs one token to say what follows. */
  get emptyPrompt(): readonly number[] {
    return [this.#tokeniser.beginToken ?? this.#tokeniser.endToken ?? 0];
  }

  /** A token that ends a generation. */
  get endToken(): number {
    const { endToken, size } = this.#tokeniser;
    if (endToken !== undefined && this.isEndOfGeneration(endToken)) return endToken;
    for (let token = 0; token < size; token++) if (this.isEndOfGeneration(token)) return token;
    return endToken ?? 0;
  }

  /** A prompt's tokens: segments apart, joined, with the begin token where the model wants one and has none yet. */
  tokenisePrompt(segments: readonly PromptSegment[]): number[] {
    return this.tokenisePromptBySegment(segments).tokens;
  }

  /** The same, and how many of the tokens the first n segments are, for each n. */
  tokenisePromptBySegment(segments: readonly PromptSegment[]): { tokens: number[]; ends: number[] } {
    const ends = [0];
    const tokens = this.#tokeniseSegments(segments, ends);
    const { beginToken, prependsBeginToken } = this.#tokeniser;
    if (!prependsBeginToken || beginToken === undefined || tokens[0] === beginToken) return { tokens, ends };
    return { tokens: [beginToken, ...tokens], ends: ends.map((end) => end + 1) };
  }

  /** A token as log probabilities name it: a control token by its spelling. */
  spell(token: number): { readonly token: string; readonly bytes: readonly number[] } {
    const control = this.controlText(token);
    const bytes = control === undefined ? this.bytes(token) : new TextEncoder().encode(control);
    return { token: new TextDecoder().decode(bytes), bytes: [...bytes] };
  }

  /** The tokens of a text that is no prompt, with their texts. */
  tokensOf(segments: readonly PromptSegment[]): TextToken[] {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    return this.#tokeniseSegments(segments).map((id) => ({
      id,
      text: this.controlText(id) ?? decoder.decode(this.bytes(id)),
    }));
  }

  #tokeniseSegments(segments: readonly PromptSegment[], ends: number[] = []): number[] {
    const tokens: number[] = [];
    for (const { kind, text } of segments) {
      const last = tokens.at(-1);
      const followsText = last !== undefined && this.controlText(last) === undefined;
      const isControl = kind === 'control';
      const piece = followsText ? this.#tokeniseAfter(text, isControl) : this.#tokeniser.tokenise(text, isControl);
      for (const token of piece) tokens.push(token);
      ends.push(tokens.length);
    }
    return tokens;
  }

  /** Spellings of all control tokens, and of the tokens a model's makers added by name (`<tool_call>`). */
  controlTexts(): string[] {
    const texts: string[] = [];
    for (let token = 0; token < this.#tokeniser.size; token++) {
      const spelling = this.#tokeniser.spelling(token);
      if (this.#tokeniser.isNamed(token) && spelling !== '') texts.push(spelling);
    }
    return texts;
  }

  /** All tokens whose text passes the test; a scan of the whole vocabulary, a tenth of a second. */
  tokensWhere(test: (text: string) => boolean): number[] {
    const tokens: number[] = [];
    const decoder = new TextDecoder();
    for (let token = 0; token < this.#tokeniser.size; token++) {
      const bytes = this.#read(token);
      if (bytes.length > 0 && test(decoder.decode(bytes))) tokens.push(token);
    }
    return tokens;
  }

  /** Some vocabularies put a blank before every text they tokenise; in the middle of a text that blank is false. */
  #tokeniseAfter(text: string, controlTokens: boolean): number[] {
    const plain = this.#tokeniser.tokenise(text, controlTokens);
    if (!this.#blanksStart || !this.#startsWithBlank(plain)) return plain;
    const guarded = this.#tokeniser.tokenise(`\n${text}`, controlTokens);
    const guard = this.#tokeniser.tokenise('\n', false);
    return guard.every((token, i) => guarded[i] === token) ? guarded.slice(guard.length) : plain;
  }

  #startsWithBlank(tokens: readonly number[]): boolean {
    const first = tokens[0];
    return first !== undefined && this.bytes(first)[0] === 0x20;
  }

  #read(token: number): Uint8Array {
    const kind = this.#tokeniser.tokenKind(token);
    if (kind === 'control' || kind === 'unused') return NO_BYTES;
    const spelling = this.#tokeniser.spelling(token);
    if (kind === 'byte') return byteOfSpelling(spelling) ?? this.#encoder.encode(this.#tokeniser.detokenise(token));
    switch (this.#tokeniser.kind) {
      case 'byte-pair':
        return bytesOfBytePairSpelling(spelling) ?? this.#encoder.encode(spelling);
      case 'sentence-piece':
        return this.#encoder.encode(spelling.replaceAll(SENTENCE_PIECE_BLANK, ' '));
      case 'other':
        return this.#encoder.encode(this.#tokeniser.detokenise(token));
    }
  }
}
