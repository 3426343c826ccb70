/**
 * Whether an answer opens with a call is decided greedily, for weights that were not trained to decide it.
 *
 * Asked for the weather, a small coder model opens a call with a probability of 0.6 to 0.95, and asked for a greeting
 * with 0.1 to 0.3: at temperature 0 the decision is right nearly always, at temperature 1 a dice throws it. So the
 * beginning of the answer is made at temperature 0, until it is clear what it is: text goes on from there as the caller
 * asked, a call is made as if it had been required. It costs the few tokens until then, on a prompt that is warm for
 * what follows. What a call's beginning says is not counted, as forced text is not (docs/decisions/0003).
 *
 * Whether the function that was named fits at all is measured after that (`fit-check.ts`).
 *
 * The same weights, shown the result of a call, make that very call again, and a client that runs it never gets an
 * answer. So behind a result the deciding goes on through the arguments, at temperature 0 too, and a call that was just
 * answered is no call: the answer is made without tools, from the result.
 */

import { isDeepStrictEqual } from 'node:util';
import type { TokenLogprob } from '../../core/events.ts';
import type { Turn } from '../../core/generation.ts';
import type { Job, JobMessage } from './engine-client.ts';
import type { DecodePlan, Piece, Stage, StepItem } from './engine-protocol.ts';
import type { ToolSpelling } from './tool-prompt.ts';

export type AcceptedMessage = Extract<JobMessage, { type: 'accepted' }>;

/** `callChance`: the probability that the answer begins as a call does, 0 to 1; undefined where nobody told of it. */
export type Decision =
  | {
      readonly kind: 'call';
      readonly name: string;
      readonly accepted: AcceptedMessage;
      readonly callChance?: number | undefined;
      /** No other function may be called: the weights would name another one. */
      readonly isOnly?: boolean | undefined;
    }
  /** The answer begins with this text; its tokens were sampled. */
  | {
      readonly kind: 'text';
      readonly accepted: AcceptedMessage;
      readonly pieces: readonly Piece[];
      readonly outputTokens: number;
      readonly callChance?: number | undefined;
    }
  /** It is the call whose result it was just shown. */
  | { readonly kind: 'repeat' }
  /** It could not be told; the answer is made as if nobody had asked. */
  | { readonly kind: 'unclear'; readonly accepted: AcceptedMessage }
  /** The job failed or was refused, and so would the other. */
  | { readonly kind: 'ended'; readonly message: JobMessage };

/** A decision after which the plan goes on, on the same prompt. */
export type ClearDecision = Exclude<Decision, { kind: 'ended' | 'repeat' }>;

/** A call of the last assistant turn, answered by the tool turns that end the conversation. */
export interface AnsweredCall {
  readonly name: string;
  readonly inputText: string;
}

