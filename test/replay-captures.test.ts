/**
 * Every capture of the real service, asked again of a server that replays them: the comparison of the evidence's own tool,
 * and one of our own that needs no Python.
 */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dataOf, recordingOf } from '../src/backends/replay/recording.ts';
import type { RecordedExchange } from '../src/core/recordings.ts';
import { startTestServer, type TestServer } from './support/server.ts';

/** Evidence is read where it lies, beside the repository; a clone elsewhere has none. */
const CAPTURES = new URL('../../shared/captures/', import.meta.url);
const COMPARE = new URL('../../shared/tools/compare-captures', import.meta.url);
const isAbsent = !existsSync(CAPTURES);
const REASON = 'the captures do not lie beside this clone';

const NAMES = isAbsent
  ? []
  : readdirSync(new URL('dashscope/', CAPTURES)).flatMap((file) =>
      file.endsWith('.json') ? [file.slice(0, -'.json'.length)] : [],
    );

/** No request was recorded with these (docs/wires/replay.md): nobody can ask for them but by name. */
const NAMELESS = NAMES.filter(
  (name) => /^deep-research-(?!planning)/.test(name) || ['get-upload-policy-nosse', 'upload-file-nosse'].includes(name),
);

let server: TestServer;
beforeAll(async () => {
  if (!isAbsent) server = await startTestServer({ scripted: false, replay: fileURLToPath(CAPTURES) });
});
afterAll(() => server?.close());

test('there are captures', ({ skip }) => {
  skip(isAbsent, REASON);
  expect(NAMES.length - NAMELESS.length).toBeGreaterThan(40);
});

async function ask(name: string): Promise<{ recorded: RecordedExchange['response']; response: Response }> {
  const file = new URL(`dashscope/${name}.json`, CAPTURES);
  const exchange = JSON.parse(readFileSync(file, 'utf8')) as RecordedExchange;
  const { request } = recordingOf(name, exchange);
  if (!request) throw new Error(`${name} has no request`);
  const { method, path, query, headers, body } = request;
  const sent = Object.fromEntries(Object.entries(headers).filter(([each]) => /^(accept|content-type|x-)/.test(each)));
  const key = exchange.response.status === 401 ? 'sk-this-key-is-wrong' : server.key;
  const text = typeof body === 'string' ? mended(body) : JSON.stringify(body);
  const response = await fetch(`${server.running.baseUrl}${path}${query.size > 0 ? `?${query}` : ''}`, {
    method,
    headers: { ...sent, authorization: `Bearer ${key}` },
    ...(body === null ? {} : { body: text }),
  });
  return { recorded: exchange.response, response };
}

/** The blank lines between a part's head and its content were lost, and the line feeds are not those of a form. */
function mended(form: string): string {
  return form.replace(/^((?:content-.*\n)+)\n?/gim, '$1\n').replaceAll('\n', '\r\n');
}

