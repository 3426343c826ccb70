/**
 * Decodes the calls of one answer: what is forced, what is held to which grammar, and when a call is whole.
 *
 *     required   opening is forced → name ↦ grammar of the names → arguments ↦ their grammar → next
 *     auto       the opening was found in free text with its name → arguments ↦ their grammar → next
 *     next       one call only: the end · a family that closes its calls: the model ends or goes on · else: free text
 *
 * What is forced where is the family's (`parsers/tool-formats.ts`); a call that was found as loose JSON goes on as it
 * began.
 */

import { isJson } from '../../../core/json.ts';
import { TaggedInput } from '../../parsers/tagged-input.ts';
import type { ToolCallOpening } from '../../parsers/tool-call-opening.ts';
import { type CallShape, callShape, indexed, type ToolFormat, toolFormat } from '../../parsers/tool-formats.ts';
import type { CallableFunction, CallPlan, Piece } from '../engine-protocol.ts';
import type { Grammar, GrammarState } from './binding.ts';
import {
  argumentsGrammar,
  eitherGrammar,
  namesGrammar,
  SEPARATOR,
  speltNames,
  taggedGrammar,
  visibleStart,
} from './grammars.ts';
import { JsonPosition } from './json-position.ts';

/** Makes the state of a grammar at its beginning. */
export type OpenGrammar = (grammar: Grammar) => GrammarState;

/** What follows the token that was just read. */
export type CallStep =
  | { readonly kind: 'continue' }
  /** Text to feed before the next token is sampled; of the token that was read, all but the last `excess` characters. */
  | { readonly kind: 'force'; readonly text: string; readonly excess: number }
  /** The call is over and free text follows, `text` first, or what the token holds of it: another call may open. */
  | { readonly kind: 'free'; readonly text: string; readonly excess: number; readonly begun: string }
  /** All calls are over. */
  | { readonly kind: 'end' };

/** A model that makes the same call this often in one answer is going round in circles; so is one that comes back to it. */
const MAX_SAME_CALLS = 3;

type State =
  | { readonly kind: 'name'; text: string; readonly grammar: GrammarState }
  | {
      readonly kind: 'arguments';
      readonly name: string;
      text: string;
      readonly input: ArgumentsReader;
      readonly grammar: GrammarState;
    }
  | { readonly kind: 'between'; text: string; readonly grammar: GrammarState }
  | { readonly kind: 'idle' };

export class CallDecoder {
  readonly #plan: CallPlan;
  readonly #format: ToolFormat;
  readonly #openGrammar: OpenGrammar;
  readonly #emit: (piece: Piece) => void;
  readonly #hasRoom: () => boolean;
  readonly #seen = new Map<string, number>();
  #calls = 0;
  #lastCall: string | undefined;
  #state: State = { kind: 'idle' };
  /** Where the call under way goes on: the family's spelling, or that in which it was found. */
  #shape: CallShape;
  #isTagged: boolean;

  /** `hasRoom`: whether another call would come to its end before a limit does. */
  constructor(plan: CallPlan, openGrammar: OpenGrammar, emit: (piece: Piece) => void, hasRoom: () => boolean) {
    this.#plan = plan;
    this.#format = toolFormat(plan.format ?? 'fenced-json');
    this.#shape = callShape(this.#format);
    this.#isTagged = this.#format.input !== 'json';
    this.#openGrammar = openGrammar;
    this.#emit = emit;
    this.#hasRoom = hasRoom;
  }

  /** Held now, if anything is. */
  get grammar(): GrammarState | undefined {
    return this.#state.kind === 'idle' ? undefined : this.#state.grammar;
  }

  /** Where the arguments stand, for closing them in time; arguments between tags are not. */
  get position(): JsonPosition | undefined {
    return this.#state.kind === 'arguments' ? this.#state.input.position : undefined;
  }

  /** At least one call has been made whole. */
  get hasCalls(): boolean {
    return this.#calls > 0;
  }

