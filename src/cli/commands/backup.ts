/** `atelier backup` */
import path from 'node:path';
import { type ConfigFlags, loadConfig } from '../../config.ts';
import { makeBackup } from '../local-database.ts';
import { formatBytes, note, say } from '../terminal.ts';

/** Copies the database, and the bytes of files, into one file; the server may be running. */
export async function backup(file: string, flags: ConfigFlags & { readonly json?: boolean }): Promise<void> {
  const target = path.resolve(file);
  const made = await makeBackup(loadConfig({ flags }), target);
  if (flags.json) {
    say(JSON.stringify({ file: target, ...made }, null, 2));
    return;
  }
  say(`Backed up to ${target} (${formatBytes(made.bytes)}, with the bytes of ${made.blobs} files).`);
  if (made.missingBlobs > 0) note(`${made.missingBlobs} files were deleted while it was made; they are not in it.`);
  note('To restore it: stop the server, and put the file in the place of atelier.db in its home folder,');
  note('without the files atelier.db-wal and atelier.db-shm that may lie there.');
}