describe.each(NAMES.filter((name) => !NAMELESS.includes(name)))('%s', (name) => {
  test('says the same', async () => {
    const { recorded, response } = await ask(name);
    expect(response.status).toBe(recorded.status);
    const body = await response.text();
    const isStream = response.headers.get('content-type')?.includes('event-stream') ?? false;
    expect(isStream).toBe(/^\s*(id:|data:)/.test(recorded.body));
    if (isStream) {
      // Frames that show nothing but the same counts again do not come back: there is no event for them.
      const { said: saidOnce, usage } = saidBy(dataOf(recorded.body));
      const again = saidBy(dataOf(body));
      expect(again.said).toEqual(saidOnce);
      expect(again.usage).toEqual(usage);
    } else expect(withoutId(body)).toEqual(withoutId(recorded.body));
    const requestIds = [...body.matchAll(/^(?:data:)?\{.*"request_id":"([^"]*)"\}\s*$/gm)].map((match) => match[1]);
    expect(new Set(requestIds).size).toBeLessThan(2);
    if (requestIds[0] !== undefined && /^\{/.test(body))
      expect(response.headers.get('x-request-id')).toBe(requestIds[0]);
  });
});

interface Frame {
  readonly output: {
    readonly choices?: readonly {
      readonly message: {
        readonly content: unknown;
        readonly reasoning_content?: string;
        readonly tool_calls?: unknown;
      };
      readonly finish_reason: string;
    }[];
    readonly message?: unknown;
    readonly search_info?: { readonly search_results: readonly unknown[] };
    readonly tool_info?: readonly unknown[];
  };
  readonly usage: object;
}

/** What the frames of a stream say, in their order; and the last word on usage. */
function saidBy(data: readonly string[]): { said: unknown[]; usage: unknown } {
  const frames = data.map((each) => JSON.parse(each) as Frame);
  let tools = 0;
  const said = frames.flatMap(({ output }) => {
    const hasNewTool = (output.tool_info?.length ?? 0) > tools;
    tools = output.tool_info?.length ?? 0;
    const [choice] = output.choices ?? [];
    if (!choice) return [output];
    const { content, reasoning_content: reasoning = '', tool_calls: calls } = choice.message;
    const isNews =
      (Array.isArray(content) || typeof content === 'string' ? content.length > 0 : false) ||
      reasoning !== '' ||
      calls !== undefined ||
      choice.finish_reason !== 'null' ||
      hasNewTool ||
      (output.search_info?.search_results.length ?? 0) > 0;
    return isNews ? [output] : [];
  });
  // Excerpts of a research end where they were cut: the frame that ends the replay is ours.
  const isExcerpt = frames.every(({ output }) => output.message !== undefined);
  return { said: isExcerpt ? said.slice(0, 1) : said, usage: frames.at(-1)?.usage };
}

function withoutId(body: string): unknown {
  try {
    const { request_id: _, ...rest } = JSON.parse(body) as { request_id?: string };
    return rest;
  } catch {
    return body;
  }
}

test('compare-captures finds no difference, twice over', async ({ skip }) => {
  skip(isAbsent || !existsSync(COMPARE), REASON);
  const run = promisify(execFile);
  const hasPython = await run('python3', ['-c', 'import sys; sys.exit(sys.version_info < (3, 9))']).then(
    () => true,
    () => false,
  );
  skip(!hasPython, 'no Python from 3.9 on');
  const folder = fileURLToPath(new URL('dashscope/', CAPTURES));
  const compare = () =>
    run('python3', [fileURLToPath(COMPARE), server.running.baseUrl, server.key, folder, '--content']);
  // Recordings of one request take turns, so a second run has to meet the same ones.
  for (let round = 0; round < 2; round++) {
    const { stdout } = await compare().catch((thrown: { stdout: string }) => thrown);
    expect(stdout.split('\n').filter((line) => line.startsWith('FAIL'))).toEqual([]);
    expect(stdout).toContain(`captures: ${NAMES.length - NAMELESS.length} of ${NAMES.length - NAMELESS.length} (100%)`);
  }
});

test('a recording made natively is served to an OpenAI client', async ({ skip }) => {
  skip(isAbsent, REASON);
  const response = await server.chat({
    model: 'qwen-max',
    messages: [{ role: 'user', content: '请问 1+1 是多少？' }],
    seed: 1234,
    max_completion_tokens: 1500,
    top_p: 0.8,
    top_k: 100,
    repetition_penalty: 1.1,
    temperature: 0.85,
    stop: [[37763, 367]],
  });
  expect(response.headers.get('x-atelier-backend')).toBe('replay/single-generation-message-nosse');
  expect(await response.json()).toMatchObject({
    choices: [{ message: { content: expect.stringContaining('1+1 等于 2') }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 8, completion_tokens: 39 },
  });
});

test.for(['alibaba-text', 'alibaba-reasoning'])('Chat chunks of %s come back to the byte', async (name, { skip }) => {
  skip(isAbsent, REASON);
  const recorded = readFileSync(new URL(`openai-chat/${name}.chunks.txt`, CAPTURES), 'utf8')
    .trim()
    .split('\n');
  const body = { model: `replay/${name}`, messages: [{ role: 'user', content: 'x' }], stream: true };
  const response = await server.chat({ ...body, stream_options: { include_usage: true } });
  const { created, id } = JSON.parse(recorded[0] ?? '') as { created: number; id: string };
  const { model } = JSON.parse(recorded[0] ?? '') as { model: string };
  const again = dataOf(await response.text());
  const ours = JSON.parse(again[0] ?? '') as { created: number; id: string };
  const asRecorded = again.map((data) =>
    data
      .replace(`"created":${ours.created}`, `"created":${created}`)
      .replace(`"id":"${ours.id}"`, `"id":"${id}"`)
      .replace(`"model":"replay/${name}"`, `"model":"${model}"`),
  );
  expect(asRecorded).toEqual(recorded);
});
