/** The settings refuse unknown kinds of upstreams by file and line, so they must know the same ones as the backend. */
import { expect, it } from 'vitest';
import { QUIRKS } from '../src/backends/upstream/quirks.ts';
import { UPSTREAM_KINDS } from '../src/config-settings.ts';

it('lists every kind of upstream that has quirks', () => {
  expect([...UPSTREAM_KINDS].sort()).toEqual(Object.keys(QUIRKS).sort());
});
