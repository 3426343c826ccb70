/**
 * Recorded exchanges of the real native API: every request is understood (or refused as it was), and every reply, turned
 * into events and encoded again, says the same in the same events and keys.
 *
 * Events that show nothing are left out of the comparison.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { loadCatalogue } from '../src/catalogue/load.ts';
import { StudioError } from '../src/core/errors.ts';
import { EventGrammar } from '../src/core/event-grammar.ts';
import type { GenerationEvent } from '../src/core/events.ts';
import type { NativeService } from '../src/core/models.ts';
import { NO_USAGE, type Usage, type UsageCount } from '../src/core/usage.ts';
import type { DashScopeReplyPlan } from '../src/protocols/dashscope/decode.ts';
import { PayloadKeys } from '../src/protocols/dashscope/encryption.ts';
import { generationOf } from '../src/protocols/dashscope/index.ts';
import type { GenerationProtocol } from '../src/protocols/protocol.ts';
import { goldenInfo, streamed, whole } from './support/goldens.ts';

/** Evidence is read where it lies, beside the repository; a clone elsewhere has none. */
const CAPTURES = new URL('../../shared/captures/dashscope/', import.meta.url);
const REASON = 'the captures do not lie beside this clone';
const NAMES = existsSync(CAPTURES)
  ? readdirSync(CAPTURES)
      .filter((file) => /generation-.*\.json$|^(parameter|auth)-error/.test(file))
      .map((file) => file.replace('.json', ''))
  : [];

interface Capture {
  readonly name: string;
  readonly request: { readonly headers: { readonly [name: string]: string }; readonly body: object };
  readonly response: { readonly status: number; readonly body: string };
}

interface RecordedMessage {
  readonly content: string | readonly { readonly text: string; readonly ocr_result?: unknown }[];
  readonly reasoning_content?: string;
  readonly tool_calls?: readonly {
    readonly index: number;
    readonly id: string;
    readonly function: { readonly name?: string; readonly arguments: string };
  }[];
}
interface RecordedOutput {
  readonly text?: string;
  readonly finish_reason?: string;
  readonly choices?: readonly {
    readonly index?: number;
    readonly message: RecordedMessage;
    readonly finish_reason: string;
  }[];
  readonly search_info?: { readonly search_results: readonly { [key: string]: string & number }[] };
  readonly tool_info?: readonly { readonly code_interpreter: { readonly code: string } }[];
}
interface Recorded {
  readonly output: RecordedOutput;
  readonly usage: RecordedUsage;
  readonly request_id: string;
}
interface Counts {
  readonly [count: string]: number | undefined;
}
interface RecordedUsage {
  readonly input_tokens?: number;
  readonly output_tokens?: number;
  readonly total_tokens?: number;
  readonly cached_tokens?: number;
  readonly image_tokens?: number;
  readonly video_tokens?: number;
  readonly prompt_tokens_details?: Counts;
  readonly input_tokens_details?: Counts;
  readonly output_tokens_details?: Counts;
  readonly plugins?: { readonly [plugin: string]: { readonly count: number; strategy?: string } };
}

const ports = { findCard: loadCatalogue().find, keys: new PayloadKeys() };
const protocols: { readonly [service in NativeService]: GenerationProtocol<DashScopeReplyPlan> } = {
  'text-generation': generationOf('text-generation', ports),
  'multimodal-generation': generationOf('multimodal-generation', ports),
};

test('there are captures', ({ skip }) => {
  skip(NAMES.length === 0, REASON);
  expect(NAMES.length).toBeGreaterThan(20);
});

describe.each(NAMES)('%s', (name) => {
  const capture = JSON.parse(readFileSync(new URL(`${name}.json`, CAPTURES), 'utf8')) as Capture;
  const protocol = protocols[name.startsWith('multimodal') ? 'multimodal-generation' : 'text-generation'];
  const { status, body } = capture.response;
  const isStream = /^\s*id:/.test(body);

  test('request', () => {
    // Some recordings lost the line that asked for a stream.
    const headers = { ...capture.request.headers, ...(isStream ? { 'x-dashscope-sse': 'enable' } : {}) };
    // The key was wrong, not the body.
    if (status === 400) expect(refusal(protocol, capture, headers)).toEqual({ status, body: withOurId(body) });
    else expect(protocol.decodeRequest(capture.request.body, goldenInfo(headers)).plan.isStreaming).toBe(isStream);
  });

  test.runIf(status === 200)('reply', () => {
    const { plan } = protocol.decodeRequest(
      capture.request.body,
      goldenInfo(isStream ? { 'x-dashscope-sse': 'enable' } : {}),
    );
    if (!isStream) {
      const recorded = JSON.parse(body) as Recorded;
      expect(whole(protocol, eventsOf([recorded]), plan)).toEqual(recorded);
      return;
    }
    const recorded = framesOf(body)
      .map((frame) => JSON.parse(frame) as Recorded)
      .filter((each, index, all) => showsSomething(each, all[index - 1]));
    const bytes = streamed(protocol, eventsOf(recorded), plan);
    expect(framesOf(bytes).map((frame) => JSON.parse(frame))).toEqual(recorded);
    const framing = recorded.map((_, index) => `id:${index + 1}\nevent:result\n:HTTP_STATUS/200\ndata:\n\n`);
    expect(bytes.replace(/^data:.*$/gm, 'data:')).toBe(framing.join(''));
  });
});

