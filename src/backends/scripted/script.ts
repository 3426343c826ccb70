/**
 * What a scripted model will say to a request: a pure function of the request and the behaviour asked for.
 *
 * It obeys as a model would: thinking comes first, a tool choice, an output format and a prefix are followed, limits and
 * stop texts cut. The player (`player.ts`) only has to say it.
 */

import { StudioError } from '../../core/errors.ts';
import type { ChoiceEndReason } from '../../core/events.ts';
import { formOf } from '../../core/fim.ts';
import {
  type FunctionTool,
  functionTools,
  type GenerationRequest,
  type ToolResultPart,
  type Turn,
  textOf,
} from '../../core/generation.ts';
import { isJson } from '../../core/json.ts';
import type { Behaviour } from './behaviours.ts';
import { instanceOf } from './instance.ts';
import { tokenise } from './tokens.ts';

export type Step =
  | {
      readonly type: 'reasoning' | 'text';
      readonly tokens: readonly string[];
      /** The stream breaks inside this block. */
      readonly isCut?: boolean | undefined;
    }
  | { readonly type: 'call'; readonly name: string; readonly tokens: readonly string[]; readonly isWhole: boolean }
  | { readonly type: 'fail'; readonly error: StudioError };

export interface Script {
  readonly steps: readonly Step[];
  readonly reason: ChoiceEndReason;
  readonly stopText?: string | undefined;
  readonly firstTokenMs: number;
  /** Tokens a second; 0: as fast as they are read. */
  readonly rate: number;
}

type Ending = Pick<Script, 'reason' | 'stopText'>;

/** Throws a StudioError for `error-…` and for what no script can do. */
export function scriptOf(request: GenerationRequest, behaviour: Behaviour): Script {
  if (behaviour.name === 'error') throw errorOf(behaviour);
  if (request.sampling.stopTokens?.length)
    throw new StudioError('invalid-parameter', 'Scripted models stop at texts, not at token ids.');
  const steps = [...reasoningSteps(request, behaviour), ...answerSteps(request, behaviour)];
  const { firstTokenMs, rate } = behaviour;
  return { ...obeyLimits(steps, request, behaviour), firstTokenMs, rate };
}

function errorOf({ code }: Behaviour): StudioError {
  const error = new StudioError(code);
  const retryAfterSeconds = error.status === 429 || error.status === 503 ? 1 : undefined;
  return new StudioError(code, undefined, { retryAfterSeconds });
}

/** `reasoning` thinks unless told not to; every other behaviour when it is told to. */
function reasoningSteps(request: GenerationRequest, behaviour: Behaviour): Step[] {
  const isReasoning = behaviour.name === 'reasoning';
  const { switch: asked, budgetTokens } = request.thinking;
  if (asked !== 'on' && !(isReasoning && asked === 'default')) return [];
  const tokens = isReasoning ? words(behaviour.thoughts, 7) : tokenise('Let me think about what was asked.');
  return [{ type: 'reasoning', tokens: tokens.slice(0, budgetTokens) }];
}

function answerSteps(request: GenerationRequest, behaviour: Behaviour): Step[] {
  switch (behaviour.name) {
    case 'echo':
    case 'reasoning':
    case 'slow-first':
      return answer(request, behaviour, echoOf(request));
    case 'text':
      return answer(request, behaviour, words(behaviour.tokens, request.sampling.seed ?? 0).join(''));
    case 'length':
      // Also cuts JSON, as a limit would.
      return answer(request, behaviour, words(behaviour.tokens, 0).join('')).map((step) =>
        step.type === 'text' ? { ...step, tokens: step.tokens.slice(0, behaviour.tokens) } : step,
      );
    case 'json':
      return isForced(request) ? calls(request, behaviour, 1) : [textStep(request, jsonOf(request, echoOf(request)))];
    case 'refusal':
      return [textStep(request, 'I cannot help with that.')];
    case 'tool-call':
      return mayCall(request, behaviour)
        ? calls(request, behaviour, 1)
        : answer(request, behaviour, afterCalls(request));
    case 'parallel-calls':
      return mayCall(request, behaviour)
        ? calls(request, behaviour, 2)
        : answer(request, behaviour, afterCalls(request));
    case 'error-mid-stream':
      return [textOfLength(behaviour.after), { type: 'fail', error: new StudioError(behaviour.code) }];
    case 'cut':
      return [
        { ...textOfLength(behaviour.after), isCut: true },
        { type: 'fail', error: new StudioError(behaviour.code) },
      ];
    case 'error':
      return [];
    default:
      return behaviour.name satisfies never;
  }
}

function answer(request: GenerationRequest, behaviour: Behaviour, text: string): Step[] {
  if (isForced(request)) return calls(request, behaviour, 1);
  return [textStep(request, request.output.type === 'text' ? text : jsonOf(request, text))];
}

/** A continuation is what comes after the prefix. */
function textStep(request: GenerationRequest, text: string): Step {
  const last = request.turns.at(-1);
  const prefix = last?.isPartial ? textOf(last.parts) : '';
  return { type: 'text', tokens: tokenise(text.startsWith(prefix) ? text.slice(prefix.length) : text) };
}

function textOfLength(tokens: number): Step & { type: 'text' } {
  return { type: 'text', tokens: words(tokens, 0) };
}

/** Of a raw prompt with a gap, what stands around the gap: one can see that both sides arrived. */
function echoOf(request: GenerationRequest): string {
  if (request.rawPrompt) {
    const form = formOf(request.rawPrompt);
    return form.kind === 'continuation' ? form.text : [form.before, form.after].filter((side) => side !== '').join(' ');
  }
  const last = request.turns.findLast((turn) => turn.role === 'user');
  return textOf(last?.parts ?? []) || 'You said nothing.';
}

