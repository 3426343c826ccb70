/**
 * Canonical events → events of a stream, and an assembled answer → one body (dashscope-native reference §4, §5; key order
 * as recorded).
 *
 * An incremental event holds what is new, a cumulative one all so far; both are made of the same state, so that they
 * cannot tell different stories. Events are joined from strings: a stream has hundreds of them.
 */
import type { AssembledChoice, GenerationResult } from '../../core/assemble.ts';
import type { StudioError } from '../../core/errors.ts';
import type {
  ChoiceEndReason,
  FinishEvent,
  GenerationEvent,
  ProgressEvent,
  ReasoningDeltaEvent,
  SourceEvent,
  TextDeltaEvent,
  TextStartEvent,
  TokenLogprob,
  ToolInputDeltaEvent,
  ToolInputStartEvent,
  ToolResultEvent,
} from '../../core/events.ts';
import { textOf } from '../../core/generation.ts';
import { NO_USAGE, type Usage, type UsageCount } from '../../core/usage.ts';
import type { Encoder } from '../protocol.ts';
import { lineJson } from '../sse.ts';
import type { DashScopeReplyPlan } from './decode.ts';
import { streamError } from './errors.ts';
import { resultFrame } from './frames.ts';
import { splitText } from './split-text.ts';
import { encodeUsage } from './usage.ts';

// ---- State ----

/** What one event shows of a choice. */
interface Piece {
  text: string;
  reasoning: string;
  calls: CallPiece[];
  logprobs: TokenLogprob[];
}

interface CallPiece {
  readonly index: number;
  /** Both are told with the first piece of a call only. */
  readonly id: string;
  readonly name: string | undefined;
  inputText: string;
}

interface ChoiceState {
  readonly index: number;
  /** All so far. */
  readonly whole: Piece;
  /** What no event has shown yet. */
  unseen: Piece;
  hasReasoned: boolean;
  /** What an OCR task read, as JSON. */
  ocrResult: string | undefined;
  /** The open block is a call that the server runs: nothing of it is shown but, at its end, what code it ran. */
  serverCall: { readonly callId: string; readonly name: string; inputText: string } | undefined;
  /** Deltas, each of which counts as a token as long as nobody has counted. */
  deltas: number;
  reasoningDeltas: number;
  reason: ChoiceEndReason | undefined;
}

/** What makes frames of events, counted from 1; `output` and `usage` are JSON. A socket has frames of its own. */
export interface Framing {
  result(id: number, output: string, usage: string, requestId: string): string;
  error(id: number, error: StudioError, requestId: string): string;
}

const SERVER_SENT_EVENTS: Framing = {
  result: (id, output, usage, requestId) =>
    resultFrame(id, `{"output":${output},"usage":${usage},"request_id":${JSON.stringify(requestId)}}`),
  error: streamError,
};

/** All that a research tells of its usage (recorded). */
const RESEARCH_COUNTS: readonly UsageCount[] = ['input', 'output'];

const nothing = (): Piece => ({ text: '', reasoning: '', calls: [], logprobs: [] });

/** One per streamed reply. */
export class DashScopeEncoder implements Encoder {
  readonly #plan: DashScopeReplyPlan;
  readonly #framing: Framing;
  readonly #choices: ChoiceState[] = [];
  #requestId = '';
  #events = 0;
  #usage: Usage = NO_USAGE;
  /** Sources that no event has shown yet; undefined as long as there was none at all. */
  #sources: SourceEvent[] | undefined;
  readonly #code: string[] = [];
  /** Vertical tools of a search that are running, and results of theirs that no event has shown yet. */
  readonly #extensions = new Map<string, string>();
  #extensionResults: ExtensionResult[] = [];
  /** Where a research is; its events have a form of their own. */
  #research: { readonly progress: ProgressEvent; isShown: boolean } | undefined;

  constructor(plan: DashScopeReplyPlan, framing: Framing = SERVER_SENT_EVENTS) {
    this.#plan = plan;
    this.#framing = framing;
  }

