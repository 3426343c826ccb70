/**
 * A prompt with pictures. llama-server takes those only in a text, where a marker stands for each, and reads that text as
 * control text throughout. So a control token that a caller spelt out is broken up here: the seams of the segments lie
 * inside such spellings (control-text.ts), and an invisible character goes into each seam that would make one.
 */
import type { ModelVocabulary } from '../child/vocabulary.ts';
import type { PromptSegment } from '../engine-protocol.ts';
import type { CompletionPrompt } from './completions.ts';

/** A guess, for accounts that have to be made before llama-server has looked at a picture. */
const TOKENS_OF_A_PICTURE = 1_024;
const BREAK = '\u200b';

export class PicturePrompt {
  /** As many as the prompt may have, with ids that mean nothing. */
  readonly estimate: readonly number[];
  readonly #text: string;
  readonly #pictures: readonly string[];
  readonly #vocabulary: ModelVocabulary;

  constructor(prompt: readonly PromptSegment[], marker: string, vocabulary: ModelVocabulary) {
    this.#vocabulary = vocabulary;
    const pictures = prompt.filter(({ kind }) => kind === 'image');
    this.#pictures = pictures.map(({ text }) => text.slice(text.indexOf(',') + 1));
    const controlTexts = vocabulary.controlTexts();
    let joined = '';
    for (const { kind, text } of prompt) {
      // The marker is a secret of the running server in new versions and a plain word in old ones.
      const next = kind === 'image' ? marker : text.replaceAll(marker, marker.split('').join(BREAK));
      joined += spansSpelling(joined, next, controlTexts) ? BREAK + next : next;
    }
    this.#text = joined;
    const words = vocabulary.tokenisePrompt(prompt.filter(({ kind }) => kind !== 'image'));
    this.estimate = [...words, ...new Array<number>(pictures.length * TOKENS_OF_A_PICTURE).fill(0)];
  }

  /** The prompt, and what was fed after it. */
  with(tokens: readonly number[]): CompletionPrompt {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    let text = this.#text;
    for (const token of tokens) {
      const control = this.#vocabulary.controlText(token);
      text += control ?? decoder.decode(this.#vocabulary.bytes(token), { stream: true });
    }
    return { prompt_string: text, multimodal_data: this.#pictures };
  }
}

/** Joined, the two texts have a control token's spelling across their seam. */
function spansSpelling(before: string, after: string, spellings: readonly string[]): boolean {
  return spellings.some((spelling) => {
    for (let length = 1; length < spelling.length; length++)
      if (before.endsWith(spelling.slice(0, length)) && after.startsWith(spelling.slice(length))) return true;
    return false;
  });
}