/** Recordings since 2025 whose bytes nobody sorted again. */
const IN_ORDER = NAMES.filter((name) =>
  [
    'conversation-generation-message-with-doc-url-sse',
    'multimodal-generation-message-with-tools-sse',
    'single-generation-message-reasoning-sse',
    'single-generation-message-with-code-interpreter-sse',
    'single-generation-message-with-parallel-tools-sse',
  ].includes(name),
);

test.each(IN_ORDER)('%s to the byte', (name) => {
  const capture = JSON.parse(readFileSync(new URL(`${name}.json`, CAPTURES), 'utf8')) as Capture;
  const protocol = protocols[name.startsWith('multimodal') ? 'multimodal-generation' : 'text-generation'];
  const { plan } = protocol.decodeRequest(capture.request.body, goldenInfo({ accept: 'text/event-stream' }));
  const frames = framesOf(capture.response.body).map((bytes) => ({ bytes, recorded: JSON.parse(bytes) as Recorded }));
  const shown = frames.filter(({ recorded }, index) => showsSomething(recorded, frames[index - 1]?.recorded));
  const encoded = streamed(protocol, eventsOf(shown.map(({ recorded }) => recorded)), plan);
  expect(framesOf(encoded)).toEqual(shown.map(({ bytes }) => bytes));
});

function framesOf(body: string): string[] {
  return [...body.matchAll(/^data:(.*)$/gm)].map((match) => match[1] ?? '');
}

function refusal(
  protocol: GenerationProtocol<DashScopeReplyPlan>,
  capture: Capture,
  headers: Capture['request']['headers'],
) {
  try {
    return protocol.decodeRequest(capture.request.body, goldenInfo(headers));
  } catch (thrown) {
    if (!(thrown instanceof StudioError)) throw thrown;
    const { status, body } = protocol.encodeError(thrown, 'our id', undefined, headers);
    return { status, body };
  }
}

function withOurId(body: string): object {
  return { ...(JSON.parse(body) as object), request_id: 'our id' };
}

/** Code that was run stands in every event after it; news it is once. */
function showsSomething({ output }: Recorded, before: Recorded | undefined): boolean {
  const hasNewCode = output.tool_info?.length !== before?.output.tool_info?.length;
  const hasSources = (output.search_info?.search_results.length ?? 0) > 0;
  const [choice] = output.choices ?? [];
  if (!choice || hasNewCode || hasSources || choice.finish_reason !== 'null') return true;
  const { content, reasoning_content: reasoning = '', tool_calls: calls = [] } = choice.message;
  return content.length > 0 || reasoning !== '' || calls.length > 0;
}

/** The stream a backend would have had to give. */
function eventsOf(recorded: readonly Recorded[]): GenerationEvent[] {
  const [first] = recorded;
  if (!first) throw new Error('an empty recording');
  const reader = new RecordingReader(first.request_id);
  for (const each of recorded) reader.read(each);
  return reader.end();
}

class RecordingReader {
  readonly #events: GenerationEvent[];
  readonly #open = new Map<number, { readonly kind: 'text' | 'reasoning' | 'tool-input'; readonly blockId: string }>();
  #usage: Usage = NO_USAGE;
  #blocks = 0;
  #code = 0;

  constructor(generationId: string) {
    this.#events = [{ type: 'start', generationId, model: 'm', createdAtMs: 0, servedBy: 'capture' }];
  }