  push(event: GenerationEvent): string {
    if (event.type === 'source') {
      this.#sources ??= [];
      this.#sources.push(event);
      return '';
    }
    const found = this.#sources && this.#sources.length > 0 ? this.#sourcesEvent(this.#sources) : '';
    return found + this.#onEvent(event);
  }

  #onEvent(event: Exclude<GenerationEvent, SourceEvent>): string {
    switch (event.type) {
      case 'start':
        this.#requestId = event.generationId;
        return '';
      case 'usage':
        this.#usage = event.usage;
        return '';
      case 'text-start':
        return this.#onTextStart(event);
      case 'text-delta':
        return this.#onTextDelta(event);
      case 'reasoning-delta':
        return this.#onReasoningDelta(event);
      case 'tool-input-start':
        return this.#onToolInputStart(event);
      case 'tool-input-delta':
        return this.#onToolInputDelta(event);
      case 'tool-input-end':
        return this.#onToolInputEnd(event.choice);
      case 'choice-end':
        this.#choice(event.choice).reason = event.reason;
        return '';
      case 'finish':
        return this.#onFinish(event);
      case 'error':
        return this.#framing.error(++this.#events, event.error, this.#requestId);
      case 'progress':
        return this.#onProgress(event);
      case 'reasoning-start':
        this.#choice(event.choice).hasReasoned = true;
        return '';
      case 'tool-result':
        return this.#onToolResult(event);
      case 'reasoning-end':
      case 'text-end':
      case 'citation':
        return '';
      default:
        return event satisfies never;
    }
  }

  // ---- Handlers, in stream order ----

  #onTextStart(event: TextStartEvent): string {
    const choice = this.#choice(event.choice);
    if (event.ocrResult !== undefined) choice.ocrResult = lineJson(event.ocrResult);
    return '';
  }

  #onTextDelta(event: TextDeltaEvent): string {
    const choice = this.#choice(event.choice);
    choice.deltas++;
    choice.whole.text += event.text;
    if (event.logprobs) {
      choice.whole.logprobs.push(...event.logprobs);
      choice.unseen.logprobs.push(...event.logprobs);
    }
    if (this.#research) return this.#onResearchText(choice, event);
    return this.#inPieces(choice, 'text', event.text, event.joinsNext);
  }

  #onReasoningDelta(event: ReasoningDeltaEvent): string {
    const choice = this.#choice(event.choice);
    choice.deltas++;
    choice.reasoningDeltas++;
    choice.whole.reasoning += event.text;
    return this.#inPieces(choice, 'reasoning', event.text, event.joinsNext);
  }

  /** Shown with its first piece of input, as recorded. */
  #onToolInputStart(event: ToolInputStartEvent): string {
    const choice = this.#choice(event.choice);
    if (event.executedBy === 'server') {
      choice.serverCall = { callId: event.callId, name: event.name, inputText: '' };
      return '';
    }
    const call = { index: choice.whole.calls.length, id: event.callId, name: event.name, inputText: '' };
    choice.whole.calls.push({ ...call });
    choice.unseen.calls.push(call);
    return '';
  }

  #onToolInputDelta(event: ToolInputDeltaEvent): string {
    const choice = this.#choice(event.choice);
    choice.deltas++;
    if (choice.serverCall) {
      choice.serverCall.inputText += event.text;
      return '';
    }
    const call = choice.whole.calls.at(-1);
    if (!call) return '';
    call.inputText += event.text;
    let events = '';
    const pieces = this.#plan.isIncremental ? splitText(event.text) : [event.text];
    for (const [position, piece] of pieces.entries()) {
      unseenCall(choice, call.index).inputText += piece;
      if (position < pieces.length - 1 || !event.joinsNext) events += this.#show(choice);
    }
    return events;
  }

  #onToolInputEnd(index: number): string {
    const choice = this.#choice(index);
    const { serverCall } = choice;
    choice.serverCall = undefined;
    if (serverCall) {
      const extension = extensionOf(serverCall.name, serverCall.inputText);
      if (extension !== undefined) this.#extensions.set(serverCall.callId, extension);
      const code = codeOf(serverCall.name, serverCall.inputText);
      if (code === undefined) return '';
      this.#code.push(code);
      return this.#show(choice);
    }
    // A call without input has not been shown yet.
    return choice.unseen.calls.at(-1)?.inputText === '' ? this.#show(choice) : '';
  }

  /** Only the vertical tools of a search show their result, in the next event. */
  #onToolResult({ callId, parts }: ToolResultEvent): string {
    const tool = this.#extensions.get(callId);
    if (tool === undefined) return '';
    this.#sources ??= [];
    this.#extensionResults.push({ tool, result: textOf(parts) });
    return '';
  }

  // ---- Research ("Deep Research", response object): phases in the place of choices; texts are always what is new ----

  #onProgress(event: ProgressEvent): string {
    if (event.of !== 'research') return '';
    this.#research = { progress: event, isShown: false };
    return event.joinsNext ? '' : this.#researchEvent(event, '');
  }

  #onResearchText(choice: ChoiceState, { text, joinsNext }: TextDeltaEvent): string {
    const progress = this.#research?.progress;
    if (!progress) return '';
    choice.unseen.text += text;
    if (joinsNext) return '';
    const pieces = splitText(choice.unseen.text);
    choice.unseen = nothing();
    return pieces.map((piece) => this.#researchEvent(progress, piece)).join('');
  }

  /** What a phase found is told once. The misspelt members are the service's. */
  #researchEvent({ phase, status, data }: ProgressEvent, content: string, isLast = false): string {
    const choice = this.#choice(0);
    const found = this.#research?.isShown ? {} : (data ?? {});
    if (this.#research) this.#research.isShown = true;
    const message = { phase, role: 'assistant', content, extra: { deep_research: found }, status };
    const output = { message, fininshed: isLast, fininshed_reason: isLast ? 'stop' : 'null' };
    const usage = this.#usageOf(choice);
    const counts = encodeUsage({ ...usage, told: usage.told ?? RESEARCH_COUNTS }, this.#plan, false);
    return this.#event(lineJson(output), lineJson(counts));
  }

  /** A phase whose last word has been shown says once more that it is over. */
  #researchEnd(progress: ProgressEvent): string {
    const rest = this.#choice(0).unseen.text;
    const isNews = rest !== '' || !this.#research?.isShown;
    return this.#researchEvent(isNews ? progress : { ...progress, status: 'finished' }, rest, true);
  }

  // ---- Terminal events ----

  /** They wait for the end of the stream, as only that knows the usage for sure. A choice that was cut has none. */
  #onFinish({ usage, ending }: FinishEvent): string {
    if (ending === 'client-gone') return '';
    if (this.#research) {
      this.#usage = usage;
      return this.#researchEnd(this.#research.progress);
    }
    const shares = sharesOf(
      usage.output.total,
      this.#choices.map(({ deltas }) => deltas),
    );
    let events = '';
    for (const [position, choice] of this.#choices.entries()) {
      if (choice.reason === undefined) continue;
      const lastCall = choice.whole.calls.at(-1);
      if (choice.reason === 'tool-calls' && lastCall && this.#plan.isIncremental) unseenCall(choice, lastCall.index);
      const share = { ...usage.output, total: shares[position] ?? 0 };
      events += this.#show(choice, choice.reason, this.#plan.hasChoices ? { ...usage, output: share } : usage);
    }
    return events;
  }

  // ---- Events ----

  /** One event a piece: a line has to stay well below what clients read at once. */
  #inPieces(choice: ChoiceState, member: 'text' | 'reasoning', text: string, joinsNext: boolean | undefined): string {
    // A text has no place for reasoning.
    if (member === 'reasoning' && this.#plan.form === 'text') return '';
    if (!this.#plan.isIncremental) return joinsNext ? '' : this.#show(choice);
    let events = '';
    const pieces = splitText(text);
    for (const [position, piece] of pieces.entries()) {
      choice.unseen[member] += piece;
      if (position < pieces.length - 1 || !joinsNext) events += this.#show(choice);
    }
    return events;
  }

  #show(choice: ChoiceState, reason?: ChoiceEndReason, usage = this.#usageOf(choice)): string {
    const piece = this.#plan.isIncremental ? choice.unseen : choice.whole;
    const output = this.#output(choice, piece, reason);
    choice.unseen = nothing();
    this.#extensionResults = [];
    if (this.#plan.isIncremental) choice.ocrResult = undefined;
    return this.#event(output, lineJson(encodeUsage(usage, this.#plan, choice.hasReasoned)));
  }

  /** Sources come in an event of their own, before what was made of them. */
  #sourcesEvent(sources: readonly SourceEvent[]): string {
    const choice = this.#choice(0);
    const results = `,"search_info":{"search_results":${lineJson(sources.map(encodeSource))}}}`;
    this.#sources = undefined;
    // Where frames hold all that was said until now, this one does too.
    const piece = this.#plan.isIncremental ? nothing() : choice.whole;
    const output = this.#output(choice, piece, undefined).slice(0, -1) + results;
    this.#sources = [];
    return this.#event(output, lineJson(encodeUsage(this.#usageOf(choice), this.#plan, choice.hasReasoned)));
  }

  #event(output: string, usage: string): string {
    const { cipher } = this.#plan;
    const payload = cipher ? JSON.stringify(cipher.seal(output)) : output;
    return this.#framing.result(++this.#events, payload, usage, this.#requestId);
  }

  #output(choice: ChoiceState, piece: Piece, reason: ChoiceEndReason | undefined): string {
    const search = this.#sources
      ? `,"search_info":{"extra_tool_info":${lineJson(this.#extensionResults)},"search_results":[]}`
      : '';
    const code = this.#code.length > 0 ? `,"tool_info":${lineJson(this.#code.map(encodeCode))}` : '';
    const finishReason = JSON.stringify(finishReasonOf(reason, this.#plan));
    if (this.#plan.form === 'text')
      return `{"finish_reason":${finishReason},"text":${lineJson(piece.text)}${search}${code}}`;
    const message = this.#message(choice, piece);
    const hasIndex = this.#plan.hasChoices || (this.#isText && choice.whole.calls.length > 0);
    const index = hasIndex ? `,"index":${choice.index}` : '';
    const logprobs = piece.logprobs.length > 0 ? `,"logprobs":${lineJson(encodeLogprobs(piece.logprobs))}` : '';
    const choices = `{"message":${message}${index},"finish_reason":${finishReason}${logprobs}}`;
    return `{"choices":[${choices}]${search}${code}}`;
  }

  /** Where content is text, both members stand in every event from the first reasoning on. */
  #message(choice: ChoiceState, piece: Piece): string {
    const hasReasoning = this.#isText ? choice.hasReasoned : piece.reasoning !== '';
    const reasoning = hasReasoning ? `,"reasoning_content":${lineJson(piece.reasoning)}` : '';
    const calls = piece.calls.length > 0 ? `,"tool_calls":[${piece.calls.map(encodeCall).join()}]` : '';
    return `{"content":${this.#content(choice, piece.text)}${reasoning}${calls},"role":"assistant"}`;
  }

  #content(choice: ChoiceState, text: string): string {
    if (this.#isText) return lineJson(text);
    if (text === '') return '[]';
    const ocrResult = choice.ocrResult === undefined ? '' : `"ocr_result":${choice.ocrResult},`;
    return `[{${ocrResult}"text":${lineJson(text)}}]`;
  }

  get #isText(): boolean {
    return this.#plan.service === 'text-generation';
  }

  /** A backend that counts as it goes is believed; for others each delta counts as a token until the end says better. */
  #usageOf(choice: ChoiceState): Usage {
    if (this.#usage.output.total > 0 && !this.#plan.hasChoices) return this.#usage;
    const output = { ...this.#usage.output, total: choice.deltas, reasoning: choice.reasoningDeltas };
    return { ...this.#usage, output };
  }

  #choice(index: number): ChoiceState {
    const known = this.#choices.find((choice) => choice.index === index);
    if (known) return known;
    const made: ChoiceState = {
      index,
      whole: nothing(),
      unseen: nothing(),
      hasReasoned: false,
      ocrResult: undefined,
      serverCall: undefined,
      deltas: 0,
      reasoningDeltas: 0,
      reason: undefined,
    };
    this.#choices.push(made);
    this.#choices.sort((a, b) => a.index - b.index);
    return made;
  }
}

