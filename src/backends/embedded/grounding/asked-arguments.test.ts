import { describe, expect, it } from 'vitest';
import type { JsonSchema } from '../../../core/generation.ts';
import { optionalArguments, withAskedRequired } from './asked-arguments.ts';

const PARAMETERS: JsonSchema = {
  type: 'object',
  properties: {
    instrument: { type: 'string' },
    features: { type: 'array', items: { type: 'string', enum: ['price', 'rating'] } },
    includeStock: { type: 'boolean' },
    view: { type: 'string' },
    name: { type: 'string' },
  },
  required: ['instrument'],
};
const requiredFor = (request: string, parameters = PARAMETERS): unknown =>
  withAskedRequired(parameters, request, true).required;

describe('the optional arguments that a request speaks of', () => {
  it('are required by their names, whatever their endings', () => {
    expect(requiredFor('A piano with a city view')).toEqual(['instrument', 'view']);
    expect(requiredFor('A piano, please. Include stocks.')).toEqual(['instrument', 'includeStock']);
  });

  it('are required by the values they may have', () => {
    expect(requiredFor('The average ratings of the piano')).toEqual(['instrument', 'features']);
  });

  it('are required by the values they are described with, but for the default', () => {
    const mode = { type: 'string', description: "Mode of analysis, e.g. 'static' or 'dynamic'. Default is 'static'." };
    const parameters = { type: 'object', properties: { mode } };
    expect(requiredFor('The dynamic analysis', parameters)).toEqual(['mode']);
    expect(requiredFor('The static analysis', parameters)).toBeUndefined();
    const one = { type: 'object', properties: { mode: { type: 'string', description: "Such as 'dynamic'." } } };
    expect(requiredFor('The dynamic analysis', one)).toBeUndefined();
  });

  it('have one of the values that are said, where one call is made', () => {
    const valueFor = (request: string, schema: JsonSchema, isParallel = false): unknown => {
      const parameters = { type: 'object', properties: { mode: schema } };
      const { properties } = withAskedRequired(parameters, request, isParallel) as typeof parameters;
      return properties.mode;
    };
    const listed = { type: 'string', enum: ['static', 'dynamic', 'modal'] };
    expect(valueFor('The static and dynamic analysis', listed)).toEqual({ ...listed, enum: ['static', 'dynamic'] });
    expect(valueFor('The dynamic analysis', listed, true)).toBe(listed);
    const shown = { type: 'string', description: "E.g. 'static' or 'dynamic (fast)'." };
    expect(valueFor('A fast, dynamic analysis', shown)).toEqual({ ...shown, pattern: '^(dynamic \\(fast\\))' });
    expect(valueFor('In static mode', listed)).toEqual({ ...listed, enum: ['static'] });
    expect(valueFor('In another mode', listed)).toBe(listed);
  });

  it('are units of measurement where something is measured', () => {
    const unitFor = (request: string, description: string, name = 'unit'): unknown =>
      requiredFor(request, { type: 'object', properties: { [name]: { type: 'string', description } } });
    const measurement = "The unit of measurement for the radius. Default is 'cm'.";
    expect(unitFor('A circle with a radius of 4 inches', measurement)).toEqual(['unit']);
    expect(unitFor('Circles of 5cm and 8cm', measurement, 'units')).toEqual(['units']);
    expect(unitFor('A circle with a radius of 4', measurement)).toBeUndefined();
    expect(unitFor('I weigh 85 kg', 'The measurement system of the result')).toBeUndefined();
    expect(unitFor('The density of 45 kg in 15 m³', 'The unit of density. Default is kg/m³')).toBeUndefined();
    expect(unitFor('A circle of 4 inches', measurement, 'precision')).toBeUndefined();
  });

  it('are also numbers of what the request counts', () => {
    const dice = { type: 'integer', description: 'The number of dice to roll' };
    const parameters = { type: 'object', properties: { n: dice } };
    const numberFor = (request: string, isParallel = false): unknown => {
      const held = withAskedRequired(parameters, request, isParallel);
      return [held.required, (held.properties as unknown as { n: { enum: unknown } }).n.enum];
    };
    expect(numberFor('A sum of 7 with two dice')).toEqual([['n'], [2]]);
    expect(numberFor('A sum of 7 with 3 fair dice')).toEqual([['n'], [3]]);
    expect(numberFor('A sum of 7 with two dice', true)).toEqual([['n'], undefined]);
    expect(numberFor('One of 52 dice')).toEqual([undefined, undefined]);
    expect(numberFor('A sum of 7 with dice')).toEqual([undefined, undefined]);
  });

  it('are one where the request asks for the first of some', () => {
    const banks = { type: 'integer', description: 'Top n banks by size. Default is 5' };
    const heldFor = (request: string): unknown =>
      withAskedRequired({ type: 'object', properties: { n: banks } }, request, false).properties;
    expect(heldFor('The highest grossing bank of Spain')).toEqual({ n: { ...banks, enum: [1] } });
    expect(heldFor('The highest grossing banks of Spain')).toEqual({ n: banks });
    expect(heldFor('The 3 best banks of Spain')).toEqual({ n: { ...banks, enum: [3] } });
    expect(heldFor('The interest bank of Spain')).toEqual({ n: banks });
    expect(heldFor('A large bank for 3 years')).toEqual({ n: { ...banks, enum: [1] } });
    expect(heldFor('A list of banks')).toEqual({ n: banks });
  });

  it('are no objects', () => {
    const deck = { type: 'array', items: { type: 'object' } };
    expect(requiredFor('A card of the deck', { type: 'object', properties: { deck } })).toBeUndefined();
  });

  it('are none by words that say nothing, or by a part of a name', () => {
    expect(requiredFor('What is the name of a piano?')).toEqual(['instrument']);
    expect(requiredFor('The stockholm piano')).toEqual(['instrument']);
    expect(withAskedRequired(PARAMETERS, 'A piano', true)).toBe(PARAMETERS);
  });

  it('are none by one of very many values', () => {
    const towns = Array.from({ length: 65 }, (_, index) => (index === 0 ? 'Rome' : `Town ${index}`));
    const parameters = { type: 'object', properties: { town: { type: 'string', enum: towns } } };
    expect(withAskedRequired(parameters, 'A piano in Rome', true)).toBe(parameters);
  });

  it('are left alone where the schema says more of its members', () => {
    const combined = { ...PARAMETERS, anyOf: [{ required: ['view'] }, { required: ['name'] }] };
    expect(requiredFor('A piano with a view', combined)).toEqual(['instrument']);
    expect(optionalArguments(combined)).toEqual([]);
  });

  it('may not be left out again', () => {
    expect(optionalArguments(withAskedRequired(PARAMETERS, 'A piano with a view', true))).toEqual([
      'features',
      'includeStock',
      'name',
    ]);
    expect(optionalArguments({ type: 'object', properties: {} })).toEqual([]);
  });
});
