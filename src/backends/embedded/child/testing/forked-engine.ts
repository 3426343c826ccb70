/** Drives the real child over IPC, for tests with weights. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { TextToken } from '../../../../core/ports.ts';
import type {
  ChoiceCounts,
  DecodePlan,
  EngineOptions,
  FromEngine,
  Piece,
  ToEngine,
  WeightsFacts,
} from '../../engine-protocol.ts';

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));
const LLAMA_SERVER_MAIN = fileURLToPath(new URL('../../llama-server/main.ts', import.meta.url));

/** One choice as it came out. */
export interface ChoiceSeen {
  readonly pieces: Piece[];
  /** Pieces of a kind joined. */
  readonly text: string;
  readonly reasoning: string;
  readonly calls: { readonly name: string; readonly input: string; readonly isValidJson: boolean }[];
  readonly counts: ChoiceCounts;
  readonly end: Extract<FromEngine, { type: 'choice-end' }> | undefined;
}

export interface JobSeen {
  readonly messages: readonly FromEngine[];
  readonly accepted: Extract<FromEngine, { type: 'accepted' }> | undefined;
  readonly last: Extract<FromEngine, { type: 'done' | 'failed' | 'refused' }>;
  readonly choices: readonly ChoiceSeen[];
}

export interface RunningJob {
  readonly id: string;
  readonly ended: Promise<JobSeen>;
  cancel(): void;
  /** Resolves at the first message of the job that passes the test. */
  when(test: (message: FromEngine) => boolean): Promise<void>;
}

type Listener = (message: FromEngine) => void;

export class ForkedEngine {
  readonly facts: WeightsFacts;
  readonly states: Extract<FromEngine, { type: 'state' }>[] = [];
  readonly #child: ChildProcess;
  readonly #listeners = new Set<Listener>();
  #nextId = 1;

  private constructor(child: ChildProcess, facts: WeightsFacts) {
    this.#child = child;
    this.facts = facts;
    child.on('message', (message: FromEngine) => {
      if (message.type === 'state') this.states.push(message);
      for (const listener of this.#listeners) listener(message);
    });
  }

  static start(options: EngineOptions): Promise<ForkedEngine> {
    const program = options.llamaServer ? LLAMA_SERVER_MAIN : MAIN;
    const child = fork(program, [JSON.stringify(options)], { serialization: 'json' });
    return new Promise((resolve, reject) => {
      const onMessage = (message: FromEngine): void => {
        if (message.type === 'load-failed') reject(new Error(message.message));
        if (message.type !== 'ready') return;
        child.off('message', onMessage);
        resolve(new ForkedEngine(child, message.facts));
      };
      child.on('message', onMessage);
      child.once('exit', (code) => reject(new Error(`the engine exited with ${code}`)));
    });
  }

  start(plan: DecodePlan): RunningJob {
    const id = `job-${this.#nextId++}`;
    const messages: FromEngine[] = [];
    const waits: { test: (message: FromEngine) => boolean; resolve: () => void }[] = [];
    const ended = new Promise<JobSeen>((resolve) => {
      const listener: Listener = (message) => {
        const mine = ofJob(message, id);
        if (mine === undefined) return;
        messages.push(mine);
        for (const wait of waits) if (wait.test(mine)) wait.resolve();
        if (mine.type !== 'done' && mine.type !== 'failed' && mine.type !== 'refused') return;
        this.#listeners.delete(listener);
        resolve(seen(messages, mine));
      };
      this.#listeners.add(listener);
    });
    this.#send({ type: 'generate', jobId: id, plan });
    return {
      id,
      ended,
      cancel: () => this.#send({ type: 'cancel', jobId: id }),
      when: (test) => new Promise((resolve) => waits.push({ test, resolve })),
    };
  }

  run(plan: DecodePlan): Promise<JobSeen> {
    return this.start(plan).ended;
  }

  count(text: string): Promise<number> {
    const askId = `count-${this.#nextId++}`;
    return new Promise((resolve) => {
      const listener: Listener = (message) => {
        if (message.type !== 'counted' || message.askId !== askId) return;
        this.#listeners.delete(listener);
        resolve(message.tokens);
      };
      this.#listeners.add(listener);
      this.#send({ type: 'count', askId, prompt: [{ kind: 'control', text }] });
    });
  }

  tokenise(text: string): Promise<readonly TextToken[]> {
    const askId = `tokenise-${this.#nextId++}`;
    return new Promise((resolve) => {
      const listener: Listener = (message) => {
        if (message.type !== 'tokenised' || message.askId !== askId) return;
        this.#listeners.delete(listener);
        resolve(message.tokens);
      };
      this.#listeners.add(listener);
      this.#send({ type: 'tokenise', askId, text: [{ kind: 'plain', text }] });
    });
  }

  /** Ends the child; gives its exit code. */
  stop(): Promise<number | null> {
    return new Promise((resolve) => {
      this.#child.once('exit', (code) => resolve(code));
      this.#send({ type: 'shutdown' });
    });
  }

  /** Ends it as a crash would. */
  kill(): Promise<void> {
    return new Promise((resolve) => {
      this.#child.once('exit', () => resolve());
      this.#child.kill('SIGKILL');
    });
  }

  #send(message: ToEngine): void {
    this.#child.send(message);
  }
}

/** The part of a message that is about one job. */
function ofJob(message: FromEngine, jobId: string): FromEngine | undefined {
  if (message.type === 'step') {
    const items = message.items.filter((item) => item.jobId === jobId);
    return items.length > 0 ? { type: 'step', items } : undefined;
  }
  return 'jobId' in message && message.jobId === jobId ? message : undefined;
}

function seen(messages: readonly FromEngine[], last: JobSeen['last']): JobSeen {
  const choices: ChoiceSeen[] = [];
  const pieces = new Map<number, Piece[]>();
  const ends = new Map<number, Extract<FromEngine, { type: 'choice-end' }>>();
  const counts = new Map<number, ChoiceCounts>();
  for (const message of messages) {
    if (message.type === 'choice-end') ends.set(message.choice, message);
    if (message.type !== 'step') continue;
    for (const item of message.items) {
      pieces.set(item.choice, [...(pieces.get(item.choice) ?? []), ...item.pieces]);
      counts.set(item.choice, item.counts);
    }
  }
  for (const index of new Set([...pieces.keys(), ...ends.keys()])) {
    const end = ends.get(index);
    const own = pieces.get(index) ?? [];
    choices[index] = {
      ...assembled(own),
      end,
      counts: end?.counts ?? counts.get(index) ?? { output: 0, reasoning: 0 },
    };
  }
  const accepted = messages.find((message) => message.type === 'accepted');
  return { messages, accepted, last, choices };
}

function assembled(pieces: Piece[]): Pick<ChoiceSeen, 'pieces' | 'text' | 'reasoning' | 'calls'> {
  const calls: { name: string; input: string; isValidJson: boolean }[] = [];
  let text = '';
  let reasoning = '';
  for (const piece of pieces) {
    const call = calls.at(-1);
    switch (piece.type) {
      case 'text':
        text += piece.text;
        break;
      case 'reasoning':
        reasoning += piece.text;
        break;
      case 'call-start':
        calls.push({ name: piece.name, input: '', isValidJson: false });
        break;
      case 'call-input':
        if (call !== undefined) call.input += piece.text;
        break;
      case 'call-end':
        if (call !== undefined) call.isValidJson = piece.isValidJson;
        break;
    }
  }
  return { pieces, text, reasoning, calls };
}
