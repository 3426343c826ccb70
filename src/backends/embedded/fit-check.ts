/**
 * Whether a function fits a request is looked at before a call to it is passed on, for small weights that were not
 * trained to decide it: once functions are in their prompt, such weights call for nearly everything.
 *
 * They are not asked, since what they say of themselves is worth little; it is measured how much the request tells them
 * of the function. In a list of requests and the functions that answer them, a fitting request makes the function's name
 * and description far likelier than no request does; of what there is to guess of the function, it must explain a share
 * that was measured for the weights (docs/decisions/0019).
 *
 * It costs one prompt of some 150 tokens and the 10 to 25 tokens of the function, three times for a function that is new, and
 * only where a call is about to be made, or was near. None of it is counted, as forced text is not.
 */
import { type FunctionTool, functionTools, type GenerationRequest } from '../../core/generation.ts';
import { literal, printExpression } from './constraints/grammar-expression.ts';
import { isJsonObject } from './constraints/schema-part.ts';
import type { PlanInput } from './decode-plan.ts';
import type { Job } from './engine-client.ts';
import type { DecodePlan } from './engine-protocol.ts';
import { plainSegments } from './raw-prompt.ts';
import { engineSampling } from './sampling.ts';
import { isSingleRequest, lastMessageText } from './single-request.ts';
import { parametersOf } from './tool-prompt.ts';

/** The share of a function that a request explains: 1 all of it, 0 no more than another request, less than that little. */
export interface Fit {
  /** Of the name alone. */
  readonly name: number;
  /** Of name and description. */
  readonly whole: number;
  /** Of the name, told from the nearer of the other requests: what is near to a greeting is little here. */
  readonly near: number;
}

/** What a request has to explain at least. */
export interface FitBounds {
  /**
   * Of a function that the weights have called. One of the two is enough: a name may say nothing (`fn_17`), and a
   * description may be in another language.
   */
  readonly called: Pick<Fit, 'name' | 'whole'>;
  /** Of one that they have called with this probability or more: its name, if that is less. */
  readonly surely?: ({ readonly chance: number } & Pick<Fit, 'name'>) | undefined;
  /** Of one that they have called with less than this probability: its name. */
  readonly unsurely?: ({ readonly chance: number } & Pick<Fit, 'name'>) | undefined;
  /** Of one that they were near to calling, from this probability of a call on: it is called where both are reached. */
  readonly uncalled?: ({ readonly chance: number } & Pick<Fit, 'name' | 'near'>) | undefined;
}

/** Of weights that were measured (docs/decisions/0019). */
const BOUNDS: readonly (FitBounds & { readonly weights: RegExp })[] = [
  {
    weights: /qwen[\s._-]*2\.5[\s._-]*coder.*\b0\.5b/i,
    called: { name: 0.4, whole: 0.15 },
    unsurely: { chance: 0.65, name: 0.7 },
    uncalled: { chance: 0.1, name: 0.74, near: 0.45 },
  },
  {
    weights: /qwen[\s._-]*2\.5[\s._-]*coder.*\b1\.5b/i,
    called: { name: 0.5, whole: 0.3 },
    surely: { chance: 0.95, name: 0.1 },
    unsurely: { chance: 0.7, name: 0.78 },
    uncalled: { chance: 0.1, name: 0.74, near: 0.45 },
  },
];

/** A function that has to be told one of these answers what no name can tell. */
const FREE_TEXTS =
  /^(q|query|queries|question|search(_?(term|query))?|keywords?|sql|command|cmd|code|script|expression|formula|prompt|text|input|(file_?)?path|file|filename|ur[il])$/i;

/** A request is told by its beginning and its end. */
const MAX_REQUEST_CHARACTERS = 1_200;
/** A function is told by its name and the beginning of its description; more tells no more. */
const MAX_DESCRIPTION_CHARACTERS = 60;
/** Far more than its tokens are. */
const MAX_FUNCTION_TOKENS = 96;
/** Functions whose surprise without a request is remembered. */
const MAX_REMEMBERED = 1_000;

const EXAMPLES: readonly { readonly request: string; readonly told: string }[] = [
  {
    request: 'Which trains leave Lyon for Paris after 6 pm?',
    told: 'find_trains: Lists the trains between two stations.',
  },
  {
    request: 'My loan is 9000 at 4% over 3 years. What do I pay a month?',
    told: 'loan_payment: The monthly payment of a loan.',
  },
  {
    request: 'Remind me to call Ann tomorrow at nine.',
    told: 'create_reminder: Reminds the user of something at a given time.',
  },
];
/** Requests that no function answers. Each is near to some function by chance, so the one it is farther from counts. */
const OTHER_REQUESTS = ['Hello, how are you?', 'Write a poem about the sea.'] as const;

/** What has to be explained where it has to be looked at; undefined where nobody looks. */
export function fitBoundsOf(input: PlanInput, displayName: string): FitBounds | undefined {
  if (!isSingleRequest(input)) return undefined;
  return BOUNDS.find(({ weights }) => weights.test(displayName) || weights.test(input.facts.name));
}

/** How unlikely a function is: negative log probabilities, in nats. */
interface Surprise {
  readonly name: number;
  readonly whole: number;
}

/** Of the other requests: what is most surprising behind one of them, and a name where it is least so. */
interface Elsewhere extends Surprise {
  readonly nearName: number;
}

/** Of one set of weights. */
export class FitCheck {
  /** Surprises behind requests that no function answers, by what is told of the function. */
  readonly #elsewhere = new Map<string, Elsewhere>();