  /** A call is open that has to be ended by `cut`, or its name is still being chosen. */
  get isInCall(): boolean {
    return this.#state.kind === 'name' || this.#state.kind === 'arguments';
  }

  /** Begins a required call. Gives the text to force; it may hold the name when there is no choice. */
  beginRequired(): string {
    return this.#plan.opening + this.#beginName();
  }

  /** Begins the call that was found in free text. Gives what to force after what was found. */
  beginFound(opening: ToolCallOpening): string {
    if (opening.format) {
      this.#shape = callShape(opening.format);
      this.#isTagged = opening.format.input !== 'json';
      this.#beginArguments(opening.name);
      // What was found ends with the last visible mark before the arguments.
      const { afterName } = opening.format;
      return afterName.trim() === '' ? '' : afterName.slice(afterName.trimEnd().length);
    }
    this.#isTagged = false;
    // The family's own word for the arguments, where it spells calls as JSON.
    const key = /"(\w+)": $/.exec(this.#format.afterName)?.[1] ?? 'arguments';
    this.#shape = foundShape(opening, key);
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
        return this.#readBetween(state, text);
      case 'idle':
        return { kind: 'end' };
    }
  }

  /** A limit ends the answer here. */
  cut(): void {
    if (this.#state.kind === 'arguments') {
      const rest = this.#state.input.cut();
      if (rest !== '') this.#emit({ type: 'call-input', text: rest });
      this.#emit({ type: 'call-end', isValidJson: isJson(this.#state.text + rest) });
    }
    this.#state = { kind: 'idle' };
  }

  #beginName(): string {
    const [only, ...others] = speltNames(this.#plan);
    if (only !== undefined && others.length === 0) return only.spelt + this.#beginArguments(only.name);
    this.#state = { kind: 'name', text: '', grammar: this.#openGrammar(namesGrammar(this.#plan)) };
    return '';
  }

  #readName(state: Extract<State, { kind: 'name' }>, text: string): CallStep {
    state.text += text;
    const chosen = speltNames(this.#plan).find(({ spelt }) => state.text === spelt);
    if (chosen === undefined) return { kind: 'continue' };
    return { kind: 'force', text: this.#beginArguments(chosen.name), excess: 0 };
  }

  #beginArguments(name: string): string {
    const callable = this.#functionNamed(name);
    const tagged = this.#isTagged ? callable.tagged : undefined;
    const grammar = this.#openGrammar(tagged ? taggedGrammar(tagged) : argumentsGrammar(callable));
    const { input } = this.#format;
    const reader =
      tagged && input !== 'json'
        ? taggedReader(new TaggedInput(input, (key) => (tagged.texts.includes(key) ? 'text' : 'json')))
        : jsonReader();
    this.#state = { kind: 'arguments', name, text: '', input: reader, grammar };
    this.#emit({ type: 'call-start', name });
    return indexed(this.#shape.beforeInput, this.#calls);
  }

  #readArguments(state: Extract<State, { kind: 'arguments' }>, text: string): CallStep {
    const { json, isWhole, rest } = state.input.push(text);
    if (json !== '') this.#emit({ type: 'call-input', text: json });
    state.text += json;
    if (!isWhole) return { kind: 'continue' };
    this.#emit({ type: 'call-end', isValidJson: isJson(state.text) });
    return this.#afterCall(`${state.name} ${state.text}`, rest);
  }

