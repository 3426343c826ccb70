/**
 * How a chat template writes reasoning, found out by rendering it: what stands before and behind it, which field of a
 * message brings earlier reasoning, and whether that of answered turns stays. A template that shows nothing of it gets the
 * usual tags on lines of their own.
 */
import type { Json } from '../../core/generation.ts';
import { marksOfTemplate, THINK_MARKS, type ThinkingMarks } from '../parsers/thinking-marks.ts';

export interface ReasoningStyle {
  readonly marks: ThinkingMarks;
  /** Stands before the first word of reasoning, where the prompt has not opened it. */
  readonly opening: string;
  /** Stands between the last word of reasoning and the answer, the closing mark included. */
  readonly closing: string;
  /** The field of an assistant message that the template takes earlier reasoning from. */
  readonly historyField: HistoryField | undefined;
  /**
   * What becomes of the reasoning of answered turns when it is to be kept: `field` the template writes it, `content` it has
   * to stand in the text of the message, `none` the template takes it out whatever is done.
   */
  readonly answeredTurns: 'field' | 'content' | 'none';
  /** `reasoning_effort` changes what it says. */
  readonly takesEffort: boolean;
}

type HistoryField = (typeof HISTORY_FIELDS)[number];

/** Most families; gpt-oss; some others. */
const HISTORY_FIELDS = ['reasoning_content', 'thinking', 'reasoning'] as const;

/** What a rendering is asked for beside its messages. */
export interface RenderOptions {
  readonly isThinking: boolean;
  /** Ends where the model goes on. */
  readonly isOpen: boolean;
  readonly effort?: string | undefined;
  readonly keepsHistory?: boolean | undefined;
}

/** Undefined where the template refuses the messages. */
export type TryRender = (messages: readonly Json[], options: RenderOptions) => string | undefined;

const REASONING = 'probe_reasoning';
const ANSWER = 'probe_answer';
const USER = { role: 'user', content: 'probe_user' };
/** More than any family puts around its reasoning. */
const LONGEST_FRAME = 100;

export function reasoningStyleOf(template: string, render: TryRender): ReasoningStyle {
  const marks = marksOfTemplate(template) ?? THINK_MARKS;
  const plain = { role: 'assistant', content: ANSWER };
  const thinking = { isThinking: true, isOpen: false };
  const historyField = HISTORY_FIELDS.find((field) =>
    render([USER, { ...plain, [field]: REASONING }], thinking)?.includes(REASONING),
  );
  const told = historyField && render([USER, { ...plain, [historyField]: REASONING }], thinking);
  const prompt = render([USER], { isThinking: true, isOpen: true });
  const frame = told === undefined || prompt === undefined ? undefined : frameOf(told, prompt, marks);
  const keeps = (message: { readonly [key: string]: Json }): boolean =>
    render([USER, message, USER], { isThinking: true, isOpen: true, keepsHistory: true })?.includes(REASONING) === true;
  const isKept = historyField !== undefined && keeps({ ...plain, [historyField]: REASONING });
  const { opening, closing } = frame ?? usualFrame(marks);
  const inContent = { ...plain, content: `${opening}${REASONING}${closing}${ANSWER}` };
  const isKeptInContent = keeps(historyField === undefined ? inContent : { ...inContent, [historyField]: '' });
  return {
    marks,
    opening,
    closing,
    historyField,
    answeredTurns: isKept ? 'field' : isKeptInContent ? 'content' : 'none',
    takesEffort: takesEffort(render),
  };
}

interface Frame {
  readonly opening: string;
  readonly closing: string;
}

/** What stands around the reasoning of a rendered message that begins where the prompt of an answer ends. */
function frameOf(told: string, prompt: string, marks: ThinkingMarks): Frame | undefined {
  const start = told.indexOf(REASONING);
  const end = start + REASONING.length;
  const answer = told.indexOf(ANSWER, end);
  // Some prompts open the reasoning themselves; then what precedes it in a message is known from where they do.
  const header = prompt.trimEnd().endsWith(marks.open) ? prompt.slice(0, prompt.lastIndexOf(marks.open)) : prompt;
  if (answer < 0 || !told.startsWith(header)) return undefined;
  const frame = { opening: told.slice(header.length, start), closing: told.slice(end, answer) };
  const isWhole = frame.opening.includes(marks.open) && frame.closing.includes(marks.close);
  return isWhole && frame.opening.length + frame.closing.length <= LONGEST_FRAME ? frame : undefined;
}

function usualFrame({ open, close, answer }: ThinkingMarks): Frame {
  return answer === undefined
    ? { opening: `${open}\n`, closing: `\n${close}\n\n` }
    : { opening: open, closing: close + answer };
}

function takesEffort(render: TryRender): boolean {
  const [low, high] = ['low', 'high'].map((effort) => render([USER], { isThinking: true, isOpen: true, effort }));
  return low !== high;
}

/** What follows where the model itself has written the closing mark. */
export function afterClose({ closing, marks }: ReasoningStyle): string {
  return closing.slice(closing.indexOf(marks.close) + marks.close.length);
}

/** An answer begins without reasoning, for a model that would else begin with it. */
export function skippedReasoning({ opening, closing, marks }: ReasoningStyle): string {
  return marks.skip ?? opening + closing;
}
