import { expect, it } from 'vitest';
import { StudioError } from './errors.ts';

const error = new StudioError('rate-limited', 'slower', {
  param: 'model',
  retryAfterSeconds: 3,
  promptTokens: 1,
  maxPromptTokens: 2,
  explanation: 'Wait.',
  cause: new Error('inner'),
});

it('keeps everything of an error when its region is known', () => {
  const placed = error.madeIn('singapore');
  expect(placed).toBeInstanceOf(StudioError);
  expect({ ...placed, message: placed.message, cause: placed.cause }).toEqual({
    ...error,
    message: 'slower',
    cause: error.cause,
    region: 'singapore',
  });
  expect(error.region).toBeUndefined();
  expect(placed.madeIn('singapore')).toBe(placed);
});

it('is explained behind the words of a wire', () => {
  expect(error.explain('Too fast.')).toBe('Too fast. Wait.');
  expect(new StudioError('internal').explain('Broken.')).toBe('Broken.');
});
