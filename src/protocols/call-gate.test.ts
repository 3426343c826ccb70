import { describe, expect, it } from 'vitest';
import { CallGate } from './call-gate.ts';

describe('CallGate', () => {
  it('is idle at once when nothing runs', async () => {
    expect(await new CallGate().idleWithin(0)).toBe(true);
  });

  it('waits for the last call, and no longer than told', async () => {
    const gate = new CallGate();
    gate.enter();
    gate.enter();
    const idle = gate.idleWithin(60_000);
    gate.leave();
    gate.leave();
    expect(await idle).toBe(true);
    gate.enter();
    expect(await gate.idleWithin(1)).toBe(false);
    expect(gate.active).toBe(1);
  });
});
