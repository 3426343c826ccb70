import { describe, expect, it } from 'vitest';
import { silentLog } from '../../../test/support/context.ts';
import { StudioError } from '../../core/errors.ts';
import { type GenerationRequest, plainRequest } from '../../core/generation.ts';
import { Library } from './library.ts';
import { type Recording, recordingOf } from './recording.ts';

const GENERATION = '/compatible-mode/v1/chat/completions';

/** A Chat exchange whose request is what the tests' decoder makes of its body. */
function chat(name: string, body: object, reply: object | string = `answer of ${name}`, status = 200): Recording {
  const answer = { choices: [{ message: { content: reply }, finish_reason: 'stop' }], usage: { completion_tokens: 5 } };
  return recordingOf(name, {
    request: { line: `POST ${GENERATION} HTTP/1.1`, headers: {}, body: body as never },
    response: { status, headers: {}, body: JSON.stringify(typeof reply === 'string' ? answer : reply) },
  });
}

function resource(name: string, line: string, reply: object | string, body: object | null = null): Recording {
  const text = typeof reply === 'string' ? reply : JSON.stringify(reply);
  return recordingOf(name, {
    request: { line, headers: {}, body: body as never },
    response: { status: 200, headers: { 'content-type': 'application/json' }, body: text },
  });
}

interface TestBody {
  readonly text?: string;
  readonly seed?: number;
  readonly stream?: boolean;
  readonly max?: number;
  readonly parallel?: boolean;
  readonly refused?: boolean;
}

function requestOf({ text = 'Hello', seed, max, parallel }: TestBody): GenerationRequest {
  return {
    ...plainRequest('m', [{ role: 'user', parts: [{ type: 'text', text }] }]),
    sampling: { seed },
    limits: { maxOutputTokens: max },
    allowsParallelCalls: parallel ?? false,
  };
}

function libraryOf(...recordings: readonly Recording[]): Library {
  const library = new Library(recordings, silentLog);
  library.index(({ path, body }) => {
    if (path !== GENERATION) return undefined;
    const asked = body as TestBody;
    if (asked.refused) throw new StudioError('invalid-parameter', 'no');
    return { request: requestOf(asked), isStreaming: asked.stream ?? false };
  });
  return library;
}

const find = (library: Library, asked: TestBody): string => library.find(requestOf(asked), asked.stream ?? false).name;

function refusalOf(action: () => unknown): StudioError {
  try {
    action();
  } catch (thrown) {
    if (thrown instanceof StudioError) return thrown;
    throw thrown;
  }
  throw new Error('it was found');
}

describe('a generation', () => {
  it('is found by what is asked', () => {
    const library = libraryOf(chat('a', { seed: 1 }), chat('b', { seed: 2 }));
    expect(find(library, { seed: 2 })).toBe('b');
    expect(find(library, { seed: 1 })).toBe('a');
    expect(library.counts).toEqual({ generations: 2, resources: 0 });
  });

  it('is preferred when it was streamed as it is asked, and is found in any case', () => {
    const library = libraryOf(chat('plain', {}), chat('streamed', { stream: true }), chat('other', { seed: 1 }));
    expect(find(library, { stream: true })).toBe('streamed');
    expect(find(library, {})).toBe('plain');
    expect(find(library, { seed: 1, stream: true })).toBe('other');
  });

  it('does not depend on parallel calls, where only one was recorded', () => {
    const library = libraryOf(chat('a', { parallel: true }), chat('b', { parallel: false }), chat('c', { seed: 1 }));
    expect([find(library, { parallel: true }), find(library, {}), find(library, { seed: 1, parallel: true })]).toEqual([
      'a',
      'b',
      'c',
    ]);
  });

  it('takes turns with those that answer the same', () => {
    const library = libraryOf(chat('1', {}), chat('2', {}), chat('3', {}));
    expect([1, 2, 3, 4].map(() => find(library, {}))).toEqual(['1', '2', '3', '1']);
  });

  it('fits every limit that has room for it, but not one that it was cut by', () => {
    const cut = { choices: [{ message: { content: 'x' }, finish_reason: 'length' }], usage: { completion_tokens: 5 } };
    const library = libraryOf(chat('whole', {}), chat('cut', { seed: 1, max: 5 }, cut));
    expect(find(library, { max: 5 })).toBe('whole');
    expect(refusalOf(() => find(library, { max: 4 })).message).toContain('differs in limits');
    expect(find(library, { seed: 1, max: 5 })).toBe('cut');
    expect(refusalOf(() => find(library, { seed: 1 })).message).toContain('The nearest is cut; it differs in limits.');
  });

  it('may be asked for by its name', () => {
    const body = JSON.stringify({ choices: [{ message: { content: 'x' }, finish_reason: 'stop' }] });
    const nameless: Recording = {
      name: 'nameless',
      request: undefined,
      response: { status: 200, headers: {}, body, isStream: false },
    };
    const library = libraryOf(nameless, chat('a', {}));
    const ask = (model: string): string => library.find({ ...requestOf({ text: 'anything' }), model }, false).name;
    expect([ask('replay/nameless'), ask('replay/a')]).toEqual(['nameless', 'a']);
    expect(refusalOf(() => ask('replay/none')).code).toBe('not-found');
  });

  it('may be a refusal, but not one of a key', () => {
    const library = libraryOf(
      chat('key', {}, { code: 'InvalidApiKey', message: 'wrong' }, 401),
      chat('rate', {}, { code: 'Throttling', message: 'slow' }, 429),
    );
    expect(library.find(requestOf({}), false)).toMatchObject({
      name: 'rate',
      answer: { refusal: { code: 'rate-limited', message: 'slow' } },
    });
  });

  it('that its own wire refuses is left to the wire', () => {
    expect(libraryOf(chat('a', { refused: true }, {}, 400)).counts).toEqual({ generations: 0, resources: 0 });
  });

  it('that nobody recorded is refused with the nearest and what differs', () => {
    const library = libraryOf(chat('far', { text: 'Bye', seed: 9 }), chat('near', { text: 'Hello', seed: 2 }));
    const refusal = refusalOf(() => find(library, { seed: 1 }));
    expect(refusal.code).toBe('not-found');
    expect(refusal.message).toBe(
      'No recording answers this request. The nearest is near; it differs in sampling.seed.',
    );
    // Paths only: a log of refusals must not hold prompts.
    expect(refusalOf(() => find(library, { text: 'a secret' })).message).not.toContain('secret');
    expect(refusalOf(() => find(libraryOf(), {})).message).toContain('there is none of a generation');
  });
});

