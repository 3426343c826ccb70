/**
 * An engine child without weights, for tests: speaks engine-protocol over IPC and does what the prompt says.
 *
 * How it starts is in the weights file's name: `ok`, `load-failed`, `exit` (while loading), `hang` (never ready),
 * `stubborn` (ignores shutdown). What a job does is in the last `[[…]]` of its prompt:
 *
 *     env NAME    what that variable of the environment holds, then stop
 *     say N       N tokens of text, then stop            think N M   N tokens of reasoning, M of text
 *     hold        one token, then nothing until cancel   hold-silent accepted, then nothing until cancel
 *     call NAME   one call with {"a":1}                  crash N     N tokens, then the process dies
 *     refuse      does not fit                           fail N      N tokens, then `failed`
 *     echo        the whole plan as JSON text            bad-grammar refused for its grammar
 *     die         the process dies without a word
 *
 * Where blocks of the context cache are asked for, a token is a word, and blocks live as long as the process.
 */
import type { CacheReport, DecodePlan, EngineOptions, FromEngine, Piece, ToEngine } from '../engine-protocol.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as EngineOptions;
const TIMINGS = { promptMs: 3, firstTokenMs: 5, totalMs: 9 };
const jobs = new Map<string, DecodePlan>();

function say(message: FromEngine): void {
  process.send?.(message);
}

function report(): void {
  say({ type: 'state', busySequences: jobs.size, waitingJobs: 0, warmTokens: 7 });
}

function textOfPrompt(plan: DecodePlan): string {
  return plan.prompt.map((segment) => segment.text).join('');
}

const blocks = new Set<string>();

/** What the marks of a plan find and will add; `keep` adds it. */
function marksOf({ prompt, cache }: DecodePlan): { readonly report: CacheReport; keep(): void } {
  const { namespace = '', marks = [], minTokens = 0 } = cache ?? {};
  const textOf = (segments: number): string =>
    prompt
      .slice(0, segments)
      .map(({ text }) => text)
      .join('\0');
  const keyOf = (segments: number): string => `${namespace}\0${textOf(segments)}`;
  const made: string[] = [];
  let reached = 0;
  const reports = marks.map(({ segments, lookBack }) => {
    const found = [segments, ...lookBack].find((place) => blocks.has(keyOf(place)));
    const tokens = countWords(textOf(segments));
    const hitTokens = found === undefined ? 0 : countWords(textOf(found));
    reached = Math.max(reached, hitTokens);
    const isNew = tokens >= minTokens && !blocks.has(keyOf(segments));
    const createdTokens = isNew ? Math.max(0, tokens - reached) : 0;
    if (isNew) made.push(keyOf(segments));
    reached = Math.max(reached, hitTokens + createdTokens);
    return { tokens, hitTokens, createdTokens };
  });
  return {
    report: { marks: reports },
    keep: () => {
      for (const key of made) blocks.add(key);
    },
  };
}

function countWords(text: string): number {
  return text.match(/[^\s\0]+/g)?.length ?? 0;
}

class Speaker {
  readonly jobId: string;
  readonly plan: DecodePlan;
  readonly marks: ReturnType<typeof marksOf> | undefined;
  #output = 0;
  #reasoning = 0;

  constructor(jobId: string, plan: DecodePlan) {
    this.jobId = jobId;
    this.plan = plan;
    this.marks = plan.cache?.mode === 'explicit' ? marksOf(plan) : undefined;
  }

