/** The folders of the program on each system. */
import { homedir } from 'node:os';
import path from 'node:path';

/** Where things are kept. A home that was set holds everything; else the system's own places are used. */
export function resolveFolders(
  home: string | undefined,
  base: string,
  env: { readonly [name: string]: string | undefined },
): { readonly home: string; readonly weightsFolder: string } {
  if (home) {
    const folder = path.resolve(base, home.replace(/^~(?=$|[/\\])/, homedir()));
    return { home: folder, weightsFolder: path.join(folder, 'weights') };
  }
  // Weights can be had again, so they belong in a cache; keys and receipts cannot.
  const user = env.HOME ?? homedir();
  switch (process.platform) {
    case 'win32': {
      const local = env.LOCALAPPDATA ?? path.join(user, 'AppData', 'Local');
      return { home: path.join(local, 'Atelier'), weightsFolder: path.join(local, 'Atelier', 'weights') };
    }
    case 'darwin':
      return {
        home: path.join(user, 'Library', 'Application Support', 'Atelier'),
        weightsFolder: path.join(user, 'Library', 'Caches', 'Atelier', 'weights'),
      };
    default:
      return {
        home: path.join(env.XDG_DATA_HOME || path.join(user, '.local', 'share'), 'atelier'),
        weightsFolder: path.join(env.XDG_CACHE_HOME || path.join(user, '.cache'), 'atelier', 'weights'),
      };
  }
}