  /**
   * Undefined when nobody can tell: an engine gives no probabilities, or the function takes a text that may be about
   * anything. Jobs run one after the other, so that one place in the queue is enough.
   */
  async fitOf(
    name: string,
    input: PlanInput,
    start: (plan: DecodePlan) => Job,
    signal: AbortSignal,
  ): Promise<Fit | undefined> {
    const tool = functionTools(input.request).find((each) => each.name === name);
    if (!tool || takesFreeText(tool) || signal.aborted) return undefined;
    const told = toldOf(tool);
    const surpriseAt = (text: string): Promise<Surprise | undefined> =>
      surpriseOf(start(planOf(text, told, input)), nameIn(tool).length);
    const here = await surpriseAt(requestText(input.request));
    if (here === undefined || signal.aborted) return undefined;
    let elsewhere = this.#elsewhere.get(told);
    if (elsewhere === undefined) {
      const surprises: Surprise[] = [];
      for (const other of OTHER_REQUESTS) {
        const surprise = await surpriseAt(other);
        if (surprise === undefined || signal.aborted) return undefined;
        surprises.push(surprise);
      }
      elsewhere = elsewhereOf(surprises);
      if (this.#elsewhere.size >= MAX_REMEMBERED) this.#elsewhere.clear();
      this.#elsewhere.set(told, elsewhere);
    }
    return {
      name: shareOf(here.name, elsewhere.name),
      whole: shareOf(here.whole, elsewhere.whole),
      near: shareOf(here.name, elsewhere.nearName),
    };
  }
}

function elsewhereOf(surprises: readonly Surprise[]): Elsewhere {
  const names = surprises.map(({ name }) => name);
  return {
    name: Math.max(...names),
    whole: Math.max(...surprises.map(({ whole }) => whole)),
    nearName: Math.min(...names),
  };
}

/** A call that was made may stand. `callChance`: the probability that the answer opened with one, where it is known. */
export function isFit(fit: Fit, { called, surely, unsurely }: FitBounds, callChance?: number): boolean {
  if (surely && callChance !== undefined && callChance >= surely.chance && fit.name >= surely.name) return true;
  if (unsurely && callChance !== undefined && callChance < unsurely.chance && fit.name < unsurely.name) return false;
  return fit.name >= called.name || fit.whole >= called.whole;
}

/** A call of a function that was not named is due, where the named one does not fit. */
export function isFitInstead(fit: Fit, { unsurely, uncalled }: FitBounds): boolean {
  return unsurely !== undefined && uncalled !== undefined && fit.name >= unsurely.name && fit.near >= uncalled.near;
}

/** A call that was not made is due. */
export function isVeryFit(fit: Fit, { uncalled }: FitBounds): boolean {
  return uncalled !== undefined && fit.name >= uncalled.name && fit.near >= uncalled.near;
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

/** Reads a job to the end of its text. Undefined when it was not made to its end, or nothing tells of it. */
async function surpriseOf(job: Job, nameLength: number): Promise<Surprise | undefined> {
  let characters = 0;
  let name = 0;
  let whole = 0;
  for (;;) {
    const messages = await job.messages.take();
    if (!messages) return undefined;
    for (const message of messages) {
      switch (message.type) {
        case 'accepted':
          break;
        case 'step-item':
          for (const piece of message.item.pieces) {
            if (piece.type !== 'text') continue;
            for (const { token, logprob } of piece.logprobs ?? []) {
              if (characters < nameLength) name -= logprob;
              whole -= logprob;
              characters += token.length;
            }
          }
          break;
        case 'choice-end':
          job.cancel();
          return characters === 0 ? undefined : { name, whole };
        case 'refused':
        case 'done':
        case 'failed':
        case 'lost':
          return undefined;
        default:
          message satisfies never;
      }
    }
  }
}

function nameIn({ name }: FunctionTool): string {
  return ` ${name}:`;
}

/** ` name: Beginning of its description`. */
function toldOf(tool: FunctionTool): string {
  const sentence = /^[^\n]*?(?=\.(?:\s|$)|。|\n|$)/.exec(tool.description?.trim() ?? '')?.[0] ?? '';
  if (sentence === '') return nameIn(tool);
  if (sentence.length <= MAX_DESCRIPTION_CHARACTERS) return `${nameIn(tool)} ${sentence}`;
  const cut = sentence.slice(0, MAX_DESCRIPTION_CHARACTERS).toWellFormed();
  const wordEnd = cut.lastIndexOf(' ');
  return `${nameIn(tool)} ${wordEnd > 0 ? cut.slice(0, wordEnd) : cut}`;
}

function planOf(text: string, told: string, { request, cutter }: PlanInput): DecodePlan {
  const examples = EXAMPLES.map((example) => `Request: ${example.request}\nFunction: ${example.told}\n\n`).join('');
  const prompt = `A list of requests, each with the function that answers it.\n\n${examples}Request: ${text}\nFunction:`;
  const namespace = request.contextCache?.namespace;
  return {
    prompt: plainSegments(prompt, cutter),
    // What one caller asked is warm for nobody else.
    cache: namespace === undefined ? undefined : { mode: 'off', namespace },
    stages: [
      {
        kind: 'answer',
        opening: '',
        maxTokens: MAX_FUNCTION_TOKENS,
        grammar: `root ::= ${printExpression(literal(told))}`,
        isProse: true,
      },
    ],
    choices: 1,
    // Only one text is possible; what it is made by says nothing.
    sampling: engineSampling({ temperature: 0 }, undefined, 0),
    stopTexts: [],
    stopTokens: [],
    logprobs: { top: 0 },
  };
}

function requestText(request: GenerationRequest): string {
  const text = lastMessageText(request);
  if (text.length <= MAX_REQUEST_CHARACTERS) return text;
  const half = MAX_REQUEST_CHARACTERS / 2;
  return `${text.slice(0, half).toWellFormed()} … ${text.slice(-half).toWellFormed()}`;
}
