import { expect, it } from 'vitest';
import { PullView } from './pull-view.ts';

function viewOn(isTTY: boolean) {
  let written = '';
  let nowMs = 0;
  const write = (text: string) => {
    written += text;
    return true;
  };
  const stream = { isTTY, write } as unknown as NodeJS.WriteStream;
  const view = new PullView('qwen', stream, () => nowMs);
  const receive = (atMs: number, receivedBytes: number, totalBytes: number | null = 1_000_000_000) => {
    nowMs = atMs;
    view.show({ phase: 'downloading', source: 'hub', receivedBytes, totalBytes });
  };
  return { view, receive, text: () => written };
}

it('draws one line over and over on a terminal, with rate and time left', () => {
  const { view, receive, text } = viewOn(true);
  receive(0, 0);
  receive(1000, 100_000_000);
  receive(1001, 101_000_000);
  receive(2000, 500_000_000);
  view.end();
  const lines = text().split('\r\x1b[K');
  expect(lines[0]).toBe('Fetching qwen from hub (1.00 GB)\n');
  expect(lines.slice(1)).toEqual([
    `${'░'.repeat(24)}   0%  0 kB`,
    `██${'░'.repeat(22)}  10%  100 MB  100 MB/s, 9 s left`,
    `${'█'.repeat(12)}${'░'.repeat(12)}  50%  500 MB  250 MB/s, 2 s left\n`,
  ]);
});

it('writes a line every ten per cent elsewhere', () => {
  const { receive, text } = viewOn(false);
  for (let step = 0; step <= 100; step++) receive(step * 100, step * 10_000_000);
  const lines = text().trim().split('\n');
  expect(lines).toHaveLength(12);
  expect(lines[1]).toMatch(/^ *1%/);
  expect(lines[2]).toMatch(/^ *10% {2}100 MB {2}100 MB\/s, 9 s left$/);
  expect(lines.at(-1)).toMatch(/^ *100%/);
  expect(text()).not.toContain('\x1b');
});

it('tells why a source was passed over, and starts the rate anew with the next', () => {
  const { view, receive, text } = viewOn(false);
  view.show({ phase: 'source-failed', source: 'hub', reason: 'it said nothing for 3 s' });
  receive(0, 0, null);
  receive(1000, 5_000_000, null);
  expect(text()).toBe('hub: it said nothing for 3 s\nFetching qwen from hub\n');
});
