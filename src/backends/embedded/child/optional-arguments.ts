/**
 * Arguments as they are decoded, without the optional ones that nothing stands for.
 *
 * An optional member is held back until its value is whole, or too long to be looked up; all else passes as it comes:
 *
 *     {"recipe": "Lasagna"   , "meal_time": "Dinner"   }
 *     shown                    held, and left out        shown
 */
import type { Json } from '../../../core/generation.ts';
import { JsonPosition } from './json-position.ts';

/** Longer members are composed, not looked up. */
const MAX_HELD = 160;
/** Lists are held longer, until one of their items is supported: small weights go round in them. */
const MAX_HELD_LIST = 1_000;

export class OptionalArguments {
  readonly #optional: ReadonlySet<string>;
  readonly #isSupported: (value: Json, name: string) => boolean;
  readonly #position = new JsonPosition();
  /** The member under way, with the comma before it; undefined while one passes. */
  #member: string | undefined;
  #hasMembers = false;

  constructor(optional: readonly string[], isSupported: (value: Json, name: string) => boolean) {
    this.#optional = new Set(optional);
    this.#isSupported = isSupported;
  }

  /** A member is held back that may be left out. */
  get isHolding(): boolean {
    return this.#member !== undefined;
  }

  /** Gives the text to show, and whether a member was left out. */
  push(text: string): { readonly shown: string; readonly isLeftOut: boolean } {
    let shown = '';
    let isLeftOut = false;
    for (const character of text) {
      const isTop = this.#isTop;
      if (isTop && (character === ',' || character === '}')) {
        const { text: member, isSupported } = this.#endMember();
        shown += member;
        isLeftOut ||= !isSupported;
      }
      this.#position.push(character);
      if (isTop && character === ',') this.#member = character;
      else if (this.#member === undefined) shown += character;
      else shown += this.#hold(this.#member + character, isTop && character === ':');
      if (!isTop && character === '{' && this.#isTop) this.#member = '';
    }
    return { shown, isLeftOut };
  }

  /** What is held where nothing follows. */
  flush(): string {
    return this.#member === undefined ? '' : this.#show(this.#member);
  }

  /** Among the members of the arguments themselves. */
  get #isTop(): boolean {
    return this.#position.depth === 1 && !this.#position.isInString;
  }

  #hold(member: string, isAfterKey: boolean): string {
    this.#member = member;
    const isKept = isAfterKey && !this.#optional.has(keyOf(member) ?? '');
    return isKept || (member.length > MAX_HELD && !this.#isMadeUpList(member)) ? this.#show(member) : '';
  }

  /** A list of which no item so far is supported. */
  #isMadeUpList(member: string): boolean {
    if (member.length > MAX_HELD_LIST || !/^[^:]*:\s*\[/.test(member)) return false;
    // Between two items nothing new is known.
    if (!member.endsWith(',')) return true;
    const [name, items] = entryOf(`${member.slice(0, -1)}]`) ?? [];
    return name === undefined || items === undefined || !this.#isSupported(items, name);
  }

  #show(member: string): string {
    this.#member = undefined;
    const isFirst = !this.#hasMembers;
    if (member.trim() !== '') this.#hasMembers = true;
    return isFirst ? member.replace(/^,\s*/, '') : member;
  }

  #endMember(): { readonly text: string; readonly isSupported: boolean } {
    const member = this.#member;
    if (member === undefined) return { text: '', isSupported: true };
    const [name, value] = entryOf(member) ?? [];
    const isSupported = name === undefined || value === undefined || this.#isSupported(value, name);
    if (isSupported) return { text: this.#show(member), isSupported };
    this.#member = undefined;
    return { text: '', isSupported };
  }
}

function keyOf(member: string): string | undefined {
  const written = /"(?:[^"\\]|\\.)*"(?=\s*:$)/.exec(member)?.[0];
  return written === undefined ? undefined : (JSON.parse(written) as string);
}

/** Undefined where there is no member, or one that is not whole. */
function entryOf(member: string): readonly [string, Json] | undefined {
  try {
    return Object.entries(JSON.parse(`{${member.replace(/^,/, '')}}`) as { [key: string]: Json })[0];
  } catch {
    return undefined;
  }
}
