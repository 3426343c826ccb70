import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Logger, OpenedCall, Receipt } from '../core/ports.ts';
import type { SettledCall } from '../core/receipts.ts';
import { type Usage, usageOf } from '../core/usage.ts';
import { type Journal, type JournalEntry, type JournalOptions, openJournal } from './journal.ts';

let folder: string;
let lines: string[];
const log: Logger = {
  debug: () => {},
  info: () => {},
  warn: (_, message) => lines.push(message),
  error: (_, message) => lines.push(message),
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'atelier-journal-'));
  lines = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = (options: Partial<JournalOptions> = {}) => openJournal({ folder, log, ...options });
const files = () => readdirSync(folder).sort();

function callOf(id: string, changes: Partial<OpenedCall> = {}): OpenedCall {
  return {
    receiptId: id,
    requestId: `request-${id}`,
    protocol: 'test',
    keyId: 'key-1',
    workspaceId: 'default',
    region: 'beijing',
    priority: 'live',
    model: 'qwen-plus',
    startedAtMs: 1000,
    isStreaming: true,
    ...changes,
  };
}

function settledOf(id: string): SettledCall {
  const { isStreaming, ...call } = callOf(id);
  const charge = { lines: [], totalNano: 7, freeTokens: 0 };
  const usage = usageOf({ input: 1, output: 2 });
  return { receipt: { ...call, charge, servedBy: 'x', usage, ending: 'completed', totalMs: 3 }, quota: undefined };
}

const nothing = (): Usage => usageOf({ input: 0, output: 0 });
const begin = (journal: Journal, id: string, soFar = nothing): JournalEntry => journal.begin(callOf(id), soFar);

/** What a process would find that starts after this one was killed here. */
function found() {
  const { recovered } = open();
  return recovered.map(({ call, settled, usage }) =>
    settled
      ? `closed ${settled.receipt.receiptId}`
      : `open ${call?.receiptId} ${usage.input.total}/${usage.output.total}`,
  );
}

