/** The certificate of a server: the one it was given, or the one it makes for itself. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';

export interface CertificateSettings {
  /** Where one that is made is kept. */
  readonly home: string;
  /** The address the server listens on. */
  readonly host: string;
  /** Both or none. */
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
}

/** PEM texts. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
  /** What programs have to trust, if they do not already. */
  readonly trustFile: string;
}

/** A given certificate cannot be used; the message says which setting and why. */
export class CertificateError extends Error {}

/** Reads or makes it; throws a CertificateError. */
export async function openCertificate(settings: CertificateSettings, nowMs: number): Promise<Certificate> {
  const { home, host, certFile, keyFile } = settings;
  if (certFile !== undefined && keyFile !== undefined) return givenCertificate(certFile, keyFile);
  const { openServerCertificate } = await import('./kept-certificate.ts');
  const { cert, key, authority } = await openServerCertificate(home, addressesOf(host), nowMs);
  return { cert, key, trustFile: authority.file };
}

async function givenCertificate(certFile: string, keyFile: string): Promise<Certificate> {
  const cert = await readGiven('tls.certFile', certFile);
  const key = await readGiven('tls.keyFile', keyFile);
  const certificate = parsed('tls.certFile', certFile, 'certificate', () => new X509Certificate(cert));
  const privateKey = parsed('tls.keyFile', keyFile, 'private key', () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey))
    throw new CertificateError(`tls.keyFile: ${keyFile} is not the key of the certificate in ${certFile}`);
  return { cert, key, trustFile: certFile };
}

async function readGiven(setting: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (thrown) {
    throw new CertificateError(`${setting}: ${file} cannot be read (${(thrown as NodeJS.ErrnoException).code})`);
  }
}

function parsed<Value>(setting: string, file: string, what: string, parse: () => Value): Value {
  try {
    return parse();
  } catch {
    // What the parser says could quote the file.
    throw new CertificateError(`${setting}: ${file} holds no ${what} in PEM form`);
  }
}

/** The addresses under which a server that listens on `host` can be reached. */
export function addressesOf(host: string): string[] {
  if (host !== '0.0.0.0' && host !== '::') return [host];
  return Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map(({ address }) => address));
}
