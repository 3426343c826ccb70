/** `atelier trust`: prints what to do so that unmodified programs come to this server; makes the authority if need be. */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type Config, type ConfigFlags, loadConfig } from '../../config.ts';
import { openAuthority } from '../../tls/kept-certificate.ts';
import { reachableHost } from '../local-server.ts';
import { asTyped, say, styled, UserError } from '../terminal.ts';
import { hostsEntries, portSteps, type TrustFacts, type TrustStep, trustSteps } from '../trust-steps.ts';

/** Whom to trust. */
interface Trusted {
  readonly caFile: string;
  readonly certificate: X509Certificate;
  readonly isNew: boolean;
}

export async function trust(flags: ConfigFlags & { readonly json?: boolean }): Promise<void> {
  const config = loadConfig({ flags });
  const trusted = await trustedBy(config);
  const facts = {
    caFile: trusted.caFile,
    address: reachableHost(config.server.host),
    port: config.server.port,
    nodeFile: process.execPath,
  };
  say(flags.json ? JSON.stringify(trustJson(trusted, facts), null, 2) : trustText(config, trusted, facts));
}

/** The authority of the home, or the certificate that is given. */
async function trustedBy({ home, tls }: Config): Promise<Trusted> {
  if (tls.certFile === undefined) {
    const { file, certificate, isNew } = await openAuthority(home, Date.now());
    return { caFile: file, certificate, isNew };
  }
  try {
    return {
      caFile: tls.certFile,
      certificate: new X509Certificate(await readFile(tls.certFile)),
      isNew: false,
    };
  } catch (thrown) {
    throw new UserError(`tls.certFile cannot be used: ${(thrown as Error).message}\nFix: name a PEM file.`);
  }
}

function trustJson({ caFile, certificate, isNew }: Trusted, facts: TrustFacts): object {
  return {
    caFile,
    isNew,
    subject: certificate.subject,
    fingerprint256: certificate.fingerprint256,
    validUntil: new Date(certificate.validTo).toISOString(),
    hosts: hostsEntries(facts.address),
    port: portSteps(facts),
    trust: trustSteps(facts),
  };
}

/** Commands begin at the margin, ready to paste. */
function trustText(config: Config, { caFile, certificate, isNew }: Trusted, facts: TrustFacts): string {
  const port = portSteps(facts);
  return [
    `${styled('bold', 'Whom to trust')}  ${caFile}${isNew ? ' (made just now)' : ''}`,
    styled('dim', `  SHA-256 ${certificate.fingerprint256}`),
    styled('dim', `  valid until ${certificate.validTo}`),
    ...(config.tls.certFile === undefined
      ? [
          styled(
            'dim',
            "  It can vouch for the service's hosts, this machine and private networks, and for nothing else.",
          ),
        ]
      : []),
    '',
    asTyped('Nothing was changed on this machine. Serve with: atelier serve --tls --port 443'),
    '',
    styled('bold', '1. Find it'),
    styled('dim', '   in /etc/hosts of every machine whose programs are to come here; take the regions you need'),
    ...hostsEntries(facts.address).map(({ line }) => line),
    styled('dim', '   hosts of workspaces have to be named one by one, such as'),
    `${facts.address} WORKSPACE_ID.cn-beijing.maas.aliyuncs.com`,
    '',
    ...(port.length > 0 ? [styled('bold', '2. Reach it'), ...stepsText(port), ''] : []),
    styled('bold', `${port.length > 0 ? 3 : 2}. Trust it`),
    ...stepsText(trustSteps(facts)),
  ].join('\n');
}

function stepsText(steps: readonly TrustStep[]): string[] {
  return steps.flatMap(({ title, commands, note }) => [
    styled('dim', `   ${title}`),
    ...commands,
    ...(note === undefined ? [] : [styled('dim', `   ${note}`)]),
  ]);
}
