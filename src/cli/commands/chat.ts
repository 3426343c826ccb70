/** `atelier chat [message]` */
import { createInterface, type Interface } from 'node:readline/promises';
import { type Config, type ConfigFlags, loadConfig } from '../../config.ts';
import { ensureLocalKeys, readLocalKey } from '../api-key.ts';
import { ask, ChatError, type ChatMessage } from '../chat-client.ts';
import { type LocalServer, localUrl, startLocalServer, whoAnswers } from '../local-server.ts';
import { note, say, styled, UserError } from '../terminal.ts';
import { bringLocalWeights, bringWeights } from '../weights-view.ts';

export interface ChatFlags extends ConfigFlags {
  readonly model: string;
  readonly think?: boolean | undefined;
  readonly system?: string | undefined;
  readonly baseUrl?: string | undefined;
  readonly key?: string | undefined;
}

interface Server {
  readonly baseUrl: string;
  readonly key: string;
  /** Set when this command started it. */
  readonly local?: LocalServer | undefined;
}

/** Asks one thing, or talks until /exit, Ctrl-D, or Ctrl-C at an empty prompt. */
export async function chat(message: string, flags: ChatFlags): Promise<void> {
  const server = await findServer(flags);
  try {
    const conversation = new Conversation(server, flags);
    if (message !== '') await conversation.answerOnce(message);
    else if (process.stdin.isTTY) await talk(conversation, flags.model);
    else for await (const line of createInterface({ input: process.stdin })) await conversation.answerOnce(line);
  } finally {
    await server.local?.close();
  }
}

/** The turns so far, and the server that answers them. */
class Conversation {
  readonly #server: Server;
  readonly #model: string;
  #isThinking: boolean;
  readonly #system: readonly ChatMessage[];
  #messages: ChatMessage[] = [];

  constructor(server: Server, flags: ChatFlags) {
    this.#server = server;
    this.#model = flags.model;
    this.#isThinking = flags.think ?? false;
    this.#system = flags.system ? [{ role: 'system', content: flags.system }] : [];
  }

  get isThinking(): boolean {
    return this.#isThinking;
  }

  toggleThinking(): void {
    this.#isThinking = !this.#isThinking;
  }

  reset(): void {
    this.#messages = [];
  }

  /** For a program that pipes: Ctrl-C ends it, a refusal fails it. */
  async answerOnce(text: string): Promise<void> {
    if (text.trim() === '') return;
    const interrupt = new AbortController();
    const onSignal = () => interrupt.abort();
    process.once('SIGINT', onSignal);
    try {
      await this.answer(text, interrupt.signal);
      if (interrupt.signal.aborted) process.exitCode = 130;
    } catch (error) {
      throw error instanceof ChatError ? new UserError(error.message) : error;
    } finally {
      process.off('SIGINT', onSignal);
    }
  }

