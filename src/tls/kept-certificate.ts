/**
 * The certificate a server makes for itself: an authority that programs are told to trust once (`atelier trust`) and,
 * signed by it, the server's own, which is renewed without anybody noticing. Both are kept in a folder of the home.
 */
import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, X509Certificate } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  alternativeNames,
  authorityCertificate,
  CONSTRAINTS,
  type Issuer,
  serverCertificate,
  type Validity,
} from './certificates.ts';
import { authorityFile, tlsFolder } from './folder.ts';
import { type ServerNames, serverNames } from './names.ts';

const DAY_MS = 86_400_000;
const AUTHORITY_DAYS = 3650;
/** Apple's systems refuse certificates of servers that are valid for more than 825 days, public ones from 398. */
const SERVER_DAYS = 397;
const RENEWED_DAYS_BEFORE = 30;
/** Clocks of containers and other machines may be behind. */
const BACKDATED_DAYS = 1;

/** What programs are to trust. */
export interface Authority {
  /** PEM, without the key. */
  readonly file: string;
  readonly certificate: X509Certificate;
  /** Made by this call. */
  readonly isNew: boolean;
}

interface SigningAuthority extends Authority {
  readonly issuer: Issuer;
}

/** PEM texts. */
export interface ServerCertificate {
  readonly cert: string;
  readonly key: string;
  readonly authority: Authority;
}

/** The authority of a home, made where there is none. */
export async function openAuthority(home: string, nowMs: number): Promise<Authority> {
  return authorityIn(home, nowMs);
}

/** The server's certificate of a home, made or renewed where it has to be; `addresses` are those it listens on. */
export async function openServerCertificate(
  home: string,
  addresses: readonly string[],
  nowMs: number,
): Promise<ServerCertificate> {
  const authority = await authorityIn(home, nowMs);
  const names = serverNames(addresses);
  const file = join(tlsFolder(home), 'server.pem');
  let kept = partsOf(await readText(file));
  if (!kept || !isServerGood(kept, authority, names, nowMs)) {
    const key = newKey();
    const validity = validityOf(nowMs, SERVER_DAYS, Date.parse(authority.certificate.validTo));
    const certificate = serverCertificate(authority.issuer, key, names, validity);
    await replaceFile(file, pemOf(key) + certificate, 0o600);
    kept = { key, certificate: new X509Certificate(certificate) };
  }
  // The authority goes along, so that a client can show whom to trust.
  const cert = kept.certificate.toString() + authority.certificate.toString();
  return { cert, key: pemOf(kept.key), authority };
}

async function authorityIn(home: string, nowMs: number): Promise<SigningAuthority> {
  const folder = tlsFolder(home);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, 'authority.pem');
  const known = await keptAuthority(file, nowMs);
  const { key, certificate } = known ?? (await makeAuthority(file, nowMs));
  const publicFile = authorityFile(home);
  if ((await readText(publicFile)) !== certificate.toString())
    await replaceFile(publicFile, certificate.toString(), 0o644);
  const issuer = { name: commonNameOf(certificate), privateKey: key };
  return { file: publicFile, certificate, isNew: known === undefined, issuer };
}

async function keptAuthority(file: string, nowMs: number): Promise<KeyAndCertificate | undefined> {
  const parts = partsOf(await readText(file));
  return parts && isAuthorityGood(parts, nowMs) ? parts : undefined;
}

/** Two commands may do this at once: what the first has written holds for both. */
async function makeAuthority(file: string, nowMs: number): Promise<KeyAndCertificate> {
  await rm(file, { force: true });
  await createFile(file, newAuthority(nowMs));
  const made = await keptAuthority(file, nowMs);
  if (!made) throw new Error('the authority that was made could not be read back');
  return made;
}

/** Named apart from those of other homes and machines. */
function newAuthority(nowMs: number): string {
  const privateKey = newKey();
  const name = `Atelier ${randomBytes(4).toString('hex')}`;
  return pemOf(privateKey) + authorityCertificate({ name, privateKey }, validityOf(nowMs, AUTHORITY_DAYS));
}

function validityOf(nowMs: number, days: number, endMs = Number.POSITIVE_INFINITY): Validity {
  return {
    fromMs: nowMs - BACKDATED_DAYS * DAY_MS,
    untilMs: Math.min(nowMs + (days - BACKDATED_DAYS) * DAY_MS, endMs),
  };
}

/** Good for as long as a certificate that it signs today. */
function isAuthorityGood({ certificate }: KeyAndCertificate, nowMs: number): boolean {
  return (
    certificate.ca &&
    certificate.raw.includes(CONSTRAINTS) &&
    Date.parse(certificate.validTo) > nowMs + SERVER_DAYS * DAY_MS
  );
}

function isServerGood(
  { certificate }: KeyAndCertificate,
  authority: Authority,
  names: ServerNames,
  nowMs: number,
): boolean {
  return (
    certificate.verify(authority.certificate.publicKey) &&
    certificate.raw.includes(alternativeNames(names)) &&
    Date.parse(certificate.validTo) > nowMs + RENEWED_DAYS_BEFORE * DAY_MS
  );
}

interface KeyAndCertificate {
  readonly key: KeyObject;
  readonly certificate: X509Certificate;
}

/** Undefined where the text is no key and its certificate. */
function partsOf(text: string | undefined): KeyAndCertificate | undefined {
  if (text === undefined) return undefined;
  try {
    const key = createPrivateKey(text);
    const certificate = new X509Certificate(text);
    return certificate.checkPrivateKey(key) ? { key, certificate } : undefined;
  } catch {
    // A file that somebody has cut short or filled with something else is made anew.
    return undefined;
  }
}

function commonNameOf({ subject }: X509Certificate): string {
  return subject.replace(/^CN=/, '');
}

function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

function pemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

async function readText(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw thrown;
  }
}

/** Whole or not at all, and not where there is one. */
async function createFile(file: string, text: string): Promise<void> {
  const temporary = await temporaryFile(file, text, 0o600);
  try {
    await link(temporary, file);
  } catch (thrown) {
    // Some file systems know no links; there nobody can do better than this.
    if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') await rename(temporary, file);
  } finally {
    await rm(temporary, { force: true });
  }
}

async function replaceFile(file: string, text: string, mode: number): Promise<void> {
  await rename(await temporaryFile(file, text, mode), file);
}

async function temporaryFile(file: string, text: string, mode: number): Promise<string> {
  const temporary = `${file}.${randomBytes(6).toString('hex')}`;
  await writeFile(temporary, text, { mode, flag: 'wx' });
  return temporary;
}