describe('another reply', () => {
  const asked = (method: string, target: string, body?: object) => {
    const { pathname, searchParams } = new URL(target, 'http://h');
    return { method, path: decodeURIComponent(pathname), query: searchParams, body, requestId: 'ours' };
  };

  it('is found by method, path, query and body', () => {
    const library = libraryOf(
      resource('list', 'GET /v1/batches?limit=2&status=a%2Cb HTTP/1.1', { a: 1 }),
      resource('one', 'GET /v1/batches/b%201 HTTP/1.1', { b: 1 }),
      resource('made', 'POST /v1/batches HTTP/1.1', { c: 1 }, { input: { x: 1, y: 2 } }),
    );
    expect(library.findReply(asked('GET', '/v1/batches?status=a,b&limit=2'))?.body).toBe('{"a":1}');
    expect(library.findReply(asked('GET', '/v1/batches/b%201'))?.body).toBe('{"b":1}');
    expect(library.findReply(asked('POST', '/v1/batches', { input: { y: 2, x: 1 } }))?.body).toBe('{"c":1}');
    expect(library.findReply(asked('DELETE', '/v1/batches/b'))).toBeUndefined();
    expect(library.resources).toHaveLength(3);
  });

  it('with another query or body is refused with the nearest', () => {
    const library = libraryOf(
      resource('list', 'GET /v1/batches?limit=2 HTTP/1.1', {}),
      resource('made', 'POST /v1/batches HTTP/1.1', {}, { id: 'f' }),
    );
    const wrongQuery = refusalOf(() => library.findReply(asked('GET', '/v1/batches?limit=3')));
    expect(wrongQuery.message).toContain('The nearest is list; it differs in query.limit.');
    const wrongBody = refusalOf(() => library.findReply(asked('POST', '/v1/batches', { id: 'g' })));
    expect(wrongBody.message).toContain('The nearest is made; it differs in body.id.');
  });

  it('takes turns, and has the id of the call', () => {
    const recorded = { request_id: 'theirs-0123456789', url: 'http://h/theirs-0123456789/x' };
    const library = libraryOf(
      resource('1', 'GET /v1/t HTTP/1.1', { ...recorded, n: 1 }),
      resource('2', 'GET /v1/t HTTP/1.1', 'data:{"request_id":"theirs"}\n'),
    );
    const bodies = [1, 2, 3].map(() => library.findReply(asked('GET', '/v1/t'))?.body);
    const first = '{"request_id":"ours","url":"http://h/ours/x","n":1}';
    expect(bodies).toEqual([first, 'data:{"request_id":"theirs"}\n', first]);
  });
});
