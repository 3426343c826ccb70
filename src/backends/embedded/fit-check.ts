/**
 * Whether a call is due is looked at before it is passed on, for small weights that were not trained to decide it: once
 * functions are in their prompt, such weights call for nearly everything.
 *
 * Three things are measured, of which each errs in its own way, and their sum decides (docs/decisions/0019):
 *
 * - how much the request tells of the function: in a list of requests and the functions that answer them, a fitting
 *   request makes the function's name far likelier than no request does;
 * - how much the function tells of the request, the other way round: what it says nothing about ("a *documentary* about
 *   global warming", with a function for papers) stays as surprising as it was;
 * - how likely a call was to the weights themselves.
 *
 * Where these do not settle it (`isSettled`), what the call would say is a fourth (`said-arguments.ts`), and weights whose word
 * is worth something are asked (`outright-question.ts`).
 *
 * The first costs the end of a prompt whose examples are mostly warm, and the tokens of the name, read in one go; three times for a
 * function that is new. The second costs two such prompts with the request's own tokens, for a short one, and only where it can
 * still change anything. None of it is counted, as forced text is not.
 */
import { type FunctionTool, functionTools, type GenerationRequest } from '../../core/generation.ts';
import { isJsonObject } from './constraints/schema-part.ts';
import type { PlanInput } from './decode-plan.ts';
import type { Job } from './engine-client.ts';
import type { DecodePlan } from './engine-protocol.ts';
import type { SaidOf } from './grounding/supported-values.ts';
import { outrightQuestion } from './outright-question.ts';
import { isSingleRequest, lastMessageText } from './single-request.ts';
import { onlyPlanOf, surpriseOf } from './surprise.ts';
import { cutText, oneLine, type ToldFunction, toldOf } from './told-function.ts';
import { parametersOf } from './tool-prompt.ts';

/** How well a function fits a request. */
export interface Fit {
  /** All that speaks for a call; comparable between functions of one request. */
  readonly evidence: number;
  /** So much has to speak for it. */
  readonly due: number;
  /** It does. */
  readonly isDue: boolean;
}

/**
 * What speaks for a call, by logistic regression over training cases and requests of our own, 0.5B and 1.5B alike: both
 * shares count the same, and the odds of a call a tenth of that.
 */
const ODDS_WEIGHT = 0.1;
/** What it says for a call that all its arguments are said, and against it that numbers, or only texts, are made up. */
const SAID = 0.2;
const MADE_UP = 0.4;
const TEXT_MADE_UP = 0.18;
/** What it says against it that the weights do: more than is open where they are asked. */
const NO = 0.7;
/** What they tell less of requests in Chinese: one that a function answers has so much less to speak for it. */
const IN_CHINESE = 0.25;
/** What a function without arguments has less: no call of it says anything that could be looked up. */
const NOTHING_SAID = 0.25;
/** More a request is hardly ever told by a function. */
const MOST_SHARE = 0.7;
/** With a name that is told so well, and weights so sure, the request need not be looked at. */
const CLEAR = { share: 0.9, chance: 0.95 } as const;
/** Where nobody told how likely a call was: as likely as most that are made. */
const USUAL_CHANCE = 0.9;
/** Beyond these, odds say nothing more: weights that are sure of a text are sure of most that they get wrong, too. */
const LEAST_SURE = 0.1;
const MOST_SURE = 0.995;
/** What is known of some weights. */
export interface Measured {
  /** From this probability of a call on an answer in text is looked at, 0 to 1. */
  readonly nearChance: number;
  /** From this evidence on a call is due. */
  readonly due: number;
  /** With smaller odds of a yes none is, where they are asked; undefined: what they say is worth nothing. */
  readonly leastYesOdds: number | undefined;
}

/**
 * Weights that this was measured with (docs/decisions/0019). Of twelve calls that are due the 0.5B misses one, half of them
 * without ever coming near to a call, so its answers in text are all looked at. The 1.5B misses one of a hundred, and calls the more
 * often where none is due, so more has to speak for it: of 145 calls that were due two had less.
 */
const MEASURED: readonly (Measured & { readonly pattern: RegExp })[] = [
  { pattern: /qwen[\s._-]*2\.5[\s._-]*coder.*\b0\.5b/i, nearChance: 0, due: 0.75, leastYesOdds: undefined },
  { pattern: /qwen[\s._-]*2\.5[\s._-]*coder.*\b1\.5b/i, nearChance: 0.1, due: 0.95, leastYesOdds: 0.25 },
];

/** A function that has to be told one of these answers what no name can tell. */
const FREE_TEXTS =
  /^(q|query|queries|question|search(_?(term|query))?|keywords?|sql|command|cmd|code|script|expression|formula|prompt|text|input|(file_?)?path|file|filename|ur[il])$/i;

