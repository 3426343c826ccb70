/** Promises are cited, tested, and told as they are in docs/coverage.md (`vitest run -u` rewrites that page). */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { REQUIREMENTS } from './requirements.ts';

const ROOT = resolve(import.meta.dirname, '..');

function coveragePage(): string {
  const rows = REQUIREMENTS.map(({ area, promise, source, test, gap }) => {
    const file = test?.split('#')[0];
    return `| ${area} | ${promise} | ${source} | ${gap ?? 'held'} | ${file ? `\`${file}\`` : ''} |`;
  });
  return [
    '# Coverage',
    '',
    'What is promised, where the promise comes from, and the test that would break. Made from `test/requirements.ts`.',
    '',
    '| area | promise | source | state | test |',
    '|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

describe('requirements', () => {
  it('are each cited, and either tested or a named gap', () => {
    for (const { promise, source, test, gap } of REQUIREMENTS) {
      expect(source, promise).not.toBe('');
      expect(test !== undefined || gap !== undefined, promise).toBe(true);
    }
  });

  it('name tests that are there', () => {
    for (const { promise, test } of REQUIREMENTS) {
      if (test === undefined) continue;
      const [file = '', title = ''] = test.split('#');
      const path = resolve(ROOT, file);
      expect(existsSync(path), `${promise}: ${file}`).toBe(true);
      expect(readFileSync(path, 'utf8').includes(title), `${promise}: ${title}`).toBe(true);
    }
  });

  it('are what the coverage page tells', async () => {
    await expect(coveragePage()).toMatchFileSnapshot('../docs/coverage.md');
  });
});
