/**
 * Decodes the calls of one answer: what is forced, what is held to which grammar, and when a call is whole.
 *
 *     required   opening is forced → name ↦ grammar of the names → arguments ↦ their grammar → next
 *     auto       the opening was found in free text with its name → arguments ↦ their grammar → next
 *     next       one call only: the end · array: `]` ends, `,` begins another · else: back to free text
 */

import { isJson } from '../../../core/json.ts';
import type { ToolCallOpening } from '../../parsers/tool-call-opening.ts';
import type { CallableFunction, CallPlan, Piece } from '../engine-protocol.ts';
import type { Grammar, GrammarState } from './binding.ts';
import { ARRAY_GRAMMAR, argumentsGrammar, jsonText, namesGrammar } from './grammars.ts';
import { JsonPosition } from './json-position.ts';

/** Makes the state of a grammar at its beginning. */
export type OpenGrammar = (grammar: Grammar) => GrammarState;

/** What follows the token that was just read. */
export type CallStep =
  | { readonly kind: 'continue' }
  /** Text to feed before the next token is sampled. */
  | { readonly kind: 'force'; readonly text: string }
  /** The call is over and free text follows: another call may open. */
  | { readonly kind: 'free' }
  /** All calls are over. */
  | { readonly kind: 'end' };

/** A model that makes the same call this often in one answer is going round in circles. */
const MAX_SAME_CALLS = 3;
/** After the comma between the calls of an array. */
const NEXT_CALL_OPENING = ' {"name": "';

type State =
  | { readonly kind: 'name'; text: string; readonly grammar: GrammarState }
  | {
      readonly kind: 'arguments';
      readonly name: string;
      text: string;
      readonly position: JsonPosition;
      readonly grammar: GrammarState;
    }
  | { readonly kind: 'between'; readonly grammar: GrammarState }
  | { readonly kind: 'idle' };

export class CallDecoder {
  readonly #plan: CallPlan;
  readonly #openGrammar: OpenGrammar;
  readonly #emit: (piece: Piece) => void;
  readonly #seen = new Map<string, number>();
  #state: State = { kind: 'idle' };
  /** What closes the object around name and arguments; in an array this is forced after each call. */
  #closing = '}';
  #isArray = false;
  #argumentsKey = ', "arguments":';

  constructor(plan: CallPlan, openGrammar: OpenGrammar, emit: (piece: Piece) => void) {
    this.#plan = plan;
    this.#openGrammar = openGrammar;
    this.#emit = emit;
  }

  /** Held now, if anything is. */
  get grammar(): GrammarState | undefined {
    return this.#state.kind === 'idle' ? undefined : this.#state.grammar;
  }

  /** Where the arguments stand, for closing them in time. */
  get position(): JsonPosition | undefined {
    return this.#state.kind === 'arguments' ? this.#state.position : undefined;
  }

  /** At least one call has been made whole. */
  get hasCalls(): boolean {
    return this.#seen.size > 0;
  }

  /** A call is open that has to be ended by `cut`, or its name is still being chosen. */
  get isInCall(): boolean {
    return this.#state.kind === 'name' || this.#state.kind === 'arguments';
  }

  /** Begins a required call. Gives the text to force; it may hold the name when there is no choice. */
  beginRequired(): string {
    this.#isArray = this.#plan.isParallel;
    return this.#plan.opening + this.#beginName();
  }

  /** Begins the call that was found in free text. Gives what to force after the name's closing quote. */
  beginFound(opening: ToolCallOpening): string {
    const bracket = opening.closing.indexOf(']');
    this.#isArray = opening.isArray;
    this.#closing = bracket < 0 ? opening.closing : opening.closing.slice(0, bracket);
    // The model goes on as it began: on a new line if each key has one, with its own quotes.
    const indent = /\{(\s+)["']?\w+["']?\s*:[^{]*$/.exec(opening.raw)?.[1] ?? ' ';
    this.#argumentsKey = `,${indent}${opening.quote}arguments${opening.quote}:`;
    return this.#beginArguments(opening.name);
  }

  push(text: string): CallStep {
    const state = this.#state;
    switch (state.kind) {
      case 'name':
        return this.#readName(state, text);
      case 'arguments':
        return this.#readArguments(state, text);
      case 'between':
        if (text.includes(']')) return this.#end();
        return text.includes(',')
          ? { kind: 'force', text: NEXT_CALL_OPENING + this.#beginName() }
          : { kind: 'continue' };
      case 'idle':
        return { kind: 'end' };
    }
  }

  /** A limit ends the answer here. */
  cut(): void {
    if (this.#state.kind === 'arguments') this.#emit({ type: 'call-end', isValidJson: isJson(this.#state.text) });
    this.#state = { kind: 'idle' };
  }

  #beginName(): string {
    this.#closing = '}';
    this.#argumentsKey = ', "arguments":';
    const [only, ...others] = this.#plan.functions;
    if (only !== undefined && others.length === 0) return `${jsonText(only.name)}"${this.#beginArguments(only.name)}`;
    this.#state = { kind: 'name', text: '', grammar: this.#openGrammar(namesGrammar(this.#plan)) };
    return '';
  }

  #readName(state: Extract<State, { kind: 'name' }>, text: string): CallStep {
    state.text += text;
    const chosen = this.#plan.functions.find(({ name }) => state.text === `${jsonText(name)}"`);
    if (chosen === undefined) return { kind: 'continue' };
    return { kind: 'force', text: this.#beginArguments(chosen.name) };
  }

  #beginArguments(name: string): string {
    const grammar = this.#openGrammar(argumentsGrammar(this.#functionNamed(name)));
    this.#state = { kind: 'arguments', name, text: '', position: new JsonPosition(), grammar };
    this.#emit({ type: 'call-start', name });
    return this.#argumentsKey;
  }

  #readArguments(state: Extract<State, { kind: 'arguments' }>, text: string): CallStep {
    const input = state.text === '' ? text.trimStart() : text;
    if (input !== '') this.#emit({ type: 'call-input', text: input });
    state.text += input;
    state.position.push(input);
    if (!state.position.isWhole) return { kind: 'continue' };
    this.#emit({ type: 'call-end', isValidJson: isJson(state.text) });
    return this.#afterCall(`${state.name} ${state.text}`);
  }

  #afterCall(call: string): CallStep {
    const times = (this.#seen.get(call) ?? 0) + 1;
    this.#seen.set(call, times);
    if (!this.#plan.isParallel || times >= MAX_SAME_CALLS) return this.#end();
    if (!this.#isArray) {
      this.#state = { kind: 'idle' };
      return { kind: 'free' };
    }
    this.#state = { kind: 'between', grammar: this.#openGrammar(ARRAY_GRAMMAR) };
    return { kind: 'force', text: this.#closing };
  }

  #end(): CallStep {
    this.#state = { kind: 'idle' };
    return { kind: 'end' };
  }

  #functionNamed(name: string): CallableFunction {
    const callable = this.#plan.functions.find((candidate) => candidate.name === name);
    if (callable === undefined) throw new Error(`no function ${name} was declared`);
    return callable;
  }
}