  read({ output, usage }: Recorded): void {
    this.#usage = usageOf(usage);
    this.#events.push({ type: 'usage', usage: this.#usage });
    for (const source of output.search_info?.search_results ?? []) {
      const { index = 0, url = '', title = '', site_name: siteName, icon: iconUrl } = source;
      this.#events.push({ type: 'source', index: index - 1, url, title, siteName, iconUrl });
    }
    for (const { code_interpreter } of (output.tool_info ?? []).slice(this.#code)) this.#ranCode(code_interpreter);
    const texts =
      output.text === undefined
        ? []
        : [{ message: { content: output.text }, finish_reason: output.finish_reason ?? '' }];
    for (const choice of output.choices ?? texts) this.#choice(choice);
  }

  end(): GenerationEvent[] {
    this.#events.push({ type: 'finish', usage: this.#usage, timings: {}, ending: 'completed' });
    const grammar = new EventGrammar();
    for (const event of this.#events) grammar.push(event);
    grammar.end();
    return this.#events;
  }

  #choice({ index: choice = 0, message, finish_reason: reason }: NonNullable<RecordedOutput['choices']>[number]): void {
    const { content, reasoning_content: reasoning = '', tool_calls: calls = [] } = message;
    const [part] = typeof content === 'string' ? [{ text: content }] : content;
    const text = part?.text ?? '';
    const isLast = reason !== 'null';
    if (reasoning !== '') {
      const blockId = this.#switchTo(choice, 'reasoning');
      this.#events.push({
        type: 'reasoning-delta',
        choice,
        blockId,
        text: reasoning,
        joinsNext: text !== '' || isLast,
      });
    }
    if (text !== '') {
      const blockId = this.#switchTo(choice, 'text', part && 'ocr_result' in part ? part.ocr_result : undefined);
      this.#events.push({ type: 'text-delta', choice, blockId, text, joinsNext: isLast });
    }
    for (const { id, function: called } of calls) {
      if (called.name !== undefined) this.#close(choice);
      const blockId =
        called.name === undefined ? this.#open.get(choice)?.blockId : this.#openCall(choice, id, called.name);
      if (blockId === undefined) throw new Error('a piece of no call');
      this.#events.push({ type: 'tool-input-delta', choice, blockId, text: called.arguments, joinsNext: isLast });
    }
    if (!isLast) return;
    this.#close(choice);
    this.#events.push({
      type: 'choice-end',
      choice,
      reason: calls.length > 0 ? 'tool-calls' : reason === 'length' ? 'length' : 'stop',
    });
  }

  #ranCode(input: { readonly code: string }): void {
    this.#code++;
    this.#close(0);
    const blockId = `block-${++this.#blocks}`;
    const call = { choice: 0, blockId };
    this.#events.push(
      { type: 'tool-input-start', ...call, callId: blockId, name: 'code_interpreter', executedBy: 'server' },
      { type: 'tool-input-delta', ...call, text: JSON.stringify(input) },
      { type: 'tool-input-end', ...call, isValidJson: true },
    );
  }

  #openCall(choice: number, callId: string, name: string): string {
    const blockId = `block-${++this.#blocks}`;
    this.#open.set(choice, { kind: 'tool-input', blockId });
    this.#events.push({ type: 'tool-input-start', choice, blockId, callId, name, executedBy: 'client' });
    return blockId;
  }

  #switchTo(choice: number, kind: 'text' | 'reasoning', ocrResult?: unknown): string {
    const open = this.#open.get(choice);
    if (open?.kind === kind) return open.blockId;
    this.#close(choice);
    const blockId = `block-${++this.#blocks}`;
    this.#open.set(choice, { kind, blockId });
    if (kind === 'reasoning') this.#events.push({ type: 'reasoning-start', choice, blockId });
    else this.#events.push({ type: 'text-start', choice, blockId, ocrResult });
    return blockId;
  }

  #close(choice: number): void {
    const open = this.#open.get(choice);
    if (!open) return;
    this.#open.delete(choice);
    if (open.kind === 'tool-input')
      this.#events.push({ type: 'tool-input-end', choice, blockId: open.blockId, isValidJson: true });
    else this.#events.push({ type: `${open.kind}-end`, choice, blockId: open.blockId });
  }
}

const PLUGINS: { readonly [plugin: string]: string } = { search: 'web_search' };

function usageOf(counts: RecordedUsage): Usage {
  const { prompt_tokens_details: cache, input_tokens_details: kinds, output_tokens_details: details } = counts;
  const told: readonly (UsageCount | false)[] = [
    counts.input_tokens !== undefined && 'input',
    counts.output_tokens !== undefined && 'output',
    counts.total_tokens !== undefined && 'total',
    cache !== undefined && 'cache',
    (cache?.cached_tokens ?? counts.cached_tokens) !== undefined && 'cached-read',
    kinds !== undefined && 'input-kinds',
    (counts.image_tokens ?? counts.video_tokens) !== undefined && 'media',
    details?.reasoning_tokens !== undefined && 'reasoning',
    details?.text_tokens !== undefined && 'output-text',
  ];
  return {
    input: {
      ...NO_USAGE.input,
      total: counts.input_tokens ?? 0,
      cachedRead: cache?.cached_tokens ?? counts.cached_tokens ?? 0,
      image: counts.image_tokens ?? 0,
      video: counts.video_tokens ?? 0,
    },
    output: {
      total: counts.output_tokens ?? 0,
      reasoning: details?.reasoning_tokens ?? 0,
      audio: 0,
      ...(details?.text_tokens === undefined ? {} : { text: details.text_tokens }),
    },
    ...(counts.plugins
      ? {
          hostedTools: Object.fromEntries(
            Object.entries(counts.plugins).map(([plugin, { count }]) => [PLUGINS[plugin] ?? plugin, count]),
          ),
        }
      : {}),
    told: told.filter((count) => count !== false),
  };
}