function jsonOf(request: GenerationRequest, text: string): string {
  const { output } = request;
  return JSON.stringify(output.type === 'json-schema' ? instanceOf(output.schema) : { text });
}

function isForced(request: GenerationRequest): boolean {
  return request.toolChoice === 'required' || typeof request.toolChoice === 'object';
}

/** A model that has its results answers; one that is forced calls again. */
function mayCall(request: GenerationRequest, behaviour: Behaviour): boolean {
  if (isForced(request)) return true;
  return request.toolChoice === 'auto' && lastResults(request).length === 0 && callable(request, behaviour).length > 0;
}

/** The results that the conversation ends with; some wires have a turn for each. */
function lastResults(request: GenerationRequest): ToolResultPart[] {
  const resultsOf = ({ parts }: Turn) => parts.filter((part) => part.type === 'tool-result');
  const before = request.turns.findLastIndex((turn) => resultsOf(turn).length === 0);
  return request.turns.slice(before + 1).flatMap(resultsOf);
}

/** What a model that calls tools says when it does not call one. */
function afterCalls(request: GenerationRequest): string {
  const results = lastResults(request);
  if (results.length === 0) return 'There is no function to call.';
  return `The tool answered: ${results.map((result) => textOf(result.parts)).join('; ')}`;
}

/** What may be called, the first one first: the function of `tool_choice`, else that of `?name=`, else any. */
function callable(request: GenerationRequest, behaviour: Behaviour): FunctionTool[] {
  const { toolChoice } = request;
  const name = typeof toolChoice === 'object' ? toolChoice.name : behaviour.functionName;
  return functionTools(request).filter((tool) => name === undefined || tool.name === name);
}

function calls(request: GenerationRequest, behaviour: Behaviour, count: number): Step[] {
  const functions = callable(request, behaviour);
  if (functions.length === 0) throw new StudioError('invalid-parameter', 'There is no function to call.');
  return Array.from({ length: count }, (_, index) => callOf(functions[index] ?? functions[0], behaviour, index));
}

function callOf(tool: FunctionTool | undefined, { callInput }: Behaviour, variant: number): Step {
  const input = callInput ?? JSON.stringify(instanceOf({ type: 'object', ...tool?.inputSchema }, variant));
  return { type: 'call', name: tool?.name ?? '', tokens: tokenise(input), isWhole: isJson(input) };
}

/** Cuts what is said at the limits and at the first stop text, and says how it ends. */
function obeyLimits(
  steps: readonly Step[],
  request: GenerationRequest,
  behaviour: Behaviour,
): Pick<Script, 'steps' | 'reason' | 'stopText'> {
  const kept: Step[] = [];
  let totalLeft = request.limits.maxTotalOutputTokens ?? Number.POSITIVE_INFINITY;
  let answerLeft = request.limits.maxOutputTokens ?? Number.POSITIVE_INFINITY;
  let ending: Ending = { reason: behaviour.name === 'length' ? 'length' : 'stop' };
  for (const step of steps) {
    if (step.type === 'fail') {
      kept.push(step);
      break;
    }
    const room = step.type === 'reasoning' ? totalLeft : Math.min(totalLeft, answerLeft);
    const stop = step.type === 'text' ? stopOf(step.tokens, request.sampling.stopTexts ?? []) : undefined;
    if (stop && stop.tokensRead <= room) {
      if (stop.tokens.length > 0) kept.push({ ...step, tokens: stop.tokens });
      ending = { reason: 'stop-text', stopText: stop.stopText };
      break;
    }
    const isCut = step.tokens.length > room;
    const tokens = isCut ? step.tokens.slice(0, room) : step.tokens;
    if (step.type === 'call') {
      if (tokens.length > 0 || !isCut) kept.push({ ...step, tokens, isWhole: step.isWhole && !isCut });
      ending = { reason: 'tool-calls' };
    } else if (tokens.length > 0) kept.push({ ...step, tokens });
    if (isCut) {
      ending = { reason: 'length' };
      break;
    }
    totalLeft -= tokens.length;
    if (step.type !== 'reasoning') answerLeft -= tokens.length;
  }
  return { steps: kept, ...ending };
}

/** The stop text that is complete first, and the tokens before it. */
function stopOf(tokens: readonly string[], stopTexts: readonly string[]) {
  const text = tokens.join('');
  let found: { start: number; end: number; stopText: string } | undefined;
  for (const stopText of stopTexts) {
    const start = stopText === '' ? -1 : text.indexOf(stopText.toWellFormed());
    const end = start + stopText.length;
    if (start >= 0 && (!found || end < found.end || (end === found.end && start < found.start)))
      found = { start, end, stopText };
  }
  if (!found) return undefined;
  const before: string[] = [];
  let position = 0;
  let tokensRead = 0;
  for (const token of tokens) {
    if (position >= found.end) break;
    const shown = token.slice(0, Math.max(0, found.start - position));
    if (shown !== '') before.push(shown);
    position += token.length;
    tokensRead++;
  }
  return { tokens: before, tokensRead, stopText: found.stopText };
}

const WORDS =
  'the river turns slowly past old stone walls while birds call from tall reeds and light falls across quiet water'.split(
    ' ',
  );

/** A text of exactly so many tokens, a full stop every tenth; another offset gives another text. */
function words(count: number, offset: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    if (index % 10 === 9) return '.';
    const word = WORDS[(offset + index) % WORDS.length] ?? '';
    return index === 0 ? word : ` ${word}`;
  });
}
