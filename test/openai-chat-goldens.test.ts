/** What Chat Completions makes of every scenario and of recorded kinds of request; the goldens are the expected bytes. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { Assembler } from '../src/core/assemble.ts';
import { StudioError } from '../src/core/errors.ts';
import type { GenerationEvent } from '../src/core/events.ts';
import { type ChatReplyPlan, decodeChatRequest } from '../src/protocols/openai-chat/decode.ts';
import { ChatEncoder, encodeChatResult } from '../src/protocols/openai-chat/encode.ts';
import { encodeChatError } from '../src/protocols/openai-chat/errors.ts';
import { readScenario, scenarioNames } from './support/scenarios.ts';

const GOLDENS = new URL('./goldens/openai-chat/', import.meta.url);
const REQUEST_ID = '816a021e-5d7e-9eff-91a2-36aed4641546';

function golden(path: string): string {
  return fileURLToPath(new URL(path, GOLDENS));
}

function stream(events: readonly GenerationEvent[], plan: ChatReplyPlan): string {
  const encoder = new ChatEncoder(plan);
  return events.map((event) => encoder.push(event)).join('');
}

describe.each(scenarioNames())('%s', (name) => {
  const events = readScenario(name);

  test('streamed with usage', async () => {
    const bytes = stream(events, { isStreaming: true, includesUsage: true });
    await expect(bytes).toMatchFileSnapshot(golden(`encode/${name}.stream.txt`));
  });

  test('streamed without usage, nothing else differs', () => {
    const withUsage = stream(events, { isStreaming: true, includesUsage: true });
    const without = stream(events, { isStreaming: true, includesUsage: false });
    expect(without).toBe(withUsage.replace(/data: \{"choices":\[\],.*\n\n/, ''));
    expect(without).not.toContain('"usage":{');
  });

  test('whole', async () => {
    const assembler = new Assembler();
    for (const event of events) assembler.push(event);
    const result = assembler.result();
    const body = result.error ? encodeChatError(result.error, result.start.generationId) : encodeChatResult(result);
    await expect(`${JSON.stringify(body, null, 2)}\n`).toMatchFileSnapshot(golden(`encode/${name}.body.txt`));
  });
});

interface DecodeGolden {
  readonly source: string;
  readonly wire: unknown;
  readonly canonical?: unknown;
  readonly error?: unknown;
}

describe('decode', () => {
  const files = readdirSync(new URL('decode/', GOLDENS));

  test('there are goldens', () => {
    expect(files.length).toBeGreaterThan(10);
  });

  test.each(files)('%s', (file) => {
    const { wire, canonical, error } = JSON.parse(readFileSync(golden(`decode/${file}`), 'utf8')) as DecodeGolden;
    expect(decode(wire)).toEqual(canonical === undefined ? { error } : { canonical });
  });
});

function decode(wire: unknown): object {
  try {
    return { canonical: JSON.parse(JSON.stringify(decodeChatRequest(wire))) };
  } catch (thrown) {
    if (!(thrown instanceof StudioError)) throw thrown;
    const { status, body } = encodeChatError(thrown, REQUEST_ID);
    return { error: { status, body } };
  }
}
