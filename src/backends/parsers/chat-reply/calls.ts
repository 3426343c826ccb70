/**
 * The tool calls of one choice, from fragments.
 *
 * Servers agree on fragments by index and on little else: ids are missing, repeated, or new in each fragment; names are
 * repeated; every call has index 0; arguments are an object; several calls grow at the same time. Here calls are kept in
 * the order they began; only the first that is not complete is open and streams, the others wait for it.
 */
import { isJson } from '../../../core/json.ts';
import type { IdSource } from '../../../core/ports.ts';
import type { LooseFunction, LooseToolCall } from './wire.ts';

/** What the calls of a choice are written to. */
export interface CallSink {
  startCall(callId: string, name: string): void;
  addInput(text: string): void;
  endCall(isValidJson: boolean): void;
}

interface Call {
  readonly index: number | undefined;
  id: string;
  name: string;
  /** Passed on so far. */
  text: string;
  pending: string;
  isOpen: boolean;
}

export class CallTracker {
  readonly #sink: CallSink;
  readonly #ids: IdSource;
  readonly #isEvidence: boolean;
  readonly #calls: Call[] = [];
  readonly #usedIds = new Set<string>();
  /** The first call that has not ended. */
  #head = 0;

  /** `isEvidence`: a call without arguments stays without. */
  constructor(sink: CallSink, ids: IdSource, isEvidence: boolean) {
    this.#sink = sink;
    this.#ids = ids;
    this.#isEvidence = isEvidence;
  }

  /** There is a call that can be told. */
  get hasCalls(): boolean {
    return this.#calls.some(({ name }) => name !== '');
  }

  add(fragment: LooseToolCall): void {
    const spelt = fragment.function ?? (fragment as LooseFunction);
    const id = typeof fragment.id === 'string' ? fragment.id : '';
    const name = typeof spelt.name === 'string' ? spelt.name : '';
    const input = inputTextOf(spelt.arguments);
    const index = typeof fragment.index === 'number' ? fragment.index : undefined;
    const call = this.#find(index, id, name, input) ?? this.#begin(index);
    if (call.name === '') call.name = name;
    if (call.id === '') call.id = id;
    call.pending += input;
    this.#advance();
  }

  /** Ends the open call if its input is complete; whether one is open still. */
  settle(): boolean {
    const open = this.#calls[this.#head];
    if (!open?.isOpen) return false;
    if (!isJson(open.text)) return true;
    this.#end(open, false);
    return false;
  }

  /** The choice is over. A call that a limit cut off keeps its broken input; one without a name cannot be told. */
  endAll(wasCut: boolean): void {
    for (let call = this.#calls[this.#head]; call; call = this.#calls[this.#head]) {
      if (call.name === '') {
        this.#head++;
        continue;
      }
      this.#open(call);
      this.#end(call, wasCut);
    }
  }

  #begin(index: number | undefined): Call {
    const call: Call = { index, id: '', name: '', text: '', pending: '', isOpen: false };
    this.#calls.push(call);
    return call;
  }

  /** The call that a fragment goes on with; undefined when it begins another. */
  #find(index: number | undefined, id: string, name: string, input: string): Call | undefined {
    const byIndex = index === undefined ? undefined : this.#calls.findLast((call) => call.index === index);
    const byId = id === '' || index !== undefined ? undefined : this.#calls.findLast((call) => call.id === id);
    const call = index === undefined ? (byId ?? this.#calls.at(-1)) : byIndex;
    if (!call || call.name === '' || name === '') return call;
    if (id !== '' && id === call.id) return call;
    const isOther = name !== call.name || (input.trim() !== '' && isJson(call.text + call.pending));
    return isOther ? undefined : call;
  }

  #advance(): void {
    for (let call = this.#calls[this.#head]; call && call.name !== ''; call = this.#calls[this.#head]) {
      this.#open(call);
      if (this.#head === this.#calls.length - 1 || !isJson(call.text)) return;
      this.#end(call, false);
    }
  }

  #open(call: Call): void {
    if (!call.isOpen) {
      call.isOpen = true;
      this.#sink.startCall(this.#callIdOf(call), call.name);
    }
    if (call.pending === '') return;
    this.#sink.addInput(call.pending);
    call.text += call.pending;
    call.pending = '';
  }

  #end(call: Call, wasCut: boolean): void {
    call.isOpen = false;
    this.#head++;
    if (call.text === '' && !wasCut && !this.#isEvidence) {
      // No arguments at all: some servers send nothing, clients parse what they get.
      call.text = '{}';
      this.#sink.addInput(call.text);
    }
    this.#sink.endCall(isJson(call.text));
  }

  /** The upstream's id where it tells one call from another. */
  #callIdOf(call: Call): string {
    const id = call.id === '' || this.#usedIds.has(call.id) ? this.#ids.callId() : call.id;
    this.#usedIds.add(id);
    return id;
  }
}

function inputTextOf(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : '';
}
