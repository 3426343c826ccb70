/** Recorded replies → events, on own fixtures in the form of each wire. Every stream is put through the grammar. */
import { describe, expect, it } from 'vitest';
import { EventGrammar } from '../../core/event-grammar.ts';
import type { GenerationEvent, StartEvent } from '../../core/events.ts';
import { decodeReply } from './decode.ts';
import { type Recording, recordingOf } from './recording.ts';

const START: StartEvent = { type: 'start', generationId: 'g', model: 'm', createdAtMs: 0, servedBy: 'replay/n' };

function stream(frames: readonly object[], parameters: object = { incremental_output: true }): Recording {
  const body = frames.map((frame) => `data: ${JSON.stringify(frame)}\n\n`).join('');
  return recorded(body, parameters);
}

function whole(body: object): Recording {
  return recorded(JSON.stringify(body), {});
}

function recorded(body: string, parameters: object): Recording {
  return recordingOf('n', {
    request: { line: 'POST /x HTTP/1.1', headers: {}, body: { parameters: parameters as never } },
    response: { status: 200, headers: {}, body },
  });
}

function eventsOf(recording: Recording): readonly GenerationEvent[] {
  const answer = decodeReply(recording);
  if (!answer || !('events' in answer)) throw new Error('no events');
  const grammar = new EventGrammar();
  for (const event of [START, ...answer.events]) grammar.push(event);
  grammar.end();
  return answer.events;
}

/** Blocks in brackets, deltas apart by a bar, a joined delta marked by a plus. */
function shown(recording: Recording): string {
  return eventsOf(recording)
    .map((event) => {
      switch (event.type) {
        case 'text-start':
          return `T[${event.ocrResult === undefined ? '' : `${JSON.stringify(event.ocrResult)}:`}`;
        case 'reasoning-start':
          return 'R[';
        case 'tool-input-start':
          return `${event.executedBy === 'server' ? 'S' : 'C'}:${event.name}#${event.callId}[`;
        case 'text-delta':
        case 'reasoning-delta':
        case 'tool-input-delta':
          return `${event.text}${event.joinsNext ? '+' : '|'}`;
        case 'text-end':
        case 'tool-input-end':
          return '] ';
        case 'reasoning-end':
          return `]${event.signature ?? ''} `;
        case 'tool-result':
          return `=${event.parts.map((part) => ('text' in part ? part.text : '')).join('')} `;
        case 'source':
          return `source ${event.index} ${event.title} <${event.url}> `;
        case 'progress':
          return `${event.phase}/${event.status}${event.joinsNext ? '+' : ''} `;
        case 'choice-end':
          return `${event.choice === 0 ? '' : `${event.choice}:`}${event.reason}${event.stopText ? `=${event.stopText}` : ''}`;
        case 'error':
          return `error ${event.error.code}: ${event.error.message}`;
        default:
          return '';
      }
    })
    .join('');
}

function usageOf(recording: Recording) {
  const last = eventsOf(recording).at(-1);
  if (last?.type !== 'finish') throw new Error('not finished');
  return last.usage;
}

// ---- The native wire ----

const native = (message: object, finish = 'null', more: object = {}) => ({
  output: { choices: [{ message, finish_reason: finish }], ...more },
  usage: { input_tokens: 3, output_tokens: 1 },
  request_id: 'r',
});

