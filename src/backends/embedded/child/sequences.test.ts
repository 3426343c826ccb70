import { describe, expect, it } from 'vitest';
import { planSequence, readSequenceBooks, Sequence } from './sequences.ts';

const row = (length: number, from = 0): number[] => Array.from({ length }, (_, i) => from + i);

interface Made {
  readonly prompt?: readonly number[];
  readonly answer?: readonly number[];
  readonly isFree?: boolean;
  readonly lastUse?: number;
  readonly isRecurring?: boolean;
}

/** A sequence that has read a prompt cold and answered. */
function sequence(
  id: number,
  { prompt = [], answer = [], isFree = true, lastUse = 0, isRecurring = false }: Made,
): Sequence {
  const made = new Sequence(id);
  made.giveTo({ namespace: '', usesDisk: false, isRecurring });
  if (prompt.length > 0) made.append(prompt, true);
  for (const token of answer) made.append([token], false);
  made.isFree = isFree;
  made.lastUse = lastUse;
  return made;
}

describe('Sequence.usableFor', () => {
  it('keeps all but the last piece of a prompt that comes again', () => {
    const kept = (tokens: number) => sequence(0, { prompt: row(tokens), answer: [7, 8] }).usableFor(row(tokens));
    expect([200, 201, 202, 203].map(kept)).toEqual([196, 196, 200, 200]);
    expect(kept(30)).toBe(28);
  });

  it.each([
    // 200 tokens were read as 192 in long pieces and 8 in a short one. A prompt whose long part is as long:
    [198, 3, 196],
    [199, 50, 196],
    // Parted within a long piece, that piece is read again.
    [12, 188, 0],
    [100, 100, 64],
    // A shorter or longer one would have read what follows in another way.
    [2, 2, 0],
    [63, 100, 0],
    [64, 100, 64],
    [180, 10, 128],
    [180, 100, 128],
    [200, 200, 192],
  ])('of a prompt that has %i tokens in common and %i more keeps %i', (common, more, kept) => {
    const prompt = [...row(common), ...row(more, 5000)];
    expect(sequence(0, { prompt: row(200) }).usableFor(prompt)).toBe(kept);
  });

  it('counts what was read in short pieces beside streams as it would count in them', () => {
    const made = new Sequence(0);
    for (let from = 0; from < 200; from += 40) made.append(row(40, from), true);
    expect(made.usableFor(row(200))).toBe(198);
    expect(made.usableFor(row(60))).toBe(56);
  });

  it('has a short answer read again with the question that follows it', () => {
    const talk = [...row(200), ...row(20, 3000)];
    const made = sequence(0, { prompt: row(200), answer: row(20, 3000) });
    expect(made.usableFor([...talk, ...row(9, 7000)])).toBe(200);
  });

  it('keeps a conversation with its long answers whole', () => {
    const talk = [...row(200), ...row(100, 3000)];
    const made = sequence(0, { prompt: row(200), answer: row(100, 3000) });
    expect(made.usableFor([...talk, ...row(9, 7000)])).toBe(300);
  });

  it('keeps nothing of another text, and nothing for a prompt of one token', () => {
    expect(sequence(0, { prompt: row(200) }).usableFor(row(200, 1000))).toBe(0);
    expect(sequence(0, { prompt: row(200) }).usableFor([0])).toBe(0);
  });

  it('keeps nothing, or at least what a window has cut it down to', () => {
    const made = new Sequence(0);
    made.restore(row(300), { cold: 300, long: 256, floor: 300 });
    expect(made.usableFor(row(400))).toBe(300);
    expect(made.usableFor([...row(299), ...row(200, 5000)])).toBe(0);
    made.cutTo(0);
    made.append(row(200), true);
    expect(made.usableFor(row(200))).toBe(196);
  });

  it('forgets what was cut', () => {
    const made = sequence(0, { prompt: row(300) });
    made.cutTo(100);
    expect(made.usableFor(row(300))).toBe(64);
  });
});

describe('Sequence.books', () => {
  it('say after a restore what they said before', () => {
    const made = sequence(0, { prompt: row(200), answer: row(100, 3000) });
    const books = readSequenceBooks(JSON.parse(JSON.stringify(made.books)), 300);
    const restored = new Sequence(1);
    if (books) restored.restore(Uint32Array.from(made.tokens), books);
    for (const prompt of [row(200), row(400), [...made.tokens, ...row(9, 7000)], [...row(180), ...row(10, 5000)]]) {
      expect(restored.usableFor(prompt)).toBe(made.usableFor(prompt));
    }
  });

  it('are not read from anything else', () => {
    const wrong = [
      null,
      'x',
      {},
      { cold: 1, long: 0 },
      { cold: 9, long: 0, floor: 0 },
      { cold: -1, long: 0, floor: 0 },
    ];
    for (const value of [...wrong, { cold: '1', long: 0, floor: 0 }, { cold: 8, floor: 0 }]) {
      expect(readSequenceBooks(value, 8)).toBeUndefined();
    }
  });
});

