/**
 * Decodes the calls of one answer: what is forced, what is held to which grammar, and when a call is whole.
 *
 *     required   opening is forced → name ↦ grammar of the names → arguments ↦ their grammar → next
 *     auto       the opening was found in free text with its name → arguments ↦ their grammar → next
 *     next       one call only: the end · a family that closes its calls: the model ends or goes on · else: free text
 *
 * What is forced where is the family's (`parsers/tool-formats.ts`); a call that was found as loose JSON goes on as it
 * began.
 *
 * Of calls that are held against the request how many are made is asked of it (`asked-calls.ts`). Each but the first is shown
 * when it is whole; one that is not what it was made for, or that comes back to an earlier call, ends the answer and is not
 * shown. Tokens of what is not shown are not counted.
 */

import type { TokenLogprob } from '../../../core/events.ts';
import type { Json } from '../../../core/generation.ts';
import { isJson } from '../../../core/json.ts';
import { TaggedInput } from '../../parsers/tagged-input.ts';
import type { ToolCallOpening } from '../../parsers/tool-call-opening.ts';
import { type CallShape, callShape, indexed, type ToolFormat, toolFormat } from '../../parsers/tool-formats.ts';
import type { CallableFunction, CallPlan, Piece } from '../engine-protocol.ts';
import { Conversation } from '../grounding/supported-values.ts';
import { type ArgumentsReader, jsonReader, taggedReader } from './arguments-reader.ts';
import { AskedCalls } from './asked-calls.ts';
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
import type { JsonPosition } from './json-position.ts';
import { OptionalArguments } from './optional-arguments.ts';

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
  #conversation: Conversation | undefined;
  readonly #seen = new Map<string, number>();
  readonly #asked: AskedCalls;
  #calls = 0;
  #lastCall: string | undefined;
  #state: State = { kind: 'idle' };
  /** Of one more call that is held against the request: held back until it is whole. */
  #withheld: Piece[] | undefined;
  /** Tokens of the member, and of the call, that is held back, and of those that were left out. */
  #memberTokens = 0;
  #callTokens = 0;
  #leftOutTokens = 0;
  /** Where the call under way goes on: the family's spelling, or that in which it was found. */
  #shape: CallShape;
  #isTagged: boolean;

  /** `hasRoom`: whether another call would come to its end before a limit does. */
  constructor(plan: CallPlan, openGrammar: OpenGrammar, emit: (piece: Piece) => void, hasRoom: () => boolean) {
    this.#plan = plan;
    this.#asked = new AskedCalls(plan);
    this.#format = toolFormat(plan.format ?? 'fenced-json');
    this.#shape = callShape(this.#format);
    this.#isTagged = this.#format.input !== 'json';
    this.#openGrammar = openGrammar;
    this.#emit = (piece) => {
      if (this.#withheld) this.#withheld.push(piece);
      else emit(piece);
    };
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

  /** Tokens that were read for nothing that is shown. */
  get unshownTokens(): number {
    return this.#leftOutTokens + (this.#withheld ? this.#callTokens : this.#memberTokens);
  }

  /** At least one call has been made whole. */
  get hasCalls(): boolean {
    return this.#calls > 0;
  }

  /** A call is open that has to be ended by `cut`, or its name is still being chosen. One that is held back was never begun. */
  get isInCall(): boolean {
    if (this.#withheld) return false;
    return this.#state.kind === 'name' || this.#state.kind === 'arguments';
  }

  /** Begins a required call. Gives the text to force; it may hold the name when there is no choice. */
  beginRequired(): string {
    return this.#plan.opening + this.#beginName();
  }

  /** Begins the call that was found in free text, whose `first` token was this. Gives what to force after what was found. */
  beginFound(opening: ToolCallOpening, first?: TokenLogprob): string {
    if (opening.format) {
      this.#shape = callShape(opening.format);
      this.#isTagged = opening.format.input !== 'json';
      this.#beginArguments(opening.name, first);
      // What was found ends with the last visible mark before the arguments.
      const { afterName } = opening.format;
      return afterName.trim() === '' ? '' : afterName.slice(afterName.trimEnd().length);
    }
    this.#isTagged = false;
    // The family's own word for the arguments, where it spells calls as JSON.
    const key = /"(\w+)": $/.exec(this.#format.afterName)?.[1] ?? 'arguments';
    this.#shape = foundShape(opening, key);
    return this.#beginArguments(opening.name, first);
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
      this.#memberTokens = 0;
      if (rest !== '') this.#emit({ type: 'call-input', text: rest });
      this.#emit({ type: 'call-end', isValidJson: isJson(this.#state.text + rest) });
    }
    this.#leaveOutCall();
    this.#state = { kind: 'idle' };
  }

  #beginName(): string {
    const [only, ...others] = speltNames(this.#plan);
    if (only !== undefined && others.length === 0) return only.spelt + this.#beginArguments(only.name);
    this.#state = { kind: 'name', text: '', grammar: this.#openGrammar(namesGrammar(this.#plan)) };
    return '';
  }

  #readName(state: Extract<State, { kind: 'name' }>, text: string): CallStep {
    if (this.#withheld) this.#callTokens++;
    state.text += text;
    const chosen = speltNames(this.#plan).find(({ spelt }) => state.text === spelt);
    if (chosen === undefined) return { kind: 'continue' };
    return { kind: 'force', text: this.#beginArguments(chosen.name), excess: 0 };
  }

  #beginArguments(name: string, first?: TokenLogprob): string {
    const callable = this.#functionNamed(name);
    const tagged = this.#isTagged ? callable.tagged : undefined;
    const grammar = this.#openGrammar(
      tagged ? taggedGrammar(tagged) : argumentsGrammar(this.#asked.narrowed(callable)),
    );
    const { input } = this.#format;
    const reader =
      tagged && input !== 'json'
        ? taggedReader(new TaggedInput(input, (key) => (tagged.texts.includes(key) ? 'text' : 'json')))
        : this.#jsonReader(callable);
    this.#state = { kind: 'arguments', name, text: '', input: reader, grammar };
    this.#emit(first === undefined ? { type: 'call-start', name } : { type: 'call-start', name, first });
    return indexed(this.#shape.beforeInput, this.#calls);
  }

  #readArguments(state: Extract<State, { kind: 'arguments' }>, text: string): CallStep {
    const { json, isWhole, rest, isHidden, isLeftOut } = state.input.push(text);
    this.#countArgument(isHidden, isLeftOut);
    if (json !== '') this.#emit({ type: 'call-input', text: json });
    state.text += json;
    if (!isWhole) return { kind: 'continue' };
    this.#emit({ type: 'call-end', isValidJson: isJson(state.text) });
    return this.#afterCall(state, rest);
  }

  /** `isHidden`: all of the token belongs to a member that may still be left out; `isLeftOut`: one just was. */
  #countArgument(isHidden: boolean, isLeftOut: boolean): void {
    if (this.#withheld) this.#callTokens++;
    if (isLeftOut) {
      this.#leftOutTokens += this.#memberTokens;
      if (this.#withheld) this.#callTokens -= this.#memberTokens;
    }
    this.#memberTokens = isHidden ? this.#memberTokens + 1 : 0;
  }

  /** `begun` is what the model has written already of what follows the arguments. */
  #afterCall({ name, text }: { readonly name: string; readonly text: string }, begun: string): CallStep {
    const call = `${name} ${text}`;
    this.#calls++;
    const times = (this.#seen.get(call) ?? 0) + 1;
    this.#seen.set(call, times);
    const isCircle = times >= MAX_SAME_CALLS || (times > 1 && call !== this.#lastCall);
    this.#lastCall = call;
    const isMet = this.#asked.read(name, parsed(text), times);
    if (this.#withheld && (!isMet || (isCircle && times === 2))) return this.#end();
    this.#show();
    const isOver = isCircle || this.#asked.isOver;
    if (!this.#plan.isParallel || isOver || !this.#hasRoom()) return this.#end();
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
    if (this.#asked.isWanted) {
      const following = goOn(more, next);
      return this.#goOnWith(isClosed ? following.rest : rest + next, isClosed ? more.length - following.read : excess);
    }
    this.#state = { kind: 'between', text: '', grammar: this.#openGrammar(eitherGrammar(next, ending)) };
    return isClosed ? this.#readBetween(this.#state, more) : { kind: 'force', text: rest, excess };
  }

  /** The call that was held back. */
  #show(): void {
    const pieces = this.#withheld ?? [];
    this.#withheld = undefined;
    this.#callTokens = 0;
    for (const piece of pieces) this.#emit(piece);
  }

  #leaveOutCall(): void {
    if (!this.#withheld) return;
    this.#leftOutTokens += this.#callTokens;
    this.#callTokens = 0;
    this.#withheld = undefined;
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
    if (this.#plan.grounding) this.#withheld = [];
    return { kind: 'force', text: text + this.#beginName(), excess };
  }

  #end(): CallStep {
    this.#leaveOutCall();
    this.#state = { kind: 'idle' };
    return { kind: 'end' };
  }

  #jsonReader({ optional = [], unspoken = [] }: CallableFunction): ArgumentsReader {
    const text = this.#plan.grounding?.conversation;
    if (text === undefined || optional.length === 0) return jsonReader(undefined);
    this.#conversation ??= new Conversation(text);
    const conversation = this.#conversation;
    const isSupported = (value: Json, name: string): boolean =>
      !unspoken.includes(name) && conversation.supports(value);
    return jsonReader(new OptionalArguments(optional, isSupported));
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

function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}