  get counts() {
    return { output: this.#output, reasoning: this.#reasoning };
  }

  step(...pieces: Piece[]): void {
    this.#output++;
    if (pieces[0]?.type === 'reasoning') this.#reasoning++;
    for (let choice = 0; choice < this.plan.choices; choice++) {
      say({ type: 'step', items: [{ jobId: this.jobId, choice, pieces, counts: this.counts }] });
    }
  }

  end(reason: 'stop' | 'tool-calls'): void {
    for (let choice = 0; choice < this.plan.choices; choice++) {
      say({ type: 'choice-end', jobId: this.jobId, choice, reason, counts: this.counts });
    }
    jobs.delete(this.jobId);
    this.marks?.keep();
    const cache = this.marks?.report;
    say({ type: 'done', jobId: this.jobId, ending: 'completed', timings: TIMINGS, counts: this.counts, cache });
    report();
  }
}

function generate(jobId: string, plan: DecodePlan): void {
  const commands = [...textOfPrompt(plan).matchAll(/\[\[(.+?)\]\]/g)];
  const [verb = 'say', first = '1', second = '1'] = (commands.at(-1)?.[1] ?? 'say 1').split(' ');
  const speaker = new Speaker(jobId, plan);
  jobs.set(jobId, plan);
  if (verb === 'die') process.kill(process.pid, 'SIGKILL');
  if (verb === 'refuse' || verb === 'bad-grammar') {
    jobs.delete(jobId);
    if (verb === 'refuse')
      say({ type: 'refused', jobId, reason: 'context', promptTokens: 9_000, maxPromptTokens: 8_191 });
    else say({ type: 'refused', jobId, reason: 'grammar', message: 'no root' });
    return;
  }
  const promptTokens = speaker.marks ? countWords(textOfPrompt(plan)) : 11;
  say({ type: 'accepted', jobId, promptTokens, cachedTokens: 4, cache: speaker.marks?.report });
  report();
  const text = (count: number): void => {
    for (let index = 0; index < count; index++) speaker.step({ type: 'text', text: `t${index} ` });
  };
  switch (verb) {
    case 'say':
      text(Number(first));
      speaker.end('stop');
      return;
    case 'think':
      for (let index = 0; index < Number(first); index++) speaker.step({ type: 'reasoning', text: `r${index}\n` });
      speaker.step({ type: 'text', text: '\n\n' });
      text(Number(second));
      speaker.end('stop');
      return;
    case 'call':
      speaker.step({ type: 'call-start', name: first }, { type: 'call-input', text: '{"a":' });
      speaker.step({ type: 'call-input', text: '1}' }, { type: 'call-end', isValidJson: true });
      speaker.end('tool-calls');
      return;
    case 'echo':
      speaker.step({ type: 'text', text: JSON.stringify(plan) });
      speaker.end('stop');
      return;
    case 'env':
      speaker.step({ type: 'text', text: process.env[first] ?? '' });
      speaker.end('stop');
      return;
    case 'hold':
      text(1);
      return;
    case 'crash':
      text(Number(first));
      // Give the channel time to carry what was said: the callback of the last message.
      process.send?.({ type: 'state', busySequences: 1, waitingJobs: 0, warmTokens: 0 }, () =>
        process.kill(process.pid, 'SIGKILL'),
      );
      return;
    case 'fail':
      text(Number(first));
      jobs.delete(jobId);
      say({ type: 'failed', jobId, message: 'decode went wrong' });
      return;
    default:
      return;
  }
}

process.on('message', (message) => {
  const heard = message as ToEngine;
  switch (heard.type) {
    case 'generate':
      generate(heard.jobId, heard.plan);
      return;
    case 'cancel':
      if (!jobs.delete(heard.jobId)) return;
      say({
        type: 'done',
        jobId: heard.jobId,
        ending: 'cancelled',
        timings: TIMINGS,
        counts: { output: 1, reasoning: 0 },
      });
      report();
      return;
    case 'count':
      return say({
        type: 'counted',
        askId: heard.askId,
        tokens: heard.prompt.map(({ text }) => text).join('').length,
      });
    case 'tokenise':
      return say({
        type: 'tokenised',
        askId: heard.askId,
        tokens: heard.text.map(({ kind, text }, id) => ({ id, text: `${kind}:${text}` })),
      });
    case 'cache-report': {
      const entries = [...blocks].map((key, i) => ({
        id: `block-${i}`,
        kind: 'explicit' as const,
        namespace: key.split('\0')[0] ?? '',
        tokens: countWords(key.slice(key.indexOf('\0'))),
        bytes: 0,
        hits: 0,
        savedMs: 0,
        createdAtMs: 0,
        lastUseMs: 0,
      }));
      const totals = { entries: entries.length, bytes: 0, hits: 0, savedMs: 0 };
      return say({ type: 'cache-reported', askId: heard.askId, report: { entries, totals } });
    }
    case 'cache-clear': {
      const entries = blocks.size;
      blocks.clear();
      return say({ type: 'cache-cleared', askId: heard.askId, entries, bytes: 0 });
    }
    case 'share':
      return;
    case 'shutdown':
      if (options.weightsFile !== 'stubborn') process.exit(0);
      return;
    default:
      heard satisfies never;
  }
});
process.on('disconnect', () => process.exit(0));

switch (options.weightsFile) {
  case 'load-failed':
    process.send?.({ type: 'load-failed', message: 'not a GGUF file' }, () => process.exit(1));
    break;
  case 'exit':
    process.stderr.write('out of memory\n', () => process.exit(3));
    break;
  case 'hang':
    say({ type: 'loading', share: 0.5 });
    break;
  default:
    say({
      type: 'ready',
      facts: {
        architecture: 'fake',
        name: 'Fake',
        chatTemplate: undefined,
        bosText: '',
        eosText: '<|im_end|>',
        controlTexts: ['<|im_start|>', '<|im_end|>', '<|fim_prefix|>', '<|fim_suffix|>', '<|fim_middle|>'],
        vocabularySize: 100,
        trainContextTokens: 8_192,
        contextTokens: 8_192,
        sequences: options.sequences,
      },
    });
}
