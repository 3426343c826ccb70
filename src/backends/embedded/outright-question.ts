/**
 * Weights are asked outright whether a function does what a request wants. Without examples their answers hardly move;
 * with examples of functions that nearly do it, the larger ones tell near misses apart that all else takes for the same: an integral
 * for "the derivative", currencies for "10 inches in meters" (docs/decisions/0019).
 */
import type { FunctionTool } from '../../core/generation.ts';
import { oneLine, toldOf } from './told-function.ts';

const EXAMPLES: readonly { readonly told: string; readonly request: string; readonly answer: 'yes' | 'no' }[] = [
  {
    told: 'find_trains: Lists the trains between two stations.',
    request: 'Which trains leave Lyon for Paris after 6 pm?',
    answer: 'yes',
  },
  {
    told: 'triangle_area: Calculate the area of a triangle.',
    request: 'What is the perimeter of a triangle with sides 3, 4 and 6?',
    answer: 'no',
  },
  {
    told: 'get_population: Get the population of a country in a year.',
    request: 'How many people lived in Chile in 1990?',
    answer: 'yes',
  },
  {
    told: 'convert_currency: Convert an amount from one currency to another.',
    request: 'How many grams are 3 pounds?',
    answer: 'no',
  },
  {
    told: 'final_speed: Calculate the speed of a falling object.',
    request: 'A stone falls from 20 m. How fast is it when it hits the ground?',
    answer: 'yes',
  },
  { told: 'movie_reviews: Get the reviews of a movie.', request: 'Who directed the movie Heat?', answer: 'no' },
  {
    told: 'recipe_search: Find recipes by ingredients.',
    request: 'What can I cook with eggs and leeks in half an hour?',
    answer: 'yes',
  },
  {
    told: 'book_table: Reserve a table in a restaurant.',
    request: 'Recommend a good restaurant in Oslo.',
    answer: 'no',
  },
];

/** What is answered by " yes" or " no". */
export function outrightQuestion(tool: FunctionTool, request: string): string {
  const line = (told: string, wanted: string): string => `Function: ${told}\nRequest: ${wanted}\nDoes what is wanted:`;
  const examples = EXAMPLES.map((each) => `${line(each.told, each.request)} ${each.answer}\n\n`).join('');
  const opening = 'Some functions do just what a request wants, some do something else.';
  return `${opening}\n\n${examples}${line(toldOf(tool).told, oneLine(request))}`;
}
