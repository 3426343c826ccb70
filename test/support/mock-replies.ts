/** What the mock upstream says, by model id. Bodies are built once and kept as buffers: the benchmark counts on that. */

/** One reply, as bytes. */
export interface MockReply {
  readonly status?: number;
  readonly headers?: { readonly [name: string]: string };
  /** Written one after another; each is a write of its own. */
  readonly chunks: readonly (Buffer | string)[];
  /** Between two writes: nothing, or a turn of the event loop. */
  readonly pace?: 'burst' | 'turn';
  /** Before the first byte, headers included. */
  readonly delayMs?: number;
  /** After the last chunk: end well, break the connection, say nothing more, or begin again for ever. */
  readonly ending?: 'end' | 'cut' | 'hang' | 'repeat';
}

/** The parts of a request that behaviours look at. */
export interface MockRequest {
  readonly path: string;
  readonly headers: { readonly [name: string]: string | string[] | undefined };
  readonly model: string;
  readonly isStreaming: boolean;
  readonly wantsUsage: boolean;
  readonly body: { readonly [field: string]: unknown };
}

const USAGE = { prompt_tokens: 24, completion_tokens: 200, total_tokens: 224 };
const SLOW_FIRST_MS = 50;
const DEFAULT_CHUNKS = 20;

type Delta = { readonly [key: string]: unknown };

/** One streamed frame in the shape most servers give. */
export function chunkFrame(delta: Delta, finishReason: string | null = null): string {
  return frame({ choices: [{ index: 0, delta, finish_reason: finishReason }] });
}

/** One `data:` frame of a chunk with these members. */
export function frame(members: object): string {
  const envelope = { id: 'chatcmpl-mock', object: 'chat.completion.chunk', created: 1_770_764_902, model: 'mock' };
  return `data: ${JSON.stringify({ ...envelope, ...members })}\n\n`;
}

export const DONE_FRAME = 'data: [DONE]\n\n';
export const USAGE_FRAME = frame({ choices: [], usage: USAGE });

/** A whole JSON reply. */
export function jsonReply(status: number, body: unknown, headers: { readonly [name: string]: string } = {}): MockReply {
  return { status, headers: { 'content-type': 'application/json', ...headers }, chunks: [JSON.stringify(body)] };
}

/** A streamed reply of these frames. */
export function streamReply(frames: readonly (Buffer | string)[], rest: Partial<MockReply> = {}): MockReply {
  return { headers: { 'content-type': 'text/event-stream' }, chunks: frames, pace: 'turn', ...rest };
}

/** The reply of a built-in behaviour; undefined for an unknown model. */
export function builtInReply(request: MockRequest): MockReply | undefined {
  const key = `${request.model} ${request.isStreaming} ${request.wantsUsage} ${isCompletion(request)}`;
  const known = replies.get(key);
  if (known) return known;
  const made = makeReply(request);
  if (made) replies.set(key, withBuffers(made));
  return replies.get(key);
}

const replies = new Map<string, MockReply>();

function withBuffers(reply: MockReply): MockReply {
  return { ...reply, chunks: reply.chunks.map((chunk) => Buffer.from(chunk)) };
}

function makeReply(request: MockRequest): MockReply | undefined {
  const [, name = '', count] = /^mock\/([a-z-]+?)(?:-(\d+))?$/.exec(request.model) ?? [];
  const number = count === undefined ? DEFAULT_CHUNKS : Number(count);
  switch (name) {
    case 'plain':
    case 'stream':
      return answer(request, words(number), { pace: 'turn' });
    case 'burst':
      return answer(request, words(number), { pace: 'burst' });
    case 'slow-first':
      return answer(request, words(number), { delayMs: SLOW_FIRST_MS });
    case 'reasoning':
      return answer(request, [...words(number).map(reasoning), ...words(number)]);
    case 'tools':
      return answer(request, TOOL_DELTAS, {}, 'tool_calls');
    case 'endless':
      return streamReply(words(1).map(frameOf), { ending: 'repeat' });
    case 'silent':
      return streamReply([], { ending: 'hang' });
    case 'cut':
      return streamReply(words(number).map(frameOf), { ending: 'cut' });
    case 'error-chunk':
      return streamReply([...words(number).map(frameOf), frame({ error: { message: 'the engine died', code: 500 } })]);
    case 'error':
      return jsonReply(number, { error: { message: `mock error ${number}`, type: 'mock', param: null, code: null } });
    default:
      return undefined;
  }
}

const words = (count: number): Delta[] => Array.from({ length: count }, (_, index) => ({ content: `word${index} ` }));
const reasoning = (delta: Delta): Delta => ({ reasoning_content: delta.content });
const frameOf = (delta: Delta): string => chunkFrame(delta);

const TOOL_DELTAS: readonly Delta[] = [
  { tool_calls: [{ index: 0, id: 'call_a', type: 'function', function: { name: 'get_weather', arguments: '' } }] },
  { tool_calls: [{ index: 0, function: { arguments: '{"city": "Bei' } }] },
  { tool_calls: [{ index: 0, function: { arguments: 'jing"}' } }] },
];

function isCompletion({ path }: MockRequest): boolean {
  return path.endsWith('/completions') && !path.endsWith('/chat/completions');
}

/** The same answer as a stream or as a body, whichever was asked for; as `text_completion` on that path. */
function answer(
  request: MockRequest,
  deltas: readonly Delta[],
  rest: Partial<MockReply> = {},
  finishReason = 'stop',
): MockReply {
  if (!request.isStreaming) {
    const body = isCompletion(request) ? textBodyOf(deltas, finishReason) : bodyOf(deltas, finishReason);
    return { ...jsonReply(200, body), ...rest };
  }
  const shown = isCompletion(request)
    ? [...deltas.map(({ content }) => textFrame(content)), textFrame('', finishReason)]
    : [chunkFrame({ role: 'assistant', content: '' }), ...deltas.map(frameOf), chunkFrame({}, finishReason)];
  const frames = [...shown, ...(request.wantsUsage ? [USAGE_FRAME] : []), DONE_FRAME];
  return streamReply(rest.pace === 'burst' ? [frames.join('')] : frames, rest);
}

function textFrame(text: unknown, finishReason: string | null = null): string {
  return frame({ object: 'text_completion', choices: [{ index: 0, text, finish_reason: finishReason }] });
}

function textBodyOf(deltas: readonly Delta[], finishReason: string): object {
  const text = deltas.map(({ content }) => content ?? '').join('');
  return {
    id: 'cmpl-mock',
    object: 'text_completion',
    created: 1_770_764_902,
    model: 'mock',
    choices: [{ index: 0, text, finish_reason: finishReason }],
    usage: USAGE,
  };
}

function bodyOf(deltas: readonly Delta[], finishReason: string): object {
  const join = (key: string): string => deltas.map((delta) => delta[key] ?? '').join('');
  const message = {
    role: 'assistant',
    content: join('content'),
    ...(join('reasoning_content') === '' ? {} : { reasoning_content: join('reasoning_content') }),
    ...(deltas === TOOL_DELTAS ? { tool_calls: [WHOLE_CALL] } : {}),
  };
  return {
    id: 'chatcmpl-mock',
    object: 'chat.completion',
    created: 1_770_764_902,
    model: 'mock',
    choices: [{ index: 0, message, finish_reason: finishReason }],
    usage: USAGE,
  };
}

const WHOLE_CALL = {
  id: 'call_a',
  type: 'function',
  function: { name: 'get_weather', arguments: '{"city": "Beijing"}' },
};
