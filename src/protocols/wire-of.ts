/** Which wire a path belongs to, for what no route of a wire answers. */
import type { Wire } from './protocol.ts';

/** The wire whose prefix is the longest that the path begins with, else the first wire. */
export function wireOf(url: string, wires: readonly Wire[]): Wire {
  let found = wires[0];
  let longest = 0;
  for (const wire of wires) {
    for (const prefix of wire.prefixes) {
      if (prefix.length <= longest || !url.startsWith(prefix)) continue;
      longest = prefix.length;
      found = wire;
    }
  }
  if (!found) throw new Error('no wire is registered');
  return found;
}
