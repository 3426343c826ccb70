/**
 * What has to be done so that programs with `https://dashscope.aliyuncs.com` written into them come to this server: they
 * must find it (a hosts entry), reach it (port 443) and trust it. Each system has its own way; we only tell, and touch
 * nothing.
 */
import { REGION_FACTS, REGIONS, type Region } from '../core/regions.ts';
import { shellWord } from './shell-word.ts';

export interface TrustFacts {
  /** PEM, of whom to trust. */
  readonly caFile: string;
  /** Where the server can be reached from this machine. */
  readonly address: string;
  readonly port: number;
  /** The program that listens. */
  readonly nodeFile: string;
}

/** One way, for one system or kind of program. */
export interface TrustStep {
  readonly id: string;
  readonly title: string;
  /** As they would be typed. */
  readonly commands: readonly string[];
  readonly note?: string | undefined;
}

export interface HostsEntry {
  readonly region: Region;
  /** As it stands in `/etc/hosts`. */
  readonly line: string;
}

/** The port of URLs that name none. */
const HTTPS_PORT = 443;

/** One line a region; whoever wants only one of them takes its line. */
export function hostsEntries(address: string): HostsEntry[] {
  return REGIONS.map((region) => ({ region, line: `${address} ${REGION_FACTS[region].hosts.join(' ')}` }));
}

/** How a program without a port in its URL gets to a server on another; none are needed on 443. */
export function portSteps({ port, nodeFile }: TrustFacts): TrustStep[] {
  if (port === HTTPS_PORT) return [];
  return [
    {
      id: 'port-setcap',
      title: 'Linux: let this Node listen on low ports, then serve with --port 443',
      commands: [`sudo setcap cap_net_bind_service=+ep ${shellWord(nodeFile)}`],
    },
    {
      id: 'port-sysctl',
      title: 'Linux: let every program do so, until the next start of the system',
      commands: [`sudo sysctl -w net.ipv4.ip_unprivileged_port_start=${HTTPS_PORT}`],
    },
    {
      id: 'port-redirect',
      title: 'Linux: leave the server where it is and redirect this machine to it',
      commands: [`sudo iptables -t nat -A OUTPUT -o lo -p tcp --dport ${HTTPS_PORT} -j REDIRECT --to-ports ${port}`],
    },
    {
      id: 'port-macos',
      title: 'macOS: serve with --host 0.0.0.0 --port 443, which needs no rights',
      commands: [],
    },
  ];
}

/** How systems and programs come to trust the certificate. */
export function trustSteps({ caFile }: TrustFacts): TrustStep[] {
  const ca = shellWord(caFile);
  return [
    {
      id: 'debian',
      title: 'Debian, Ubuntu, Alpine',
      commands: [`sudo cp ${ca} /usr/local/share/ca-certificates/atelier.crt`, 'sudo update-ca-certificates'],
    },
    {
      id: 'fedora',
      title: 'Fedora, RHEL, CentOS, Amazon Linux, Alibaba Cloud Linux',
      commands: [`sudo cp ${ca} /etc/pki/ca-trust/source/anchors/atelier.pem`, 'sudo update-ca-trust'],
    },
    {
      id: 'suse',
      title: 'openSUSE, SLES',
      commands: [`sudo cp ${ca} /etc/pki/trust/anchors/atelier.pem`, 'sudo update-ca-certificates'],
    },
    { id: 'arch', title: 'Arch Linux', commands: [`sudo trust anchor --store ${ca}`] },
    {
      id: 'macos',
      title: 'macOS',
      commands: [`sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain ${ca}`],
    },
    {
      id: 'windows',
      title: 'Windows, in a terminal of the administrator, with the file copied there',
      commands: ['certutil -addstore -f ROOT ca.pem'],
      note: 'hosts: C:\\Windows\\System32\\drivers\\etc\\hosts',
    },
    {
      id: 'node',
      title: 'Node, which does not ask the system',
      commands: [`export NODE_EXTRA_CA_CERTS=${ca}`],
      note: 'From Node 22.15 and 24 on, node --use-system-ca asks the system instead.',
    },
    {
      id: 'python',
      title: 'Python, whose HTTP libraries bring a list of their own (httpx, requests, aiohttp, websocket-client)',
      commands: [
        `cat "$(python3 -m certifi)" ${ca} > atelier-bundle.pem`,
        'export SSL_CERT_FILE="$PWD/atelier-bundle.pem" REQUESTS_CA_BUNDLE="$PWD/atelier-bundle.pem" WEBSOCKET_CLIENT_CA_BUNDLE="$PWD/atelier-bundle.pem"',
      ],
    },
    {
      id: 'java',
      title: 'Java, for the JDK that is on the path',
      commands: [`keytool -importcert -noprompt -cacerts -storepass changeit -alias atelier -file ${ca}`],
      note: 'A container or another JDK has a store of its own.',
    },
    {
      id: 'curl',
      title: 'curl, for one call',
      commands: [`curl --cacert ${ca} https://dashscope.aliyuncs.com/health`],
    },
    {
      id: 'docker',
      title: 'Docker: in an image with Debian or Alpine, with the file beside the Dockerfile',
      commands: [
        'COPY ca.pem /usr/local/share/ca-certificates/atelier.crt',
        'RUN update-ca-certificates',
        'docker run --add-host dashscope.aliyuncs.com:host-gateway …',
      ],
      note: 'Serve with --host 0.0.0.0: a container does not reach 127.0.0.1 of its host. Node, Python and Java inside need their own step.',
    },
  ];
}
