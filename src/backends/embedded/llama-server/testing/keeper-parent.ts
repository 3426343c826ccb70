/** Starts a server process and then does nothing, so that a test can kill it. Arguments: program, weights file. */
import { ServerProcess } from '../server-process.ts';

const [, , binary = '', weightsFile = ''] = process.argv;
const server = await ServerProcess.start(
  { binary, weightsFile, projectorFile: undefined, slots: 1, contextTokens: 1_000, threads: 1, slotFolder: '/nowhere' },
  new AbortController().signal,
);
void server.gone;
process.stdout.write('ready\n');
setInterval(() => {}, 1_000);
