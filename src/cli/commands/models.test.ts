import { describe, expect, it } from 'vitest';
import type { LocalModelView } from '../../admin/engine-routes.ts';
import { loadedText } from './models.ts';

const model = (overrides: Partial<LocalModelView>): LocalModelView => ({
  weights: 'small',
  phase: 'idle',
  detail: 'asleep; the next call loads the weights',
  processId: null,
  memoryBytes: 1_500_000_000,
  keepAliveMinutes: null,
  contextTokens: null,
  sequences: null,
  runningCalls: 0,
  waitingCalls: 0,
  warmTokens: 0,
  idleMs: 1000,
  loads: 0,
  loadMs: null,
  ...overrides,
});

describe('loadedText', () => {
  it('tells which models are loaded, and what they do', () => {
    const loaded = { phase: 'ready', contextTokens: 4096, sequences: 4, runningCalls: 2, idleMs: 65_000, loadMs: 2100 };
    const items = [
      model({ weights: 'big', ...loaded, keepAliveMinutes: 10 }),
      model({ waitingCalls: 3 }),
      model({ weights: 'third', phase: 'loading', detail: 'loading the weights, 40%' }),
    ];
    const lines = loadedText({ limitBytes: 4_000_000_000, items }).split('\n');
    expect(lines.find((line) => line.includes('big'))).toMatch(/loaded .*4 × 4096 +2 +0 +1 min 5 s +10 min 0 s +2 s/);
    expect(lines.find((line) => line.includes('small'))).toMatch(/small +- .* 0 +3 +- +for ever +-/);
    expect(lines.find((line) => line.includes('third'))).toContain('loading the weights, 40%');
    expect(lines.at(-1)).toMatch(/^Loaded weights may take .* together\.$/);
  });

  it('tells of a server without weights', () => {
    expect(loadedText({ limitBytes: null, items: [] })).toBe('This server runs no local weights.');
  });
});
