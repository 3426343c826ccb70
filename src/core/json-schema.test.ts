import { describe, expect, it } from 'vitest';
import type { JsonSchema } from './generation.ts';
import { assertSchema, compileSchema, JsonSchemaError } from './json-schema.ts';

const breachOf = (schema: JsonSchema, value: unknown) => compileSchema(schema).breachOf(value);

describe('compileSchema', () => {
  it('says what breaks a schema, and nothing of what keeps it', () => {
    const schema = { type: 'object', properties: { age: { type: 'integer', minimum: 0 } }, required: ['age'] };
    expect(breachOf(schema, { age: 3 })).toBeUndefined();
    expect(breachOf(schema, {})?.keyword).toBe('required');
    expect(breachOf(schema, { age: -1 })).toEqual({ keyword: 'minimum', message: '/age must be >= 0' });
  });

  it('resolves local references, checks formats, ignores unknown keywords', () => {
    const schema = { $defs: { day: { type: 'string', format: 'date' } }, $ref: '#/$defs/day', 'x-note': 1 };
    expect(breachOf(schema, '2026-02-01')).toBeUndefined();
    expect(breachOf(schema, 'tomorrow')?.keyword).toBe('format');
  });

  it('reads the older drafts', () => {
    const tuple = {
      $schema: 'http://json-schema.org/draft-07/schema#',
      type: 'array',
      items: [{ type: 'string' }, { type: 'number' }],
      additionalItems: false,
    };
    expect(breachOf(tuple, ['a', 1])).toBeUndefined();
    expect(breachOf(tuple, ['a', 1, 2])?.keyword).toBe('items');
    expect(breachOf({ type: 'number', minimum: 1, exclusiveMinimum: true }, 1)?.keyword).toBe('exclusiveMinimum');
  });

  it('leaves properties called like keywords alone', () => {
    const schema = { type: 'object', properties: { $id: { type: 'number' } }, required: ['$id'] };
    expect(breachOf(schema, { $id: 'x' })?.keyword).toBe('type');
  });

  it('lets two callers use the same $id', () => {
    expect(breachOf({ $id: 'https://example.com/a', type: 'string' }, 'x')).toBeUndefined();
    expect(breachOf({ $id: 'https://example.com/a', type: 'number' }, 'x')?.keyword).toBe('type');
  });

  it('refuses what is not a schema', () => {
    expect(() => compileSchema({ type: 'nothing' })).toThrow(JsonSchemaError);
    expect(() => compileSchema({ $ref: '#/$defs/missing' })).toThrow(/missing/);
    expect(() => compileSchema({ type: 'string', pattern: '(' })).toThrow(JsonSchemaError);
    let deep: JsonSchema = { type: 'string' };
    for (let depth = 0; depth < 100; depth++) deep = { type: 'array', items: deep };
    expect(() => compileSchema(deep)).toThrow('nested too deeply');
    expect(() => compileSchema({ description: 'x'.repeat(300_000) })).toThrow('too large');
  });

  it('gives up on a pattern that backtracks for ever', () => {
    const schema = { type: 'string', pattern: '^(a+)+$' };
    expect(breachOf(schema, 'aaaa')).toBeUndefined();
    expect(breachOf(schema, `${'a'.repeat(40)}b`)?.keyword).toBe('pattern');
  });

  it('takes patterns that are not valid under the unicode flag', () => {
    expect(breachOf({ type: 'string', pattern: '^[\\w-.]+$' }, 'a.b-c')).toBeUndefined();
  });

  it('keeps a bounded number of schemas, all of them right', () => {
    for (let round = 0; round < 250; round++) expect(breachOf({ const: round }, round)).toBeUndefined();
    expect(breachOf({ const: 0 }, 1)?.keyword).toBe('const');
  });
});

describe('assertSchema', () => {
  it('takes schemas and refuses the rest', () => {
    expect(() => assertSchema({})).not.toThrow();
    expect(() => assertSchema({ type: 'object', properties: { a: { type: 'string' } } })).not.toThrow();
    expect(() => assertSchema({ type: 'object', required: 'a' })).toThrow(JsonSchemaError);
    expect(() => assertSchema({ type: 'object', required: 'a' })).toThrow(/required must be array/);
  });
});
