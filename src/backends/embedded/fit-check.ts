/**
 * Whether a function fits a request is asked before a call to it is passed on, for small weights that were not trained
 * to decide it: once functions are in their prompt, such weights call for nearly everything.
 *
 * The weights themselves are asked, three short questions apart from the conversation, and only how much they favour
 * one answer over the other counts (docs/decisions/0019). It costs three prompts of some hundred tokens and one token
 * each, and only where a call is about to be made; none of it is counted, as forced text is not.
 */
import type { TokenLogprob } from '../../core/events.ts';
import { type ContentPart, type FunctionTool, functionTools, type GenerationRequest } from '../../core/generation.ts';
import type { PlanInput } from './decode-plan.ts';
import type { Job } from './engine-client.ts';
import type { DecodePlan } from './engine-protocol.ts';
import { isTrained, parametersOf } from './tool-prompt.ts';

/** A question, and the words that speak for and against a fit. */
interface Question {
  readonly systemText: string;
  readonly text: string;
  readonly yes: string;
  readonly no: string;
}

/** Least sum of the three log odds at which a function fits, by weights: each has a bias of its own, so each is measured. */
const LEAST_FIT: readonly { readonly weights: RegExp; readonly least: number }[] = [
  { weights: /qwen[\s._-]*2\.5[\s._-]*coder.*\b0\.5b/i, least: 0.35 },
];

/** A program that brings this many is an agent: its calls are steps on a way, and no single one is what was asked for. */
const MAX_FUNCTIONS = 12;
/** A request is told by its beginning and its end. */
const MAX_REQUEST_CHARACTERS = 1_200;
/** Log odds of a word that is not among the likeliest. */
const UNLIKELY = -12;
const TOP_WORDS = 20;

/** Where the weights have to be asked, how sure they must be; undefined where nobody asks. */
export function leastFitOf(request: GenerationRequest, input: PlanInput, displayName: string): number | undefined {
  const tools = functionTools(request);
  const isFirstStep = !request.turns.some((turn) => turn.parts.some((part) => part.type === 'tool-call'));
  if (tools.length > MAX_FUNCTIONS || !isFirstStep || request.turns.at(-1)?.role !== 'user') return undefined;
  // With a second user turn the last one may only answer a question, and says nothing by itself.
  if (request.turns.filter(({ role }) => role === 'user').length > 1) return undefined;
  if (isTrained(input.spelling, input.template.traits)) return undefined;
  return LEAST_FIT.find(({ weights }) => weights.test(displayName) || weights.test(input.facts.name))?.least;
}

/** A job that asks, and how to read what it says first. */
export interface FitQuestion {
  readonly plan: DecodePlan;
  readonly oddsOf: (first: TokenLogprob | undefined) => number;
}

/** Asks one after the other, so that one place in the queue is enough; gives the sum of the log odds. */
export async function fitOdds(
  questions: readonly FitQuestion[],
  start: (plan: DecodePlan) => Job,
  signal: AbortSignal,
): Promise<number> {
  let odds = 0;
  for (const question of questions) {
    if (signal.aborted) break;
    const job = start(question.plan);
    odds += question.oddsOf(await firstTokenOf(job));
    job.cancel();
  }
  return odds;
}

/** The questions about one function. */
export function fitQuestions(
  request: GenerationRequest,
  input: PlanInput,
  plan: DecodePlan,
  name: string,
): readonly FitQuestion[] {
  const tool = functionTools(request).find((each) => each.name === name);
  if (!tool) return [];
  return questionsAbout(tool, requestText(request)).map((question) => ({
    plan: planOf(question, input, plan),
    oddsOf: (first) => oddsOf(first, question),
  }));
}

/** Reads the first token of a job that asks; undefined when it gave none. */
export async function firstTokenOf(job: Job): Promise<TokenLogprob | undefined> {
  for (;;) {
    const messages = await job.messages.take();
    if (!messages) return undefined;
    for (const message of messages) {
      if (message.type === 'step-item') {
        for (const piece of message.item.pieces) {
          const [first] = piece.type === 'text' ? (piece.logprobs ?? []) : [];
          if (first) return first;
        }
      } else if (message.type !== 'accepted' && message.type !== 'choice-end') return undefined;
    }
  }
}

function questionsAbout(tool: FunctionTool, request: string): readonly Question[] {
  const { properties } = parametersOf(tool);
  const keys = typeof properties === 'object' && properties !== null ? Object.keys(properties).join(', ') : '';
  const told = `${tool.name}: ${tool.description ?? ''}`;
  return [
    {
      systemText: 'You are a helpful assistant.',
      text: `Functions:\n- ${told} Parameters: ${keys}\n\nRequest: ${request}\n\nCan this request be answered by calling one of these functions? Answer Yes or No.`,
      yes: 'yes',
      no: 'no',
    },
    {
      systemText: 'You decide whether a function fits a request.',
      text: `Function:\n- ${told}\n\nRequest: ${request}\n\nDoes the function do exactly what the request asks for? Answer Yes or No.`,
      yes: 'yes',
      no: 'no',
    },
    {
      systemText: 'You match requests with functions.',
      text: `Request: ${request}\n\nWhich function fits?\nA. None of these: another function is needed.\nB. ${told}\n\nAnswer with one letter.`,
      yes: 'b',
      no: 'a',
    },
  ];
}

function planOf(question: Question, { template }: PlanInput, plan: DecodePlan): DecodePlan {
  const { segments } = template.prompt({
    messages: [
      { role: 'system', content: question.systemText },
      { role: 'user', content: question.text },
    ],
    tools: [],
    isThinking: false,
    answerPrefix: '',
    spellCalls: undefined,
  });
  return {
    ...plan,
    prompt: segments,
    cache: undefined,
    maxPromptTokens: undefined,
    stages: [{ kind: 'answer', opening: '', maxTokens: 1 }],
    choices: 1,
    sampling: {
      ...plan.sampling,
      temperature: 0,
      logitBias: [],
      presencePenalty: 0,
      frequencyPenalty: 0,
      repetitionPenalty: 1,
    },
    stopTexts: [],
    stopTokens: [],
    maxTotalTokens: undefined,
    logprobs: { top: TOP_WORDS },
  };
}

function oddsOf(first: TokenLogprob | undefined, { yes, no }: Question): number {
  // An engine that tells no probabilities cannot be asked, and a call it decided on stands.
  if (!first || first.top.length === 0) return Number.POSITIVE_INFINITY;
  const of = (word: string): number => {
    const alike = first.top.filter(({ token }) => token.trim().toLowerCase() === word);
    return alike.length === 0 ? UNLIKELY : Math.log(alike.reduce((sum, { logprob }) => sum + Math.exp(logprob), 0));
  };
  return of(yes) - of(no);
}

function requestText(request: GenerationRequest): string {
  const last = request.turns.at(-1)?.parts ?? [];
  const text = last.map((part: ContentPart) => (part.type === 'text' ? part.text : '')).join('\n');
  if (text.length <= MAX_REQUEST_CHARACTERS) return text;
  const half = MAX_REQUEST_CHARACTERS / 2;
  return `${text.slice(0, half).toWellFormed()} … ${text.slice(-half).toWellFormed()}`;
}
