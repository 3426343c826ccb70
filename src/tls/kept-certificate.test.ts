import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openAuthority, openServerCertificate } from './kept-certificate.ts';

const DAY_MS = 86_400_000;
const NOW = Date.parse('2026-03-01T00:00:00Z');

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'atelier-tls-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const file = (name: string): string => join(home, 'tls', name);
const server = async (nowMs = NOW, addresses: readonly string[] = []) => {
  const { cert, authority } = await openServerCertificate(home, addresses, nowMs);
  return { cert, leaf: new X509Certificate(cert), authority: authority.certificate, isNew: authority.isNew };
};

describe('what a home keeps', () => {
  it('is made once', async () => {
    const first = await server();
    const second = await server(NOW + 300 * DAY_MS);
    expect(second.cert).toBe(first.cert);
    expect([first.isNew, second.isNew]).toEqual([true, false]);
    expect((await openAuthority(home, NOW)).certificate.raw).toEqual(first.authority.raw);
  });

  it('is readable by its user alone, but for what programs are to trust', async () => {
    const { authority } = await server();
    expect(statSync(join(home, 'tls')).mode & 0o777).toBe(0o700);
    expect(statSync(file('authority.pem')).mode & 0o777).toBe(0o600);
    expect(statSync(file('server.pem')).mode & 0o777).toBe(0o600);
    const told = readFileSync(file('ca.pem'), 'utf8');
    expect(told).not.toContain('PRIVATE');
    expect(new X509Certificate(told).raw).toEqual(authority.raw);
  });

  it('is one authority, however many ask for it at once', async () => {
    const found = await Promise.all(Array.from({ length: 8 }, () => openAuthority(home, NOW)));
    const distinct = new Set(found.map(({ certificate }) => certificate.fingerprint256));
    expect(distinct).toEqual(new Set([new X509Certificate(readFileSync(file('ca.pem'))).fingerprint256]));
  });

  it('goes out together with the authority', async () => {
    const { cert, authority } = await server();
    expect(cert.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
    expect(cert.endsWith(authority.toString())).toBe(true);
  });
});

describe('what is made anew', () => {
  it('is a certificate near its end, from the same authority', async () => {
    const first = await server();
    const renewed = await server(NOW + 367 * DAY_MS);
    expect(renewed.leaf.fingerprint256).not.toBe(first.leaf.fingerprint256);
    expect(renewed.authority.raw).toEqual(first.authority.raw);
    expect(Date.parse(renewed.leaf.validTo)).toBe(NOW + (367 + 396) * DAY_MS);
  });

  it('is a certificate without an address that the server listens on now', async () => {
    const first = await server();
    const moved = await server(NOW, ['192.168.1.5']);
    expect(first.leaf.checkIP('192.168.1.5')).toBeUndefined();
    expect(moved.leaf.checkIP('192.168.1.5')).toBe('192.168.1.5');
    expect(moved.authority.raw).toEqual(first.authority.raw);
  });

  it('is an authority that would end before what it signs, and all it signed', async () => {
    const first = await server();
    const later = await server(NOW + 3300 * DAY_MS);
    expect(later.isNew).toBe(true);
    expect(later.authority.raw).not.toEqual(first.authority.raw);
    expect(later.leaf.checkIssued(later.authority)).toBe(true);
    expect(new X509Certificate(readFileSync(file('ca.pem'))).raw).toEqual(later.authority.raw);
  });

  it.each(['authority.pem', 'server.pem', 'ca.pem'])('is a broken %s', async (name) => {
    await server();
    writeFileSync(file(name), readFileSync(file(name), 'utf8').slice(0, 300));
    const { leaf, authority } = await server();
    expect(leaf.verify(authority.publicKey)).toBe(true);
    expect(new X509Certificate(readFileSync(file('ca.pem'))).raw).toEqual(authority.raw);
  });

  it('is a certificate beside the key of another', async () => {
    const { leaf } = await server();
    const [key] = readFileSync(file('authority.pem'), 'utf8').split('-----BEGIN CERTIFICATE');
    writeFileSync(file('server.pem'), key + leaf.toString());
    expect((await server()).leaf.fingerprint256).not.toBe(leaf.fingerprint256);
  });
});