/** A request is told by its beginning and its end. */
const MAX_REQUEST_CHARACTERS = 1_200;
/** Longer ones bring numbers and names, one after the other, that no function tells of: they say nothing of it. */
const MAX_TOLD_REQUEST_CHARACTERS = 120;
/** What a function tells of shorter ones that it answers, mostly. */
const USUAL_SHARE = 0.45;
/** Functions whose surprise without a request is remembered. */
const MAX_REMEMBERED = 1_000;

const EXAMPLES = [
  {
    request: 'Which trains leave Lyon for Paris after 6 pm?',
    told: 'find_trains: Lists the trains between two stations.',
    parameters: 'from, to, after',
  },
  {
    request: 'My loan is 9000 at 4% over 3 years. What do I pay a month?',
    told: 'loan_payment: The monthly payment of a loan.',
    parameters: 'amount, rate, years',
  },
  {
    request: 'Remind me to call Ann tomorrow at nine.',
    told: 'create_reminder: Reminds the user of something at a given time.',
    parameters: 'text, time',
  },
] as const;
/**
 * Requests that no function answers. Each is near to some function by chance, so the one it is farther from counts. To a request in
 * Chinese those are the others: an English name is surprising behind any.
 */
const OTHER_REQUESTS = {
  english: ['Hello, how are you?', 'Write a poem about the sea.'],
  chinese: ['你好，最近怎么样？', '写一首关于大海的诗。'],
} as const;
const HAN = /\p{Script=Han}/u;

/** What answers a request that no function does, in the language of the function that it is held against. */
const NO_FUNCTION = {
  english: { told: 'none: Answers by itself.', parameters: 'none' },
  chinese: { told: 'none: 直接回答问题时使用。', parameters: 'none' },
} as const;

/** How calls for this request are measured; undefined where they are not. */
export function measuredOf(input: PlanInput, displayName: string): Measured | undefined {
  if (!isSingleRequest(input)) return undefined;
  return MEASURED.find(({ pattern }) => pattern.test(displayName) || pattern.test(input.facts.name));
}

export interface FitQuestion {
  readonly name: string;
  /** The probability that the answer opened with a call, where it is known. */
  readonly callChance: number | undefined;
  /** The evidence from which on a call is due. */
  readonly due: number;
  readonly input: PlanInput;
  readonly start: (plan: DecodePlan) => Job;
  readonly signal: AbortSignal;
}

/** Whether a call is due or not, whatever it says. */
export function isSettled({ evidence, due }: Fit): boolean {
  return evidence + SAID < due || evidence - MADE_UP >= due;
}

/** A fit with what the arguments of a call add to it. */
export function withArguments(fit: Fit, said: SaidOf): Fit {
  return fitWith(fit.evidence + { all: SAID, numbers: -TEXT_MADE_UP, some: -MADE_UP }[said], fit.due);
}

/** A fit of a function of which the weights themselves say that it does not do what is wanted. */
export function withoutYes(fit: Fit): Fit {
  return fitWith(fit.evidence - NO, fit.due);
}

function fitWith(evidence: number, due: number): Fit {
  return { evidence, due, isDue: evidence >= due };
}

