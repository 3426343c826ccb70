import { describe, expect, it } from 'vitest';
import { withHistory } from './history.ts';
import { type Recording, recordingOf } from './recording.ts';

const message = (text: string) => ({ type: 'message', role: 'assistant', content: [{ type: 'output_text', text }] });
const user = (content: string) => ({ type: 'message', role: 'user', content });

function response(id: string, body: object, isStream = false): Recording {
  const whole = { id, object: 'response', output: [message(`answer of ${id}`)] };
  const text = isStream
    ? `data: ${JSON.stringify({ type: 'response.completed', response: whole })}\n\n`
    : JSON.stringify(whole);
  return recordingOf(id, {
    request: { line: 'POST /v1/responses HTTP/1.1', headers: {}, body: body as never },
    response: { status: 200, headers: {}, body: text },
  });
}

const bodies = (...recordings: readonly Recording[]) => withHistory(recordings).map(({ request }) => request?.body);

describe('a recorded response that continues another', () => {
  it('is asked for with all that came before, however far back and however it was recorded', () => {
    const [, second, third] = bodies(
      response('r1', { input: 'One' }),
      response('r2', { input: [user('Two')], previous_response_id: 'r1', instructions: 'Be brief.' }, true),
      response('r3', { input: 'Three', previous_response_id: 'r2' }),
    );
    expect(second).toEqual({ instructions: 'Be brief.', input: [user('One'), message('answer of r1'), user('Two')] });
    expect(third).toEqual({
      input: [user('One'), message('answer of r1'), user('Two'), message('answer of r2'), user('Three')],
    });
  });

  it('stays as it is where the other was not recorded', () => {
    const body = { input: 'Two', previous_response_id: 'r0' };
    expect(bodies(response('r2', body))).toEqual([body]);
  });
});
