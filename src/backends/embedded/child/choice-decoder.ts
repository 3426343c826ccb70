/**
 * One choice from its first token to its end: a state machine that reads sampled tokens and says what to feed next.
 *
 * It knows stages, forced text, counts, limits, stop texts and calls, and nothing of sequences, batches or samplers, so
 * it is tested with a vocabulary of letters. A sampled token is never in the context before `push` has judged it: where
 * only the first half of a token is wanted, that half is fed in its place and nothing has to be taken back.
 */
import type { TokenLogprob } from '../../../core/events.ts';
import { MarkScanner, type ScannedPart } from '../../parsers/thinking-marks.ts';
import { createOpeningDetector, type OpeningDetector } from '../../parsers/tool-call-opening.ts';
import { isCallMark } from '../../parsers/tool-formats.ts';
import type { ChoiceCounts, DecodePlan, EngineEndReason, Piece, Stage } from '../engine-protocol.ts';
import { AnswerGuard } from './answer-guard.ts';
import { AnswerText, type ShownText } from './answer-text.ts';
import type { GrammarState } from './binding.ts';
import { CallDecoder, type CallStep, type OpenGrammar } from './call-decoder.ts';
import { Detokenizer } from './detokenizer.ts';
import { stageGrammar } from './grammars.ts';
import { JsonPosition } from './json-position.ts';
import { StopTexts } from './stop-texts.ts';
import type { Vocabulary } from './vocabulary.ts';

/** What happens next with the choice. */
export type Move =
  | { readonly kind: 'feed'; readonly tokens: readonly number[] }
  | { readonly kind: 'end'; readonly reason: EngineEndReason; readonly stopText?: string | undefined };

/** How the next token is to be sampled. */
export interface SamplingWishes {
  readonly grammar: GrammarState | undefined;
  /** Close the JSON text soon: inside a string by its quote, outside by brackets. */
  readonly closing: 'no' | 'string' | 'value';
  readonly logprob: boolean;
}

export interface SampledFacts {
  readonly logprob?: TokenLogprob | undefined;
  /** The closing bias chose this token; the model alone would have gone on. */
  readonly wasSteered?: boolean | undefined;
}

export type ChoicePlan = Pick<DecodePlan, 'stages' | 'stopTexts' | 'stopTokens' | 'maxTotalTokens' | 'logprobs'>;

export interface DecoderContext {
  readonly vocabulary: Vocabulary;
  readonly openGrammar: OpenGrammar;
  readonly promptTokens: number;
  /** Tokens the sequence can hold. */
  readonly contextTokens: number;
}

