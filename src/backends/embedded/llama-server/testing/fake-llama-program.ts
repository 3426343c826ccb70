/**
 * The fake llama-server as a program with a command line. How it starts is in the name of the weights file: `ok`, `exit`
 * (it cannot load them), `never` (never healthy). It says `hello` after any prompt, and writes its process id and its
 * environment's names to `FILE.started`.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { END_TOKEN, letterTokeniser } from '../../child/testing/letter-model.ts';
import { startFakeLlamaServer } from './fake-llama-server.ts';

const FLAGS =
  '--model --mmproj --host --port --parallel --ctx-size --threads --batch-size --ubatch-size --slot-save-path --cache-ram --offline';

const words = process.argv.slice(2);
const argument = (flag: string): string => words[words.indexOf(flag) + 1] ?? '';

if (words.includes('--help')) {
  process.stdout.write(`usage: llama-server\n${FLAGS.split(' ').join('   what it does\n')}\n`);
} else if (words.includes('--version')) {
  process.stderr.write('version: 11194 (9f70b2ce)\n');
} else {
  const weights = argument('--model');
  const facts = { pid: process.pid, arguments: words, environment: Object.keys(process.env) };
  writeFileSync(`${weights}.started`, JSON.stringify(facts));
  switch (path.basename(weights)) {
    case 'exit':
      process.stderr.write('E main: error: failed to load the model\n');
      process.exitCode = 1;
      break;
    case 'never':
      setInterval(() => {}, 1_000);
      break;
    default:
      await startFakeLlamaServer({
        tokeniser: letterTokeniser(),
        prefers: (tokens) => ['hello'.charCodeAt(tokens.length % 5) || END_TOKEN],
        slots: Number(argument('--parallel')),
        contextTokens: Number(argument('--ctx-size')) / Number(argument('--parallel')),
        port: Number(argument('--port')),
        apiKey: process.env.LLAMA_API_KEY ?? '',
      });
  }
}