/** The likeliest first tokens among which one that opens a call is looked for. */
const FIRST_TOKENS = 5;
const CALL_OPENING = /^\s*[`{<[]/;
/** Fewer characters of a function's name begin many a word. */
const MIN_NAME_START = 3;
/** An opening with its name is over by then, whatever the spelling. */
const OPENING_TOKENS = 32;
/** Arguments that are longer are not looked at to their end. */
const CALL_TOKENS = 512;

/** The calls whose results are the last thing in the conversation. */
export function answeredCallsOf(turns: readonly Turn[]): readonly AnsweredCall[] {
  const lastCaller = turns.findLastIndex((turn) => turn.role === 'assistant');
  const results = turns.slice(lastCaller + 1);
  const isAnswered = results.length > 0 && results.every((turn) => turn.role === 'tool');
  return isAnswered ? (turns[lastCaller]?.parts.filter((part) => part.type === 'tool-call') ?? []) : [];
}

/**
 * The plan that decides for `plan`; undefined where there is nothing to decide or the model decides well by itself.
 * `isAsked`: how well functions fit will be measured, so a name is wanted at temperature 0, too, and how likely a call was.
 */
export function decisionPlanOf(
  plan: DecodePlan,
  spelling: ToolSpelling,
  answered: readonly AnsweredCall[],
  isAsked = false,
): DecodePlan | undefined {
  const [answer, ...others] = plan.stages;
  const isOpen = answer?.calls?.mode === 'auto' && answer.grammar === undefined && others.length === 0;
  const isStandIn = spelling === 'fenced-json' || spelling === 'json';
  if (!isOpen || !isStandIn || plan.choices > 1) return undefined;
  // Of several calls, names and what stands between are held only where calls are required.
  const isWanted = isAsked || answered.length > 0 || answer.calls?.isParallel === true;
  if (plan.sampling.temperature === 0 && !isWanted) return undefined;
  const most = answered.length > 0 ? CALL_TOKENS : OPENING_TOKENS;
  return {
    ...plan,
    stages: [{ ...answer, maxTokens: Math.min(most, answer.maxTokens ?? most) }],
    sampling: { ...plan.sampling, temperature: 0 },
    logprobs: isAsked ? { top: Math.max(FIRST_TOKENS, plan.logprobs?.top ?? 0) } : plan.logprobs,
  };
}

/** The plan that names the function which a call would be made of, if one were. */
export function namingPlanOf(plan: DecodePlan): DecodePlan {
  return requiredPlanOf(plan, OPENING_TOKENS);
}

/** A plan that calls a function at temperature 0, within so many tokens of its own. `only`: the one that may be called. */
export function requiredPlanOf(plan: DecodePlan, maxTokens: number, only?: string): DecodePlan {
  const stages = plan.stages.map((stage) => ({ ...requiringCalls(stage, only), maxTokens }));
  return { ...plan, stages, choices: 1, sampling: { ...plan.sampling, temperature: 0 }, logprobs: undefined };
}

/** What is made of a deciding job. */
export interface DecisionReading {
  readonly answered?: readonly AnsweredCall[] | undefined;
  /** Log probabilities that the caller asked for; others are not kept. */
  readonly logprobs?: DecodePlan['logprobs'];
  /** Of the functions that may be called: an answer that begins with one is near to a call. */
  readonly names?: readonly string[] | undefined;
}

/** Reads the deciding job until it is clear, and stops it. Undefined when its mailbox was closed on it. */
export async function decisionOf(job: Job, reading: DecisionReading = {}): Promise<Decision | undefined> {
  const reader = new DecisionReader(reading);
  for (;;) {
    const messages = await job.messages.take();
    if (!messages) return undefined;
    for (const message of messages) {
      const decision = reader.push(message);
      if (!decision) continue;
      job.cancel();
      return decision;
    }
  }
}

/** The plan of the answer, after the decision. */
export function decidedPlanOf(plan: DecodePlan, decision: ClearDecision): DecodePlan {
  switch (decision.kind) {
    case 'unclear':
      return plan;
    case 'call':
      return {
        ...plan,
        stages: plan.stages.map((stage) => requiringCalls(stage, decision.isOnly ? decision.name : undefined)),
      };
    case 'text': {
      const text = decision.pieces.map((piece) => (piece.type === 'text' ? piece.text : '')).join('');
      const left = (limit: number | undefined): number | undefined =>
        limit === undefined ? undefined : Math.max(0, limit - decision.outputTokens);
      return {
        ...plan,
        // The model said it, so it stands in the prompt as plain text, in tokens of its own; the caller's length was seen to.
        prompt: [...plan.prompt, { kind: 'plain', text }],
        maxPromptTokens: undefined,
        stages: plan.stages.map((stage) => ({ ...stage, opening: '', maxTokens: left(stage.maxTokens) })),
        maxTotalTokens: left(plan.maxTotalTokens),
      };
    }
    default:
      return decision satisfies never;
  }
}

/** `only`: the one function that may be called. */
function requiringCalls(stage: Stage, only?: string): Stage {
  if (!stage.calls) return stage;
  const functions = stage.calls.functions.filter(({ name }) => only === undefined || name === only);
  return { ...stage, calls: { ...stage.calls, mode: 'required', functions } };
}

class DecisionReader {
  readonly #answered: readonly AnsweredCall[];
  readonly #logprobs: DecodePlan['logprobs'];
  readonly #names: readonly string[];
  #accepted: AcceptedMessage | undefined;
  /** The call that is being read because one of its name was just answered. */
  #call: { readonly name: string; inputText: string } | undefined;

  constructor({ answered = [], logprobs, names = [] }: DecisionReading) {
    this.#answered = answered;
    this.#logprobs = logprobs;
    this.#names = names;
  }

  push(message: JobMessage): Decision | undefined {
    switch (message.type) {
      case 'accepted':
        this.#accepted = message;
        return undefined;
      case 'step-item':
        return this.#accepted && this.#read(message.item, this.#accepted);
      case 'choice-end':
        return this.#accepted && this.#endOf(this.#accepted);
      case 'refused':
      case 'done':
      case 'failed':
      case 'lost':
        return { kind: 'ended', message };
      default:
        return message satisfies never;
    }
  }

  #read({ pieces, counts }: StepItem, accepted: AcceptedMessage): Decision | undefined {
    for (const piece of pieces) {
      switch (piece.type) {
        case 'text':
          if (piece.text.trim() === '') break;
          return {
            kind: 'text',
            accepted,
            pieces: pieces.flatMap((each) => (each.type === 'text' ? [withLogprobs(each, this.#logprobs)] : [])),
            outputTokens: counts.output,
            callChance: callChance(piece.logprobs?.[0], this.#names),
          };
        case 'call-start':
          if (!this.#answered.some(({ name }) => name === piece.name))
            return { kind: 'call', name: piece.name, accepted, callChance: callChance(piece.first, this.#names) };
          this.#call = { name: piece.name, inputText: '' };
          break;
        case 'call-input':
          if (this.#call) this.#call.inputText += piece.text;
          break;
        case 'call-end':
          return this.#isRepeat() ? { kind: 'repeat' } : this.#endOf(accepted);
        case 'reasoning':
          break;
        default:
          piece satisfies never;
      }
    }
    return undefined;
  }

  #endOf(accepted: AcceptedMessage): Decision {
    return this.#call ? { kind: 'call', name: this.#call.name, accepted } : { kind: 'unclear', accepted };
  }

  #isRepeat(): boolean {
    const call = this.#call;
    return this.#answered.some(({ name, inputText }) => name === call?.name && isSameJson(inputText, call.inputText));
  }
}

type TextPiece = Extract<Piece, { type: 'text' }>;

function withLogprobs({ text, logprobs }: TextPiece, wanted: DecodePlan['logprobs']): TextPiece {
  if (wanted === undefined || logprobs === undefined) return { type: 'text', text };
  return { type: 'text', text, logprobs: logprobs.map((each) => ({ ...each, top: each.top.slice(0, wanted.top) })) };
}

function callChance(first: TokenLogprob | undefined, names: readonly string[]): number | undefined {
  if (first === undefined) return undefined;
  const others = first.top.filter(({ token }) => token !== first.token);
  return [first, ...others]
    .filter(({ token }) => CALL_OPENING.test(token) || isNameStart(token.trim(), names))
    .reduce((sum, { logprob }) => sum + Math.exp(logprob), 0);
}

function isNameStart(token: string, names: readonly string[]): boolean {
  return token.length >= MIN_NAME_START && names.some((name) => name.startsWith(token));
}

function isSameJson(a: string, b: string): boolean {
  try {
    return isDeepStrictEqual(JSON.parse(a || '{}'), JSON.parse(b || '{}'));
  } catch {
    return a.trim() === b.trim();
  }
}
