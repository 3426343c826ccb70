import { describe, expect, test } from 'vitest';
import { loadCatalogue } from '../../catalogue/load.ts';
import { StudioError } from '../../core/errors.ts';
import { decideForm } from './forms.ts';
import type { DashScopeParameters } from './schema.ts';

const catalogue = loadCatalogue();

function form(model: string, parameters: DashScopeParameters = {}, isStreaming = true): string {
  const card = catalogue.find(model);
  const service = card?.surfaces.native === 'multimodal-generation' ? 'multimodal-generation' : 'text-generation';
  try {
    const { form, isIncremental } = decideForm(parameters, service, card, isStreaming);
    return `${form}, ${isIncremental ? 'incremental' : 'cumulative'}`;
  } catch (thrown) {
    if (!(thrown instanceof StudioError)) throw thrown;
    return thrown.message;
  }
}

describe('defaults by model (§3.2)', () => {
  test.each([
    ['qwen-plus', 'text, cumulative'],
    ['qwen-max', 'text, cumulative'],
    ['qwen-flash', 'text, cumulative'],
    ['qwen-turbo', 'text, cumulative'],
    ['qwen2.5-7b-instruct', 'text, cumulative'],
    ['qwen3-max', 'message, incremental'],
    ['qwen3-max-preview', 'message, incremental'],
    ['qwen3-32b', 'message, incremental'],
    ['qwen3-30b-a3b-instruct-2507', 'message, incremental'],
    ['qwen3-next-80b-a3b-instruct', 'text, incremental'],
    ['qwen3-next-80b-a3b-thinking', 'message, incremental'],
    ['qwq-plus', 'message, incremental'],
    ['qvq-max', 'message, incremental'],
    ['qwen-long', 'message, cumulative'],
    ['deepseek-v4-pro', 'message, incremental'],
    ['qwen3-vl-plus', 'message, incremental'],
    ['qwen-vl-plus', 'message, cumulative'],
    ['qwen3.6-plus', 'message, incremental'],
    ['my-model', 'text, cumulative'],
  ])('%s: %s', (model, expected) => {
    expect(form(model)).toBe(expected);
  });

  test('no model thinks by default in a form that cannot hold it', () => {
    for (const { id } of catalogue.list()) expect(form(id), id).toMatch(/^(text|message), /);
  });
});

const FORM = 'The result_format parameter must be "message" when enable_thinking is true';
const INCREMENTAL = 'The incremental_output parameter must be "true" when enable_thinking is true';

describe('thinking (§8)', () => {
  test.each<[string, DashScopeParameters, boolean, string]>([
    ['qwen-plus', { enable_thinking: true }, true, FORM],
    ['qwen-plus', { enable_thinking: true, result_format: 'text' }, false, FORM],
    ['qwen-plus', { enable_thinking: true, result_format: 'message' }, true, INCREMENTAL],
    ['qwen-plus', { enable_thinking: true, result_format: 'message' }, false, 'message, cumulative'],
    ['qwen-plus', { enable_thinking: false, result_format: 'text' }, true, 'text, cumulative'],
    ['qwen3-32b', { incremental_output: false }, true, INCREMENTAL],
    ['qwen3-32b', { incremental_output: false, enable_thinking: false }, true, 'message, cumulative'],
    [
      'qwq-plus',
      { incremental_output: false },
      true,
      'The incremental_output parameter of this model cannot be set to False.',
    ],
    ['qwen-max', { enable_thinking: true, result_format: 'text' }, true, 'text, cumulative'],
    ['qwen3.6-plus', { incremental_output: false }, true, INCREMENTAL],
    ['deepseek-v4-pro', { reasoning_effort: 'none', incremental_output: false }, true, 'message, cumulative'],
  ])('%s %j, streamed %s: %s', (model, parameters, isStreaming, expected) => {
    expect(form(model, parameters, isStreaming)).toBe(expected);
  });
});
