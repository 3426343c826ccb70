import { describe, expect, it } from 'vitest';
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { compileArgumentsSchema } from '../constraints/index.ts';
import { withCurrencies } from './currencies.ts';
import { asDescribed } from './described-values.ts';

const base: JsonSchema = { type: 'string', description: 'The currency to convert from' };
const target: JsonSchema = { type: 'string', description: 'Currency code' };

/** What the arguments of a function may be. */
function choicesOf(request: string, properties: JsonSchema): readonly unknown[] {
  const held = withCurrencies(asDescribed({ type: 'object', properties }, request), request);
  expect(() => compileArgumentsSchema(held)).not.toThrow();
  return Object.values(held.properties as Readonly<Record<string, { readonly enum?: Json }>>).map(
    (schema) => schema.enum,
  );
}

describe('the currencies of a request', () => {
  const both = { from_currency: base, to: target };
  const saidIn = (request: string) => choicesOf(request, both)[0];

  it('are what its codes, names and signs mean', () => {
    expect(saidIn('Euros and Swiss francs')).toEqual(['CHF', 'EUR']);
    expect(saidIn('Pounds against US dollars')).toEqual(['GBP', 'USD']);
    expect(saidIn('Canadian dollars or dollars?')).toEqual(['CAD', 'USD']);
    expect(saidIn('Is it $ or JPY?')).toEqual(['JPY', 'USD']);
    expect(saidIn('美元和人民币')).toEqual(['CNY', 'USD']);
    // The same again: nothing is remembered of the text before.
    expect(saidIn('美元和人民币')).toEqual(['CNY', 'USD']);
  });

  it('are told apart by which an amount is in and which it is to be in', () => {
    expect(choicesOf('What are 250 euros in Swiss francs?', both)).toEqual([['EUR'], ['CHF']]);
    expect(choicesOf('15000 Euro to dollars, and 200 pounds to dollars', both)).toEqual([['EUR', 'GBP'], ['USD']]);
    expect(choicesOf('How much is $5 in JPY?', both)).toEqual([['USD'], ['JPY']]);
    expect(choicesOf('100美元等于多少人民币', both)).toEqual([['USD'], ['CNY', 'USD']]);
    expect(choicesOf('100 USD in RMB', both)).toEqual([['USD'], ['CNY']]);
    expect(choicesOf('2.5 million yen to euros', { one_currency: base, other_currency: base })).toEqual([
      ['EUR', 'JPY'],
      ['EUR', 'JPY'],
    ]);
  });

  it('are held where there are as many as the function takes', () => {
    expect(choicesOf('What are 250 euros worth?', both)).toEqual([undefined, undefined]);
    expect(choicesOf('What are 250 euros worth?', { currency: base })).toEqual([['EUR']]);
    expect(choicesOf('What is a BTC worth in euros?', { currency: base })).toEqual([undefined]);
    expect(choicesOf('I won a real table', { currency: base })).toEqual([undefined]);
  });

  it('are left alone where no codes are taken', () => {
    expect(choicesOf('20 euros in yen', { currency: { type: 'string', description: 'Its name' } })).toEqual([
      undefined,
    ]);
    expect(choicesOf('20 euros in yen', { amount: { type: 'string' } })).toEqual([undefined]);
    const own = { type: 'string', enum: ['EUR', 'CHF'] };
    expect(choicesOf('20 euros in yen', { currency: own })).toEqual([['EUR', 'CHF']]);
  });
});
