/** Who may import whom (house style): read from the imports themselves. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const SOURCE = resolve(import.meta.dirname, '../src');

/** Packages only one folder may import: the web framework stays in http, SQL in stores, the engine in its child. */
const HOME_OF_PACKAGE: Readonly<Record<string, string>> = {
  fastify: 'http/',
  ws: 'http/',
  '@fastify/busboy': 'http/',
  'prom-client': 'http/',
  'better-sqlite3': 'stores/',
  kysely: 'stores/',
  'node-llama-cpp': 'backends/embedded/child/',
  commander: 'cli/',
  '@clack/prompts': 'cli/',
};

/** May a file of ours (path below src) import another? */
function mayImport(from: string, to: string): boolean {
  const [area = ''] = from.split('/');
  if (from === 'main.ts') return true;
  if (dirname(from) === dirname(to)) return true;
  if (to.startsWith('core/')) return area !== 'core' || from.startsWith('core/');
  if (area === 'core') return false;
  if (area === 'protocols') {
    if (from === 'protocols/index.ts') return to.startsWith('protocols/');
    return dirname(to) === 'protocols' || sharesFolder(from, to, 2);
  }
  if (area === 'pipeline') {
    if (from === 'pipeline/order.ts') return to.startsWith('pipeline/');
    return dirname(to) === 'pipeline';
  }
  if (area === 'backends') return to.startsWith('backends/parsers/') || sharesFolder(from, to, 2);
  if (area === 'stores') return sharesFolder(from, to, 2) || to.startsWith('stores/migrations/');
  if (area === 'http') return to.startsWith('protocols/') || to.startsWith('admin/');
  // Loaded when a command needs it: the server, and the database of this machine.
  if (from === 'cli/local-server.ts' || from === 'cli/commands/serve.ts') if (to === 'main.ts') return true;
  if (from === 'cli/local-database.ts' && to.startsWith('stores/sqlite/')) return true;
  if (area === 'cli')
    return ['cli/', 'admin/', 'weights/', 'record/'].some((folder) => to.startsWith(folder)) || to === 'config.ts';
  if (area === 'weights') return to === 'config.ts' || to.startsWith('weights/');
  return sharesFolder(from, to, 1);
}

function sharesFolder(a: string, b: string, depth: number): boolean {
  const [x, y] = [a.split('/'), b.split('/')];
  return x.length > depth && y.length > depth && x.slice(0, depth).join('/') === y.slice(0, depth).join('/');
}

function sourceFiles(): string[] {
  return readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).filter(
    (path) => path.endsWith('.ts') && !path.endsWith('.test.ts') && !path.includes('test-support'),
  );
}

/** Static imports and dynamic ones alike. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(SOURCE, file), 'utf8');
  return [
    ...text.matchAll(/^(?:import|export)\s[^;]*?from\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gm),
  ].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
}

describe('layering', () => {
  it('keeps every folder to what it may import', () => {
    const breaches = sourceFiles().flatMap((file) =>
      importsOf(file)
        .filter((specifier) => specifier.startsWith('.'))
        .map((specifier) => relative(SOURCE, resolve(SOURCE, dirname(file), specifier)))
        .filter((target) => !mayImport(file, target))
        .map((target) => `${file} → ${target}`),
    );
    expect(breaches).toEqual([]);
  });

  it('keeps packages with a home in it', () => {
    const breaches = sourceFiles().flatMap((file) =>
      importsOf(file)
        .filter((specifier) => {
          const home = HOME_OF_PACKAGE[specifier.startsWith('@') ? specifier : (specifier.split('/')[0] ?? '')];
          return home !== undefined && !file.startsWith(home);
        })
        .map((specifier) => `${file} → ${specifier}`),
    );
    expect(breaches).toEqual([]);
  });

  it('can fail', () => {
    expect(mayImport('core/events.ts', 'http/app.ts')).toBe(false);
    expect(mayImport('protocols/openai-chat/decode.ts', 'protocols/dashscope/decode.ts')).toBe(false);
    expect(mayImport('pipeline/features/choices.ts', 'backends/upstream/index.ts')).toBe(false);
    expect(mayImport('protocols/openai-chat/decode.ts', 'protocols/sse.ts')).toBe(true);
  });
});