describe('the native wire', () => {
  it.each([
    [
      'text and a frame for the end',
      stream([native({ content: 'A' }), native({ content: 'B' }), native({ content: '' }, 'stop')]),
      'T[A|B|] stop',
    ],
    [
      'the end with the last text',
      stream([native({ content: 'A' }), native({ content: 'B' }, 'length')]),
      'T[A|B+] length',
    ],
    ['parts', stream([native({ content: [{ text: 'A' }] }), native({ content: [] }, 'stop')]), 'T[A|] stop'],
    [
      'reasoning and text in one frame',
      stream([
        native({ content: [], reasoning_content: 'a' }),
        native({ content: [{ text: 'B' }], reasoning_content: 'b' }),
        native({ content: [] }, 'stop'),
      ]),
      'R[a|b+] T[B|] stop',
    ],
    [
      'texts that grow',
      stream([native({ content: 'A' }), native({ content: 'AB' }), native({ content: 'ABC' }, 'stop')], {}),
      'T[A|B|C+] stop',
    ],
    [
      'texts that do not grow, unasked',
      stream([native({ content: 'A' }), native({ content: 'B' }, 'stop')], {}),
      'T[A|B+] stop',
    ],
    [
      'the form of one text',
      stream([{ output: { text: 'A', finish_reason: 'null' } }, { output: { text: '', finish_reason: 'stop' } }]),
      'T[A|] stop',
    ],
    [
      'calls in pieces',
      stream([
        native({
          content: '',
          tool_calls: [{ index: 0, id: 'c1', type: 'function', function: { name: 'f', arguments: '{' } }],
        }),
        native({ content: '', tool_calls: [{ index: 0, id: '', type: 'function', function: { arguments: '}' } }] }),
        native(
          {
            content: '',
            tool_calls: [{ index: 1, id: 'c2', type: 'function', function: { name: 'g', arguments: '{}' } }],
          },
          'tool_calls',
        ),
      ]),
      'C:f#c1[{|}|] C:g#c2[{}+] tool-calls',
    ],
    ['an excerpt without its end', stream([native({ content: 'A' })]), 'T[A|] stop'],
    [
      'an error in the middle',
      stream([native({ content: 'A' }), { code: 'Throttling', message: 'slow', request_id: 'r' }]),
      'T[A|error rate-limited: slow',
    ],
    [
      'what a search found',
      stream([
        native({ content: '' }, 'null', {
          search_info: { search_results: [{ index: 1, title: 't', url: 'u', site_name: 's', icon: '' }] },
        }),
        native({ content: 'A' }, 'stop'),
      ]),
      'source 0 t <u> T[A+] stop',
    ],
    [
      'code that was run, told once though every frame tells it',
      stream([
        native({ content: '', reasoning_content: 'a' }),
        native({ content: '', reasoning_content: '' }, 'null', {
          tool_info: [{ type: 'code_interpreter', code_interpreter: { code: '1' } }],
        }),
        native({ content: 'B', reasoning_content: '' }, 'stop', {
          tool_info: [{ type: 'code_interpreter', code_interpreter: { code: '1' } }],
        }),
      ]),
      'R[a|] S:code_interpreter#call_replay_0[{"code":"1"}|] = T[B+] stop',
    ],
    [
      'phases of a research',
      stream([
        {
          output: {
            message: { phase: 'ResearchPlanning', content: 'A', extra: { deep_research: {} }, status: 'typing' },
            fininshed_reason: 'null',
          },
        },
        {
          output: {
            message: { phase: 'KeepAlive', content: '', extra: { deep_research: {} }, status: 'typing' },
            fininshed_reason: 'null',
          },
        },
        {
          output: {
            message: { phase: 'answer', content: '', extra: { deep_research: {} }, status: 'finished' },
            fininshed_reason: 'stop',
          },
        },
      ]),
      'ResearchPlanning/typing+ T[A|KeepAlive/typing answer/finished+ ] stop',
    ],
    ['a whole body', whole(native({ content: 'A', reasoning_content: 'a' }, 'stop')), 'R[a|] T[A|] stop'],
    [
      'a member for reasoning with nothing in it',
      whole(native({ content: 'A', reasoning_content: '' }, 'stop')),
      'R[] T[A|] stop',
    ],
    [
      'a call that was forced, which ends with stop',
      whole(
        native({ content: '', tool_calls: [{ id: 'c', index: 0, function: { name: 'f', arguments: '{}' } }] }, 'stop'),
      ),
      'C:f#c[{}|] stop',
    ],
    [
      'what an OCR task read',
      whole(native({ content: [{ ocr_result: { kv_result: { a: 1 } }, text: 'A' }] }, 'stop')),
      'T[{"kv_result":{"a":1}}:A|] stop',
    ],
    [
      'choices',
      whole({
        output: {
          choices: [
            { index: 0, message: { content: 'A' }, finish_reason: 'stop' },
            { index: 1, message: { content: 'B' }, finish_reason: 'length' },
          ],
        },
        usage: {},
      }),
      'T[A|] stopT[B|] 1:length',
    ],
  ])('tells %s', (_name, recording, expected) => {
    expect(shown(recording)).toBe(expected);
  });

  it('tells which counts it left out', () => {
    const usage = {
      input_tokens: 10,
      output_tokens: 5,
      image_tokens: 4,
      output_tokens_details: { reasoning_tokens: 2, text_tokens: 5 },
      prompt_tokens_details: {},
      plugins: { search: { count: 1 }, image_search: { count: 2 } },
    };
    expect(usageOf(whole({ ...native({ content: 'A' }, 'stop'), usage }))).toEqual({
      input: { total: 10, cachedRead: 0, cacheWritten: 0, image: 4, video: 0, audio: 0, toolDefinitions: 0 },
      output: { total: 5, reasoning: 2, audio: 0, text: 5 },
      hostedTools: { web_search: 1, image_search: 2 },
      told: ['input', 'output', 'cache', 'media', 'reasoning', 'output-text'],
    });
  });
});

