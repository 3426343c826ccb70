/**
 * How many calls a request asks for, and what the next one is about (`grounding/`): one more is made, whatever the model would
 * write, while a value of the request is open, two lists of it have a combination that no call has made, a way of it comes
 * back, or it counts more things. What is left of a list narrows the arguments of the next one. Calls of one function end where
 * nothing of this is left, and calls that nobody asked for end after some.
 */
import type { Json } from '../../../core/generation.ts';
import { argumentsGrammarIfHeld } from '../constraints/index.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import type { CallableFunction, CallPlan } from '../engine-protocol.ts';
import { leftOfGrid } from '../grounding/grids.ts';
import { goingOn, type NextValues } from '../grounding/listed-arguments.ts';
import { endsWithValues, holdingOf } from '../grounding/named-values.ts';
import { nextValues } from '../grounding/next-values.ts';
import { digitsIn } from '../grounding/numbers.ts';
import { countedThings } from '../grounding/ordinals.ts';

/** So many calls that hold nothing new of the request are as many as a week has days. */
const MAX_IDLE_CALLS = 7;
/** A larger number of a request is no number of calls. */
const MAX_ASKED_CALLS = 50;

/** Why one more call is made. A way back is a combination, too. */
type Reason = 'open-value' | 'combination' | 'count';

export class AskedCalls {
  readonly #plan: Pick<CallPlan, 'functions' | 'grounding'>;
  /** Arguments of the calls so far, and of those of each function. */
  readonly #inputs: Json[] = [];
  readonly #inputsOf = new Map<string, Json[]>();
  #lastName: string | undefined;
  /** So many values of the request are in these. */
  #held = 0;
  /** So many of the last calls hold nothing of the request that was not held before. */
  #idle = 0;
  #reason: Reason | undefined;
  /** What the arguments of the next call go on with. */
  #next: NextValues = {};
  #isOver = false;

  /** Without a grounding nothing is asked for. */
  constructor(plan: Pick<CallPlan, 'functions' | 'grounding'>) {
    this.#plan = plan;
  }

  /** One more call is made, whatever the model would write. */
  get isWanted(): boolean {
    return this.#reason !== undefined;
  }

  /** No other call is made, whatever the model would write. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Reads a call, which was made so many `times` now. Gives whether it is what it was made for. */
  read(name: string, input: Json, times: number): boolean {
    const { grounding } = this.#plan;
    if (grounding === undefined) return true;
    this.#inputs.push(input);
    const earlier = this.#inputsOf.get(name) ?? [];
    const inputs = [...earlier, input];
    this.#inputsOf.set(name, inputs);
    const { open, held } = holdingOf(grounding.values, this.#inputs, grounding.request);
    const isMet = this.#isMet(name, held, times) && !(this.#reason === undefined && turnsFlag(earlier, input));
    const madeFor = this.#reason;
    this.#idle = held > this.#held || madeFor === 'combination' ? 0 : this.#idle + 1;
    this.#held = held;
    this.#lastName = name;
    const listed = this.#plan.functions.find((each) => each.name === name)?.listed;
    const left = listed && leftOfGrid(listed, inputs, grounding.request);
    this.#next = left ?? (listed ? nextValues(grounding, listed, this.#inputs, open) : {});
    if (left === undefined && open.length > 0) this.#reason = 'open-value';
    else if (!isEmpty(this.#next)) this.#reason = 'combination';
    else this.#reason = this.#inputs.length < countedThings(grounding.request) ? 'count' : undefined;
    this.#isOver = this.#isSpree() || (this.#reason === undefined && this.#endsBehind(madeFor));
    return isMet;
  }

  /** Where the next call goes on with a list, the function with its arguments narrowed to what is left of it. */
  narrowed(callable: CallableFunction): CallableFunction {
    const { listed, name } = callable;
    if (!listed || name !== this.#lastName || isEmpty(this.#next)) return callable;
    const grammar = argumentsGrammarIfHeld(goingOn(listed, this.#next));
    return grammar === undefined ? callable : { ...callable, argumentsGrammar: grammar };
  }

  #isMet(name: string, held: number, times: number): boolean {
    switch (this.#reason) {
      case 'open-value':
        return held > this.#held;
      case 'combination':
        return name === this.#lastName;
      case 'count':
        return times === 1;
      case undefined:
        return true;
    }
  }

  /** Nothing in the request asks for so many. */
  #isSpree(): boolean {
    if (this.#idle < MAX_IDLE_CALLS) return false;
    const numbers = digitsIn(this.#plan.grounding?.request ?? '');
    return !numbers.some((number) => number > this.#inputs.length && number <= MAX_ASKED_CALLS);
  }

  /** Behind a call that was made for `reason`, where there is none for another one. */
  #endsBehind(reason: Reason | undefined): boolean {
    if (reason !== 'open-value') return reason !== undefined;
    const { grounding, functions } = this.#plan;
    if (grounding === undefined || functions.length !== 1) return false;
    return endsWithValues(grounding.values, grounding.request, this.#inputs);
  }
}

/** One of the earlier calls once more, with a flag the other way: nothing in the request asks for that, or there were a reason. */
function turnsFlag(earlier: readonly Json[], input: Json): boolean {
  const plain = withoutFlags(input);
  return earlier.some((each) => {
    const isSame = JSON.stringify(withoutFlags(each)) === JSON.stringify(plain);
    return isSame && JSON.stringify(each) !== JSON.stringify(input);
  });
}

function withoutFlags(input: Json): Json {
  if (!isJsonObject(input)) return input;
  return Object.fromEntries(Object.entries(input).filter(([, value]) => typeof value !== 'boolean'));
}

function isEmpty(next: NextValues): boolean {
  return Object.keys(next).length === 0;
}
