/**
 * Whether an answer opens with a call, for weights that were not trained to decide it: what they begin with at temperature
 * 0 (`call-decision.ts`), weighed against how well the function fits the request (`fit-check.ts`).
 *
 *     they call      and the function fits                         → that call
 *                    and another fits better, by a little at least → a call of that
 *                    and none fits                                 → an answer made without functions
 *     they answer    and were not near to calling                  → that answer (of some weights all are looked at)
 *                    and were, and the function fits all the same  → a call of it
 *                    with a call of a function that nobody has     → an answer made without functions
 *
 * The jobs run one after the other, so that one place in the queue is enough.
 */
import { type FunctionTool, functionTools } from '../../core/generation.ts';
import {
  answeredCallsOf,
  type ClearDecision,
  type Decision,
  decisionOf,
  decisionPlanOf,
  namingPlanOf,
} from './call-decision.ts';
import type { PlanInput } from './decode-plan.ts';
import type { Job } from './engine-client.ts';
import type { DecodePlan } from './engine-protocol.ts';
import {
  type Fit,
  type FitCheck,
  isSettled,
  type Measured,
  measuredOf,
  withArguments,
  withoutYes,
} from './fit-check.ts';
import { saidOf } from './grounding/supported-values.ts';
import { saysDate, takesDate } from './grounding/told-dates.ts';
import { argumentsOf, argumentsPlanOf } from './said-arguments.ts';
import { lastMessageText } from './single-request.ts';
import { distinctWords } from './told-words.ts';
import { parametersOf } from './tool-prompt.ts';

export type CallChoice =
  | ClearDecision
  | Extract<Decision, { kind: 'ended' }>
  /** The function that was called, or just was, is none to call. */
  | { readonly kind: 'without-calls' };

type CallDecision = Extract<Decision, { kind: 'call' }>;
type TextDecision = Extract<Decision, { kind: 'text' }>;

export interface Chooser {
  readonly input: PlanInput;
  readonly weightsName: string;
  readonly fitCheck: Pick<FitCheck, 'fitOf' | 'yesOddsOf'>;
  readonly start: (plan: DecodePlan) => Job;
  readonly signal: AbortSignal;
}

/** Of weights that were measured. */
type MeasuringChooser = Chooser & Measured;

/** How `plan` is to open. Undefined when there is nothing to choose, or the caller left. */
export async function chooseCall(plan: DecodePlan, chooser: Chooser): Promise<CallChoice | undefined> {
  const { input, start, signal } = chooser;
  const answered = answeredCallsOf(input.request.turns);
  const measured = measuredOf(input, chooser.weightsName);
  const decisionPlan = decisionPlanOf(plan, input.spelling, answered, measured !== undefined);
  if (!decisionPlan || signal.aborted) return undefined;
  const names = functionTools(input.request).map(({ name }) => name);
  const decision = await decisionOf(start(decisionPlan), { answered, logprobs: plan.logprobs, names });
  if (!decision || signal.aborted) return undefined;
  switch (decision.kind) {
    case 'repeat':
      return { kind: 'without-calls' };
    case 'call':
      return measured
        ? ((await dueCall(plan, decision, { ...chooser, ...measured })) ?? { kind: 'without-calls' })
        : decision;
    case 'text':
      if (measured === undefined) return decision;
      if (isNear(decision.callChance, measured)) {
        const missed = await missedCall(plan, decision, { ...chooser, ...measured });
        if (missed) return missed;
      }
      return opensAsCall(decision) ? { kind: 'without-calls' } : decision;
    default:
      return decision;
  }
}

