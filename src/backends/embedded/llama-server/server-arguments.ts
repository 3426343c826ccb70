/** What a llama-server is started with. Versions differ: `--help` says what the one at hand knows. */
import { LONG_PIECE, ROWS } from '../child/batch-plan.ts';

export interface ServerSetting {
  readonly weightsFile: string;
  /** Lets it see. */
  readonly projectorFile: string | undefined;
  readonly port: number;
  readonly slots: number;
  readonly contextTokens: number;
  readonly threads: number;
  /** Where cells of slots may be kept while choices share a prompt. */
  readonly slotFolder: string;
}

/**
 * Tokens that are computed at once. Everybody's next token waits for them, so they are few; but those of a prompt are never less
 * than a long piece, though each stream takes one of them and one goes with the streams. A piece may begin anywhere, so a
 * warm prompt rounds differently from a cold one (docs/decisions/0021).
 */
function batchTokens(slots: number): number {
  return Math.ceil((LONG_PIECE + slots + 1) / ROWS) * ROWS;
}

/** llama.cpp keeps a cell or two of each slot for itself and rounds contexts; what was promised is to fit. */
const SPARE_TOKENS = 256;

type Argument = readonly [flag: string, value?: string];

/**
 * Arguments for a server whose help text this is. Those it does not know are left out; without the ones that matter it
 * is refused, by a sentence for people.
 */
export function serverArguments(setting: ServerSetting, help: string): string[] {
  const knows = knownFlags(help);
  const missing = NEEDED.filter((flag) => !knows.has(flag));
  if (missing.length > 0) throw new Error(`this llama-server is too old: it does not know ${missing.join(', ')}`);
  if (setting.projectorFile !== undefined && !knows.has('--mmproj'))
    throw new Error('this llama-server cannot see: it does not know --mmproj');
  const batch = String(batchTokens(setting.slots));
  const wanted: readonly Argument[] = [
    ['--model', setting.weightsFile],
    ...(setting.projectorFile === undefined ? [] : ([['--mmproj', setting.projectorFile]] as const)),
    ['--host', '127.0.0.1'],
    ['--port', String(setting.port)],
    ['--parallel', String(setting.slots)],
    ['--ctx-size', String((setting.contextTokens + SPARE_TOKENS) * setting.slots)],
    ['--threads', String(setting.threads)],
    ['--batch-size', batch],
    ['--ubatch-size', batch],
    ['--slot-save-path', setting.slotFolder],
    // Ours are the slots, and who may find what in them. Its cache in memory would find what another caller left.
    ['--cache-ram', '0'],
    // A slot is a whole one: what others hold must not take its room.
    ['--no-kv-unified'],
    // The oldest tokens would be dropped silently when a slot is full.
    ['--no-context-shift'],
    // Pages and agents of its own are no business of a child.
    ['--no-webui'],
    ['--no-ui'],
    ['--offline'],
    // Warnings and errors. Prompts are logged only far below.
    ['--log-verbosity', '2'],
    ['--no-warmup'],
  ];
  return wanted.flatMap(([flag, value]) => (!knows.has(flag) ? [] : value === undefined ? [flag] : [flag, value]));
}

const NEEDED = ['--model', '--host', '--port', '--parallel', '--ctx-size', '--threads'] as const;

function knownFlags(help: string): ReadonlySet<string> {
  return new Set(help.match(/(?<![\w-])--[a-z][a-z-]*/g));
}

/**
 * Threads that wait in long loops take the cores from everything else: 41 tokens/s become 2.6 beside another engine. Those
 * that never do are woken by the system for every operation, at 27. A short loop is as fast as a long one, and fair.
 */
export const THREADS = { OMP_WAIT_POLICY: 'passive', GOMP_SPINCOUNT: '1000' } as const;

/** What of our environment it gets: enough to find libraries and devices, nothing that is secret or would configure it. */
export function serverEnvironment(env: NodeJS.ProcessEnv, apiKey: string): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => KEPT.test(name));
  return {
    ...Object.fromEntries(kept),
    // By the environment, because arguments are seen by everyone on the machine.
    LLAMA_API_KEY: apiKey,
    ...THREADS,
  };
}

const KEPT =
  /^(?:PATH|HOME|TMPDIR|TEMP|TMP|LANG|LC_ALL|SYSTEMROOT|WINDIR|USERPROFILE|LOCALAPPDATA|(?:LD|DYLD)_.*|(?:CUDA|NVIDIA|HIP|HSA|ROCR|ROCM|VK|GGML|OMP|KMP|METAL|ONEAPI|ZE|SYCL)_.*)$/i;
