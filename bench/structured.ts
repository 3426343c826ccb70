/**
 * Random schemas and tools on real weights: every answer must parse and validate, every call must be to a declared
 * function with valid arguments, and the sixteen settings on which llama-server gave no call must end as calls.
 */
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { JsonSchema } from '../src/core/generation.ts';
import { type AtelierProcess, engineYaml, startAtelier } from './atelier.ts';
import { randomSchemas } from './random-schema.ts';

interface ChatBody {
  readonly choices: readonly {
    readonly finish_reason: string;
    readonly message: {
      readonly content: string;
      readonly tool_calls?: readonly { readonly function: { readonly name: string; readonly arguments: string } }[];
    };
  }[];
  readonly error?: { readonly message: string };
}

export interface StructuredReport {
  readonly lines: string[];
  readonly failures: string[];
}

/** Half of `count` are answers by schema, half are tool calls (required, named, auto, parallel). */
export async function proveStructured(weightsFile: string, count: number, seed: number): Promise<StructuredReport> {
  const atelier = await startAtelier(engineYaml(weightsFile));
  const failures: string[] = [];
  try {
    const schemas = randomSchemas(count, seed);
    const kinds = new Map<string, { all: number; good: number }>();
    const note = (kind: string, problem: string | undefined, schema: JsonSchema): void => {
      const entry = kinds.get(kind) ?? { all: 0, good: 0 };
      kinds.set(kind, { all: entry.all + 1, good: entry.good + (problem === undefined ? 1 : 0) });
      if (problem !== undefined) failures.push(`${kind}: ${problem}\n  schema ${JSON.stringify(schema)}`);
    };
    await inParallel(4, schemas, async (schema, index) => {
      const kind = KINDS[index % KINDS.length] ?? 'schema';
      note(kind, await tryOne(atelier, kind, schema, index), schema);
    });
    const calls = await sixteenSettings(atelier);
    const lines = [...kinds].map(([kind, { all, good }]) => `| ${kind} | ${good} of ${all} |`);
    lines.push(
      `| the settings of one weather question (auto, required × system text × temperature) that end as a call | ${calls} of 8 |`,
    );
    return { lines, failures };
  } finally {
    await atelier.stop();
  }
}

const KINDS = [
  'schema',
  'required call',
  'schema',
  'named call',
  'schema',
  'auto',
  'schema',
  'parallel calls',
] as const;

/** The problem with one answer, or undefined. */
async function tryOne(
  atelier: AtelierProcess,
  kind: (typeof KINDS)[number],
  schema: JsonSchema,
  index: number,
): Promise<string | undefined> {
  const common = {
    model: 'qwen3-max',
    seed: index,
    max_tokens: 400,
    messages: [{ role: 'user', content: QUESTIONS[index % QUESTIONS.length] }],
  };
  if (kind === 'schema') {
    const body = await ask(atelier, {
      ...common,
      response_format: { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema } },
    });
    return body.error?.message ?? problemOf(schema, body.choices[0]?.message.content ?? '');
  }
  const tools = [
    functionTool('save_record', schema),
    functionTool('delete_record', { type: 'object', properties: { id: { type: 'integer' } }, required: ['id'] }),
  ];
  const choice =
    kind === 'named call'
      ? { type: 'function', function: { name: 'save_record' } }
      : kind === 'auto'
        ? 'auto'
        : 'required';
  const body = await ask(atelier, {
    ...common,
    tools,
    tool_choice: choice,
    parallel_tool_calls: kind === 'parallel calls',
  });
  if (body.error) return body.error.message;
  const calls = body.choices[0]?.message.tool_calls ?? [];
  if (kind !== 'auto' && calls.length === 0) return `no call: ${JSON.stringify(body.choices[0])}`;
  for (const { function: call } of calls) {
    const tool = tools.find(({ function: { name } }) => name === call.name);
    if (!tool) return `a call to ${call.name}, which nobody declared`;
    const problem = problemOf(tool.function.parameters, call.arguments);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

const QUESTIONS = [
  'Invent a record for a small shop in Hangzhou and save it.',
  'Please store the order of Mr Li: three green bowls, 45 yuan each.',
  'Make up a person and fill in every field you can.',
  'Save a note about the weather in Beijing today.',
];

const functionTool = (name: string, parameters: JsonSchema) => ({
  type: 'function',
  function: { name, description: `${name.replace('_', ' ')} in the shop's book`, parameters },
});

function problemOf(schema: JsonSchema, text: string): string | undefined {
  const ajv = new Ajv2020({ strict: false, validateFormats: true });
  (addFormats as unknown as (ajv: Ajv2020) => void)(ajv);
  try {
    const validate = ajv.compile(schema);
    return validate(JSON.parse(text)) ? undefined : `${ajv.errorsText(validate.errors)}: ${text}`;
  } catch (thrown) {
    return `${thrown instanceof Error ? thrown.message : thrown}: ${text}`;
  }
}

async function ask(atelier: AtelierProcess, body: object): Promise<ChatBody> {
  return (await (await atelier.post(body)).json()) as ChatBody;
}

const WEATHER = functionTool('get_current_weather', {
  type: 'object',
  properties: { location: { type: 'string', description: 'City or county.' } },
  required: ['location'],
});

/** engine reference §3: tool_choice × system text × temperature, twice a temperature above 0 would be another matter. */
async function sixteenSettings(atelier: AtelierProcess): Promise<number> {
  let calls = 0;
  for (const tool_choice of ['auto', 'required'])
    for (const system of [undefined, 'You are a helpful assistant.'])
      for (const temperature of [0, 0.7]) {
        const messages = [
          ...(system ? [{ role: 'system', content: system }] : []),
          { role: 'user', content: 'What is the weather in Beijing?' },
        ];
        const body = await ask(atelier, { model: 'qwen-plus', messages, tools: [WEATHER], tool_choice, temperature });
        const call = body.choices[0]?.message.tool_calls?.[0];
        if (
          call?.function.name === 'get_current_weather' &&
          problemOf(WEATHER.function.parameters, call.function.arguments) === undefined
        )
          calls++;
      }
  return calls;
}

/** Runs a task for each item, a few at a time. */
export async function inParallel<T>(
  workers: number,
  items: readonly T[],
  task: (item: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: workers }, async () => {
      for (let index = next++; index < items.length; index = next++) {
        const item = items[index];
        if (item !== undefined) await task(item, index);
      }
    }),
  );
}
