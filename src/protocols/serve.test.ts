import { describe, expect, it } from 'vitest';
import { fixedClock } from '../../test/support/context.ts';
import type { ReplyWriter } from './reply-writer.ts';
import { KeepAlives } from './serve.ts';

function writerAt(lastWriteMs: number): ReplyWriter & { written: string[]; started: number } {
  return {
    written: [],
    started: 0,
    lastWriteMs,
    isClientGone: false,
    get hasStarted() {
      return this.started > 0;
    },
    onClientGone() {},
    startStream() {
      this.started++;
    },
    write(text) {
      this.written.push(text);
    },
    drained: () => undefined,
    end() {},
    sendBody() {},
  };
}

describe('KeepAlives', () => {
  it('speaks on streams that have been silent too long, beginning those that have not begun', () => {
    const clock = fixedClock();
    const keepAlives = new KeepAlives(clock);
    const silent = writerAt(0);
    const busy = writerAt(KeepAlives.SILENCE_MS - 1);
    const over = writerAt(0);
    keepAlives.watch(silent, () => ({}), ': x\n\n');
    keepAlives.watch(busy, () => ({}), ': x\n\n');
    keepAlives.watch(over, () => ({}), ': x\n\n').stop();
    clock.advance(KeepAlives.SILENCE_MS - 1);
    keepAlives.sweep();
    expect(silent.written).toEqual([]);
    clock.advance(1);
    keepAlives.sweep();
    expect(silent.written).toEqual([': x\n\n']);
    expect(silent.started).toBe(1);
    expect(busy.written).toEqual([]);
    expect(over.written).toEqual([]);
    keepAlives.close();
  });
});
