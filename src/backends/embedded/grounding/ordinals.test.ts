import { expect, it } from 'vitest';
import { countedThings } from './ordinals.ts';

it.each([
  ['The first circle is red, the second blue and the third green', 3],
  ['My first car is red and my second one blue', 2],
  ['A chance of 60%; in a different match of 50%. Finally, consider a third one.', 3],
  ['The weather in Rome, and then do the same for Oslo', 2],
  ['Fit it without scaling, then run it again, but with scaling', 2],
  ['Test them, and repeat the same process for the others', 2],
  ['The first equation is a, the second equation b, and the last equation c', 3],
  ['The first game and the second game of the last season', 2],
  ['The entropy, if it is isothermal. What if it is not?', 2],
  ['Find the same shoes in red', 0],
  ['What was the weather in Rome again?', 0],
  ['Repeat the song', 0],
  ['Which is the third chord of the scale?', 0],
  ['The first one, please', 0],
  ['A quarter of a second', 0],
  ['Book the first-class seat on the second of May', 0],
])('%s: %d', (request, count) => {
  expect(countedThings(request)).toBe(count);
});