  /** `begun` is what the model has written already of what follows the arguments. */
  #afterCall(call: string, begun: string): CallStep {
    this.#calls++;
    const times = (this.#seen.get(call) ?? 0) + 1;
    this.#seen.set(call, times);
    const isCircle = times >= MAX_SAME_CALLS || (times > 1 && call !== this.#lastCall);
    this.#lastCall = call;
    if (!this.#plan.isParallel || isCircle || !this.#hasRoom()) return this.#end();
    const { after, next, ending } = this.#shape;
    const { read, rest } = goOn(begun, after);
    const isClosed = rest === '';
    // What is no part of a spelling that is still to be closed is not wanted; behind a closed one it is what follows.
    const excess = isClosed ? 0 : begun.length - read;
    const more = isClosed ? begun.slice(read) : '';
    if (ending === '') {
      this.#state = { kind: 'idle' };
      return { kind: 'free', text: rest, excess, begun: more };
    }
    this.#state = { kind: 'between', text: '', grammar: this.#openGrammar(eitherGrammar(next, ending)) };
    return isClosed ? this.#readBetween(this.#state, more) : { kind: 'force', text: rest, excess };
  }

  #readBetween(state: Extract<State, { kind: 'between' }>, text: string): CallStep {
    state.text += text;
    const { next, ending } = this.#shape;
    if (visibleStart(next) === visibleStart(ending)) {
      const mayGoOn = next.startsWith(state.text);
      if (mayGoOn && ending.startsWith(state.text)) return { kind: 'continue' };
      return mayGoOn ? this.#goOnWith(next.slice(state.text.length), 0) : this.#end();
    }
    const start = visibleStart(state.text);
    if (start === '') return { kind: 'continue' };
    const isNext = start === visibleStart(next);
    if (!isNext && start !== SEPARATOR) return this.#end();
    // A comma between two lines says what it says in an array; it is not fed.
    const { read, rest } = goOn(isNext ? state.text : state.text.slice(0, state.text.indexOf(SEPARATOR)), next);
    return this.#goOnWith(rest, state.text.length - read);
  }

  #goOnWith(text: string, excess: number): CallStep {
    return { kind: 'force', text: text + this.#beginName(), excess };
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

/** The spelling of a call that was found as JSON, whatever its family: the model goes on as it began. */
function foundShape(opening: ToolCallOpening, key: string): CallShape {
  const { closing, quote, isArray, raw } = opening;
  const bracket = closing.indexOf(']');
  // On a new line if each key has one, with its own quotes.
  const indent = /\{(\s+)["']?\w+["']?\s*:[^{]*$/.exec(raw)?.[1] ?? ' ';
  return {
    opening: '',
    nameEnd: '"',
    beforeInput: `,${indent}${quote}${key}${quote}:`,
    // Outside an array the model closes what it opened by itself, and may open another.
    after: isArray ? closing.slice(0, bracket) : '',
    next: ', {"name": "',
    ending: isArray ? ']' : '',
  };
}

/** How far `written` is the beginning of `wanted`, blanks aside, and what is left to write of it. */
function goOn(written: string, wanted: string): { readonly read: number; readonly rest: string } {
  let read = 0;
  let at = 0;
  while (read < written.length && at < wanted.length) {
    if (written[read] === wanted[at]) {
      read++;
      at++;
    } else if (isBlank(written[read])) read++;
    else if (isBlank(wanted[at])) at++;
    else break;
  }
  const rest = wanted.slice(at);
  if (rest.trim() === '') return { read, rest: '' };
  return { read, rest: isBlank(written[read - 1]) ? rest.trimStart() : rest };
}

function isBlank(character: string | undefined): boolean {
  return character !== undefined && /\s/.test(character);
}

/** Arguments as they are decoded, whatever their spelling, and the JSON text they give. */
interface ArgumentsReader {
  push(text: string): { readonly json: string; readonly isWhole: boolean; readonly rest: string };
  /** What is held back and can be told when a limit cuts them. */
  cut(): string;
  readonly position: JsonPosition | undefined;
}

function jsonReader(): ArgumentsReader {
  const position = new JsonPosition();
  let isFirst = true;
  return {
    position,
    push: (text) => {
      const visible = isFirst ? text.trimStart() : text;
      if (visible !== '') isFirst = false;
      const length = position.push(visible);
      return { json: visible.slice(0, length), isWhole: position.isWhole, rest: visible.slice(length) };
    },
    cut: () => '',
  };
}

function taggedReader(input: TaggedInput): ArgumentsReader {
  return {
    position: undefined,
    push: (text) => {
      const { json, isComplete, rest } = input.push(text);
      return { json, isWhole: isComplete, rest };
    },
    cut: () => input.end(true),
  };
}
