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
  pg: 'stores/',
  redis: 'limits/',
  'node-llama-cpp': 'backends/embedded/child/',
  '@peculiar/asn1-schema': 'tls/',
  '@peculiar/asn1-x509': 'tls/',
  commander: 'cli/',
  '@clack/prompts': 'cli/',
};

/** May a file of ours (path below src) import another? */
function mayImport(from: string, to: string): boolean {
  const [area = ''] = from.split('/');
  if (from === 'main.ts' || from === 'main-engines.ts') return true;
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
  if (area === 'stores')
    return dirname(to) === 'stores' || sharesFolder(from, to, 2) || to.startsWith('stores/migrations/');
  if (area === 'http') return to.startsWith('protocols/') || to.startsWith('admin/');
  // Loaded when a command needs it: the server, the database, the models and the cache of this machine.
  if (from === 'cli/local-server.ts' || from === 'cli/commands/serve.ts') if (to === 'main.ts') return true;
  if (from === 'cli/local-database.ts' && to.startsWith('stores/sql/')) return true;
  if (from === 'cli/local-catalogue.ts' && (to.startsWith('catalogue/') || to === 'billing/price-book.ts')) return true;
  if (from === 'cli/local-cache.ts' && to === 'backends/embedded/cache-folder.ts') return true;
  if (area === 'cli')
    return (
      ['cli/', 'admin/', 'tls/', 'weights/', 'engines/', 'record/'].some((folder) => to.startsWith(folder)) ||
      to === 'config.ts'
    );
  if (area === 'engines') return to === 'config.ts' || to.startsWith('engines/') || to.startsWith('weights/');
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

/** Files and packages that are there once a file is loaded, without what it loads when it needs it. */
function loadedWith(file: string, loaded = new Set<string>()): Set<string> {
  if (loaded.has(file)) return loaded;
  loaded.add(file);
  const text = readFileSync(join(SOURCE, file), 'utf8');
  for (const [, from, bare] of text.matchAll(
    /^(?:import|export)\s(?!type\b)[^;]*?from\s+'([^']+)'|^import\s+'([^']+)'/gm,
  )) {
    const specifier = from ?? bare ?? '';
    if (specifier.startsWith('.')) loadedWith(relative(SOURCE, resolve(SOURCE, dirname(file), specifier)), loaded);
    else loaded.add(specifier);
  }
  return loaded;
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

  it('loads what writes certificates only where there is one to write', () => {
    expect(loadedWith('tls/kept-certificate.ts')).toContain('@peculiar/asn1-x509');
    for (const start of ['main.ts', 'cli/main.ts', 'cli/local-server.ts'])
      expect(loadedWith(start)).not.toContain('@peculiar/asn1-x509');
  });

  it('can fail', () => {
    expect(mayImport('core/events.ts', 'http/app.ts')).toBe(false);
    expect(mayImport('protocols/openai-chat/decode.ts', 'protocols/dashscope/decode.ts')).toBe(false);
    expect(mayImport('pipeline/features/choices.ts', 'backends/upstream/index.ts')).toBe(false);
    expect(mayImport('protocols/openai-chat/decode.ts', 'protocols/sse.ts')).toBe(true);
  });
});
