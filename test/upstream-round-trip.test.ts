/**
 * What our own wire writes, and what the real service was recorded to write, read back by the upstream backend: chat to
 * chat through the program must change nothing a client can see.
 */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Assembler, type GenerationResult } from '../src/core/assemble.ts';
import type { GenerationEvent } from '../src/core/events.ts';
import { type GenerationRequest, plainRequest } from '../src/core/generation.ts';
import type { CallContext } from '../src/core/ports.ts';
import { ChatEncoder, encodeChatResult } from '../src/protocols/openai-chat/encode.ts';
import { testContext } from './support/context.ts';
import { feedCall, helloRequest } from './support/fed-upstream.ts';
import { readScenario, scenarioNames } from './support/scenarios.ts';
import { collect } from './support/streams.ts';

function assembleAll(events: readonly GenerationEvent[]): GenerationResult {
  const assembler = new Assembler();
  for (const event of events) assembler.push(event);
  return assembler.result();
}

async function readBack(body: string, request: GenerationRequest, context: CallContext): Promise<GenerationEvent[]> {
  return collect(feedCall([{ pieces: [Buffer.from(body)] }], { kind: 'dashscope', request, context }).stream);
}

function streamed(events: readonly GenerationEvent[]): string {
  const encoder = new ChatEncoder({ isStreaming: true, includesUsage: true });
  return events.map((event) => encoder.push(event)).join('');
}

/** What a chat client sees of a result. */
function visible(result: GenerationResult): unknown {
  const { choices, usage } = encodeChatResult(result) as { readonly choices: unknown; readonly usage: unknown };
  return { choices, usage };
}

/** An upstream's call without any arguments gets `{}`: clients parse what they get. */
const CHANGED_ON_PURPOSE = new Set(['tool-call-without-input']);

const completed = scenarioNames().filter((name) => {
  if (CHANGED_ON_PURPOSE.has(name)) return false;
  const last = readScenario(name).at(-1);
  return last?.type === 'finish' && last.ending === 'completed';
});

describe.each(completed)('%s', (name) => {
  const events = readScenario(name);

  test('streamed', async () => {
    const back = await readBack(streamed(events), helloRequest, testContext());
    expect(visible(assembleAll(back))).toEqual(visible(assembleAll(events)));
  });

  test('whole', async () => {
    const body = JSON.stringify(encodeChatResult(assembleAll(events)));
    const back = await readBack(body, helloRequest, testContext({ isStreaming: false }));
    expect(visible(assembleAll(back))).toEqual(visible(assembleAll(events)));
  });
});

/** Evidence is read where it lies, beside the repository; a clone elsewhere has none. */
const CAPTURES = new URL('../../shared/captures/openai-chat/', import.meta.url);

describe.each(['alibaba-text', 'alibaba-reasoning'])('the recorded %s', (name) => {
  test('comes out byte for byte', async ({ skip }) => {
    skip(!existsSync(CAPTURES), 'the captures do not lie beside this clone');
    const lines = readFileSync(new URL(`${name}.chunks.txt`, CAPTURES), 'utf8')
      .trim()
      .split('\n');
    const { id, created, model } = JSON.parse(lines[0] ?? '') as { id: string; created: number; model: string };
    const frames = `${lines.map((line) => `data: ${line}\n\n`).join('')}data: [DONE]\n\n`;
    const context = testContext({ requestId: id.replace('chatcmpl-', ''), receivedAtMs: created * 1000 });
    expect(streamed(await readBack(frames, plainRequest(model, helloRequest.turns), context))).toBe(frames);
  });
});