describe('a journal', () => {
  it('gives the next process what was open, with its last progress, and receipts the database has not', () => {
    const { journal } = open();
    const told = { usage: usageOf({ input: 0, output: 0 }) };
    begin(journal, 'a', () => told.usage);
    const b = begin(journal, 'b');
    const c = begin(journal, 'c');
    begin(journal, 'd');
    told.usage = usageOf({ input: 5, output: 1 });
    journal.writeProgress(2000);
    told.usage = usageOf({ input: 5, output: 9 });
    journal.writeProgress(2020);
    journal.end(b, settledOf('b'));
    journal.end(c, settledOf('c'));
    journal.stored([c]);
    expect(found()).toEqual(['open a 5/9', 'closed b', 'open d 0/0']);
    expect(open().lastAtMs).toBe(2020);
  });

  it('keeps every count of a usage', () => {
    const { journal } = open();
    const usage: Usage = {
      input: {
        total: 90,
        cachedRead: 8,
        markedRead: 7,
        cacheWritten: 6,
        image: 5,
        video: 4,
        audio: 3,
        toolDefinitions: 2,
      },
      output: { total: 70, reasoning: 60, audio: 50 },
      hostedTools: { web_search: 2 },
    };
    begin(journal, 'a', () => usage);
    journal.writeProgress(2000);
    expect(open().recovered[0]?.usage).toEqual(usage);
  });

  it('gives back a receipt as it was, with the grant it drew from', () => {
    const { journal } = open();
    const quota = { region: 'beijing', model: 'm', tokens: 9, firstUsedAtMs: 1, expiresAtMs: 2 } as const;
    journal.end(begin(journal, 'a'), { ...settledOf('a'), quota });
    expect(open().recovered[0]?.settled).toEqual({ ...settledOf('a'), quota });
  });

  it('gives back every member of a receipt', () => {
    const { journal } = open();
    const input = { total: 9, cachedRead: 8, markedRead: 0, cacheWritten: 6, image: 5, video: 4, audio: 3 };
    const receipt: Receipt = {
      receiptId: 'a "quoted"\n',
      requestId: 'r',
      protocol: 'p',
      keyId: 'k',
      workspaceId: 'w',
      region: 'singapore',
      priority: 'batch',
      model: 'm\u{1f600}',
      servedBy: 's',
      usage: {
        input: { ...input, toolDefinitions: 2 },
        output: { total: 70, reasoning: 60, audio: 50 },
        hostedTools: { web_search: 2 },
      },
      ending: 'failed',
      errorCode: 'timeout',
      startedAtMs: 1,
      totalMs: 2.5,
      firstTokenMs: 1.25,
      charge: { lines: [{ item: 'input_token', tokens: 1, nano: 0, isFree: true }], totalNano: 5, freeTokens: 1 },
    };
    journal.end(begin(journal, 'a'), { receipt, quota: undefined });
    expect(open().recovered[0]?.settled?.receipt).toEqual(receipt);
  });

  it('has a call whose answer comes in one piece once it was open at two progresses', () => {
    const { journal } = open();
    const plain = (id: string) => journal.begin(callOf(id, { isStreaming: false }), nothing);
    const quick = plain('quick');
    const slow = plain('slow');
    journal.writeProgress(1);
    journal.end(quick, settledOf('quick'));
    expect(found()).toEqual(['closed quick']);
    journal.writeProgress(2);
    plain('new');
    expect(found()).toEqual(['closed quick', 'open slow 0/0']);
    journal.end(slow, settledOf('slow'));
    expect(found()).toEqual(['closed quick', 'closed slow']);
  });

  it('writes nothing while nothing changes', () => {
    const { journal } = open();
    begin(journal, 'a', () => usageOf({ input: 1, output: 0 }));
    journal.writeProgress(1);
    const { size } = statSync(join(folder, '000001.jsonl'));
    journal.writeProgress(2);
    expect(statSync(join(folder, '000001.jsonl')).size).toBe(size);
  });

  it('is readable by its owner only, and empty when nothing is needed any more', () => {
    const { journal } = open();
    const a = begin(journal, 'a');
    expect(statSync(join(folder, '000001.jsonl')).mode & 0o777).toBe(0o600);
    journal.end(a, settledOf('a'));
    journal.stored([a]);
    journal.close();
    expect(files()).toEqual([]);
  });

  it('keeps its file for the next process when it closes with receipts that the database has not', () => {
    const { journal } = open();
    journal.end(begin(journal, 'a'), settledOf('a'));
    journal.close();
    expect(found()).toEqual(['closed a']);
  });
});

it('a closed journal writes nothing, and deletes nothing', () => {
  const { journal } = open();
  const a = begin(journal, 'a');
  journal.end(begin(journal, 'b'), settledOf('b'));
  journal.close();
  journal.end(a, settledOf('a'));
  journal.stored([a]);
  expect(files()).toEqual(['000001.jsonl']);
  expect(found()).toEqual(['open a 0/0', 'closed b']);
});

