import { describe, expect, it } from 'vitest';
import { testContext } from '../../../test/support/context.ts';
import { collect, recordingNext, streamOf, testRoute, textAnswer, textsOf } from '../../../test/support/streams.ts';
import { assemble } from '../../core/assemble.ts';
import { StudioError } from '../../core/errors.ts';
import type { GenerationEvent } from '../../core/events.ts';
import { type GenerationRequest, type JsonSchema, type OutputFormat, plainRequest } from '../../core/generation.ts';
import { usageOf } from '../../core/usage.ts';
import { structuredOutput } from './structured-output.ts';

const schema: JsonSchema = { type: 'object', properties: { age: { type: 'integer' } }, required: ['age'] };
const bySchema: OutputFormat = { type: 'json-schema', name: 'person', schema, isStrict: true };
const anyObject: OutputFormat = { type: 'json-object' };

const request = (output: OutputFormat, changes: Partial<GenerationRequest> = {}): GenerationRequest => ({
  ...plainRequest('test', [{ role: 'user', parts: [{ type: 'text', text: 'json' }] }]),
  output,
  ...changes,
});
const context = () => testContext({ route: testRoute() });

async function answer(output: OutputFormat, ...attempts: readonly (readonly GenerationEvent[])[]) {
  const { next, requests } = recordingNext(...attempts);
  const events = await collect(structuredOutput.apply(request(output), context(), next));
  return { events, texts: textsOf(events, 'text-delta'), asked: requests.length, last: events.at(-1) };
}

describe('structuredOutput', () => {
  it('shows a right answer in one piece', async () => {
    const { texts, asked, last } = await answer(bySchema, textAnswer(['{"age"', ': 3', '}']));
    expect(texts).toEqual(['{"age": 3}']);
    expect(asked).toBe(1);
    expect(last).toMatchObject({ type: 'finish', usage: usageOf({ input: 10, output: 3 }) });
  });

  it.each([
    ['fences', '```json\n{"age": 3}\n```', '{"age": 3}'],
    ['talk around it', 'Sure! Here it is: {"age": 3} Enjoy.', '{"age": 3}'],
    ['bare keys and quotes', "{age: 3, 'name': None}", '{"age": 3, "name": null}'],
    ['a missing end', '{"age": 3', '{"age": 3}'],
  ])('repairs %s', async (_, text, repaired) => {
    expect((await answer(bySchema, textAnswer([text]))).texts).toEqual([repaired]);
  });

  it('asks once more for what cannot be repaired, and counts the prompt once', async () => {
    const { texts, asked, events, last } = await answer(
      bySchema,
      textAnswer(['I', ' cannot'], { reasoning: ['hm'] }),
      textAnswer(['{"age": 4}'], { reasoning: ['again'] }),
    );
    expect(texts).toEqual(['{"age": 4}']);
    expect(asked).toBe(2);
    expect(textsOf(events, 'reasoning-delta')).toEqual(['hm']);
    expect(last).toMatchObject({ type: 'finish', usage: usageOf({ input: 10, output: 5, reasoning: 2 }) });
  });

  it('fails the call when the second answer is wrong too', async () => {
    const { texts, last } = await answer(bySchema, textAnswer(['{"age": "x"}']), textAnswer(['{}']));
    expect(texts).toEqual([]);
    expect(last).toMatchObject({ type: 'error', usage: usageOf({ input: 10, output: 2 }) });
    expect(last?.type === 'error' && last.error.code).toBe('internal');
  });

  it('wants an object or a list for json_object', async () => {
    expect((await answer(anyObject, textAnswer(['[1]']))).texts).toEqual(['[1]']);
    expect((await answer(anyObject, textAnswer(['"text"']), textAnswer(['{}']))).texts).toEqual(['{}']);
  });

  it('shows a cut answer as it is', async () => {
    const { texts, asked } = await answer(bySchema, textAnswer(['{"age', '": '], { reason: 'length' }));
    expect(texts).toEqual(['{"age": ']);
    expect(asked).toBe(1);
  });

  it('lets calls through', async () => {
    const at = { choice: 0, blockId: 'c' };
    const [start, usage] = textAnswer([]);
    const events: GenerationEvent[] = [
      ...(start && usage ? [start, usage] : []),
      { type: 'tool-input-start', ...at, callId: 'call_1', name: 'f', executedBy: 'client' },
      { type: 'tool-input-delta', ...at, text: '{}' },
      { type: 'tool-input-end', ...at, isValidJson: true },
      { type: 'choice-end', choice: 0, reason: 'tool-calls' },
      { type: 'finish', usage: usageOf({ input: 10, output: 1 }), timings: {}, ending: 'completed' },
    ];
    const result = await assemble(streamOf((await answer(bySchema, events)).events));
    expect(result.choices[0]).toMatchObject({ blocks: [{ type: 'tool-call', inputText: '{}' }], reason: 'tool-calls' });
  });

  it('asks again only for the choice that was wrong', async () => {
    const two = (first: string, second: string): GenerationEvent[] => [
      ...textAnswer([first]).slice(0, 6),
      { type: 'text-start', choice: 1, blockId: 'u' },
      { type: 'text-delta', choice: 1, blockId: 'u', text: second },
      { type: 'text-end', choice: 1, blockId: 'u' },
      { type: 'choice-end', choice: 1, reason: 'stop' },
      { type: 'finish', usage: usageOf({ input: 10, output: 2 }), timings: {}, ending: 'completed' },
    ];
    const { events } = await answer(bySchema, two('{"age": 1}', 'no'), two('{"age": 8}', '{"age": 2}'));
    const result = await assemble(streamOf(events));
    expect(result.choices.map(({ blocks }) => blocks)).toMatchObject(
      ['{"age": 1}', '{"age": 2}'].map((text) => [{ type: 'text', text }]),
    );
  });

  it('passes text and able backends through untouched', () => {
    const { next, requests } = recordingNext([], []);
    structuredOutput.apply(request({ type: 'text' }), context(), next);
    structuredOutput.apply(request(bySchema), testContext({ route: testRoute({ structuredOutput: true }) }), next);
    expect(requests).toHaveLength(2);
  });

  it('refuses what is no schema before anything is spent, whoever answers', () => {
    const { next, requests } = recordingNext([]);
    const able = testContext({ route: testRoute({ structuredOutput: true }) });
    const refused = (changed: GenerationRequest) => {
      expect(() => structuredOutput.apply(changed, able, next)).toThrow(StudioError);
      expect(() => structuredOutput.apply(changed, able, next)).toThrow(/^Invalid schema for '/);
    };
    refused(request({ type: 'json-schema', name: 'a', schema: { type: 'nothing' }, isStrict: false }));
    refused(request({ type: 'json-schema', name: 'a', schema: { $ref: '#/$defs/gone' }, isStrict: false }));
    refused(request({ type: 'text' }, { tools: [{ type: 'function', name: 'f', inputSchema: { required: 'a' } }] }));
    expect(requests).toEqual([]);
  });
});