  /** Prints the answer as it comes. What came before an interruption stays part of the talk. */
  async answer(text: string, signal: AbortSignal): Promise<void> {
    const messages = [...this.#messages, { role: 'user', content: text } as const];
    const printer = new AnswerPrinter();
    try {
      const { baseUrl, key } = this.#server;
      const question = { baseUrl, key, model: this.#model, isThinking: this.#isThinking, signal };
      for await (const piece of ask({ ...question, messages: [...this.#system, ...messages] }))
        if (piece.type !== 'usage') printer.print(piece.type, piece.text);
    } finally {
      printer.end(signal.aborted);
    }
    this.#messages = printer.text === '' ? this.#messages : [...messages, { role: 'assistant', content: printer.text }];
  }
}

/** Text as it is, thinking dimmed and apart. */
class AnswerPrinter {
  text = '';
  #last: 'reasoning' | 'text' | undefined;

  print(type: 'reasoning' | 'text', text: string): void {
    if (this.#last === 'reasoning' && type === 'text') process.stdout.write('\n\n');
    this.#last = type;
    // Thinking goes where no program would take it for the answer.
    if (type === 'reasoning' && !process.stdout.isTTY) process.stderr.write(text);
    else process.stdout.write(type === 'reasoning' ? styled('dim', text) : text);
    if (type === 'text') this.text += text;
  }

  end(isInterrupted: boolean): void {
    if (isInterrupted) process.stdout.write(styled('dim', ' [stopped]'));
    if (this.#last !== undefined || isInterrupted) process.stdout.write('\n');
  }
}

const HELP = '/think switches thinking, /new starts over, /exit leaves. Ctrl-C stops an answer.';

async function talk(conversation: Conversation, model: string): Promise<void> {
  say(`${styled('bold', model)}  ${styled('dim', HELP)}`);
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const interrupts = new Interrupts(terminal);
  try {
    for (;;) {
      const line = await interrupts.readLine(styled('cyan', '› '));
      if (line === undefined) return;
      switch (line.trim()) {
        case '':
          break;
        case '/exit':
        case '/quit':
          return;
        case '/help':
          say(styled('dim', HELP));
          break;
        case '/new':
          conversation.reset();
          say(styled('dim', 'A new talk.'));
          break;
        case '/think':
          conversation.toggleThinking();
          say(styled('dim', `Thinking is ${conversation.isThinking ? 'on' : 'off'}.`));
          break;
        default:
          await interrupts.during((signal) => tell(conversation, line, signal));
      }
    }
  } finally {
    terminal.close();
  }
}

async function tell(conversation: Conversation, line: string, signal: AbortSignal): Promise<void> {
  try {
    await conversation.answer(line, signal);
  } catch (error) {
    // A refusal or a lost server ends the answer, not the talk.
    note(`${styled('red', 'error', process.stderr)} ${error instanceof Error ? error.message : String(error)}`);
  }
  say();
}

/** What Ctrl-C means now: stop the answer; at the prompt, the first clears the line and the second leaves. */
class Interrupts {
  readonly #terminal: Interface;
  #answer: AbortController | undefined;
  #prompt: AbortController | undefined;
  #isAboutToLeave = false;

  constructor(terminal: Interface) {
    this.#terminal = terminal;
    terminal.on('SIGINT', () => this.#onInterrupt());
    terminal.on('close', () => this.#prompt?.abort());
  }

  /** Undefined when the user leaves. */
  async readLine(prompt: string): Promise<string | undefined> {
    for (;;) {
      this.#prompt = new AbortController();
      try {
        const line = await this.#terminal.question(prompt, { signal: this.#prompt.signal });
        this.#isAboutToLeave = false;
        return line;
      } catch {
        // Aborted by Ctrl-C once, or for good.
        if (this.#prompt.signal.reason !== 'cleared') {
          say();
          return undefined;
        }
        say(styled('dim', ' (Ctrl-C again leaves)'));
      } finally {
        this.#prompt = undefined;
      }
    }
  }

  async during(action: (signal: AbortSignal) => Promise<void>): Promise<void> {
    this.#answer = new AbortController();
    await action(this.#answer.signal);
    this.#answer = undefined;
  }

  #onInterrupt(): void {
    if (this.#answer) {
      this.#answer.abort();
      return;
    }
    const reason = this.#isAboutToLeave ? 'left' : 'cleared';
    this.#isAboutToLeave = true;
    // What was typed must not show up in the next line.
    this.#terminal.write(null, { ctrl: true, name: 'u' });
    this.#prompt?.abort(reason);
  }
}

async function findServer(flags: ChatFlags): Promise<Server> {
  const baseUrl = (flags.baseUrl ?? process.env.ATELIER_BASE_URL)
    ?.replace(/\/+$/, '')
    .replace(/\/compatible-mode\/v1$/, '');
  const config = loadConfig({ flags });
  const key = flags.key ?? process.env.ATELIER_API_KEY ?? (await readLocalKey(config)) ?? 'none';
  if (baseUrl !== undefined) return { baseUrl, key };
  const here = await localUrl(config);
  const wantsItsOwn = flags.weights !== undefined || flags.scripted === true;
  if (!wantsItsOwn && config.server.port !== 0 && (await whoAnswers(here)) === 'atelier') return { baseUrl: here, key };
  return startOwn(config);
}

async function startOwn(config: Config): Promise<Server> {
  const key = (await ensureLocalKeys(config)).api?.secret;
  const weights = config.engine.enabled ? await bringWeights(config) : undefined;
  note(styled('dim', `No server runs here; starting one${weights ? ` with ${weights.name}` : ''}…`, process.stderr));
  // Nobody else reaches this server, so a key that was lost need not stop the talk.
  const open = key ? config : { ...config, auth: { ...config.auth, required: false } };
  const localWeights = await bringLocalWeights(config);
  const local = await startLocalServer(open, weights, localWeights).catch((error: unknown) => {
    throw new UserError(
      `${error instanceof Error ? error.message : String(error)}\nFix: atelier doctor finds out why.`,
    );
  });
  return { baseUrl: local.baseUrl, key: key ?? 'none', local };
}
