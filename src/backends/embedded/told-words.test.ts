import { describe, expect, it } from 'vitest';
import type { FunctionTool, JsonSchema } from '../../core/generation.ts';
import { distinctWords } from './told-words.ts';

function tool(name: string, description: string, properties: JsonSchema = {}): FunctionTool {
  return { type: 'function', name, description, inputSchema: { type: 'object', properties } };
}

function wordsFor(request: string, ...tools: FunctionTool[]): readonly (number | undefined)[] {
  const words = distinctWords(tools, request);
  return tools.map(({ name }) => words.get(name));
}

describe('words of a request that a function tells', () => {
  it('stand in its name, its description, its arguments and what these may be', () => {
    const era = { type: 'string', description: 'Can be contemporary', enum: ['modern'] };
    const art = tool('art_search', 'Search for artworks', { sculptureSize: era });
    const park = tool('findPark', 'Finds parks', { facilities: { type: 'array' } });
    expect(wordsFor('Buy contemporary sculptures or modern art, of any size', art, park)).toEqual([5, 0]);
    expect(wordsFor('See parks with facilities', art, park)).toEqual([0, 2]);
  });

  it('count in parts where several tell them, and not where all do', () => {
    const [one, two, three] = ['a', 'b', 'c'].map((name) => tool(name, `Recipes of ${name}`));
    const cakes = tool('cakes', 'Recipes of cakes');
    const more = tool('more_cakes', 'Recipes of cakes and bread');
    expect(wordsFor('Recipes', one as FunctionTool, two as FunctionTool, three as FunctionTool)).toEqual([0, 0, 0]);
    expect(wordsFor('Recipes of cakes and bread', cakes, more, one as FunctionTool)).toEqual([0.5, 1.5, 0]);
  });

  it('count twice where they say what is to be done', () => {
    const remind = tool('create_reminder', 'Reminds the user of something');
    const book = tool('book_table', 'Reserves a table');
    expect(wordsFor('Remind me to book a table', remind, book)).toEqual([2, 2]);
    expect(wordsFor('Please book a table and remind me', remind, book)).toEqual([1, 3]);
  });

  it('are no numbers, and nothing that stands in every sentence', () => {
    const told = tool('told', 'Calculate what is given by number 42');
    expect(wordsFor('Please calculate what is given by the number 42', told, tool('none', ''))).toEqual([0, 0]);
  });

  it('are names where the function tells of them itself, not as an example of an argument', () => {
    const shop = tool('walmart_products', 'Products of a shop', {
      city: { type: 'string', description: 'E.g. Denver' },
    });
    const other = tool('other_products', 'Products of another shop');
    expect(wordsFor('Foods at the Walmart near Denver', shop, other)).toEqual([1, 0]);
    // The first word of a sentence has a capital whatever it is.
    expect(wordsFor('Foods at a shop. Denver?', shop, other)).toEqual([1, 0]);
  });

  it('are found in Chinese, too', () => {
    const weather = tool('get_weather', '查询指定城市的天气');
    const train = tool('get_train', '查询两个城市之间的列车时刻');
    expect(wordsFor('帮我看看杭州今天的天气怎么样？', weather, train)).toEqual([1, 0]);
    expect(wordsFor('What is the weather in Hangzhou?', train, tool('none', ''))).toEqual([0, 0]);
  });
});
