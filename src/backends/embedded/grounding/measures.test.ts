import { describe, expect, it } from 'vitest';
import { compileJsonSchema } from '../constraints/index.ts';
import { asUnit, measuresIn } from './measures.ts';

function patternFor(request: string, description: string): RegExp {
  const held = asUnit({ type: 'string', description }, measuresIn(request)) as { pattern: string };
  expect(() => compileJsonSchema(held)).not.toThrow();
  return new RegExp(held.pattern);
}

describe('the unit of what is measured', () => {
  it('is one that the request says, however it is spelt', () => {
    const pattern = patternFor('A radius of 5 meters', 'Unit of measurement of the radius');
    for (const unit of ['m', 'meter', 'meters', 'metres']) expect(unit).toMatch(pattern);
    for (const unit of ['cm', 'mm', 'feet', 'square meters']) expect(unit).not.toMatch(pattern);
    const two = patternFor('One of 5cm and one of 7 inches', 'Unit of measurement');
    for (const unit of ['cm', 'inches', 'inch', 'in', 'centimeter']) expect(unit).toMatch(two);
  });

  it('is squared of an area, and cubed of a volume', () => {
    const area = patternFor('A base of 5 feet', 'Measurement unit for the area');
    for (const unit of ['square feet', 'sq ft', 'ft^2', 'ft²']) expect(unit).toMatch(area);
    for (const unit of ['feet', 'feet^2', 'cubic feet', 'ft^3']) expect(unit).not.toMatch(area);
    expect('cubic feet').toMatch(patternFor('An edge of 5 feet', 'Measurement unit of the volume'));
  });

  it('is what the schema says where it says more', () => {
    const schema = { enum: ['metric', 'imperial'], description: 'Unit of measurement' };
    expect(asUnit(schema, measuresIn('5 feet'))).toBe(schema);
  });

  it('stands behind a number', () => {
    expect(measuresIn('a circle with a radius of 10, in metres')).toEqual([]);
    expect(measuresIn('in 10 minutes')).toEqual([]);
  });
});