/** Of one set of weights. */
export class FitCheck {
  /** Surprises of names behind requests that no function answers, by language and name. */
  readonly #names = new Map<string, number>();
  /** Surprises of requests that no function tells of. */
  readonly #requests = {
    english: new WeakMap<GenerationRequest, number>(),
    chinese: new WeakMap<GenerationRequest, number>(),
  };

  /**
   * Undefined when nobody can tell: an engine gives no probabilities, or the function takes a text that may be about
   * anything. Jobs run one after the other, so that one place in the queue is enough.
   */
  async fitOf(question: FitQuestion): Promise<Fit | undefined> {
    const { name, callChance = USUAL_CHANCE, due, input } = question;
    const tool = functionTools(input.request).find((each) => each.name === name);
    if (!tool || takesFreeText(tool)) return undefined;
    const nameShare = await this.#nameShare(tool, question);
    if (nameShare === undefined) return undefined;
    const lacking = languageOf(lastMessageText(input.request)) === 'chinese' ? IN_CHINESE : 0;
    const unsaid = takesNothing(tool) ? NOTHING_SAID : 0;
    const known = nameShare + ODDS_WEIGHT * logOdds(callChance) + lacking - unsaid;
    if (known + MOST_SHARE + SAID < due) return fitWith(known, due);
    if (nameShare >= CLEAR.share && callChance >= CLEAR.chance) return fitWith(known + MOST_SHARE, due);
    const text = oneLine(lastMessageText(input.request));
    const isShort = text.length <= MAX_TOLD_REQUEST_CHARACTERS;
    const requestShare = isShort ? await this.#requestShare(tool, ` ${text}`, question) : USUAL_SHARE;
    if (requestShare === undefined) return undefined;
    return fitWith(known + requestShare, due);
  }

  /** How much likelier the weights' own yes is than their no, as log odds; undefined when nobody can tell. */
  async yesOddsOf({
    name,
    input,
    start,
    signal,
  }: Omit<FitQuestion, 'callChance' | 'due'>): Promise<number | undefined> {
    const tool = functionTools(input.request).find((each) => each.name === name);
    if (!tool) return undefined;
    const prompt = outrightQuestion(tool, cutText(lastMessageText(input.request), MAX_REQUEST_CHARACTERS));
    const yes = await surpriseOf(onlyPlanOf(prompt, ' yes', input), start, signal);
    const no = await surpriseOf(onlyPlanOf(prompt, ' no', input), start, signal);
    return yes === undefined || no === undefined ? undefined : no - yes;
  }

  /** How much of the name the request tells: 1 all of it, 0 no more than another request, less than that little. */
  async #nameShare({ name }: FunctionTool, { input, start, signal }: FitQuestion): Promise<number | undefined> {
    const surpriseBehind = (request: string): Promise<number | undefined> =>
      surpriseOf(functionPlan(request, ` ${name}:`, input), start, signal);
    const request = cutText(lastMessageText(input.request), MAX_REQUEST_CHARACTERS);
    const here = await surpriseBehind(request);
    if (here === undefined) return undefined;
    const language = languageOf(request);
    const key = `${language} ${name}`;
    let elsewhere = this.#names.get(key);
    if (elsewhere === undefined) {
      elsewhere = 0;
      for (const other of OTHER_REQUESTS[language]) {
        const surprise = await surpriseBehind(other);
        if (surprise === undefined) return undefined;
        elsewhere = Math.max(elsewhere, surprise);
      }
      if (this.#names.size >= MAX_REMEMBERED) this.#names.clear();
      this.#names.set(key, elsewhere);
    }
    return shareOf(here, elsewhere);
  }

  /** How much of the request the function tells: 0 no more than no function, less than that still less. */
  async #requestShare(
    tool: FunctionTool,
    text: string,
    { input, start, signal }: FitQuestion,
  ): Promise<number | undefined> {
    const { request } = input;
    const told = toldOf(tool);
    const here = await surpriseOf(requestPlan(told, text, input), start, signal);
    if (here === undefined) return undefined;
    const language = languageOf(told.told);
    let elsewhere = this.#requests[language].get(request);
    if (elsewhere === undefined) {
      elsewhere = await surpriseOf(requestPlan(NO_FUNCTION[language], text, input), start, signal);
      if (elsewhere === undefined) return undefined;
      this.#requests[language].set(request, elsewhere);
    }
    return shareOf(here, elsewhere);
  }
}

function takesNothing(tool: FunctionTool): boolean {
  const { properties } = parametersOf(tool);
  return !isJsonObject(properties) || Object.keys(properties).length === 0;
}

function languageOf(text: string): 'chinese' | 'english' {
  return HAN.test(text) ? 'chinese' : 'english';
}

function logOdds(chance: number): number {
  const sure = Math.min(MOST_SURE, Math.max(LEAST_SURE, chance));
  return Math.log(sure / (1 - sure));
}

function takesFreeText(tool: FunctionTool): boolean {
  const { properties, required } = parametersOf(tool);
  if (!isJsonObject(properties) || !Array.isArray(required)) return false;
  return Object.entries(properties).some(([name, schema]) => {
    const isText = isJsonObject(schema) && schema.type === 'string' && schema.enum === undefined;
    return isText && required.includes(name) && FREE_TEXTS.test(name);
  });
}

function shareOf(here: number, elsewhere: number): number {
  return elsewhere > 0 ? 1 - here / elsewhere : 0;
}

/** The function's name behind a request. */
function functionPlan(request: string, name: string, input: PlanInput): DecodePlan {
  const examples = EXAMPLES.map((example) => `Request: ${example.request}\nFunction: ${example.told}\n\n`).join('');
  const prompt = `A list of requests, each with the function that answers it.\n\n${examples}Request: ${request}\nFunction:`;
  return onlyPlanOf(prompt, name, input);
}

/** The request behind a function. */
function requestPlan(tool: ToldFunction, request: string, input: PlanInput): DecodePlan {
  const line = ({ told, parameters }: ToldFunction): string => `Function: ${told}\nArguments: ${parameters}\nRequest:`;
  const examples = EXAMPLES.map((example) => `${line(example)} ${example.request}\n\n`).join('');
  return onlyPlanOf(
    `A list of functions, each with a request that it answers.\n\n${examples}${line(tool)}`,
    request,
    input,
  );
}
