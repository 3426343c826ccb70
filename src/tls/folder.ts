/** What a home has of certificates. */
import { join } from 'node:path';

export function tlsFolder(home: string): string {
  return join(home, 'tls');
}

/** The certificate of its authority, for programs to trust. */
export function authorityFile(home: string): string {
  return join(tlsFolder(home), 'ca.pem');
}
