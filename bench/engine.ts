/** Tokens a second and first tokens of the embedded engine behind the whole server, against the bare binding. */
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { type AtelierProcess, CHAT_PATH, engineYaml, startAtelier } from './atelier.ts';
import type { BareReply, BareRequest } from './bare-engine.ts';
import type { Row } from './gateway.ts';
import { LoadConnection, median, requestBytes } from './load.ts';
import { measureStalls } from './stalls.ts';

const TOKENS = 96;
const STORY = 'Tell me a long story about a fox who learns to read.';

/** Measures one weights file in interleaved rounds. */
export async function benchEngine(weightsFile: string, roundsWanted: number): Promise<Row[]> {
  const atelier = await startAtelier(engineYaml(weightsFile));
  const bare = await startBareEngine(weightsFile);
  try {
    await ask(atelier, STORY, 1, 8);
    await bare.run({ prompt: chatText(STORY), streams: 1, tokens: 8 });
    const rates = new Map<string, number[]>();
    const note = (name: string, value: number): void => void rates.set(name, [...(rates.get(name) ?? []), value]);
    for (let round = 0; round < roundsWanted; round++) {
      for (const streams of [1, 2, 4]) {
        note(`bare ${streams}`, (await bare.run({ prompt: chatText(STORY), streams, tokens: TOKENS })).tokensPerSecond);
        note(`atelier ${streams}`, (await ask(atelier, STORY, streams, TOKENS)).tokensPerSecond);
      }
      const long = longPrompt(round);
      // A seed of the caller's asks for the same text whatever is warm; without one nobody compares.
      note('bare cold', (await bare.run({ prompt: chatText(long), streams: 1, tokens: 4 })).firstTokenMs);
      note('atelier cold', (await ask(atelier, long, 1, 4)).firstTokenMs);
      note(
        'bare warm',
        (await bare.run({ prompt: chatText(`${long} Once more.`), streams: 1, tokens: 4 })).firstTokenMs,
      );
      note('atelier warm', (await ask(atelier, `${long} Once more.`, 1, 4)).firstTokenMs);
      note('bare same', (await bare.run({ prompt: chatText(long), streams: 1, tokens: 4 })).firstTokenMs);
      note('atelier same', (await ask(atelier, long, 1, 4)).firstTokenMs);
      note(
        'bare warm unseeded',
        (await bare.run({ prompt: chatText(`${long} Twice.`), streams: 1, tokens: 4 })).firstTokenMs,
      );
      note('atelier warm unseeded', (await ask(atelier, `${long} Twice.`, 1, 4, false)).firstTokenMs);
      note('bare same unseeded', (await bare.run({ prompt: chatText(long), streams: 1, tokens: 4 })).firstTokenMs);
      note('atelier same unseeded', (await ask(atelier, long, 1, 4, false)).firstTokenMs);
    }
    const figure = (name: string): number => median(rates.get(name) ?? []);
    const row = (name: string, unit: string, what: string): Row => ({
      name,
      unit,
      values: { 'bare binding': figure(`bare ${what}`), atelier: figure(`atelier ${what}`) },
    });
    return [
      row('tokens/s, 1 client', '/s', '1'),
      row('tokens/s, 2 clients, sum', '/s', '2'),
      row('tokens/s, 4 clients, sum', '/s', '4'),
      row('first token, 2k prompt, cold', 'ms', 'cold'),
      row('first token, 2k prompt, warm but for its end', 'ms', 'warm'),
      row('first token, 2k prompt, warm', 'ms', 'same'),
      row('the same without a seed, warm but for its end', 'ms', 'warm unseeded'),
      row('the same without a seed, warm', 'ms', 'same unseeded'),
    ];
  } finally {
    bare.stop();
    await atelier.stop();
  }
}

/** The pauses of a stream beside a prompt of 4,000 tokens. */
export async function benchStalls(weightsFile: string): Promise<Row[]> {
  const { p50Ms, p95Ms, maxMs, firstTokenMs, aloneMs, promptTokens } = await measureStalls(weightsFile);
  const row = (name: string, value: number): Row => ({ name, unit: 'ms', values: { atelier: value } });
  return [
    row(`pause of a stream beside a prompt of ${promptTokens} tokens, p50`, p50Ms),
    row('the same, p95', p95Ms),
    row('the same, longest', maxMs),
    row('first token of that prompt', firstTokenMs),
    row('first token of that prompt, alone', aloneMs),
  ];
}

/** About 2,000 tokens, another text each round so that nothing is warm. */
function longPrompt(round: number): string {
  return Array.from(
    { length: 150 },
    (_, line) => `Note ${round}-${line}: the river rose by ${line + round} cm last night.`,
  ).join(' ');
}

function chatText(text: string): string {
  return `<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n${text}<|im_end|>\n<|im_start|>assistant\n`;
}

async function ask(
  { server, key }: AtelierProcess,
  text: string,
  streams: number,
  tokens: number,
  isSeeded = true,
): Promise<{ tokensPerSecond: number; firstTokenMs: number }> {
  const replies = await Promise.all(
    Array.from({ length: streams }, async (_, index) => {
      const request = requestBytes(server.url, CHAT_PATH, key, {
        model: 'qwen-plus',
        messages: [
          { role: 'system', content: 'You are a helpful assistant.' },
          { role: 'user', content: text },
        ],
        stream: true,
        temperature: 0.7,
        top_p: 0.8,
        top_k: 20,
        ...(isSeeded && { seed: index + 1 }),
        max_tokens: tokens,
      });
      const connection = await LoadConnection.open(server.url);
      const reply = await connection.send(request);
      connection.close();
      if (reply.status !== 200) throw new Error(`status ${reply.status}`);
      return reply;
    }),
  );
  const firstTokenMs = Math.max(...replies.map((reply) => reply.firstByteMs));
  const totalMs = Math.max(...replies.map((reply) => reply.totalMs));
  return { tokensPerSecond: ((streams * (tokens - 1)) / (totalMs - firstTokenMs)) * 1000, firstTokenMs };
}

async function startBareEngine(
  weightsFile: string,
): Promise<{ run(request: BareRequest): Promise<BareReply>; stop(): void }> {
  const child = fork(join(import.meta.dirname, 'bare-engine.ts'), [weightsFile], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve());
    child.once('exit', (code) => reject(new Error(`the bare engine ended with ${code}`)));
  });
  return {
    run: (request) =>
      new Promise((resolve) => {
        child.once('message', (reply) => resolve(reply as BareReply));
        child.send(request);
      }),
    stop: () => child.kill(),
  };
}