// ---- Chat and Completions ----

const chunk = (delta: object, finish: string | null = null) => ({
  choices: [{ index: 0, delta, finish_reason: finish }],
});

describe('Chat', () => {
  it.each([
    [
      'chunks',
      stream([
        chunk({ role: 'assistant', content: '' }),
        chunk({ reasoning_content: 'a' }),
        chunk({ content: 'B' }),
        chunk({}, 'stop'),
      ]),
      'R[a|] T[B|] stop',
    ],
    [
      'calls, as they end',
      stream([
        chunk({ tool_calls: [{ index: 0, id: 'c', function: { name: 'f', arguments: '' } }] }),
        chunk({}, 'stop'),
      ]),
      'C:f#c[] stop',
    ],
    ['a body', whole({ choices: [{ index: 0, message: { content: 'A' }, finish_reason: 'length' }] }), 'T[A|] length'],
    [
      'a Completions body',
      whole({ object: 'text_completion', choices: [{ index: 0, text: 'A', finish_reason: 'stop' }] }),
      'T[A|] stop',
    ],
    [
      'an error in the middle',
      stream([chunk({ content: 'A' }), { error: { code: 'limit_requests', message: 'slow' } }]),
      'T[A|error rate-limited: slow',
    ],
  ])('tells %s', (_name, recording, expected) => {
    expect(shown(recording)).toBe(expected);
  });

  it('guesses no counts', () => {
    const body = { choices: [{ message: { reasoning_content: 'aaa', content: 'A' }, finish_reason: 'stop' }] };
    expect(usageOf(whole({ ...body, usage: { prompt_tokens: 7, completion_tokens: 4 } }))).toMatchObject({
      input: { total: 7 },
      output: { total: 4, reasoning: 0 },
    });
  });
});

// ---- Responses ----

describe('Responses', () => {
  const done = (more: object = {}) => ({
    type: 'response.completed',
    response: { object: 'response', status: 'completed', usage: { input_tokens: 5, output_tokens: 2 }, ...more },
  });

  it.each([
    [
      'events',
      stream([
        { type: 'response.created', response: { object: 'response' } },
        { type: 'response.reasoning_summary_text.delta', item_id: 'i1', delta: 'a' },
        { type: 'response.output_item.done', item: { id: 'i1', type: 'reasoning', summary: [{ text: 'a' }] } },
        { type: 'response.output_text.delta', item_id: 'i2', delta: 'B' },
        { type: 'response.output_item.done', item: { id: 'i2', type: 'message', content: [{ text: 'B' }] } },
        done(),
      ]),
      'R[a|] T[B|] stop',
    ],
    [
      'calls, with and without deltas',
      stream([
        { type: 'response.output_item.added', item: { id: 'i1', type: 'function_call', call_id: 'c1', name: 'f' } },
        { type: 'response.function_call_arguments.delta', item_id: 'i1', delta: '{}' },
        {
          type: 'response.output_item.done',
          item: { id: 'i1', type: 'function_call', call_id: 'c1', arguments: '{}' },
        },
        { type: 'response.output_item.added', item: { id: 'i2', type: 'function_call', call_id: 'c2', name: 'g' } },
        {
          type: 'response.output_item.done',
          item: { id: 'i2', type: 'function_call', call_id: 'c2', arguments: '{"a":1}' },
        },
        done(),
      ]),
      'C:f#c1[{}|] C:g#c2[{"a":1}|] tool-calls',
    ],
    [
      'a body with a tool the server ran',
      whole({
        object: 'response',
        status: 'incomplete',
        incomplete_details: { reason: 'max_output_tokens' },
        output: [
          { id: 'i', type: 'web_search_call', status: 'completed', action: { query: 'q', sources: [{ url: 'u' }] } },
          { type: 'message', content: [{ type: 'output_text', text: 'A' }] },
        ],
      }),
      'source 0  <u> S:web_search#i[{"action":{"query":"q","sources":[{"url":"u"}]}}|] = T[A|] length',
    ],
    [
      'a failure',
      stream([
        { type: 'response.output_text.delta', item_id: 'i', delta: 'A' },
        { type: 'response.failed', response: { status: 'failed', error: { code: 'server_error', message: 'broke' } } },
      ]),
      'T[A|error engine-failed: broke',
    ],
  ])('tells %s', (_name, recording, expected) => {
    expect(shown(recording)).toBe(expected);
  });
});