describe('Sequence.usableFor, where nobody compares', () => {
  it('keeps all that is there, but for the last token of the prompt', () => {
    const made = sequence(0, { prompt: row(205), answer: [7, 8, 9] });
    expect(made.usableFor([...row(205), 7, 8, 9, 1, 2], { isExact: false })).toBe(208);
    expect(made.usableFor(row(205), { isExact: false })).toBe(204);
    expect(made.usableFor(row(205))).toBe(200);
    expect(planSequence([made], row(205), '', { isExact: false })?.keep).toBe(204);
  });

  it('keeps no less than what cannot be cut', () => {
    const made = sequence(0, { prompt: row(205) });
    const restored = new Sequence(0);
    restored.restore(made.tokens, { ...made.books, floor: 205 });
    expect(restored.usableFor(row(205), { isExact: false })).toBe(0);
    expect(restored.usableFor(row(206), { isExact: false })).toBe(205);
  });
});

describe('planSequence', () => {
  it('has none when none is free', () => {
    expect(planSequence([sequence(0, { isFree: false })], row(10))).toBeUndefined();
  });

  it('takes the free sequence that saves most', () => {
    const warm = sequence(1, { prompt: row(300), lastUse: 1 });
    const plan = planSequence([sequence(0, {}), warm, sequence(2, { prompt: row(300, 900), lastUse: 2 })], row(400));
    expect(plan).toEqual({ target: warm, copyFrom: undefined, keep: 256 });
  });

  it('takes an empty one, else the least recently used, when nothing is saved', () => {
    const older = sequence(0, { prompt: row(300, 900), lastUse: 1 });
    const newer = sequence(1, { prompt: row(300, 1900), lastUse: 2 });
    expect(planSequence([newer, older], row(100))?.target).toBe(older);
    const empty = sequence(2, { lastUse: 9 });
    expect(planSequence([newer, older, empty], row(100))?.target).toBe(empty);
  });

  it('spares for a while what begins as many prompts do', () => {
    const recurring = sequence(0, { prompt: row(100, 900), lastUse: 1, isRecurring: true });
    const chat = sequence(1, { prompt: row(300, 1900), lastUse: 20 });
    expect(planSequence([recurring, chat], row(100))?.target).toBe(chat);
    chat.lastUse = 200;
    expect(planSequence([recurring, chat], row(100))?.target).toBe(recurring);
    const empty = sequence(2, {});
    expect(planSequence([recurring, chat, empty], row(100))?.target).toBe(empty);
    recurring.giveTo({ namespace: '', usesDisk: true, isRecurring: false });
    chat.lastUse = 20;
    expect(planSequence([recurring, chat], row(100))?.target).toBe(recurring);
  });

  it('copies from a busy sequence that holds a clearly longer prefix', () => {
    const busy = sequence(0, { prompt: row(300), isFree: false });
    const empty = sequence(1, {});
    expect(planSequence([busy, empty], row(400))).toEqual({ target: empty, copyFrom: busy, keep: 256 });
    expect(planSequence([sequence(0, { prompt: row(40), isFree: false }), empty], row(50))?.copyFrom).toBeUndefined();
  });

  it('does not throw away a long conversation for its system text', () => {
    const talk = sequence(0, { prompt: row(1000), lastUse: 1 });
    const stale = sequence(1, { prompt: row(100, 5000), lastUse: 0 });
    const short = [...row(80), ...row(200, 9000)];
    expect(planSequence([talk, stale], short)).toEqual({ target: stale, copyFrom: talk, keep: 64 });
  });

  it('uses nothing that another caller left', () => {
    const other = sequence(0, { prompt: row(300), lastUse: 1 });
    other.namespace = 'other';
    const empty = sequence(1, {});
    expect(planSequence([other, empty], row(400))).toEqual({ target: empty, copyFrom: undefined, keep: 0 });
    expect(planSequence([other], row(400))).toEqual({ target: other, copyFrom: undefined, keep: 0 });
    expect(planSequence([other, empty], row(400), 'other')?.keep).toBe(256);
  });
});