/** The piece of a call that the next event will show. */
function unseenCall(choice: ChoiceState, index: number): CallPiece {
  const last = choice.unseen.calls.at(-1);
  if (last?.index === index) return last;
  const made: CallPiece = { index, id: '', name: undefined, inputText: '' };
  choice.unseen.calls.push(made);
  return made;
}

/** The id stands in every piece, empty after the first; the name in the first alone, as clients join names (§7). */
function encodeCall({ index, id, name, inputText }: CallPiece): string {
  const named = name === undefined ? '' : `"name":${JSON.stringify(name)},`;
  return `{"index":${index},"id":${JSON.stringify(id)},"type":"function","function":{${named}"arguments":${lineJson(inputText)}}}`;
}

/** With several choices, usage in an event is that choice's, and clients add it up: the shares are the total. */
function sharesOf(total: number, counts: readonly number[]): number[] {
  let left = total;
  return counts.map((count, position) => {
    const share = position === counts.length - 1 ? left : Math.min(count, left);
    left -= share;
    return share;
  });
}

// ---- Whole body ----

/** The body of a plain reply: the same events, assembled. */
export function encodeDashScopeResult(result: GenerationResult, plan: DashScopeReplyPlan): object {
  const output = plan.form === 'text' ? textOutput(result, plan) : messageOutput(result, plan);
  const hasReasoned = result.choices.some(({ blocks }) => blocks.some(({ type }) => type === 'reasoning'));
  return {
    output: plan.cipher ? plan.cipher.seal(JSON.stringify(output)) : output,
    usage: encodeUsage(result.usage, plan, hasReasoned),
    request_id: result.start.generationId,
  };
}

