import { execFileSync } from 'node:child_process';
import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { REGION_FACTS, REGIONS } from '../core/regions.ts';
import { authorityCertificate, type Issuer, serverCertificate } from './certificates.ts';
import { type ServerNames, serverNames } from './names.ts';

const DAY_MS = 86_400_000;
const NOW = Date.now();
const validity = { fromMs: NOW - DAY_MS, untilMs: NOW + 30 * DAY_MS };

const keyOf = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const issuer: Issuer = { name: 'Atelier test', privateKey: keyOf() };
const authority = authorityCertificate(issuer, validity);
const key = keyOf();
const leaf = (names: ServerNames, from = issuer) => serverCertificate(from, key, names, validity);

/** What Node's client says of a server with a certificate when it asks for a host: undefined, or why it does not trust it. */
async function verdictOn(cert: string, host: string): Promise<string | undefined> {
  const server = createServer({ cert, key: key.export({ type: 'pkcs8', format: 'pem' }) });
  server.on('tlsClientError', () => {});
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const client = connect({ host: '127.0.0.1', port, servername: host, ca: authority });
  try {
    await once(client, 'secureConnect');
    return undefined;
  } catch (thrown) {
    const { code, message } = thrown as NodeJS.ErrnoException;
    return code === 'UNSPECIFIED' ? message : code;
  } finally {
    client.destroy();
    server.close();
  }
}

describe("a server's certificate", () => {
  const names = serverNames(['10.1.2.3', 'fe80::1:2', '8.8.8.8', 'myhost']);
  const cert = leaf(names);
  const parsed = new X509Certificate(cert);

  it.each([
    'localhost',
    ...REGIONS.flatMap((region) => REGION_FACTS[region].hosts),
    ...REGIONS.flatMap((region) => REGION_FACTS[region].vendorIds.map((id) => `ws-1.${id}.maas.aliyuncs.com`)),
  ])('is trusted for %s', async (host) => {
    expect(parsed.checkHost(host)).toBeDefined();
    expect(await verdictOn(cert, host)).toBeUndefined();
  });

  it('is for the addresses of this machine and of private networks', () => {
    for (const address of ['127.0.0.1', '::1', '10.1.2.3', 'fe80::1:2']) expect(parsed.checkIP(address)).toBe(address);
    expect(parsed.checkIP('8.8.8.8')).toBeUndefined();
    expect(names.addresses).not.toContain('8.8.8.8');
  });

  it('names whom it is from by key, as strict clients demand', () => {
    expect(parsed.issuer).toBe('CN=Atelier test');
    expect(parsed.verify(createPublicKey(issuer.privateKey))).toBe(true);
    expect(parsed.checkIssued(new X509Certificate(authority))).toBe(true);
    expect(parsed.ca).toBe(false);
    expect(Date.parse(parsed.validTo)).toBe(Math.floor(validity.untilMs / 1000) * 1000);
    expect(Date.parse(parsed.validFrom)).toBe(Math.floor(validity.fromMs / 1000) * 1000);
  });

  it('is not trusted for a host that it does not name', async () => {
    expect(await verdictOn(cert, 'oss.aliyuncs.com')).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
  });

  it('is not trusted from another authority of the same name', async () => {
    expect(await verdictOn(leaf(names, { ...issuer, privateKey: keyOf() }), 'localhost')).toBe(
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    );
  });
});

describe('the authority', () => {
  it('says that it is one, until it ends', () => {
    const parsed = new X509Certificate(authority);
    expect(parsed.ca).toBe(true);
    expect(parsed.subject).toBe('CN=Atelier test');
  });

  it.each([
    ['example.com', { hosts: ['example.com'], addresses: [] }],
    ['aliyuncs.com', { hosts: ['aliyuncs.com'], addresses: [] }],
    ['localhost', { hosts: ['localhost', 'bank.example'], addresses: [] }],
    ['localhost', { hosts: ['localhost'], addresses: ['8.8.8.8'] }],
    ['localhost', { hosts: ['localhost'], addresses: ['2001:4860:4860::8888'] }],
  ])('cannot vouch for others, whoever has stolen its key: %s, %o', async (host, names) => {
    expect(await verdictOn(leaf(names), host)).toBe('permitted subtree violation');
  });
});

const hasOpenSsl = (() => {
  try {
    return execFileSync('openssl', ['version']).length > 0;
  } catch {
    return false;
  }
})();

describe.skipIf(!hasOpenSsl)('OpenSSL at its strictest (Python 3.13 verifies so)', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'atelier-tls-'));
    writeFileSync(join(folder, 'ca.pem'), authority);
    writeFileSync(join(folder, 'leaf.pem'), leaf(serverNames(['fe80::1'])));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each([
    ['-verify_hostname', 'dashscope.aliyuncs.com'],
    ['-verify_ip', 'fe80::1'],
  ])('takes it with %s %s', (flag, name) => {
    const told = execFileSync('openssl', ['verify', '-x509_strict', flag, name, '-CAfile', 'ca.pem', 'leaf.pem'], {
      cwd: folder,
    });
    expect(told.toString()).toBe('leaf.pem: OK\n');
  });
});
