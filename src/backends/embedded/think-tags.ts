/**
 * Takes stray thinking tags out of text that streams. Where our stages already keep reasoning and answer apart, a tag
 * that the model writes inside either says nothing, and clients would show it. Holds back only a suffix that may still
 * become a tag.
 */
export class ThinkTagFilter {
  #held = '';

  push(text: string): string {
    const all = (this.#held + text).replace(TAGS, '');
    const open = all.lastIndexOf('<');
    const isHeld = open >= 0 && SPELLINGS.some((tag) => tag.startsWith(all.slice(open)));
    this.#held = isHeld ? all.slice(open) : '';
    return isHeld ? all.slice(0, open) : all;
  }

  /** What was held and is text after all. */
  flush(): string {
    const rest = this.#held;
    this.#held = '';
    return rest;
  }
}

const SPELLINGS = ['<think>', '</think>'];
const TAGS = /<\/?think>/g;