describe('files of a journal', () => {
  it('are deleted once the database has their receipts; open calls are carried over', () => {
    const { journal } = open({ segmentBytes: 2000 });
    const long = begin(journal, 'long', () => usageOf({ input: 3, output: 4 }));
    journal.writeProgress(1);
    const ended: JournalEntry[] = [];
    for (let index = 0; index < 40; index++) {
      const entry = begin(journal, `call-${index}`);
      journal.end(entry, settledOf(`call-${index}`));
      ended.push(entry);
    }
    expect(files().length).toBeGreaterThan(5);
    expect(found()).toHaveLength(41);
    journal.stored(ended);
    expect(files()).toHaveLength(1);
    expect(found()).toEqual(['open long 3/4']);
    journal.end(long, settledOf('long'));
    expect(found()).toEqual(['closed long']);
    journal.stored([long]);
    journal.close();
    expect(files()).toEqual([]);
  });

  it('of an earlier process stay until what is in them is seen through', () => {
    const first = open();
    begin(first.journal, 'a');
    first.journal.end(begin(first.journal, 'b'), settledOf('b'));
    const second = open();
    expect(second.recovered.map(({ number }) => number)).toEqual([1, 2]);
    const [a, b] = second.recovered.map(({ entry }) => entry);
    if (!a || !b) throw new Error('nothing was found');
    second.journal.stored([b]);
    expect(files()).toEqual(['000001.jsonl', '000002.jsonl']);
    expect(found()).toEqual(['open a 0/0']);
    second.journal.end(a, settledOf('a'));
    expect(found()).toEqual(['closed a']);
    second.journal.stored([a]);
    expect(files()).toEqual(['000002.jsonl']);
    // Numbers go on, so that no call of the two processes has the number of another.
    expect(begin(second.journal, 'c').number).toBe(3);
  });

  it('may end within a line', () => {
    const { journal } = open();
    begin(journal, 'a');
    begin(journal, 'b');
    const path = join(folder, '000001.jsonl');
    writeFileSync(path, readFileSync(path, 'utf8').slice(0, -20));
    expect(found()).toEqual(['open a 0/0']);
    expect(lines).toEqual(['lines of the journal were cut off and are left out']);
  });

  it('may hold what is no record at all', () => {
    const { journal } = open();
    begin(journal, 'a');
    appendFileSync(join(folder, '000001.jsonl'), 'null\n17\n"open"\n{"other":1}\n{"closed":1,"receipt":{}}\n\n');
    writeFileSync(join(folder, 'note.txt'), 'not ours');
    expect(found()).toEqual(['open a 0/0']);
  });

  it('cut anywhere give what was whole, and nothing else', () => {
    const { journal } = open();
    const ids = ['a', 'b', 'c'];
    for (const id of ids) journal.end(begin(journal, id), settledOf(id));
    const path = join(folder, '000001.jsonl');
    const whole = readFileSync(path);
    fc.assert(
      fc.property(fc.nat(whole.length), (length) => {
        for (const name of files()) rmSync(join(folder, name));
        writeFileSync(path, whole.subarray(0, length));
        // A last line is whole without its line break too.
        const count = whole
          .subarray(0, length)
          .toString()
          .split('\n')
          .filter((line) => line.startsWith('{"closed"') && line.endsWith(']}')).length;
        expect(found().filter((each) => each.startsWith('closed'))).toEqual(
          ids.slice(0, count).map((id) => `closed ${id}`),
        );
      }),
    );
  });
});

describe('a full disk', () => {
  /** Takes a number of bytes, then nothing, as the system would. */
  function disk() {
    let free = Number.MAX_SAFE_INTEGER;
    const append = (file: number, text: string): number => {
      const bytes = Buffer.from(text);
      if (free === 0) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
      const taken = Math.min(free, bytes.length);
      free -= taken;
      return writeSync(file, bytes.subarray(0, taken));
    };
    return {
      append,
      leave(bytes: number) {
        free = bytes;
      },
    };
  }

  it('is told once; calls that began meanwhile are written when there is space again', () => {
    const { append, leave } = disk();
    const { journal } = open({ append });
    begin(journal, 'a');
    leave(30);
    const b = begin(journal, 'b', () => usageOf({ input: 2, output: 1 }));
    journal.end(begin(journal, 'c'), settledOf('c'));
    expect(lines).toEqual(['the journal cannot be written; receipts are in memory alone meanwhile']);
    expect(found()).toEqual(['open a 0/0']);
    lines.length = 0;
    leave(Number.MAX_SAFE_INTEGER);
    journal.writeProgress(5);
    expect(lines).toEqual(['the journal is written again']);
    expect(found()).toEqual(['open a 0/0', 'open b 2/1']);
    journal.end(b, settledOf('b'));
    expect(found()).toEqual(['open a 0/0', 'closed b']);
  });

  it('stops no file: the one before goes on', () => {
    const { append, leave } = disk();
    const { journal } = open({ append, segmentBytes: 500 });
    const a = begin(journal, 'a');
    begin(journal, 'b');
    leave(100);
    journal.end(a, settledOf('a'));
    expect(files()).toEqual(['000001.jsonl']);
    leave(Number.MAX_SAFE_INTEGER);
    begin(journal, 'c');
    expect(found()).toEqual(['open a 0/0', 'open b 0/0', 'open c 0/0']);
    journal.stored([a]);
    expect(found()).toEqual(['open b 0/0', 'open c 0/0']);
  });

  it('at the start does not keep calls from beginning', () => {
    const { append, leave } = disk();
    leave(0);
    const { journal } = open({ append });
    begin(journal, 'a');
    leave(Number.MAX_SAFE_INTEGER);
    journal.writeProgress(1);
    expect(found()).toEqual(['open a 0/0']);
  });
});
