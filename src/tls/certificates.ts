/**
 * Certificates (RFC 5280) of the two kinds that are needed here: an authority, which programs are told to trust, and a
 * server's, which it signs. `@peculiar/asn1-x509` knows the form, `node:crypto` signs. Whoever needs no certificate does
 * not load this file: the package takes longer than many a command (docs/decisions/0010).
 */
import { createHash, createPublicKey, type KeyObject, randomBytes, sign, X509Certificate } from 'node:crypto';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
  Extension,
  Extensions,
  GeneralName,
  GeneralSubtree,
  GeneralSubtrees,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_nameConstraints,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
  id_kp_serverAuth,
  KeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  Name,
  NameConstraints,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity as ValidityPeriod,
  Version,
} from '@peculiar/asn1-x509';
import { PERMITTED, type ServerNames } from './names.ts';

export interface Validity {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** Who signs. */
export interface Issuer {
  readonly name: string;
  /** Of P-256. */
  readonly privateKey: KeyObject;
}

const COMMON_NAME = '2.5.4.3';
const ECDSA_WITH_SHA256 = new AlgorithmIdentifier({ algorithm: '1.2.840.10045.4.3.2' });

/** Random, and so many that no two are alike. */
const SERIAL_BYTES = 16;

const nameConstraints = extension(
  id_ce_nameConstraints,
  new NameConstraints({
    permittedSubtrees: new GeneralSubtrees(generalNames(PERMITTED).map((base) => new GeneralSubtree({ base }))),
  }),
  { isCritical: true },
);

/** What the authority may vouch for, DER; a kept one that has another list is not ours any more. */
export const CONSTRAINTS: Buffer = derOf(nameConstraints);

/** The names of a server's certificate, DER. */
export function alternativeNames(names: ServerNames): Buffer {
  return derOf(alternativeNamesOf(names));
}

/** An authority's own certificate, PEM. */
export function authorityCertificate(authority: Issuer, validity: Validity): string {
  return signed(authority, authority.name, createPublicKey(authority.privateKey), validity, [
    // Of servers only, of no further authority.
    extension(id_ce_basicConstraints, new BasicConstraints({ cA: true, pathLenConstraint: 0 }), { isCritical: true }),
    extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign), { isCritical: true }),
    nameConstraints,
  ]);
}

/** A server's certificate, PEM. */
export function serverCertificate(
  issuer: Issuer,
  privateKey: KeyObject,
  names: ServerNames,
  validity: Validity,
): string {
  return signed(issuer, 'Atelier', createPublicKey(privateKey), validity, [
    extension(id_ce_basicConstraints, new BasicConstraints(), { isCritical: true }),
    // Signatures are all that key exchange needs of an elliptic key.
    extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.digitalSignature), { isCritical: true }),
    extension(id_ce_extKeyUsage, new ExtendedKeyUsage([id_kp_serverAuth])),
    alternativeNamesOf(names),
  ]);
}

function signed(
  issuer: Issuer,
  subject: string,
  publicKey: KeyObject,
  { fromMs, untilMs }: Validity,
  extensions: readonly Extension[],
): string {
  const issuerKey = createPublicKey(issuer.privateKey);
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: newSerialNumber(),
    signature: ECDSA_WITH_SHA256,
    issuer: nameOf(issuer.name),
    validity: new ValidityPeriod({ notBefore: new Date(fromMs), notAfter: new Date(untilMs) }),
    subject: nameOf(subject),
    subjectPublicKeyInfo: keyInfoOf(publicKey),
    extensions: new Extensions([
      ...extensions,
      extension(id_ce_subjectKeyIdentifier, new SubjectKeyIdentifier(keyIdentifierOf(publicKey))),
      extension(
        id_ce_authorityKeyIdentifier,
        new AuthorityKeyIdentifier({ keyIdentifier: new KeyIdentifier(keyIdentifierOf(issuerKey)) }),
      ),
    ]),
  });
  const signature = sign('sha256', derOf(tbsCertificate), issuer.privateKey);
  const certificate = new Certificate({
    tbsCertificate,
    signatureAlgorithm: ECDSA_WITH_SHA256,
    signatureValue: new Uint8Array(signature).buffer,
  });
  return new X509Certificate(derOf(certificate)).toString();
}

function extension(id: string, value: object, { isCritical = false } = {}): Extension {
  return new Extension({ extnID: id, critical: isCritical, extnValue: new OctetString(AsnConvert.serialize(value)) });
}

function alternativeNamesOf(names: ServerNames): Extension {
  return extension(id_ce_subjectAltName, new SubjectAlternativeName(generalNames(names)));
}

function generalNames({ hosts, addresses }: ServerNames): GeneralName[] {
  return [
    ...hosts.map((dNSName) => new GeneralName({ dNSName })),
    ...addresses.map((iPAddress) => new GeneralName({ iPAddress })),
  ];
}

function nameOf(commonName: string): Name {
  const value = new AttributeValue({ utf8String: commonName });
  return new Name([new RelativeDistinguishedName([new AttributeTypeAndValue({ type: COMMON_NAME, value })])]);
}

/** A positive number whose first byte is not zero, as DER wants it. */
function newSerialNumber(): ArrayBuffer {
  const bytes = new Uint8Array(randomBytes(SERIAL_BYTES));
  bytes[0] = ((bytes[0] as number) & 0x7f) | 0x40;
  return bytes.buffer;
}

/** RFC 5280, 4.2.1.2, method 1. */
function keyIdentifierOf(publicKey: KeyObject): Uint8Array {
  return createHash('sha1')
    .update(new Uint8Array(keyInfoOf(publicKey).subjectPublicKey))
    .digest();
}

function keyInfoOf(publicKey: KeyObject): SubjectPublicKeyInfo {
  return AsnConvert.parse(publicKey.export({ type: 'spki', format: 'der' }), SubjectPublicKeyInfo);
}

function derOf(value: object): Buffer {
  return Buffer.from(AsnConvert.serialize(value));
}
