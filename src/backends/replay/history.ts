/**
 * Recorded responses that continue recorded ones: the ids are those of the recording, and nobody will ask with them. Each
 * request is spelt out with what came before it ("Responses", previous_response_id), which is also what the server makes of
 * a request that continues one of its own.
 */
import { dataOf, isObject, type Loose, type RecordedRequest, type Recording } from './recording.ts';

/** The recordings, with the requests of continued responses spelt out as far as what they continue was recorded. */
export function withHistory(recordings: readonly Recording[]): Recording[] {
  const byId = new Map<string, { readonly recording: Recording; readonly response: Loose }>();
  for (const recording of recordings) {
    const response = recording.response.status === 200 ? responseOf(recording) : undefined;
    if (response) byId.set(response.id as string, { recording, response });
  }
  if (byId.size === 0) return [...recordings];
  const spellOut = (request: RecordedRequest): RecordedRequest => {
    const { body } = request;
    if (!isObject(body) || typeof body.previous_response_id !== 'string') return request;
    const previous = byId.get(body.previous_response_id);
    if (!previous?.recording.request) return request;
    const before = spellOut(previous.recording.request).body;
    const { previous_response_id: _, ...rest } = body;
    const output = Array.isArray(previous.response.output) ? previous.response.output : [];
    const input = [...itemsOf(isObject(before) ? before.input : undefined), ...output, ...itemsOf(body.input)];
    return { ...request, body: { ...rest, input } };
  };
  return recordings.map((recording) =>
    recording.request ? { ...recording, request: spellOut(recording.request) } : recording,
  );
}

function itemsOf(input: unknown): unknown[] {
  if (typeof input === 'string') return [{ type: 'message', role: 'user', content: input }];
  return Array.isArray(input) ? input : [];
}

/** The response a body holds, or the last event of a stream. */
function responseOf({ response: { body, isStream } }: Recording): Loose | undefined {
  const last = isStream ? dataOf(body).at(-1) : body;
  if (!last?.includes('"response"')) return undefined;
  try {
    const value: unknown = JSON.parse(last);
    if (!isObject(value)) return undefined;
    const response = isStream ? value.response : value;
    return isObject(response) && response.object === 'response' && typeof response.id === 'string'
      ? response
      : undefined;
  } catch {
    return undefined;
  }
}
