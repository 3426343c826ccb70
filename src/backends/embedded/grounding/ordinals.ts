/**
 * How many things a request tells of one after the other: "the first circle … the second … the third", or "… then do the same
 * for the other one".
 */

const ORDINALS = ['first', 'second', 'third', 'fourth', 'fifth', 'sixth', 'seventh', 'eighth', 'ninth', 'tenth'];
const SAID = ORDINALS.map(
  (ordinal) =>
    new RegExp(`\\b(?:the|a|an|your|my|his|her|its|our|their)\\s+${ordinal}\\b(?!-|\\s+(?:of|to last)\\b)`, 'i'),
);
/** "Finally, consider a third scenario" tells of three without a first. */
const AMONG_OTHERS = /\b(?:another|different|finally|lastly)\b/i;

/** What is done again. */
const PROCESS = '(?:analys[ei]s|calculations?|experiments?|function|process|search|steps|tests?)';
/** What was done is to be done once more, and not quite as before. */
const ONCE_MORE = new RegExp(
  [
    '\\b(?:calculate|check|do|fetch|find|get|perform|repeat|retrieve|run|show|tell me) the same (?:again|but|for|using|with)\\b',
    `\\brepeat(?:s|ing)? (?:this|that|these|those|the(?: same)?) ${PROCESS}\\b`,
    `\\b(?:do|perform|run) the same ${PROCESS}\\b`,
    '\\b(?:again|once more),? but\\b',
    '\\bbut this time\\b',
    '\\bthen compare (?:it|this|that|them|these|those) (?:with|to|against)\\b',
    '\\bin both (?:cases|conditions|scenarios|situations)\\b',
    '[.?!;] (?:and |but |also,? )?what if\\b',
  ].join('|'),
  'i',
);

/** Whether a request wants what it asks for a second time, with something else. */
export function asksOnceMore(request: string): boolean {
  return ONCE_MORE.test(request);
}

/** "The first equation … the second equation … and the last equation" are one more than are counted. */
const COUNTED_NOUN = new RegExp(`\\b(?:${ORDINALS.join('|')}) (\\p{L}+)`, 'giu');
const LAST = /\bthe (?:last|final) (\p{L}+)/giu;

function hasLast(request: string): boolean {
  const counted = new Set([...request.matchAll(COUNTED_NOUN)].map(([, noun = '']) => noun.toLowerCase()));
  return [...request.matchAll(LAST)].some(([, noun = '']) => noun === 'one' || counted.has(noun.toLowerCase()));
}

/** 0 where it tells of one, or does not count. */
export function countedThings(request: string): number {
  const isSaid = SAID.map((pattern) => pattern.test(request));
  const end = isSaid.indexOf(false);
  const inOrder = end < 0 ? ORDINALS.length : end;
  const highest = AMONG_OTHERS.test(request) ? isSaid.lastIndexOf(true) + 1 : 0;
  const counted = Math.max(inOrder > 1 ? inOrder : 0, highest > 2 ? highest : 0);
  if (counted > 0) return hasLast(request) ? counted + 1 : counted;
  return asksOnceMore(request) ? 2 : 0;
}
