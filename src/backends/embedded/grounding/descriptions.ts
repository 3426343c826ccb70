/** What is read of descriptions. */
import type { JsonSchema } from '../../../core/generation.ts';

/** What is longer is a manual, and tells the form at its beginning. */
const MAX_DESCRIPTION = 1_000;

/** The description of a schema, as far as it is read; '' where there is none. */
export function descriptionOf({ description }: JsonSchema): string {
  return typeof description === 'string' ? description.slice(0, MAX_DESCRIPTION) : '';
}

export interface Quoted {
  readonly text: string;
  /** Of its first quotation mark, in UTF-16 units. */
  readonly start: number;
}

const QUOTED =
  /(?<![\p{L}\p{N}])(?:'([^'\n]{1,30})'|"([^"\n]{1,30})"|‘([^’\n]{1,30})’|“([^”\n]{1,30})”)(?![\p{L}\p{N}])/gu;

/** Short texts in quotation marks. */
export function quotedIn(description: string): readonly Quoted[] {
  return [...description.matchAll(QUOTED)].map((match) => ({
    text: match.slice(1).find((group) => group !== undefined) ?? '',
    start: match.index,
  }));
}
