/**
 * Which words of a request a function tells of itself, in its name, its description and its arguments. Weights read over them:
 * of 200 requests of BFCL with several functions, the one that is meant tells most of them, and of what the others do not,
 * in 190, and in the other ten as much as another one (docs/decisions/0019).
 */
import type { FunctionTool, Json } from '../../core/generation.ts';
import { isSameWord, wordsOf } from './grounding/words.ts';
import { parametersOf } from './tool-prompt.ts';

/** They say nothing of what is wanted, whatever it is. */
const STOP_WORDS = new Set(
  (
    'about all also and any are array based been between boolean but calculate can could default did does enum find for from get give given ' +
    'had has have her his how integer into its list many more most much name need none not number object only optional our out please ' +
    'properties required search shall she should show specific string tell than that the their them then there these they this those ' +
    'type used using value want was were what when where which who whom whose why will with would you your ' +
    '一个 一下 什么 他们 你 使用 可以 告诉 多少 如何 帮 帮我 怎么 怎样 我 我们 所有 指定 是否 是 查找 查询 根据 的 给 请 请问 返回 这个 进行 那个 需要'
  ).split(' '),
);
const MIN_LETTERS = 3;
const HAN = /\p{Script=Han}/u;
const CHINESE = new Intl.Segmenter('zh', { granularity: 'word' });

/**
 * How many words of a request each function tells, by its name: words that are no numbers and not in every sentence. A word
 * that several tell counts as a part of one for each, and none that all do. The first one says what is to be done ("remind me to
 * book a table in a restaurant"), so it counts twice.
 */
export function distinctWords(tools: readonly FunctionTool[], request: string): ReadonlyMap<string, number> {
  const { words, names } = askedWords(request);
  const told = tools.map((tool) => {
    const own = contentWords(`${tool.name} ${tool.description ?? ''}`);
    // An argument tells names as examples of what it may be.
    const all = [...own, ...contentWords(textsIn(parametersOf(tool)).join(' '))];
    return [...words.filter((word) => isAmong(word, all)), ...names.filter((name) => isAmong(name, own))];
  });
  const weightOf = (word: string): number => {
    const count = told.filter((words) => words.includes(word)).length;
    return count < tools.length ? (word === words[0] ? 2 : 1) / count : 0;
  };
  return new Map(
    tools.map(({ name }, index) => [name, (told[index] ?? []).reduce((sum, word) => sum + weightOf(word), 0)]),
  );
}

function isAmong(word: string, others: readonly string[]): boolean {
  return others.some((other) => isSameWord(word, other));
}

/** What begins with a capital within a sentence is a name. */
function askedWords(request: string): { readonly words: readonly string[]; readonly names: readonly string[] } {
  const all = [...request.matchAll(/\p{L}+/gu)];
  const isName = ({ 0: word, index }: RegExpExecArray): boolean =>
    /^\p{Lu}/u.test(word) && !/(?:^|[.?!:\n"“])\s*$/u.test(request.slice(0, index));
  const textOf = (matches: readonly RegExpExecArray[]): string => matches.map(([word]) => word).join(' ');
  const words = contentWords(textOf(all.filter((match) => !isName(match))));
  const names = contentWords(textOf(all.filter(isName))).filter((name) => !words.includes(name));
  return { words, names };
}

function contentWords(text: string): readonly string[] {
  const words = wordsOf(text).flatMap((word) => (HAN.test(word) ? chineseWords(word) : [word]));
  const isContent = (word: string): boolean =>
    !STOP_WORDS.has(word) && (HAN.test(word) || (word.length >= MIN_LETTERS && /^\p{L}/u.test(word)));
  return [...new Set(words.filter(isContent))];
}

function chineseWords(text: string): readonly string[] {
  return [...CHINESE.segment(text)].map(({ segment }) => segment);
}

/** The names and the texts of a schema. */
function textsIn(value: Json): readonly string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.flatMap(textsIn);
  return Object.entries(value).flatMap(([name, inner]) => [name, ...textsIn(inner as Json)]);
}