/** Tokens before a limit at which a JSON text starts to be closed; half of the limit where that is less. */
const CLOSING_RESERVE = 48;
/** Each open bracket needs a token of its own in the worst case, and a string its quote, a key its value. */
const CLOSING_RESERVE_BESIDE_DEPTH = 6;
/** Brackets of a call. */
const CALL_DEPTH = 2;
/** Of what is left of a sequence, reasoning takes this much at most: an answer still has to fit. */
const REASONING_SHARE = 0.75;
/** What may stand after a call in free text without being an answer: the rest of its spelling. */
const AFTER_CALL = /^(?:\s|[`}\],;]|<[^<>\s]+>|\.json)*(?:<[^<>\s]*|\.j?s?o?)?$/;

type Phase =
  | {
      readonly kind: 'reasoning';
      readonly until: StopTexts;
      /** Finds marks that open what is open already. */
      readonly strays: MarkScanner | undefined;
      unshown: string;
    }
  | TextPhase
  | { readonly kind: 'calls' }
  | AfterCall;

interface TextPhase {
  readonly kind: 'text';
  readonly answer: AnswerText;
  readonly guard: AnswerGuard | undefined;
  readonly detector: OpeningDetector | undefined;
  readonly grammar: GrammarState | undefined;
  readonly position: JsonPosition | undefined;
  first: TokenLogprob | undefined;
}

interface AfterCall {
  readonly kind: 'after-call';
  readonly detector: OpeningDetector;
  text: string;
  hasBegun: boolean;
}

const NO_STAGE: Stage = { kind: 'answer', opening: '' };
const NO_TOKENS: ReadonlySet<number> = new Set();

export class ChoiceDecoder {
  readonly #plan: ChoicePlan;
  readonly #context: DecoderContext;
  readonly #detokenizer = new Detokenizer();
  #stageIndex = -1;
  #stage: Stage = NO_STAGE;
  #phase: Phase = { kind: 'calls' };
  #calls: CallDecoder | undefined;
  #pieces: Piece[] = [];
  /** Tokens in the sequence once all that was asked to be fed is fed. */
  #position: number;
  #stageTokens = 0;
  /** Tokens that this stage may take of the sequence. */
  #stageRoom = Number.POSITIVE_INFINITY;
  #output = 0;
  #reasoning = 0;
  #wasSteered = false;
  /** Tokens that end this stage's answer as the end of text does. */
  #endTokens: ReadonlySet<number> = NO_TOKENS;

  constructor(plan: ChoicePlan, context: DecoderContext) {
    this.#plan = plan;
    this.#context = context;
    this.#position = context.promptTokens;
  }

  get counts(): ChoiceCounts {
    return { output: this.#output - (this.#calls?.unshownTokens ?? 0), reasoning: this.#reasoning };
  }

  takePieces(): Piece[] {
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces;
  }

  /** Before the first sampled token: what the first stage forces. */
  start(): Move {
    return this.#nextStage('budget', []);
  }

  get wishes(): SamplingWishes {
    const phase = this.#phase;
    const grammar = phase.kind === 'text' ? phase.grammar : phase.kind === 'calls' ? this.#calls?.grammar : undefined;
    const position = phase.kind === 'text' ? phase.position : this.#calls?.position;
    const isClosing = grammar !== undefined && position !== undefined && this.#mustClose(position.depth);
    return {
      grammar,
      closing: isClosing ? (position.isInString ? 'string' : 'value') : 'no',
      logprob: this.#plan.logprobs !== undefined && phase.kind === 'text',
    };
  }

  /** Reads the token that was sampled. */
  push(token: number, facts: SampledFacts = {}): Move {
    if (this.#context.vocabulary.isEndOfGeneration(token) || this.#endTokens.has(token)) return this.#endOfGeneration();
    this.#count(1);
    if (facts.wasSteered === true) this.#wasSteered = true;
    const text = this.#detokenizer.push(this.#bytes(token));
    const move = this.#read(token, text, facts.logprob);
    return move.kind === 'feed' && this.#isAtLimit() ? this.#atLimit(move.tokens) : move;
  }

  #read(token: number, text: string, logprob: TokenLogprob | undefined): Move {
    const phase = this.#phase;
    switch (phase.kind) {
      case 'reasoning':
        return this.#readReasoning(phase, token, text);
      case 'text':
        return phase.position
          ? this.#readJson(phase, phase.position, { token, text, logprob })
          : this.#readText(phase, token, text, logprob);
      case 'calls':
        return this.#followCall(this.#calls?.push(text) ?? { kind: 'end' }, token, text);
      case 'after-call':
        return this.#readAfterCall(phase, token, text);
    }
  }

  #readReasoning(phase: Extract<Phase, { kind: 'reasoning' }>, token: number, text: string): Move {
    phase.unshown += text;
    const { match, held } = phase.until.scan(phase.unshown);
    if (match === undefined) {
      this.#showReasoning(phase, phase.unshown.length - held);
      return this.#feed([token]);
    }
    const excess = phase.unshown.length - match.index - match.text.length;
    phase.unshown = phase.unshown.slice(0, match.index);
    this.#showAllReasoning(phase);
    return this.#nextStage('until', this.#withoutTail(token, text, excess));
  }

  #showReasoning(phase: Extract<Phase, { kind: 'reasoning' }>, length: number): void {
    const text = phase.unshown.slice(0, length);
    phase.unshown = phase.unshown.slice(length);
    this.#emitReasoning(phase.strays?.push(text) ?? [{ type: 'text', text }]);
  }

  #showAllReasoning(phase: Extract<Phase, { kind: 'reasoning' }>): void {
    this.#showReasoning(phase, phase.unshown.length);
    this.#emitReasoning(phase.strays?.end() ?? []);
  }

  #emitReasoning(parts: readonly ScannedPart[]): void {
    const text = parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
    if (text !== '') this.#emit({ type: 'reasoning', text });
  }

  /** A JSON text is over with its last bracket, whatever the token says behind it. */
  #readJson(
    phase: TextPhase,
    position: JsonPosition,
    { token, text, logprob }: { token: number; text: string; logprob: TokenLogprob | undefined },
  ): Move {
    const move = this.#readText(phase, token, text.slice(0, position.push(text)), logprob);
    const isOver = move.kind === 'feed' && this.#phase === phase && position.isWhole;
    return isOver ? this.#finish(this.#wasSteered ? 'length' : 'stop') : move;
  }

  #readText(phase: TextPhase, token: number, text: string, logprob: TokenLogprob | undefined): Move {
    phase.answer.note(token, text.length, logprob);
    phase.first ??= logprob;
    const guarded = phase.guard?.push(text) ?? { text, dropped: 0, excess: undefined };
    phase.answer.drop(guarded.dropped);
    const read = phase.detector?.push(guarded.text) ?? { text: guarded.text, rest: '' };
    phase.answer.add(read.text);
    const shown = read.opening === undefined ? phase.answer.show() : phase.answer.finishBeforeCall();
    this.#show(shown);
    if (shown.stop !== undefined) return { kind: 'end', reason: 'stop-text', stopText: shown.stop };
    if (read.opening === undefined || this.#calls === undefined) {
      return guarded.excess === undefined ? this.#feed([token]) : this.#closeThought(token, text, guarded.excess);
    }
    this.#phase = { kind: 'calls' };
    const excess = read.rest.length + (phase.guard?.heldLength ?? 0);
    return this.#beginFoundCall(token, text, excess, this.#calls.beginFound(read.opening, phase.first));
  }

  /** The model begins to think again, which its budget did not allow: the thought is over before it began. */
  #closeThought(token: number, text: string, excess: number): Move {
    this.#detokenizer.reset();
    const closing = this.#tokenise(this.#stage.marks?.closing ?? '');
    return this.#feed([...this.#withoutTail(token, text, excess), ...closing]);
  }

  /** `said` is what the token says behind the call, `text` all that it says. */
  #readAfterCall(phase: AfterCall, token: number, text: string, said = text): Move {
    // What some families write between two calls; the next one begins as on a line of its own.
    const visible = phase.hasBegun ? said : said.replace(/^[\s;,]+/, '');
    phase.hasBegun ||= visible !== '';
    const read = phase.detector.push(visible);
    phase.text += read.text;
    if (!AFTER_CALL.test(phase.text)) return { kind: 'end', reason: 'tool-calls' };
    if (read.opening === undefined || this.#calls === undefined) return this.#feed([token]);
    this.#phase = { kind: 'calls' };
    return this.#beginFoundCall(token, text, read.rest.length, this.#calls.beginFound(read.opening));
  }

  /** Goes on after the quote that closes the name: what the same token said beyond it is not fed, nor counted. */
  #beginFoundCall(token: number, text: string, excess: number, forced: string): Move {
    if (excess > 0) this.#count(-1);
    return this.#feed(this.#thenForced(token, text, { text: forced, excess }));
  }

  #followCall(step: CallStep, token: number, text: string): Move {
    switch (step.kind) {
      case 'continue':
        return this.#feed([token]);
      case 'force':
        return this.#feed(this.#thenForced(token, text, step));
      case 'end':
        return { kind: 'end', reason: 'tool-calls' };
      case 'free': {
        const phase: AfterCall = { kind: 'after-call', detector: this.#newDetector(), text: '', hasBegun: false };
        this.#phase = phase;
        if (step.begun !== '') return this.#readAfterCall(phase, token, text, step.begun);
        return this.#feed(this.#thenForced(token, text, step));
      }
    }
  }

  /** A token and what is forced behind it. Of a token that said too much the rest is forced, too, so that both can join. */
  #thenForced(token: number, text: string, forced: { readonly text: string; readonly excess: number }): number[] {
    if (forced.excess === 0) return [token, ...this.#tokenise(forced.text)];
    this.#detokenizer.reset();
    return this.#tokenise(text.slice(0, text.length - forced.excess) + forced.text);
  }

  /** The model ended its turn. Reasoning that ends so still owes an answer. */
  #endOfGeneration(): Move {
    this.#detokenizer.reset();
    if (this.#phase.kind === 'reasoning') {
      this.#showAllReasoning(this.#phase);
      return this.#nextStage('end', []);
    }
    return this.#finish(this.#phase.kind === 'text' && this.#wasSteered ? 'length' : 'stop');
  }

  #atLimit(tokens: readonly number[]): Move {
    if (this.#phase.kind !== 'reasoning' || this.#totalLeft() <= 0) return this.#finish('length');
    this.#showAllReasoning(this.#phase);
    // The token that was just read is in `tokens`, already counted into the position.
    this.#position -= tokens.length;
    return this.#nextStage('budget', tokens);
  }

  /** Shows all that was held and ends. */
  #finish(reason: 'stop' | 'length' | 'context-full'): Move {
    const phase = this.#phase;
    switch (phase.kind) {
      case 'reasoning':
        this.#showAllReasoning(phase);
        return { kind: 'end', reason };
      case 'text': {
        const held = phase.guard?.flush() ?? '';
        phase.answer.add(phase.detector ? phase.detector.push(held).text + phase.detector.flush() : held);
        const shown = phase.answer.finish();
        this.#show(shown);
        return shown.stop === undefined
          ? { kind: 'end', reason }
          : { kind: 'end', reason: 'stop-text', stopText: shown.stop };
      }
      case 'after-call':
        return { kind: 'end', reason: 'tool-calls' };
      case 'calls': {
        const isBetween = this.#calls?.hasCalls === true && !this.#calls.isInCall;
        this.#calls?.cut();
        return { kind: 'end', reason: isBetween ? 'tool-calls' : reason };
      }
    }
  }

  /** Goes to the next stage that may sample, feeding what the stages on the way force. */
  #nextStage(endedBy: 'until' | 'budget' | 'end', tokens: readonly number[]): Move {
    let forced = '';
    let ended = endedBy;
    for (;;) {
      const stage = this.#plan.stages[++this.#stageIndex];
      if (stage === undefined) return { kind: 'end', reason: ended === 'budget' ? 'length' : 'stop' };
      forced += ended === 'until' ? (stage.openingAfterUntil ?? stage.opening) : stage.opening;
      ended = 'budget';
      this.#stage = stage;
      this.#stageTokens = 0;
      const isFollowed = this.#stageIndex + 1 < this.#plan.stages.length;
      const left = this.#context.contextTokens - this.#position;
      this.#stageRoom = isFollowed ? Math.max(1, Math.floor(left * REASONING_SHARE)) : Number.POSITIVE_INFINITY;
      if (stage.kind === 'answer' || stage.maxTokens !== 0) break;
    }
    this.#detokenizer.reset();
    if (this.#isAtLimit()) return { kind: 'end', reason: 'length' };
    forced += this.#enterStage(this.#stage);
    return this.#feed([...tokens, ...this.#tokenise(forced)]);
  }

  /** Sets the phase up. Gives what is forced after the stage's opening. */
  #enterStage(stage: Stage): string {
    if (stage.kind === 'reasoning') {
      const { marks } = stage;
      const strays = marks && new MarkScanner(marks, true);
      this.#phase = { kind: 'reasoning', until: new StopTexts(stage.until ?? []), strays, unshown: '' };
      return '';
    }
    const { calls } = stage;
    if (calls !== undefined) {
      // A call would be closed in time at once: it is not begun.
      const hasRoom = (): boolean => !this.#mustClose(CALL_DEPTH);
      this.#calls = new CallDecoder(calls, this.#context.openGrammar, (piece) => this.#emit(piece), hasRoom);
      if (calls.mode === 'required') {
        this.#phase = { kind: 'calls' };
        return this.#calls.beginRequired();
      }
    }
    this.#endTokens = this.#tokensOf(stage.endTexts);
    const { stopTexts, stopTokens } = this.#plan;
    // A grammar lets no thought begin, and what its texts spell is the caller's.
    const isGuarded = stage.marks !== undefined && (stage.grammar === undefined || stage.isProse === true);
    this.#phase = {
      kind: 'text',
      guard: isGuarded && stage.marks ? new AnswerGuard(stage.marks) : undefined,
      answer: new AnswerText({ stopTexts, stopTokens, holdsWhiteSpace: calls !== undefined }),
      detector: calls === undefined ? undefined : this.#newDetector(),
      grammar: stage.grammar === undefined ? undefined : this.#context.openGrammar(stageGrammar(stage.grammar, stage)),
      position: stage.grammar === undefined || stage.isProse ? undefined : new JsonPosition(),
      first: undefined,
    };
    return '';
  }

  /** Of spellings that are one token each; others are no tokens of these weights. */
  #tokensOf(spellings: readonly string[] | undefined): ReadonlySet<number> {
    if (spellings === undefined) return NO_TOKENS;
    const rows = spellings.map((spelling) => this.#tokenise(spelling));
    return new Set(rows.flatMap((row) => (row.length === 1 ? row : [])));
  }

  #newDetector(): OpeningDetector {
    const { calls } = this.#stage;
    const names = calls?.functions.map(({ name }) => name) ?? [];
    // Only the family that the plan was made for comes with grammars for its tags.
    return createOpeningDetector(names, ({ id, input }) => input === 'json' || id === calls?.format);
  }

  #feed(tokens: readonly number[]): Move {
    this.#position += tokens.length;
    return this.#position > this.#context.contextTokens ? this.#finish('context-full') : { kind: 'feed', tokens };
  }

  #show({ text, logprobs }: ShownText): void {
    if (text === '') return;
    this.#emit(logprobs.length > 0 ? { type: 'text', text, logprobs } : { type: 'text', text });
  }

  /** Adds a piece, joined to the one before where both are of a kind. */
  #emit(piece: Piece): void {
    const last = this.#pieces.at(-1);
    if (last?.type === 'text' && piece.type === 'text') {
      const logprobs = [...(last.logprobs ?? []), ...(piece.logprobs ?? [])];
      const text = last.text + piece.text;
      this.#pieces[this.#pieces.length - 1] =
        logprobs.length > 0 ? { type: 'text', text, logprobs } : { type: 'text', text };
    } else if (last !== undefined && last.type === piece.type && 'text' in last && 'text' in piece) {
      this.#pieces[this.#pieces.length - 1] = { ...last, text: last.text + piece.text };
    } else this.#pieces.push(piece);
  }

  #count(tokens: number): void {
    this.#output += tokens;
    this.#stageTokens += tokens;
    if (this.#stage.kind === 'reasoning') this.#reasoning += tokens;
  }

  #stageLeft(): number {
    return Math.min(this.#stage.maxTokens ?? Number.POSITIVE_INFINITY, this.#stageRoom) - this.#stageTokens;
  }

  #totalLeft(): number {
    return (this.#plan.maxTotalTokens ?? Number.POSITIVE_INFINITY) - this.#output;
  }

  #isAtLimit(): boolean {
    return this.#stageLeft() <= 0 || this.#totalLeft() <= 0;
  }

  /** Whether what is left of any limit is only just enough to close `depth` brackets. */
  #mustClose(depth: number): boolean {
    const isShort = (left: number, limit: number): boolean => {
      const reserve = Math.min(CLOSING_RESERVE, Math.floor(limit / 2));
      return left <= Math.max(reserve, depth + CLOSING_RESERVE_BESIDE_DEPTH);
    };
    const { maxTotalTokens = Number.POSITIVE_INFINITY } = this.#plan;
    const { maxTokens = Number.POSITIVE_INFINITY } = this.#stage;
    const { contextTokens } = this.#context;
    return (
      isShort(this.#stageLeft(), maxTokens) ||
      isShort(this.#totalLeft(), maxTotalTokens) ||
      isShort(contextTokens - this.#position, contextTokens)
    );
  }

  /** A token's text in this stage: control tokens say nothing, but for those the stage waits for. */
  #bytes(token: number): Uint8Array {
    const { vocabulary } = this.#context;
    const control = vocabulary.controlText(token);
    if (control === undefined) return vocabulary.bytes(token);
    const { marks, until = [], calls } = this.#stage;
    const isAwaited =
      until.some((each) => each.includes(control)) ||
      marks?.opens.includes(control) === true ||
      marks?.closes.includes(control) === true ||
      (calls !== undefined && isCallMark(control));
    return isAwaited ? new TextEncoder().encode(control) : vocabulary.bytes(token);
  }

  /** The tokens to feed for a token of whose text the last `excess` characters are unwanted. */
  #withoutTail(token: number, text: string, excess: number): readonly number[] {
    return excess === 0 ? [token] : this.#tokenise(text.slice(0, text.length - excess));
  }

  #tokenise(text: string): number[] {
    return text === '' ? [] : this.#context.vocabulary.tokeniseForced(text);
  }
}
