import { describe, expect, it } from 'vitest';
import { testContext } from '../../../test/support/context.ts';
import type { Account } from '../../core/ports.ts';
import { DRY_RUN_ENDPOINT, DRY_RUN_MODEL } from './endpoints.ts';
import { validateInput } from './validate.ts';

const CHAT = '/v1/chat/completions';
const ports = {
  findModel: (id: string, { region }: Account) =>
    id === 'qwen-plus' && region === 'beijing' ? ({ servedBy: 'scripted/echo' } as never) : undefined,
};

function line(changes: object = {}, body: object = {}): string {
  const whole = { custom_id: '1', method: 'POST', url: CHAT, body: { model: 'qwen-plus', messages: [], ...body } };
  return JSON.stringify({ ...whole, ...changes });
}

async function check(lines: readonly string[], endpoint = CHAT, account = testContext().account) {
  async function* file(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(lines.join('\n'));
  }
  const { total, errors } = await validateInput(file(), endpoint, ports, account, new AbortController().signal);
  return { total, errors };
}

it('takes good lines and counts them', async () => {
  expect(await check([line(), '', line({ custom_id: '2' })])).toEqual({ total: 2, errors: [] });
  const test = line({ url: DRY_RUN_ENDPOINT }, { model: DRY_RUN_MODEL });
  expect(await check([test], DRY_RUN_ENDPOINT)).toEqual({ total: 1, errors: [] });
});

it('knows the models of the region the batch was made in', async () => {
  const account: Account = { ...testContext().account, region: 'singapore' };
  expect((await check([line()], CHAT, account)).errors).toMatchObject([{ code: 'model_not_found', line: 1 }]);
});

describe('says what is wrong with a line', () => {
  it.each<[string, string, string | null, string]>([
    ['invalid_json_line', 'This line is not parseable as a JSON object.', null, '{"custom_id":'],
    ['invalid_json_line', 'This line is not parseable as a JSON object.', null, '[1]'],
    [
      'missing_required_parameter',
      "Missing required parameter: 'custom_id'.",
      'custom_id',
      line({ custom_id: undefined }),
    ],
    [
      'invalid_value',
      "The value of 'custom_id' is missing or has the wrong type.",
      'custom_id',
      line({ custom_id: 7 }),
    ],
    [
      'invalid_value',
      "The value of 'custom_id' is missing or has the wrong type.",
      'custom_id',
      line({ custom_id: '' }),
    ],
    ['missing_required_parameter', "Missing required parameter: 'body'.", 'body', line({ body: undefined })],
    ['invalid_value', "The value of 'body.model' is missing or has the wrong type.", 'body.model', line({ body: {} })],
    ['invalid_method', "The provided method 'GET' is not supported, use 'POST'.", 'method', line({ method: 'GET' })],
    [
      'url_not_found',
      "The provided url '/v1/chat/completion' is not supported by the Batch API.",
      'url',
      line({ url: '/v1/chat/completion' }),
    ],
    [
      'mismatched_url',
      "The provided url '/v1/completions' does not match the endpoint '/v1/chat/completions' of the batch.",
      'url',
      line({ url: '/v1/completions' }),
    ],
    [
      'mismatched_test_url',
      "The provided URL '/v1/chat/completions' does not match the test model 'batch-test-model'.",
      'url',
      line({}, { model: DRY_RUN_MODEL }),
    ],
    [
      'mismatched_test_url',
      "The provided URL '/v1/chat/ds-test' is for the test model 'batch-test-model', not for 'qwen-plus'.",
      'url',
      line({ url: DRY_RUN_ENDPOINT }),
    ],
    [
      'model_not_found',
      'The model `qwen-minus` does not exist or you do not have access to it.',
      'body.model',
      line({}, { model: 'qwen-minus' }),
    ],
  ])('%s: %s', async (code, message, param, text) => {
    expect((await check([text])).errors).toEqual([{ code, message, param, line: 1 }]);
  });

  it('that another line has its id, or another model', async () => {
    const { errors } = await check([line(), '', line(), line({ custom_id: '2' }, { model: 'qwen-max' })]);
    expect(errors).toEqual([
      {
        code: 'duplicate_custom_id',
        message: "The custom_id '1' was already used in line 1.",
        param: 'custom_id',
        line: 3,
      },
      {
        code: 'mismatched_model',
        message:
          "The provided model 'qwen-max' does not match the model 'qwen-plus' of the lines before: a file is for one model.",
        param: 'body.model',
        line: 4,
      },
    ]);
  });

  it('a hundred times at most', async () => {
    expect((await check(Array<string>(150).fill('x'))).errors).toHaveLength(100);
  });

  it('that it is too long', async () => {
    const { errors } = await check([line({}, { padding: 'x'.repeat(16 * 1024 * 1024) }), line()]);
    expect(errors).toMatchObject([{ code: 'line_too_long', message: 'The line exceeds 16 MB.', line: 1 }]);
  });
});

describe('says what is wrong with the file', () => {
  it('that there is nothing in it', async () => {
    expect(await check(['', '  '])).toEqual({
      total: 0,
      errors: [{ code: 'empty_file', message: 'The input file contains no requests.', param: null, line: null }],
    });
  });

  it('that it has too many lines', async () => {
    const many = Array.from({ length: 50_001 }, (_, index) => line({ custom_id: String(index) }));
    expect((await check(many.slice(1))).errors).toEqual([]);
    expect((await check(many)).errors).toMatchObject([{ code: 'too_many_requests', line: null }]);
  });

  it('that a dry run is too large, in lines and in bytes', async () => {
    const test = (index: number, body: object = {}) =>
      line({ custom_id: String(index), url: DRY_RUN_ENDPOINT }, { model: DRY_RUN_MODEL, ...body });
    const many = Array.from({ length: 101 }, (_, index) => test(index));
    expect((await check(many, DRY_RUN_ENDPOINT)).errors).toMatchObject([{ code: 'too_many_requests' }]);
    const { errors } = await check([test(1, { padding: 'x'.repeat(1024 * 1024) })], DRY_RUN_ENDPOINT);
    expect(errors).toMatchObject([{ code: 'file_too_large', message: 'The input file exceeds 1 MB.', line: null }]);
  });
});
