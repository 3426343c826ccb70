/** Every family's spelling of calls, held on real weights that know none of them: what comes is a call, and valid. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FunctionTool } from '../../core/generation.ts';
import { TOOL_FORMAT_IDS } from '../parsers/tool-formats.ts';
import { ForkedEngine } from './child/testing/forked-engine.ts';
import { decodePlanOf } from './decode-plan.ts';
import { ask, planInputOf } from './testing/harness.ts';

const WEIGHTS = process.env.ATELIER_TEST_WEIGHTS;
if (WEIGHTS === undefined) console.warn('spellings skipped: ATELIER_TEST_WEIGHTS names no weights file');

const TOOLS: readonly FunctionTool[] = [
  {
    type: 'function',
    name: 'get_weather',
    description: 'The weather in a city.',
    inputSchema: {
      type: 'object',
      properties: {
        city: { type: 'string', maxLength: 20 },
        days: { type: 'integer', minimum: 1, maximum: 9 },
        unit: { enum: ['celsius', 'fahrenheit'] },
      },
      required: ['city', 'unit'],
      additionalProperties: false,
    },
  },
  {
    type: 'function',
    name: 'find_hotels',
    description: 'Hotels in a city.',
    inputSchema: {
      type: 'object',
      properties: {
        cities: { type: 'array', items: { type: 'string', maxLength: 20 }, minItems: 1, maxItems: 2 },
        breakfast: { type: 'boolean' },
      },
      required: ['cities'],
      additionalProperties: false,
    },
  },
];
const ajv = new Ajv2020({ strict: false });
const VALID = new Map(TOOLS.map(({ name, inputSchema }) => [name, ajv.compile(inputSchema)]));

describe.skipIf(WEIGHTS === undefined)('calls on real weights', { timeout: 60_000 }, () => {
  let engine: ForkedEngine;
  beforeAll(async () => {
    engine = await ForkedEngine.start({ weightsFile: WEIGHTS ?? '', sequences: 1, contextTokens: 2_048, threads: 1 });
  }, 120_000);
  afterAll(() => engine?.stop());

  it.each(
    TOOL_FORMAT_IDS.flatMap((spelling) => [
      { spelling, isParallel: false, temperature: 1.2 },
      { spelling, isParallel: true, temperature: 0 },
    ]),
  )('are valid in the spelling of $spelling (several: $isParallel, temperature $temperature)', async (row) => {
    const { spelling, isParallel, temperature } = row;
    const request = ask('Weather in Paris and in Rome in celsius, please, and hotels in both.', {
      tools: TOOLS,
      toolChoice: 'required',
      allowsParallelCalls: isParallel,
      sampling: { temperature, seed: 3 },
      limits: { maxOutputTokens: 160 },
    });
    const { chatTemplate, controlTexts } = engine.facts;
    const seen = await engine.run(decodePlanOf(planInputOf(request, { spelling, chatTemplate, controlTexts })));
    const [choice] = seen.choices;
    expect(choice?.text).toBe('');
    expect(choice?.calls.length).toBeGreaterThanOrEqual(1);
    if (!isParallel) expect(choice?.calls).toHaveLength(1);
    for (const { name, input, isValidJson } of choice?.calls ?? []) {
      expect(isValidJson).toBe(true);
      const validate = VALID.get(name);
      expect(validate?.(JSON.parse(input)), `${name} ${input} ${JSON.stringify(validate?.errors)}`).toBe(true);
    }
  });
});