// ---- Messages ----

describe('Messages', () => {
  it.each([
    [
      'events',
      stream([
        {
          type: 'message_start',
          message: { usage: { input_tokens: 4, cache_read_input_tokens: 6, output_tokens: 0 } },
        },
        { type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '' } },
        { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'a' } },
        { type: 'content_block_delta', index: 0, delta: { type: 'signature_delta', signature: 's' } },
        { type: 'content_block_stop', index: 0 },
        { type: 'ping' },
        { type: 'content_block_start', index: 1, content_block: { type: 'text', text: '' } },
        { type: 'content_block_delta', index: 1, delta: { type: 'text_delta', text: 'B' } },
        { type: 'content_block_stop', index: 1 },
        { type: 'content_block_start', index: 2, content_block: { type: 'tool_use', id: 'c', name: 'f', input: {} } },
        { type: 'content_block_delta', index: 2, delta: { type: 'input_json_delta', partial_json: '{}' } },
        { type: 'content_block_stop', index: 2 },
        { type: 'message_delta', delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 9 } },
        { type: 'message_stop' },
      ]),
      'R[a|]s T[B|] C:f#c[{}|] tool-calls',
    ],
    [
      'a message',
      whole({
        type: 'message',
        content: [
          { type: 'text', text: 'A' },
          { type: 'server_tool_use', id: 's', name: 'web_search', input: { query: 'q' } },
          { type: 'web_search_tool_result', tool_use_id: 's', content: [] },
        ],
        stop_reason: 'stop_sequence',
        stop_sequence: 'END',
        usage: {},
      }),
      'T[A|] S:web_search#s[{"query":"q"}|] =[] stop-text=END',
    ],
    [
      'an error in the middle',
      stream([
        { type: 'content_block_start', index: 0, content_block: { type: 'text', text: 'A' } },
        { type: 'error', error: { type: 'overloaded_error', message: 'busy' } },
      ]),
      'T[A|error overloaded: busy',
    ],
  ])('tells %s', (_name, recording, expected) => {
    expect(shown(recording)).toBe(expected);
  });

  it('adds the cached input up', () => {
    const usage = { input_tokens: 4, cache_read_input_tokens: 6, cache_creation_input_tokens: 1, output_tokens: 9 };
    const body = { type: 'message', content: [{ type: 'text', text: 'A' }], stop_reason: 'end_turn', usage };
    expect(usageOf(whole(body))).toMatchObject({
      input: { total: 11, cachedRead: 6, cacheWritten: 1 },
      output: { total: 9 },
    });
  });
});

// ---- Refusals ----

describe('a refusal', () => {
  it.each([
    [400, { code: 'DataInspectionFailed', message: 'no' }, 'content-filtered'],
    [
      400,
      { error: { code: 'invalid_parameter_error', type: 'invalid_request_error', message: 'no' } },
      'invalid-parameter',
    ],
    [404, { error: { code: 'model_not_found', message: 'no' } }, 'model-not-found'],
    [429, { code: 'Throttling.AllocationQuota', message: 'no' }, 'quota-exceeded'],
    [529, { type: 'error', error: { type: 'overloaded_error', message: 'no' } }, 'overloaded'],
    [418, 'nobody knows', 'invalid-parameter'],
    [500, {}, 'internal'],
  ])('of status %i keeps its code and words', (status, body, code) => {
    const recording = recordingOf('n', {
      request: { line: 'POST /x HTTP/1.1', headers: {}, body: {} },
      response: { status, headers: {}, body: typeof body === 'string' ? body : JSON.stringify(body) },
    });
    const answer = decodeReply(recording);
    expect(answer).toMatchObject({ refusal: { code } });
    if (JSON.stringify(body).includes('"no"')) expect(answer).toMatchObject({ refusal: { message: 'no' } });
  });

  it('may come as the only frame of a stream', () => {
    const frames = stream([{ code: 'InvalidParameter', message: 'no', request_id: 'r' }]);
    expect(decodeReply(frames)).toMatchObject({ refusal: { code: 'invalid-parameter', message: 'no' } });
  });

  it('is no reply of another service', () => {
    expect(decodeReply(whole({ output: { task_id: 't', task_status: 'PENDING' } }))).toBeUndefined();
    expect(decodeReply(whole(native({ content: [{ image: 'https://h/a.png' }] }, 'stop')))).toBeUndefined();
    expect(decodeReply(whole({ data: [{ embedding: [1] }], object: 'list' }))).toBeUndefined();
  });
});
