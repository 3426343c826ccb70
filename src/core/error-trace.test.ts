import { expect, it } from 'vitest';
import { errorFields, traceOf } from './error-trace.ts';

function thrownBy(action: () => unknown): unknown {
  try {
    return action();
  } catch (thrown) {
    return thrown;
  }
}

it('says where an error comes from', () => {
  expect(traceOf(new Error('the disk is full'))).toMatch(/^Error: the disk is full\n +at .*error-trace\.test\.ts/);
  expect(traceOf('a word')).toBe('a word');
  expect(traceOf({ secret: 1 })).toBe('thrown: object');
});

it('quotes nothing that could not be read', () => {
  const thrown = thrownBy(() => JSON.parse('my secret prompt'));
  expect(String(thrown)).toContain('my secret');
  expect(traceOf(thrown)).toMatch(/^SyntaxError\n +at /);
  expect(traceOf(thrown)).not.toContain('secret');
});

it('keeps of what drivers tell only the code, all the way down', () => {
  const row = { code: '23505', detail: 'Key (hash)=(secret) already exists.', parameters: ['secret'] };
  const cause = Object.assign(new Error('duplicate key'), row);
  const fields = errorFields(new Error('it could not be stored', { cause }));
  expect(fields).toMatchObject({ type: 'Error', cause: { type: 'Error', code: '23505' } });
  expect(JSON.stringify(fields)).toContain('duplicate key');
  expect(JSON.stringify(fields)).not.toContain('secret');
});