/** What such weights make where none of the functions in their prompt answers: a call of one that nobody has. It is read up to there. */
const UNDECLARED_CALL = /^\s*(?:```(?:json)?\s*)?\{\s*"name"\s*:\s*"[\w.-]/;

function opensAsCall({ pieces }: TextDecision): boolean {
  return UNDECLARED_CALL.test(pieces.map((piece) => (piece.type === 'text' ? piece.text : '')).join(''));
}

/** An engine that tells no probabilities cannot be asked. */
function isNear(callChance: number | undefined, { nearChance }: Measured): boolean {
  return callChance !== undefined && callChance >= nearChance;
}

/** Looked at beside the one that was named; each costs what a look at that one cost. */
const MAX_OTHERS = 3;
/** With so much to speak for it the others are not looked at, unless they tell more of the request. */
const CLEARLY_NAMED = 1.3;
/** What another one has more than the one that the weights have chosen. */
const BETTER_BY = 0.07;
/** What one has less that cannot be told the date of the request, where another one can. */
const UNTOLD_DATE = 0.2;
/** What a word of the request has to say that one function tells and the others do not, and how many of them count. */
const TOLD_WORD = 0.15;
const MOST_TOLD_WORDS = 3;

/** The call that was made, or one of another function that fits better; undefined where none fits. */
async function dueCall(
  plan: DecodePlan,
  decision: CallDecision,
  chooser: MeasuringChooser,
): Promise<CallDecision | undefined> {
  const { name, callChance } = decision;
  const due = await dueFunction(plan, { name, callChance, isMade: true }, chooser);
  // An engine that tells no probabilities cannot be asked, and a call it decided on stands.
  if (due === undefined || due.name === name) return decision;
  return due.name === undefined ? undefined : { ...decision, name: due.name, isOnly: true };
}

interface NamedFunction {
  readonly name: string;
  readonly callChance: number | undefined;
  /** The weights have called it; else it is the one that they would call. */
  readonly isMade: boolean;
}

/** Which function is to be called, if one was named; without a name where none fits, undefined where nobody can tell. */
async function dueFunction(
  plan: DecodePlan,
  { name: named, callChance, isMade }: NamedFunction,
  chooser: MeasuringChooser,
): Promise<{ readonly name: string | undefined } | undefined> {
  const tools = functionTools(chooser.input.request);
  const message = lastMessageText(chooser.input.request);
  const untold = withoutDate(tools, message);
  const words = distinctWords(tools, message);
  const wordsOf = (name: string): number => Math.min(words.get(name) ?? 0, MOST_TOLD_WORDS);
  const fitOf = async (name: string): Promise<Fit | undefined> => {
    const fit = await fitFor(plan, name, callChance, chooser);
    return fit && untold.includes(name) ? { ...fit, evidence: fit.evidence - UNTOLD_DATE } : fit;
  };
  const fit = await fitOf(named);
  if (fit === undefined) return undefined;
  let best = fit.isDue ? { name: named, evidence: fit.evidence + BETTER_BY + TOLD_WORD * wordsOf(named) } : undefined;
  const isClear = !isMade || fit.evidence >= CLEARLY_NAMED;
  // Of several calls it is only the first one: "the weather in Paris, and 5 euros in dollars".
  if (isMade && isClear && chooser.input.request.allowsParallelCalls) return { name: named };
  for (const { name } of othersBeside(named, tools, { isClear, wordsOf })) {
    const other = await fitOf(name);
    if (!other?.isDue) continue;
    const evidence = other.evidence + TOLD_WORD * wordsOf(name);
    if (evidence > (best?.evidence ?? Number.NEGATIVE_INFINITY)) best = { name, evidence };
  }
  return { name: best?.name };
}

/** All where there are few; else, and where there is no doubt of the one that was named, those that tell more of the request. */
function othersBeside(
  named: string,
  tools: readonly FunctionTool[],
  { isClear, wordsOf }: { readonly isClear: boolean; readonly wordsOf: (name: string) => number },
): readonly FunctionTool[] {
  const others = tools.filter(({ name }) => name !== named);
  if (!isClear && others.length <= MAX_OTHERS) return others;
  const telling = others.filter(({ name }) => wordsOf(name) > wordsOf(named));
  return telling.toSorted((a, b) => wordsOf(b.name) - wordsOf(a.name)).slice(0, MAX_OTHERS);
}

/** The functions that cannot be told the date that the message says, where others can. */
function withoutDate(tools: readonly FunctionTool[], message: string): readonly string[] {
  if (!saysDate(message)) return [];
  const untold = tools.filter((tool) => !takesDate(parametersOf(tool)));
  return untold.length === tools.length ? [] : untold.map(({ name }) => name);
}

/** An answer in text speaks against a call, however it opens: a code block opens as some calls do. */
const MOST_IN_TEXT = 0.25;

/** The call that the weights did not make although all else speaks for it. */
async function missedCall(
  plan: DecodePlan,
  { accepted, callChance }: TextDecision,
  chooser: MeasuringChooser,
): Promise<ClearDecision | undefined> {
  const { input, start, signal } = chooser;
  const [only, ...others] = functionTools(input.request);
  const named = others.length === 0 ? only : await decisionOf(start(namingPlanOf(plan)));
  if (named === undefined || !('name' in named) || signal.aborted) return undefined;
  const chance = Math.min(callChance ?? 0, MOST_IN_TEXT);
  const due = await dueFunction(plan, { name: named.name, callChance: chance, isMade: false }, chooser);
  if (due?.name === undefined) return undefined;
  return { kind: 'call', name: due.name, accepted, isOnly: due.name === named.name ? undefined : true };
}

/** How well a function fits, and where that does not settle it, with what the weights and a call of it would say. */
async function fitFor(
  plan: DecodePlan,
  name: string,
  callChance: number | undefined,
  { fitCheck, input, due, leastYesOdds, start, signal }: MeasuringChooser,
): Promise<Fit | undefined> {
  const fit = await fitCheck.fitOf({ name, callChance, due, input, start, signal });
  const tool = functionTools(input.request).find((each) => each.name === name);
  if (!fit || !tool || isSettled(fit) || signal.aborted) return fit;
  if (leastYesOdds !== undefined) {
    const yesOdds = await fitCheck.yesOddsOf({ name, input, start, signal });
    if (yesOdds !== undefined && yesOdds < leastYesOdds) return withoutYes(fit);
  }
  const conversation = plan.stages[0]?.calls?.grounding?.conversation;
  if (conversation === undefined || signal.aborted) return fit;
  const made = await argumentsOf(start(argumentsPlanOf(plan, name)));
  const said = made === undefined ? undefined : saidOf(parametersOf(tool), made, conversation);
  return said === undefined ? fit : withArguments(fit, said);
}
