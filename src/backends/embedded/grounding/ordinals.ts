/** How many things a request tells of one after the other: "the first circle … the second … the third". */

const ORDINALS = ['first', 'second', 'third', 'fourth', 'fifth', 'sixth', 'seventh', 'eighth', 'ninth', 'tenth'];
const SAID = ORDINALS.map(
  (ordinal) =>
    new RegExp(`\\b(?:the|a|an|your|my|his|her|its|our|their)\\s+${ordinal}\\b(?!-|\\s+(?:of|to last)\\b)`, 'i'),
);
/** "Finally, consider a third scenario" tells of three without a first. */
const AMONG_OTHERS = /\b(?:another|different|finally|lastly)\b/i;

/** 0 where it tells of one, or does not count. */
export function countedThings(request: string): number {
  const isSaid = SAID.map((pattern) => pattern.test(request));
  const end = isSaid.indexOf(false);
  const inOrder = end < 0 ? ORDINALS.length : end;
  const highest = AMONG_OTHERS.test(request) ? isSaid.lastIndexOf(true) + 1 : 0;
  return Math.max(inOrder > 1 ? inOrder : 0, highest > 2 ? highest : 0);
}
