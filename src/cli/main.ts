/** `atelier`: reads the command line and hands over to one file a command, loaded only when it is asked for. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Command } from 'commander';
import { ConfigError, describeSettings } from '../config.ts';
import { WeightsError } from '../weights/pull.ts';
import { asTyped, note, styled, UserError } from './terminal.ts';

const { version } = JSON.parse(readFileSync(path.join(import.meta.dirname, '../../package.json'), 'utf8')) as {
  version: string;
};

const program = new Command('atelier')
  .description('A self-hosted Model Studio: the Model Studio API for text and code, on your own hardware.')
  .version(version)
  .showHelpAfterError('(atelier --help shows what there is)');

withSettings(program.command('serve'))
  .description('start the server; fetches the weights on the first start')
  .option('--host <address>', 'address to listen on')
  .option('--port <number>', 'port to listen on')
  .option('--scripted', 'answer with scripted texts; needs no weights')
  .option('--replay <folder>', 'answer from recordings (atelier record); needs no weights')
  .option('--sequences <number>', 'answers decoded side by side')
  .option('--context-tokens <number>', 'tokens one answer can hold')
  .option('--threads <number>', 'threads of the engine')
  .option('--log-level <level>', 'trace, debug, info, warn, error or silent')
  .addHelpText('after', () => `\nSettings (atelier.yaml, or the variable):\n${settingsHelp()}`)
  .action(async (flags) => (await import('./commands/serve.ts')).serve(flags, version));

withSettings(program.command('chat'))
  .description('talk to a model in the terminal; Ctrl-C stops the answer')
  .argument('[message...]', 'ask this one thing and leave')
  .option('--model <id>', 'model to ask', 'qwen-plus')
  .option('--think', 'let the model think first')
  .option('--system <text>', 'instructions for the model')
  .option('--base-url <url>', 'server to talk to (default: the one on this machine)')
  .option('--key <key>', 'API key (default: $ATELIER_API_KEY, then the one of this machine)')
  .option('--scripted', 'start with scripted answers when no server runs')
  .action(async (message: string[], flags) => (await import('./commands/chat.ts')).chat(message.join(' '), flags));

withSettings(program.command('pull'))
  .description('fetch weights: a name of `atelier models`, FILE.gguf, or owner/repository:file.gguf of the hub')
  .argument('[name]', 'weights to fetch (default: what suits the free memory)')
  .option('--json', 'print the result as JSON')
  .action(async (name: string | undefined, flags) => (await import('./commands/pull.ts')).pull(name, flags));

withSettings(program.command('models'))
  .description('list weights: what can be fetched and what is here')
  .option('--json', 'print JSON')
  .action(async (flags) => (await import('./commands/models.ts')).models(flags));

withSettings(program.command('doctor'))
  .description('check this machine and name the fix for what is wrong')
  .option('--port <number>', 'port to check')
  .option('--skip-engine', 'do not load the weights')
  .action(async (flags) => (await import('./commands/doctor.ts')).doctor(flags));

program
  .command('record')
  .description('stand before a server, pass everything on, and keep what passes for serve --replay')
  .requiredOption('--upstream <url>', 'the server, such as https://dashscope.aliyuncs.com')
  .requiredOption('--out <folder>', 'folder for the recordings, one file an exchange')
  .option('--key <key>', "key for the server, in the place of the caller's")
  .option('--key-env <name>', 'environment variable that holds that key')
  .option('--port <number>', 'port to listen on', '8788')
  .action(async (flags) => (await import('./commands/record.ts')).record(flags));

withHome(program.command('usage'))
  .description('what was used in the last days, and what it cost')
  .option('--by <what>', 'day, model, key or ending', 'day')
  .option('--days <number>', 'how far back', '30')
  .option('--json', 'print JSON; charges in nano-yuan')
  .action(async (flags) => (await import('./commands/usage.ts')).usage(flags));

const keys = program.command('keys').description('make, list and revoke API keys');
withHome(keys.command('create'))
  .description('make a key; its secret is shown once')
  .argument('[name]', 'a name for people', 'default')
  .option('--json', 'print JSON')
  .action(async (name: string, flags) => (await import('./commands/keys.ts')).createKey(name, flags));
withHome(keys.command('list'))
  .description('list keys')
  .option('--json', 'print JSON')
  .action(async (flags) => (await import('./commands/keys.ts')).listKeys(flags));
withHome(keys.command('revoke'))
  .description('make a key useless; running servers follow within a second')
  .argument('<id>', 'id, or a name that only one live key has')
  .action(async (id: string, flags) => (await import('./commands/keys.ts')).revokeKey(id, flags));

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof UserError || error instanceof ConfigError || error instanceof WeightsError)
    note(`${styled('red', 'error', process.stderr)} ${asTyped(error.message)}`);
  else if (error instanceof Error && error.name === 'AbortError') note('Interrupted.');
  else note(`${styled('red', 'unexpected error', process.stderr)} ${error instanceof Error ? error.stack : error}`);
  // Something may still be open, such as a server that could not finish its start.
  process.exit(error instanceof Error && error.name === 'AbortError' ? 130 : 1);
}

function withHome(command: Command): Command {
  return command
    .option('--config <file>', 'settings file (default: atelier.yaml here or in the home folder)')
    .option('--home <folder>', 'folder for keys and receipts');
}

function withSettings(command: Command): Command {
  return withHome(command).option('--weights <which>', 'auto, a name, FILE.gguf, or owner/repository:file.gguf');
}

function settingsHelp(): string {
  return describeSettings()
    .map(({ name, sentence, variable, default: fallback }) => {
      const shown = fallback === undefined ? '' : ` [${JSON.stringify(fallback)}]`;
      return `  ${name}${shown}, ${variable}\n      ${sentence}`;
    })
    .join('\n');
}
