/** Whether a port is free, whose it is when not, and which one is free instead. */
import { execFile } from 'node:child_process';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { promisify } from 'node:util';

/** `free`, `taken`, or the system's refusal (a port below 1024, an address that is not of this machine). */
export async function probePort(host: string, port: number): Promise<'free' | 'taken' | { readonly refusal: string }> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'EADDRINUSE' ? 'taken' : { refusal: error.message }),
    );
    server.listen(port, host, () => server.close(() => resolve('free')));
  });
}

/** The nearest free port above the given one, else any. */
export async function findFreePort(host: string, port: number): Promise<number> {
  for (let candidate = port + 1; candidate <= Math.min(port + 20, 65_535); candidate++)
    if ((await probePort(host, candidate)) === 'free') return candidate;
  return 0;
}

/** The program that listens on a port, as `node server.js (pid 4711)`; undefined when the system does not tell. */
export async function ownerOfPort(port: number): Promise<string | undefined> {
  return (await ownerByProc(port).catch(() => undefined)) ?? ownerByLsof(port).catch(() => undefined);
}

async function ownerByProc(port: number): Promise<string | undefined> {
  const inodes = new Set<string>();
  for (const file of ['/proc/net/tcp', '/proc/net/tcp6'])
    for (const inode of listeningInodes(await readFile(file, 'utf8').catch(() => ''), port)) inodes.add(inode);
  if (inodes.size === 0) return undefined;
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const folder = `/proc/${pid}/fd`;
    for (const descriptor of await readdir(folder).catch(() => [])) {
      const target = await readlink(`${folder}/${descriptor}`).catch(() => '');
      const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
      if (inode !== undefined && inodes.has(inode)) return describeProcess(pid);
    }
  }
  return undefined;
}

/** Columns of /proc/net/tcp: local address:port in hex, state (0A listens), … inode. See proc(5). */
export function listeningInodes(table: string, port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  return table.split('\n').flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    const isListener = fields[1]?.endsWith(`:${wanted}`) && fields[3] === '0A';
    return isListener && fields[9] ? [fields[9]] : [];
  });
}

async function describeProcess(pid: string): Promise<string> {
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  const command = commandLine.replaceAll('\0', ' ').trim() || 'a program';
  return `${command.length > 80 ? `${command.slice(0, 79)}…` : command} (pid ${pid})`;
}

async function ownerByLsof(port: number): Promise<string | undefined> {
  const { stdout } = await promisify(execFile)('lsof', ['-nP', `-iTCP:${port}`, '-sTCP:LISTEN', '-Fpc'], {
    timeout: 3000,
  });
  const pid = /^p(\d+)$/m.exec(stdout)?.[1];
  const command = /^c(.+)$/m.exec(stdout)?.[1];
  return pid ? `${command ?? 'a program'} (pid ${pid})` : undefined;
}
