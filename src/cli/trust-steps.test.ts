import { expect, it } from 'vitest';
import { REGION_FACTS, REGIONS } from '../core/regions.ts';
import { hostsEntries, portSteps, type TrustFacts, trustSteps } from './trust-steps.ts';

const facts: TrustFacts = { caFile: '/home/a b/tls/ca.pem', address: '127.0.0.1', port: 8787, nodeFile: '/bin/node' };

it('leads every host of the service to this server', () => {
  const lines = hostsEntries('10.0.0.1').map(({ line }) => line.split(' '));
  expect(lines.map(([address]) => address)).toEqual(REGIONS.map(() => '10.0.0.1'));
  expect(lines.flatMap(([, ...hosts]) => hosts)).toEqual(REGIONS.flatMap((region) => REGION_FACTS[region].hosts));
});

it('names the file in words that a shell takes whole', () => {
  const commands = trustSteps(facts).flatMap((step) => step.commands);
  const naming = commands.filter((command) => command.includes('/home/a b'));
  expect(naming.length).toBeGreaterThan(7);
  for (const command of naming) expect(command).toContain("'/home/a b/tls/ca.pem'");
});

it('says for every system what to do', () => {
  expect(trustSteps(facts).map(({ id }) => id)).toEqual(
    expect.arrayContaining(['debian', 'fedora', 'arch', 'macos', 'windows', 'node', 'python', 'java', 'docker']),
  );
});

it('says how to get to another port than 443, and nothing of it on that', () => {
  expect(portSteps(facts).flatMap(({ commands }) => commands)).toEqual([
    'sudo setcap cap_net_bind_service=+ep /bin/node',
    'sudo sysctl -w net.ipv4.ip_unprivileged_port_start=443',
    'sudo iptables -t nat -A OUTPUT -o lo -p tcp --dport 443 -j REDIRECT --to-ports 8787',
  ]);
  expect(portSteps({ ...facts, port: 443 })).toEqual([]);
});
