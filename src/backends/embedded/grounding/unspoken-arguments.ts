/**
 * Flags and precisions that nobody asked about. Small weights set the optional ones that they are shown (`include_description: true`
 * for "the names of proteins", `rounding: 2` for points that hold a 2), and a value of a flag is nothing that could be looked up. What
 * a flag is about can be: its own words are those of its name and description that the function's name does not hold.
 */
import type { JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import { optionalArguments } from './asked-arguments.ts';
import { descriptionOf } from './descriptions.ts';
import { areAmong, wordsOf } from './words.ts';

/** Words that say of a flag that it is one, or what every description says. */
const GENERIC = new Set(
  (
    'a an and are as at be brief by can default defaults determine determines each else false flag for from get given has have if in include included ' +
    'includes including indicate indicates information is it its list no not of on only optional option options or otherwise parameter per provide provided result results ' +
    'return returned returns set should specifies specify that the then this to true use used user value want whether will with would you'
  ).split(' '),
);

/** How exact a result is to be. */
const PRECISION = /\b(?:decimals?|precision|round|rounded|rounding|significant digits)\b/i;
const OF_PRECISION =
  /\b(?:accurate\w*|accuracy|decimals?|digits|exact\w*|figures|integer|nearest|places|precis\w+|round\w*|whole)\b/i;

/**
 * The optional flags and precisions of the function `name` that nothing in `conversation` is about; none where words cannot be
 * compared.
 */
export function unspokenArguments(
  name: string,
  parameters: JsonSchema,
  conversation: string | undefined,
): readonly string[] {
  const { properties } = parameters;
  if (conversation === undefined || !isJsonObject(properties) || !isLatin(conversation)) return [];
  const spoken = wordsOf(conversation);
  const told = wordsOf(name);
  return optionalArguments(parameters).filter((argument) => {
    const schema = properties[argument];
    if (!isJsonObject(schema)) return false;
    if (schema.type === 'integer' || schema.type === 'number')
      return PRECISION.test(wordsOf(argument).join(' ')) && !OF_PRECISION.test(conversation);
    if (schema.type !== 'boolean') return false;
    const text = `${argument} ${descriptionOf(schema)}`;
    const own = [
      ...wordsOf(argument).filter((word) => !GENERIC.has(word)),
      ...wordsOf(descriptionOf(schema)).filter((word) => !GENERIC.has(word) && !areAmong([word], told)),
    ];
    return isLatin(text) && own.length > 0 && !own.some((word) => areAmong([word], spoken));
  });
}

/** Words of another script would have to be translated to be compared. */
function isLatin(text: string): boolean {
  return !/[^\p{Script=Latin}\p{Script=Common}\p{Script=Inherited}]/u.test(text);
}
