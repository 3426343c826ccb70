import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { silentLog } from '../../test/support/context.ts';
import { addressesOf, type Certificate, openCertificate } from './certificate-source.ts';
import { watchCertificate } from './renewal.ts';

const NOW = Date.parse('2026-03-01T00:00:00Z');
let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'atelier-tls-'));
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(home, { recursive: true, force: true });
});

const open = (certFile?: string, keyFile?: string) =>
  openCertificate({ home, host: '127.0.0.1', certFile, keyFile }, NOW);

const write = (name: string, text: string): string => {
  writeFileSync(join(home, name), text);
  return join(home, name);
};

describe('the certificate of a server', () => {
  it('is made where none is given', async () => {
    const { cert, key, trustFile } = await open();
    expect(key).toContain('PRIVATE KEY');
    expect(cert.endsWith(readFileSync(trustFile, 'utf8'))).toBe(true);
  });

  it('is the given one, as it stands', async () => {
    const made = await open();
    const given = await open(write('a.pem', made.cert), write('a.key', made.key));
    expect(given).toEqual({ cert: made.cert, key: made.key, trustFile: join(home, 'a.pem') });
  });

  it('is refused where it cannot be used, without a word of what the files hold', async () => {
    const { cert, key } = await open();
    const other = await openCertificate(
      { home: join(home, 'b'), host: '::1', certFile: undefined, keyFile: undefined },
      NOW,
    );
    const [certFile, keyFile] = [write('a.pem', cert), write('a.key', key)];
    const nonsense = write('nonsense', 'secret text');
    await expect(open(join(home, 'none'), keyFile)).rejects.toThrow(
      /^tls\.certFile: .*none cannot be read \(ENOENT\)$/,
    );
    await expect(open(nonsense, keyFile)).rejects.toThrow(
      /^tls\.certFile: .*nonsense holds no certificate in PEM form$/,
    );
    await expect(open(certFile, nonsense)).rejects.toThrow(
      /^tls\.keyFile: .*nonsense holds no private key in PEM form$/,
    );
    await expect(open(certFile, write('b.key', other.key))).rejects.toThrow(
      /^tls\.keyFile: .* is not the key of the certificate in /,
    );
  });

  it('is for every address where the server listens on all', () => {
    expect(addressesOf('0.0.0.0')).toContain('127.0.0.1');
    expect(addressesOf('::')).toEqual(addressesOf('0.0.0.0'));
    expect(addressesOf('10.0.0.1')).toEqual(['10.0.0.1']);
  });
});

describe('a server that runs for long', () => {
  const certificate = (cert: string): Certificate => ({ cert, key: 'k', trustFile: 'f' });

  it('takes a renewed certificate, and keeps the one it has while none can be read', async () => {
    // Only those of the watch: what other tests of this worker left running would be run for days.
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const answers = [
      () => certificate('one'),
      () => {
        throw new Error('away');
      },
      () => certificate('two'),
      () => certificate('two'),
    ];
    const renewed: string[] = [];
    const warnings: string[] = [];
    const watch = watchCertificate(
      certificate('one'),
      async () => (answers.shift() as () => Certificate)(),
      ({ cert }) => renewed.push(cert),
      { ...silentLog, warn: (_fields, message) => warnings.push(message) },
    );
    await vi.advanceTimersByTimeAsync(2 * 86_400_000);
    expect([renewed, warnings.length]).toEqual([[], 1]);
    await vi.advanceTimersByTimeAsync(2 * 86_400_000);
    expect(renewed).toEqual(['two']);
    watch.stop();
    await vi.advanceTimersByTimeAsync(86_400_000);
    expect(answers).toEqual([]);
  });
});
