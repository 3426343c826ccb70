/** `atelier`: reads the command line and hands over to one file a command, loaded only when it is asked for. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Command, Option } from 'commander';
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
  .option('--redis <url>', 'redis://HOST: count limits there, for all servers together')
  .option('--tls', 'serve https; programs have to trust the certificate (atelier trust)')
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
  .description('list weights: what can be fetched and what is here; or, with --region, the models of the API')
  .option('--loaded', 'the local models of the running server: which are in memory, and what they do')
  .option('--port <number>', 'port of the server')
  .option('--region <region>', 'the models a caller finds there, with prices, limits and free tokens')
  .option('--json', 'print JSON')
  .action(async (flags) => (await import('./commands/models.ts')).models(flags));

withSettings(program.command('doctor'))
  .description('check this machine and name the fix for what is wrong')
  .option('--port <number>', 'port to check')
  .option('--skip-engine', 'do not load the weights')
  .action(async (flags) => (await import('./commands/doctor.ts')).doctor(flags));

withHome(program.command('trust'))
  .description('print how programs written for the real hosts come to this server: hosts, port, certificate')
  .option('--host <address>', 'address the server listens on')
  .option('--port <number>', 'port the server listens on')
  .option('--json', 'print JSON')
  .action(async (flags) => (await import('./commands/trust.ts')).trust(flags));

program
  .command('record')
  .description('stand before a server, pass everything on, and keep what passes for serve --replay')
  .requiredOption('--upstream <url>', 'the server, such as https://dashscope.aliyuncs.com')
  .requiredOption('--out <folder>', 'folder for the recordings, one file an exchange')
  .option('--key <key>', "key for the server, in the place of the caller's")
  .option('--key-env <name>', 'environment variable that holds that key')
  .option('--port <number>', 'port to listen on', '8788')
  .action(async (flags) => (await import('./commands/record.ts')).record(flags));

withFilters(withHome(program.command('usage')))
  .description('what was used, and what it cost (default: the last 30 days)')
  .option(
    '--by <what>',
    'hour, day, month, model, key, workspace, region, protocol, ending, priority, or kind (of token)',
    'day',
  )
  .option('--csv', 'print CSV')
  .option('--json', 'print JSON')
  .action(async (flags) => (await import('./commands/usage.ts')).usage(flags));

withHome(program.command('backup'))
  .description('copy the database, with the bytes of files, into one file; the server may be running')
  .argument('<file>', 'file to make')
  .option('--json', 'print JSON')
  .action(async (file: string, flags) => (await import('./commands/backup.ts')).backup(file, flags));

withHome(program.command('bill'))
  .description("a month's bill, as the service would have written it")
  .option('--month <month>', 'such as 2026-11, of Beijing (default: this one)')
  .option('--csv', 'print CSV')
  .option('--json', 'print JSON')
  .action(async (flags) => (await import('./commands/bill.ts')).bill(flags));
withFilters(withHome(program.command('requests')))
  .description('the newest calls; or all that is known of one, with its bodies where the key keeps them')
  .argument('[receipt]', 'one call')
  .option('--ending <ending>', 'completed, cancelled, client-gone or failed')
  .option('--limit <number>', 'so many at most', '20')
  .option('--csv', 'print CSV, all of them')
  .option('--json', 'print JSON')
  .action(async (receipt: string | undefined, flags) =>
    (await import('./commands/requests.ts')).requests(receipt, flags),
  );
withHome(program.command('limits'))
  .description('what calls are limited by; of a model also what is left, when a server runs')
  .option('--model <id>', 'a model')
  .option('--key <key>', 'id or name of a key, which may have limits of its own')
  .option('--region <region>', 'where (default: regions.default)')
  .option('--port <number>', 'port of the server')
  .option('--json', 'print JSON')
  .action(async (flags) => (await import('./commands/limits.ts')).limits(flags));
const engine = withHome(program.command('engine'))
  .description('what decodes local weights, and why')
  .option('--json', 'print JSON')
  .action(async (flags) => (await import('./commands/engine.ts')).engine(flags));
withHome(engine.command('install'))
  .description('fetch a llama-server: faster, and it sees; the official build, checked by its SHA-256')
  .addOption(new Option('--device <device>', 'cpu, or vulkan for a GPU').choices(['cpu', 'vulkan']))
  .option('--json', 'print JSON')
  .action(async (_flags, command) => (await import('./commands/engine.ts')).install(command.optsWithGlobals()));
const cache = withHome(program.command('cache'))
  .description('prompts that are kept so that they need not be computed again: sizes, hits, time saved')
  .option('--limit <number>', 'so many at most, the last used first', '20')
  .option('--port <number>', 'port of the server')
  .option('--json', 'print JSON')
  .action(async (flags) => (await import('./commands/cache.ts')).cache(flags));
withHome(cache.command('clear'))
  .description('forget them')
  .option('--port <number>', 'port of the server')
  .option('--json', 'print JSON')
  .action(async (_flags, command) => (await import('./commands/cache.ts')).clear(command.optsWithGlobals()));
withHome(program.command('quota'))
  .description('free tokens of models: granted, used, left, and until when')
  .option('--free-tier-only <on|off>', 'refuse calls when free tokens are used up, instead of charging them')
  .option('--model <id>', 'switch it for one model only')
  .option('--json', 'print JSON')
  .action(async (flags) => (await import('./commands/quota.ts')).quota(flags));
withHome(program.command('audit'))
  .description('the newest changes of keys, workspaces, prices and quota, and who made them')
  .option('--limit <number>', 'so many at most', '50')
  .option('--json', 'print JSON')
  .action(async (flags) => (await import('./commands/audit.ts')).audit(flags));

const keys = program.command('keys').description('make, list, change and revoke API keys and admin keys');
withKeyRules(withHome(keys.command('create')))
  .description('make a key; its secret is shown once')
  .argument('[name]', 'a name for people', 'default')
  .option('--region <region>', 'the only region it works in (default: regions.default)')
  .option('--workspace <id>', 'id or name of its workspace (default: the default one)')
  .option('--admin', 'make a key for the administration, which calls no model')
  .option('--json', 'print JSON')
  .action(async (name: string, flags) => (await import('./commands/keys.ts')).createKey(name, flags));
withHome(keys.command('list'))
  .description('list keys')
  .option('--live', 'without expired and revoked ones')
  .option('--json', 'print JSON')
  .action(async (flags) => (await import('./commands/keys.ts')).listKeys(flags));
withHome(keys.command('show'))
  .description('show what a key may do')
  .argument('<id>', 'id, or a name that only one key has')
  .option('--json', 'print JSON')
  .action(async (id: string, flags) => (await import('./commands/keys.ts')).showKey(id, flags));
withKeyRules(withHome(keys.command('update')))
  .description('change what a key may do; running servers follow within a second')
  .argument('<id>', 'id, or a name that only one live key has')
  .option('--name <name>', 'another name')
  .option('--no-keep-bodies', 'keep no requests and replies any more')
  .option('--json', 'print JSON')
  .action(async (id: string, flags) => (await import('./commands/keys.ts')).updateKey(id, flags));
withHome(keys.command('revoke'))
  .description('make a key useless; running servers follow within a second')
  .argument('<id>', 'id, or a name that only one live key has')
  .option('--json', 'print JSON')
  .action(async (id: string, flags) => (await import('./commands/keys.ts')).revokeKey(id, flags));

const workspaces = program.command('workspaces').description('make, list, change and delete workspaces');
withRules(withHome(workspaces.command('create')))
  .description('make a workspace, whose keys share files, responses and a budget')
  .argument('<name>', 'a name for people')
  .option('--id <id>', 'the id it has in host names that programs use (default: one is made up)')
  .option('--json', 'print JSON')
  .action(async (name: string, flags) => (await import('./commands/workspaces.ts')).createWorkspace(name, flags));
withHome(workspaces.command('list'))
  .description('list workspaces')
  .option('--json', 'print JSON')
  .action(async (flags) => (await import('./commands/workspaces.ts')).listWorkspaces(flags));
withRules(withHome(workspaces.command('update')))
  .description('change what the keys of a workspace may do')
  .argument('<id>', 'id or name')
  .option('--name <name>', 'another name')
  .option('--json', 'print JSON')
  .action(async (id: string, flags) => (await import('./commands/workspaces.ts')).updateWorkspace(id, flags));
withHome(workspaces.command('delete'))
  .description('delete a workspace; its keys are refused from then on')
  .argument('<id>', 'id or name')
  .option('--json', 'print JSON')
  .action(async (id: string, flags) => (await import('./commands/workspaces.ts')).deleteWorkspace(id, flags));

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
    .option('--home <folder>', 'folder for keys and receipts')
    .option('--database <where>', 'sqlite (in the home folder) or postgres://…');
}

function withRules(command: Command): Command {
  return command
    .option('--models <ids>', 'only these: ids and patterns such as qwen3-*, with commas between; all: any')
    .option('--budget <yuan>', 'refuse calls once as much is spent; none: do not')
    .option('--budget-period <period>', 'month (a calendar month of Beijing) or total');
}

function withKeyRules(command: Command): Command {
  return withRules(command)
    .option('--expires <time>', '30d, 12h, 2027-01-31 or never')
    .option('--qps <number>', 'calls a second')
    .option('--rpm <number>', 'calls a minute')
    .option('--tpm <number>', 'tokens a minute')
    .option('--streams <number>', 'streams at a time')
    .option('--keep-bodies', 'keep requests and replies, redacted, for retention.bodiesDays');
}

/** Which calls a report is about. */
function withFilters(command: Command): Command {
  return command
    .option('--days <number>', 'so many days, today included')
    .option('--from <time>', 'from a day such as 2026-11-01, or a time with its offset')
    .option('--until <time>', 'to the end of a day, or a time')
    .option('--time-zone <zone>', "whose days, such as Asia/Shanghai (default: this machine's)")
    .option('--key <key>', 'of a key, by its id or name')
    .option('--model <id>', 'of a model')
    .option('--workspace <workspace>', 'of a workspace, by its id or name')
    .option('--region <region>', 'of a region');
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
