import { describe, expect, it } from 'vitest';
import { commonPrefix, planSequence, Sequence } from './sequences.ts';

const row = (length: number, from = 0): number[] => Array.from({ length }, (_, i) => from + i);

interface Made {
  readonly prompt?: readonly number[];
  readonly answer?: readonly number[];
  readonly isFree?: boolean;
  readonly lastUse?: number;
}

/** A sequence that has read a prompt cold and answered. */
function sequence(id: number, { prompt = [], answer = [], isFree = true, lastUse = 0 }: Made): Sequence {
  const made = new Sequence(id);
  if (prompt.length > 1) made.append(prompt.slice(0, -1), true);
  if (prompt.length > 0) made.append(prompt.slice(-1), true);
  for (const token of answer) made.append([token], false);
  made.isFree = isFree;
  made.lastUse = lastUse;
  return made;
}

describe('Sequence.usableFor', () => {
  it('keeps all but the last token of a prompt that comes again', () => {
    expect(sequence(0, { prompt: row(200), answer: [7, 8] }).usableFor(row(200))).toBe(199);
    expect(sequence(0, { prompt: row(30), answer: [7, 8] }).usableFor(row(30))).toBe(29);
  });

  it('leaves at least one long piece to compute after a prefix of prompts, so that it rounds as a cold one', () => {
    const prompt = [...row(180), ...row(10, 5000)];
    expect(sequence(0, { prompt: row(200) }).usableFor(prompt)).toBe(prompt.length - 1 - 64);
    expect(sequence(0, { prompt: row(200) }).usableFor([...row(180), ...row(100, 5000)])).toBe(180);
  });

  it('keeps a conversation with its long answers whole', () => {
    const talk = [...row(200), ...row(100, 3000)];
    const made = sequence(0, { prompt: row(200), answer: row(100, 3000) });
    expect(made.usableFor([...talk, ...row(9, 7000)])).toBe(300);
  });

  it('does not mix cells of a long prompt into a short one', () => {
    expect(sequence(0, { prompt: row(200) }).usableFor([...row(20), 9000, 9001, 9002])).toBe(0);
    expect(sequence(0, { prompt: row(30) }).usableFor([...row(20), 9000, 9001, 9002])).toBe(20);
  });

  it('keeps nothing of another text, and nothing for a prompt of one token', () => {
    expect(sequence(0, { prompt: row(200) }).usableFor(row(200, 1000))).toBe(0);
    expect(sequence(0, { prompt: row(200) }).usableFor([0])).toBe(0);
  });

  it('forgets what was cut', () => {
    const made = sequence(0, { prompt: row(300) });
    made.cutTo(100);
    expect(made.usableFor(row(300))).toBe(100);
  });
});

describe('planSequence', () => {
  it('has none when none is free', () => {
    expect(planSequence([sequence(0, { isFree: false })], row(10))).toBeUndefined();
  });

  it('takes the free sequence that saves most', () => {
    const warm = sequence(1, { prompt: row(300), lastUse: 1 });
    const plan = planSequence([sequence(0, {}), warm, sequence(2, { prompt: row(300, 900), lastUse: 2 })], row(400));
    expect(plan).toEqual({ target: warm, copyFrom: undefined, keep: 299 });
  });

  it('takes an empty one, else the least recently used, when nothing is saved', () => {
    const older = sequence(0, { prompt: row(300, 900), lastUse: 1 });
    const newer = sequence(1, { prompt: row(300, 1900), lastUse: 2 });
    expect(planSequence([newer, older], row(100))?.target).toBe(older);
    const empty = sequence(2, { lastUse: 9 });
    expect(planSequence([newer, older, empty], row(100))?.target).toBe(empty);
  });

  it('copies from a busy sequence that holds a clearly longer prefix', () => {
    const busy = sequence(0, { prompt: row(300), isFree: false });
    const empty = sequence(1, {});
    expect(planSequence([busy, empty], row(400))).toEqual({ target: empty, copyFrom: busy, keep: 299 });
    expect(planSequence([sequence(0, { prompt: row(40), isFree: false }), empty], row(50))?.copyFrom).toBeUndefined();
  });

  it('does not throw away a long conversation for its system text', () => {
    const talk = sequence(0, { prompt: row(1000), lastUse: 1 });
    const stale = sequence(1, { prompt: row(100, 5000), lastUse: 0 });
    const short = [...row(80), ...row(200, 9000)];
    expect(planSequence([talk, stale], short)).toEqual({ target: stale, copyFrom: talk, keep: 80 });
  });
});

describe('commonPrefix', () => {
  it('counts equal tokens at the beginning', () => {
    expect(commonPrefix([1, 2, 3], [1, 2, 4])).toBe(2);
    expect(commonPrefix([], [1])).toBe(0);
    expect(commonPrefix([1], [1])).toBe(1);
  });
});
