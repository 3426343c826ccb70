/**
 * An engine child without weights, for tests: speaks engine-protocol over IPC and does what the prompt says.
 *
 * How it starts is in the weights file's name: `ok`, `load-failed`, `exit` (while loading), `hang` (never ready),
 * `stubborn` (ignores shutdown). What a job does is in the last `[[…]]` of its prompt:
 *
 *     say N       N tokens of text, then stop            think N M   N tokens of reasoning, M of text
 *     hold        one token, then nothing until cancel   hold-silent accepted, then nothing until cancel
 *     call NAME   one call with {"a":1}                  crash N     N tokens, then the process dies
 *     refuse      does not fit                           fail N      N tokens, then `failed`
 *     echo        the whole plan as JSON text            bad-grammar refused for its grammar
 *     die         the process dies without a word
 */
import type { DecodePlan, EngineOptions, FromEngine, Piece, ToEngine } from '../engine-protocol.ts';

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

class Speaker {
  readonly jobId: string;
  readonly plan: DecodePlan;
  #output = 0;
  #reasoning = 0;

  constructor(jobId: string, plan: DecodePlan) {
    this.jobId = jobId;
    this.plan = plan;
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
    say({ type: 'done', jobId: this.jobId, ending: 'completed', timings: TIMINGS, counts: this.counts });
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
  say({ type: 'accepted', jobId, promptTokens: 11, cachedTokens: 4 });
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