/** A call that was cut off before its first token still answers. */
function choicesOf(result: GenerationResult): readonly AssembledChoice[] {
  return result.choices.length > 0 ? result.choices : [{ index: 0, blocks: [] }];
}

function textOutput(result: GenerationResult, plan: DashScopeReplyPlan): object {
  const [choice] = choicesOf(result);
  return {
    finish_reason: finishReasonOf(choice?.reason, plan),
    text: choice ? contentOf(choice).text : '',
    ...hostedOf(result),
  };
}

function messageOutput(result: GenerationResult, plan: DashScopeReplyPlan): object {
  const choices = choicesOf(result);
  const { modelName } = plan;
  return {
    ...(modelName === undefined
      ? {}
      : { finish_reason: finishReasonOf(choices[0]?.reason, plan), model_name: modelName }),
    choices: choices.map((choice) => encodeChoice(choice, plan)),
    ...hostedOf(result),
  };
}

function encodeChoice(choice: AssembledChoice, plan: DashScopeReplyPlan): object {
  const { text, reasoning, calls, logprobs, ocrResult } = contentOf(choice);
  const parts = text === '' ? [] : [{ ...(ocrResult === undefined ? {} : { ocr_result: ocrResult }), text }];
  return {
    finish_reason: finishReasonOf(choice.reason, plan),
    ...(plan.hasChoices ? { index: choice.index } : {}),
    message: {
      role: 'assistant',
      ...(calls.length > 0 ? { tool_calls: calls } : {}),
      content: plan.service === 'text-generation' ? text : parts,
      ...(reasoning === undefined ? {} : { reasoning_content: reasoning }),
    },
    ...(logprobs.length > 0 ? { logprobs: encodeLogprobs(logprobs) } : {}),
  };
}

