/** A server may run for longer than its certificate is valid, and a given one is renewed in its file by others. */
import type { Logger } from '../core/ports.ts';
import type { Certificate } from './certificate-source.ts';

const DAY_MS = 86_400_000;

/** Reads the certificate once a day and tells when it has changed. What fails is tried again the next day. */
export function watchCertificate(
  first: Certificate,
  read: () => Promise<Certificate>,
  renew: (certificate: Certificate) => void,
  log: Logger,
): { stop(): void } {
  let held = first.cert;
  const look = async (): Promise<void> => {
    try {
      const certificate = await read();
      if (certificate.cert === held) return;
      renew(certificate);
      held = certificate.cert;
      log.info({}, 'the certificate was renewed');
    } catch (thrown) {
      log.warn({ err: thrown }, 'the certificate could not be read; the one before is still used');
    }
  };
  const timer = setInterval(() => void look(), DAY_MS).unref();
  return { stop: () => clearInterval(timer) };
}
