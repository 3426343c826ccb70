/** `atelier engine` and `atelier engine install` */
import { type ConfigFlags, loadConfig } from '../../config.ts';
import { chooseEngine, EngineError, enginesFolderOf, engineWishOf, HOW_TO_GET_IT } from '../../engines/find.ts';
import { installLlamaServer } from '../../engines/install.ts';
import type { EngineArchive } from '../../engines/releases.ts';
import { PullView } from '../pull-view.ts';
import { asTyped, note, say, styled, UserError } from '../terminal.ts';

/** Says what decodes local weights, and why. */
export async function engine(flags: ConfigFlags & { readonly json?: boolean }): Promise<void> {
  const config = loadConfig({ flags });
  const choice = await asUserError(chooseEngine(engineWishOf(config)));
  if (flags.json) {
    say(JSON.stringify(choice));
    return;
  }
  if (choice.kind === 'llama-server') {
    say(`llama-server ${choice.server.version}  ${choice.server.binary}`);
    say(styled('dim', `Used because ${choice.why}.`));
    return;
  }
  say('the engine that comes along (binding)');
  say(styled('dim', `Used because ${choice.why}.`));
  if (config.engine.kind === 'auto') say(styled('dim', asTyped(`A faster one, which also sees: ${HOW_TO_GET_IT}.`)));
}

/** Fetches the pinned llama-server. */
export async function install(
  flags: ConfigFlags & { readonly device?: EngineArchive['device']; readonly json?: boolean },
): Promise<void> {
  const config = loadConfig({ flags });
  const view = new PullView('llama-server');
  const interrupt = new AbortController();
  const onSignal = (): void => interrupt.abort();
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  try {
    const installed = await asUserError(
      installLlamaServer({
        folder: enginesFolderOf(config.home),
        device: flags.device,
        signal: interrupt.signal,
        onProgress: (progress) => view.show(progress),
      }),
    );
    view.end();
    if (flags.json) say(JSON.stringify(installed));
    else say(`llama-server ${installed.tag}  ${installed.binary}`);
    if (config.engine.kind === 'binding') note('It is not used: engine.kind is binding.');
  } finally {
    view.end();
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

async function asUserError<Result>(action: Promise<Result>): Promise<Result> {
  try {
    return await action;
  } catch (thrown) {
    throw thrown instanceof EngineError ? new UserError(thrown.message, { cause: thrown }) : thrown;
  }
}
