/**
 * Cases of the Berkeley function-calling leaderboard (BFCL v4), from its public evaluation package. They are fetched by
 * the ordinary `pip` client into a cache folder, never into this repository.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { randomFrom } from '../src/backends/embedded/testing/random.ts';
import type { Json, JsonSchema } from '../src/core/generation.ts';
import { readZipMember } from '../src/weights/zip-member.ts';

export const CATEGORIES = ['simple', 'multiple', 'parallel', 'irrelevance'] as const;
export type Category = (typeof CATEGORIES)[number];

/** Half of the cases may be looked at while the program is made; what it claims is measured on the other. */
export type Half = 'training' | 'other';

/** A function as the set describes it: JSON Schema but for its names of types. */
export interface DescribedFunction {
  readonly name: string;
  readonly description: string;
  readonly parameters: JsonSchema;
}

/** What one call may be: each argument's allowed values, '' among them where it may be left out. */
export interface AllowedCall {
  readonly name: string;
  readonly values: { readonly [argument: string]: readonly Json[] };
}

export interface ToolCase {
  readonly id: string;
  readonly category: Category;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  readonly functions: readonly DescribedFunction[];
  /** Empty: no call is right. */
  readonly calls: readonly AllowedCall[];
}

const PACKAGE = 'bfcl-eval';
const VERSION = '2026.3.23';
const FILES: Readonly<Record<Category, string>> = {
  simple: 'simple_python',
  multiple: 'multiple',
  parallel: 'parallel',
  irrelevance: 'irrelevance',
};

/** The package's file, fetched when it is not there yet. Throws a sentence for people when it cannot be had. */
export function bfclPackage(folder = join(homedir(), '.cache', 'atelier', 'bench')): string {
  mkdirSync(folder, { recursive: true });
  const found = (): string | undefined =>
    readdirSync(folder).find((file) => file.startsWith('bfcl_eval-') && file.endsWith('.whl'));
  if (found() === undefined) {
    const args = ['-m', 'pip', 'download', '--quiet', '--no-deps', '-d', folder, `${PACKAGE}==${VERSION}`];
    const { status, error } = spawnSync('python3', args, { stdio: 'ignore', timeout: 120_000 });
    if (status !== 0 || found() === undefined) {
      throw new Error(`${PACKAGE} ${VERSION} cannot be had through pip${error ? `: ${error.message}` : ''}`);
    }
  }
  const file = join(folder, found() ?? '');
  if (!existsSync(file)) throw new Error(`${file} is gone`);
  return file;
}

/** All cases of a category, in the order of the set. */
export async function bfclCases(file: string, category: Category): Promise<readonly ToolCase[]> {
  const name = `BFCL_v4_${FILES[category]}.json`;
  const questions = await lines<RawCase>(file, `bfcl_eval/data/${name}`);
  const answers =
    category === 'irrelevance' ? [] : await lines<RawAnswer>(file, `bfcl_eval/data/possible_answer/${name}`);
  const answerOf = new Map(answers.map((answer) => [answer.id, answer.ground_truth]));
  return questions.map((question) => ({
    id: question.id,
    category,
    messages: question.question[0] ?? [],
    functions: question.function,
    calls: (answerOf.get(question.id) ?? []).flatMap((call) =>
      Object.entries(call).map(([called, values]) => ({ name: called, values })),
    ),
  }));
}

/** `count` of the cases of one half, by seed. */
export function sampleOf(
  cases: readonly ToolCase[],
  half: Half | undefined,
  count: number,
  seed: number,
): readonly ToolCase[] {
  const random = randomFrom(seed);
  const pool = cases.filter((_, index) => half === undefined || (index % 2 === 0) === (half === 'training'));
  const keyed = pool.map((each) => ({ each, key: random() }));
  return keyed
    .sort((a, b) => a.key - b.key)
    .slice(0, count)
    .map(({ each }) => each);
}

/** JSON Schema has other names for the types of the set, and function names know no dots. */
export function toolOf({ name, description, parameters }: DescribedFunction): object {
  const schema = schemaOf(parameters);
  return { type: 'function', function: { name: wireName(name), description, parameters: schema } };
}

export function wireName(name: string): string {
  return name.replaceAll('.', '_');
}

const TYPES: Readonly<Record<string, string>> = {
  dict: 'object',
  float: 'number',
  tuple: 'array',
  Array: 'array',
  ArrayList: 'array',
  String: 'string',
};

export function schemaOf(schema: JsonSchema): JsonSchema {
  const entries = Object.entries(schema).flatMap(([key, value]): (readonly [string, Json])[] => {
    if (key === 'type' && value === 'any') return [];
    if (key === 'type' && typeof value === 'string') return [[key, TYPES[value] ?? value]];
    if (key === 'properties' && isObject(value))
      return [[key, Object.fromEntries(Object.entries(value).map(([name, each]) => [name, inner(each)]))]];
    if (key === 'items' || key === 'additionalProperties') return [[key, inner(value)]];
    return key === 'optional' ? [] : [[key, value]];
  });
  return Object.fromEntries(entries);
}

function inner(value: Json): Json {
  return isObject(value) ? schemaOf(value) : value;
}

function isObject(value: Json | undefined): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

interface RawCase {
  readonly id: string;
  readonly question: readonly (readonly { readonly role: string; readonly content: string }[])[];
  readonly function: readonly DescribedFunction[];
}

interface RawAnswer {
  readonly id: string;
  readonly ground_truth: readonly { readonly [name: string]: AllowedCall['values'] }[];
}

async function lines<T>(file: string, member: string): Promise<T[]> {
  const all = await text(await readZipMember(file, member));
  return all
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as T);
}
