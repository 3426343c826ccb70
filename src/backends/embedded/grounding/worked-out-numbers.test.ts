import { describe, expect, it } from 'vitest';
import type { JsonSchema } from '../../../core/generation.ts';
import { withWorkedOutNumbers } from './worked-out-numbers.ts';

const described = (description: string, type = 'integer'): JsonSchema => ({ type, description });

/** The numbers that the only argument may be; undefined where any. */
function numbersFor(request: string, schema: JsonSchema, name = 'value'): unknown {
  const { properties } = withWorkedOutNumbers({ type: 'object', properties: { [name]: schema } }, request);
  return (properties as { readonly [name: string]: JsonSchema })[name]?.enum;
}

describe('numbers that are said in another form', () => {
  it.each([
    ['Open until at least 11 PM', 'Latest closing time, in 24 hour format.', [23]],
    ['Between 9am and 5:00 p.m.', 'The hour (24h)', [9, 17]],
    ['At 12 am, or 12 PM', 'The hour (24-hour clock)', [0, 12]],
    ['营业到晚上11点的餐厅', '最晚关门时间，24小时制', [23]],
    ['上午9点到下午5点', 'The hour (24h)', [9, 17]],
    ['中午12点，或凌晨12点', 'The hour (24h)', [12, 0]],
    ['身高5英尺10英寸', '身高（英寸）', [70]],
    ['Someone 5ft 10in tall', 'Height in inches.', [70]],
    ['Someone 5\'10" tall, and one of 6\' 1"', 'Height in inches.', [70, 73]],
    ['Someone 5 feet and 10 inches tall', 'Height in inches.', [70]],
    ['$5000 at 5% with monthly compounding', 'The number of times that interest is compounded per year.', [12]],
    ['$5000 at 5%, compounded semi-annually', 'Compounding periods per year', [2]],
    ['A cake of fewer than 5 ingredients', 'Max number of ingredients in it.', [4]],
  ])('"%s", for "%s": %j', (request, description, numbers) => {
    expect(numbersFor(request, described(description))).toEqual(numbers);
  });

  it.each([
    ['Open until at least 11 PM', 'The hour on the clock face.'],
    ['Open until 22:00', 'Latest closing time, in 24 hour format.'],
    ['Open until 10:30 PM', 'Latest closing time, in 24 hour format.'],
    ['晚上10点半关门', '最晚关门时间，24小时制'],
    ['晚上10点15分关门', '最晚关门时间，24小时制'],
    ['晚上12点关门', '最晚关门时间，24小时制'],
    ['Someone 5ft 10in tall', 'Height in cm.'],
    ['Someone 70 inches tall', 'Height in inches.'],
    ['A board of 5 feet, 10 of them', 'Length in inches.'],
    ['Paid monthly, and compounded yearly', 'Times it is compounded per year.'],
    ['At an annual rate of 5%', 'Times it is compounded per year.'],
    ['A cake in less than 5 minutes', 'Max number of ingredients in it.'],
    ['A cake of less than 5 ingredients', 'Time limit in minutes.'],
  ])('"%s" says nothing so for "%s"', (request, description) => {
    expect(numbersFor(request, described(description))).toBeUndefined();
  });

  it('are told by the name of the argument, too', () => {
    expect(numbersFor('Someone 5ft 10in tall', { type: 'number' }, 'height_inches')).toEqual([70]);
    expect(numbersFor('Compounded quarterly', { type: 'integer' }, 'compounds_per_year')).toEqual([4]);
  });

  it('are whole where the argument is', () => {
    const description = 'Height in inches.';
    expect(numbersFor('5 feet 10.5 inches', described(description))).toBeUndefined();
    expect(numbersFor('5 feet 10.5 inches', described(description, 'number'))).toEqual([70.5]);
  });

  it('are not left out', () => {
    const properties = { amount: { type: 'number' }, periods: described('Periods per year') };
    const parameters = { type: 'object', properties, required: ['amount'] };
    expect(withWorkedOutNumbers(parameters, '5000, compounded daily').required).toEqual(['amount', 'periods']);
    expect(withWorkedOutNumbers(parameters, '5000')).toBe(parameters);
    // Beside these no member may be added without a look at the others.
    const few = { ...parameters, maxProperties: 1 };
    expect(withWorkedOutNumbers(few, '5000, compounded daily').required).toEqual(['amount']);
  });

  it('leave what the caller says of a number alone', () => {
    expect(numbersFor('At 11 PM', { ...described('The hour (24h)'), maximum: 12 })).toBeUndefined();
  });
});
