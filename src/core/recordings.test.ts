import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NO_ACCOUNT, REDACTED, scrub } from './recordings.ts';

/** Made up for these tests; each has the form of the real thing. */
const SECRETS = {
  apiKey: 'sk-0123456789abcdef0123456789abcdef',
  workspaceKey: 'sk-ws-0123456789abcdef.0123',
  temporaryKey: 'st-0123456789abcdef0123456789abcdef',
  accessKey: 'LTAI5tABCDEFGHJKLMNP',
  securityToken: 'STS.NUxxxxxxxxxxxxxxxxxxx',
  account: '1234567890123456',
};

describe('scrub', () => {
  it.each([
    ['a key in a text', `use ${SECRETS.apiKey}!`, `use ${REDACTED}!`],
    ['a temporary key', `{"token":"${SECRETS.temporaryKey}","expires_at":1}`, `{"token":"${REDACTED}","expires_at":1}`],
    ['a bearer', 'authorization: Bearer abc.def', `authorization: Bearer ${REDACTED}`],
    ['a member by name', '{"signature": "b64==", "x": "y"}', `{"signature": "${REDACTED}", "x": "y"}`],
    ['a member with quotes in it', '{"secret":"a\\"b","x":1}', `{"secret":"${REDACTED}","x":1}`],
    ['an account as a text', `{"user_id":"${SECRETS.account}"}`, `{"user_id":"${NO_ACCOUNT}"}`],
    ['an account as a number', '{"caller_uid":12345}', `{"caller_uid":${NO_ACCOUNT}}`],
    ['an account in an address', `http://h/fs/${SECRETS.account}/1/a.txt`, `http://h/fs/${NO_ACCOUNT}/1/a.txt`],
    [
      'a signed address',
      `http://h/a.txt?Expires=17&OSSAccessKeyId=${SECRETS.accessKey}&Signature=a%2Fb&security-token=CAIS`,
      `http://h/a.txt?Expires=${REDACTED}&OSSAccessKeyId=${REDACTED}&Signature=${REDACTED}&security-token=${REDACTED}`,
    ],
    [
      'a signed address with escaped signs',
      '{"url":"http://h/a?Expires=17\\u0026Signature=abc"}',
      `{"url":"http://h/a?Expires=${REDACTED}\\u0026Signature=${REDACTED}"}`,
    ],
    [
      'the folder of an upload',
      'oss://dashscope-instant/0123456789abcdef0123456789abcdef/2026-01-01/a.png',
      'oss://dashscope-instant/0000/2026-01-01/a.png',
    ],
  ])('hides %s', (_name, text, clean) => {
    expect(scrub(text)).toBe(clean);
  });

  it.each([
    'The task-0123456789abcdef0123 of the risk-free bank has 12345678901234567 parts at 1.0000000000000002.',
    '{"choices":[{"delta":{"content":"Your user_id is yours."}}],"created":1770764902,"system_fingerprint":null}',
    '{"input":{"history":[{"user":"Hello","bot":"Hi"}]},"usage":{"prompt_tokens":12}}',
    'https://h/search?q=token&page=2',
  ])('leaves alone: %s', (text) => {
    expect(scrub(text)).toBe(text);
  });

  it('hides values that are known to be secret', () => {
    expect(scrub('a plain-looking-key b', ['plain-looking-key', ''])).toBe(`a ${REDACTED} b`);
  });

  it('keeps JSON JSON, hides all of it, and does nothing a second time', () => {
    const secret = fc.constantFrom(...Object.values(SECRETS));
    const text = fc
      .tuple(fc.string(), secret, fc.string())
      .map(([before, each, after]) => `${before} ${each} ${after}`);
    const name = fc.constantFrom('user_id', 'signature', 'url', 'content', 'policy', 'api_key');
    fc.assert(
      fc.property(fc.dictionary(name, fc.oneof(text, fc.string(), fc.integer())), (members) => {
        const clean = scrub(JSON.stringify(members));
        expect(() => JSON.parse(clean)).not.toThrow();
        for (const each of Object.values(SECRETS)) expect(clean).not.toContain(each);
        expect(scrub(clean)).toBe(clean);
      }),
    );
  });
});