/** Arguments that are no valid JSON pass as they are: the client reads text. */
function contentOf({ blocks }: AssembledChoice) {
  let text = '';
  let reasoning: string | undefined;
  let ocrResult: unknown;
  const calls: object[] = [];
  const logprobs: TokenLogprob[] = [];
  for (const block of blocks) {
    switch (block.type) {
      case 'text':
        text += block.text;
        ocrResult ??= block.ocrResult;
        logprobs.push(...(block.logprobs ?? []));
        break;
      case 'reasoning':
        reasoning = (reasoning ?? '') + block.text;
        break;
      case 'tool-call':
        if (block.executedBy === 'client') {
          const called = { name: block.name, arguments: block.inputText };
          calls.push({ function: called, index: calls.length, id: block.callId, type: 'function' });
        }
        break;
      default:
        block satisfies never;
    }
  }
  return { text, reasoning, ocrResult, calls, logprobs };
}

/** What the server's own tools found and ran. */
function hostedOf({ sources, choices, toolResults }: GenerationResult): object {
  const extensions = choices.flatMap(({ blocks }) =>
    blocks.flatMap((block): ExtensionResult[] => {
      const tool = block.type === 'tool-call' ? extensionOf(block.name, block.inputText) : undefined;
      const result = block.type === 'tool-call' && toolResults.find(({ callId }) => callId === block.callId);
      return tool !== undefined && result ? [{ tool, result: textOf(result.parts) }] : [];
    }),
  );
  const hasSearched = sources.length > 0 || extensions.length > 0;
  const code = choices.flatMap(({ blocks }) =>
    blocks.flatMap((block) => {
      const run = block.type === 'tool-call' && block.executedBy === 'server' && codeOf(block.name, block.inputText);
      return typeof run === 'string' ? [run] : [];
    }),
  );
  return {
    ...(hasSearched ? { search_info: { extra_tool_info: extensions, search_results: sources.map(encodeSource) } } : {}),
    ...(code.length > 0 ? { tool_info: code.map(encodeCode) } : {}),
  };
}

