import { expect, it } from 'vitest';
import { countedThings } from './ordinals.ts';

it.each([
  ['The first circle is red, the second blue and the third green', 3],
  ['My first car is red and my second one blue', 2],
  ['A chance of 60%; in a different match of 50%. Finally, consider a third one.', 3],
  ['Which is the third chord of the scale?', 0],
  ['The first one, please', 0],
  ['A quarter of a second', 0],
  ['Book the first-class seat on the second of May', 0],
])('%s: %d', (request, count) => {
  expect(countedThings(request)).toBe(count);
});
