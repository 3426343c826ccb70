import { defineConfig } from 'vitest/config';

const common = { pool: 'threads', testTimeout: 120_000, hookTimeout: 120_000 } as const;

export default defineConfig({
  test: {
    reporters: ['default'],
    projects: [
      {
        test: {
          ...common,
          name: 'unit',
          isolate: false,
          globalSetup: ['test/support/postgres-server.ts'],
          include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: ['**/*.weights.test.ts'],
          sequence: { groupOrder: 0 },
        },
      },
      {
        // Two engines on two cores slow each other many times: these run after the rest, one file at a time.
        test: {
          ...common,
          name: 'weights',
          include: ['src/**/*.weights.test.ts', 'test/**/*.weights.test.ts'],
          fileParallelism: false,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