// ---- Shared by both forms ----

/** An event before the last says `"null"`, a text (§4). */
function finishReasonOf(reason: ChoiceEndReason | undefined, plan: DashScopeReplyPlan): string {
  switch (reason) {
    case undefined:
      return 'null';
    case 'stop':
    case 'stop-text':
      return 'stop';
    case 'length':
    case 'context-full':
      return 'length';
    case 'tool-calls':
      return plan.isCallForced ? 'stop' : 'tool_calls';
    case 'content-filter':
      return 'content_filter';
    default:
      return reason satisfies never;
  }
}

function encodeLogprobs(tokens: readonly TokenLogprob[]): object {
  return {
    content: tokens.map(({ token, bytes, logprob, top }) => ({
      token,
      bytes,
      logprob,
      top_logprobs: top.map((each) => ({ token: each.token, bytes: each.bytes, logprob: each.logprob })),
    })),
  };
}

/** A site without a name is called "none" by the service, in its language. */
const NAMELESS_SITE = '无';

function encodeSource({ index, url, title, siteName, iconUrl }: SourceEvent): object {
  return { icon: iconUrl ?? '', site_name: siteName ?? NAMELESS_SITE, index: index + 1, title, url };
}

/** What a vertical tool of a search (weather, stocks…) said; the web search itself shows its sources. */
interface ExtensionResult {
  readonly tool: string;
  readonly result: string;
}

/** The code of a call of the code interpreter. */
function codeOf(tool: string, inputText: string): string | undefined {
  return tool === 'code_interpreter' ? memberOf(inputText, 'code') : undefined;
}

/** The tool of a call of a search's vertical tools. */
function extensionOf(tool: string, inputText: string): string | undefined {
  return tool === 'search_extension' ? memberOf(inputText, 'tool') : undefined;
}

/** A text in the input of a call. */
function memberOf(inputText: string, member: string): string | undefined {
  try {
    const { [member]: value } = JSON.parse(inputText) as { readonly [member: string]: unknown };
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

function encodeCode(code: string): object {
  return { code_interpreter: { code }, type: 'code_interpreter' };
}
