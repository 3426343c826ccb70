import { describe, expect, it } from 'vitest';
import { Conversation } from './supported-values.ts';

const said = new Conversation(
  'You sell pianos.\nGet 1,500 women pianos in French colours, at 8% for a dozen towns in Lyon, in weeks.',
);

describe('what stands for a value', () => {
  it.each([1500, -1500, 0.08, 12, 7, 'Lyon', 'woman', 'fr', 'grand piano', ['red', 'piano'], { town: 'Lyon' }])(
    '%j is said',
    (value) => {
      expect(said.supports(value)).toBe(true);
    },
  );

  it.each([80_001, 0, 'Dinner', 'inside', 'Fr-Ench', 'brief', '', ['Paris', 'Rome'], [], { town: 'Paris' }])(
    '%j is not',
    (value) => {
      expect(said.supports(value)).toBe(false);
    },
  );

  it.each([true, false, null, 'EUR', '2023-04-01', '里昂', 'A text that is far too long to be looked up anywhere'])(
    '%j is not judged',
    (value) => {
      expect(said.supports(value)).toBe(true);
    },
  );

  it('is not looked for in another script', () => {
    expect(new Conversation('北京今天天气怎么样？').supports('Beijing')).toBe(true);
  });
});
