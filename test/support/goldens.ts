/** Goldens of a wire: what it makes of every scenario, and of good and bad requests. The files are the expected bytes. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { Assembler } from '../../src/core/assemble.ts';
import { StudioError } from '../../src/core/errors.ts';
import type { GenerationEvent } from '../../src/core/events.ts';
import type { DecodeInfo, GenerationProtocol, ReplyPlan } from '../../src/protocols/protocol.ts';
import { countingIds } from './context.ts';
import { readScenario, scenarioNames } from './scenarios.ts';

const GOLDENS = new URL('../goldens/', import.meta.url);
export const GOLDEN_REQUEST_ID = '816a021e-5d7e-9eff-91a2-36aed4641546';

/** What a decoder is told in a golden; `headers` are those of the golden's request. */
export function goldenInfo(headers: { readonly [name: string]: string } = {}): DecodeInfo {
  return {
    headers,
    query: new URLSearchParams(),
    ids: countingIds(),
    requestId: GOLDEN_REQUEST_ID,
    account: { keyId: 'key-1', name: 'test', workspaceId: 'default', region: 'beijing' },
    receivedAtMs: 1_770_764_902_000,
  };
}

/** The path of a golden file of a wire. */
export function goldenPath(wire: string, file: string): string {
  return fileURLToPath(new URL(`${wire}/${file}`, GOLDENS));
}

/** All frames of an event stream. */
export function streamed<Plan extends ReplyPlan>(
  protocol: Pick<GenerationProtocol<Plan>, 'createEncoder'>,
  events: readonly GenerationEvent[],
  plan: Plan,
): string {
  const encoder = protocol.createEncoder(plan);
  return events.map((event) => encoder.push(event)).join('');
}

/** The body of a plain reply, or of the error that took its place. */
export function whole<Plan extends ReplyPlan>(
  protocol: Pick<GenerationProtocol<Plan>, 'encodeResult' | 'encodeError'>,
  events: readonly GenerationEvent[],
  plan: Plan,
): unknown {
  const assembler = new Assembler();
  for (const event of events) assembler.push(event);
  const result = assembler.result();
  return result.error
    ? protocol.encodeError(result.error, result.start.generationId, plan)
    : protocol.encodeResult(result, plan);
}

/** One golden a scenario for each named plan: `NAME.stream.txt` where the plan streams, else `NAME.body.txt`. */
export function describeEncodeGoldens<Plan extends ReplyPlan>(
  wire: string,
  protocol: GenerationProtocol<Plan>,
  plans: { readonly [name: string]: Plan },
): void {
  describe.each(scenarioNames())('%s', (name) => {
    const events = readScenario(name);
    test.each(Object.entries(plans))('as %s', async (planName, plan) => {
      const text = plan.isStreaming
        ? streamed(protocol, events, plan)
        : `${JSON.stringify(whole(protocol, events, plan), null, 2)}\n`;
      const ending = plan.isStreaming ? 'stream' : 'body';
      await expect(text).toMatchFileSnapshot(goldenPath(wire, `encode/${name}.${planName}.${ending}.txt`));
    });
  });
}

interface DecodeGolden {
  readonly source: string;
  readonly headers?: { readonly [name: string]: string };
  readonly wire: unknown;
  readonly canonical?: unknown;
  readonly error?: unknown;
}

/** Each file holds a wire request and the canonical request and plan (or the error) it must become. */
export function describeDecodeGoldens<Plan extends ReplyPlan>(wire: string, protocol: GenerationProtocol<Plan>): void {
  describe('decode', () => {
    const files = readdirSync(new URL(`${wire}/decode/`, GOLDENS));

    test('there are goldens', () => {
      expect(files.length).toBeGreaterThan(10);
    });

    test.each(files)('%s', (file) => {
      const golden = JSON.parse(readFileSync(goldenPath(wire, `decode/${file}`), 'utf8')) as DecodeGolden;
      const { canonical, error } = golden;
      expect(decoded(protocol, golden)).toEqual(canonical === undefined ? { error } : { canonical });
    });
  });
}

function decoded<Plan extends ReplyPlan>(protocol: GenerationProtocol<Plan>, { headers, wire }: DecodeGolden): object {
  try {
    return { canonical: JSON.parse(JSON.stringify(protocol.decodeRequest(wire, goldenInfo(headers)))) };
  } catch (thrown) {
    if (!(thrown instanceof StudioError)) throw thrown;
    const { status, body } = protocol.encodeError(thrown, GOLDEN_REQUEST_ID, undefined, headers ?? {});
    return { error: { status, body } };
  }
}
