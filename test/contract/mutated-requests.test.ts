/** Whatever stands in a body, the server answers in the wire's envelope: never a 500, never a hung connection. */
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestServer, type TestServer } from '../support/server.ts';

const GOLDENS = new URL('../goldens/', import.meta.url);

/** The path of each wire, by the folder of its goldens; the requests there are what is changed. */
const WIRES: readonly (readonly [string, string])[] = [
  ['openai-chat', '/compatible-mode/v1/chat/completions'],
  ['openai-completions', '/compatible-mode/v1/completions'],
  ['openai-responses', '/compatible-mode/v1/responses'],
  ['anthropic-messages', '/apps/anthropic/v1/messages'],
  ['dashscope', '/api/v1/services/aigc/text-generation/generation'],
];

interface Seed {
  readonly wire: unknown;
  readonly headers?: { readonly [name: string]: string };
}

/** Values that have surprised somebody's decoder. */
const JUNK: readonly unknown[] = [
  null,
  true,
  -1,
  1.5,
  1e308,
  2 ** 63,
  '',
  '\u0000',
  'constructor',
  '__proto__',
  [],
  [[]],
  [null],
  {},
  { type: 'x' },
  { type: 'function' },
];

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

function seedsOf(wire: string): Seed[] {
  const folder = new URL(`${wire}/decode/`, GOLDENS);
  return readdirSync(folder).map((file) => JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Seed);
}

/** Every place in a JSON value, the value itself first. */
function placesOf(value: unknown, place: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [place];
  return [place, ...Object.entries(value).flatMap(([member, inner]) => placesOf(inner, [...place, member]))];
}

function withValueAt(value: unknown, place: readonly string[], other: unknown): unknown {
  const [member, ...rest] = place;
  if (member === undefined) return other;
  const copy: { [member: string]: unknown } | unknown[] = structuredClone(value) as never;
  Reflect.set(copy, member, withValueAt(Reflect.get(copy, member), rest, other));
  return copy;
}

describe.each(WIRES)('%s', (wire, path) => {
  const seeds = seedsOf(wire);
  const body = fc
    .record({
      seed: fc.constantFrom(...seeds),
      changes: fc.array(fc.record({ at: fc.nat(), junk: fc.constantFrom(...JUNK) }), { minLength: 1, maxLength: 2 }),
    })
    .map(({ seed, changes }) => {
      let changed = seed.wire;
      for (const { at, junk } of changes) {
        const places = placesOf(changed);
        changed = withValueAt(changed, places[at % places.length] ?? [], junk);
      }
      return { headers: seed.headers ?? {}, changed };
    });

  test('answers whatever stands in a body', async () => {
    await fc.assert(
      fc.asyncProperty(body, async ({ headers, changed }) => {
        const response = await fetch(new URL(path, server.running.baseUrl), {
          method: 'POST',
          headers: { authorization: `Bearer ${server.key}`, 'content-type': 'application/json', ...headers },
          body: JSON.stringify(changed),
        });
        const text = await response.text();
        expect(response.status, text).toBeLessThan(500);
        expect(text).not.toMatch(/internal[_ ]error/i);
        if (response.headers.get('content-type')?.startsWith('application/json')) JSON.parse(text);
      }),
      { numRuns: 150 },
    );
  });
});
