/**
 * Whether a call can be held against what was asked: one message asks for all, of weights that were not trained to make
 * calls. Of such weights it is measured whether a function fits (`fit-check.ts`), and arguments are looked up in the message
 * (`grounding/`).
 */
import { functionTools, type GenerationRequest } from '../../core/generation.ts';
import type { PlanInput } from './decode-plan.ts';
import type { Grounding } from './engine-protocol.ts';
import { choicesIn } from './grounding/index.ts';
import { namedValues } from './grounding/named-values.ts';
import { isTrained, parametersOf } from './tool-prompt.ts';

/** A program that brings this many is an agent: its calls are steps on a way, and no single one is what was asked for. */
const MAX_FUNCTIONS = 12;
/** Longer messages bring documents, whose numbers and names are not what is asked for. */
const MAX_MESSAGE_CHARACTERS = 2_000;
/** Instructions that are longer hold manuals, in which any value may be meant. */
const MAX_CONVERSATION_CHARACTERS = 20_000;

export function isSingleRequest({ request, spelling, template }: PlanInput): boolean {
  const isFirstStep = !request.turns.some((turn) => turn.parts.some((part) => part.type === 'tool-call'));
  if (functionTools(request).length > MAX_FUNCTIONS || !isFirstStep || request.turns.at(-1)?.role !== 'user')
    return false;
  // With a second user turn the last one may only answer a question, and says nothing by itself.
  if (request.turns.filter(({ role }) => role === 'user').length > 1) return false;
  return !isTrained(spelling, template.traits);
}

export function lastMessageText({ turns }: GenerationRequest): string {
  return textOf(turns.slice(-1));
}

/** What the calls of an answer are held against; undefined where they are the model's own affair. */
export function groundingOf(input: PlanInput): Grounding | undefined {
  const { request } = input;
  if (!isSingleRequest(input)) return undefined;
  const message = lastMessageText(request);
  if (message.length > MAX_MESSAGE_CHARACTERS) return undefined;
  const tools = functionTools(request);
  const told = tools.map(({ name, description = '' }) => `${name} ${description}`);
  const choices = tools.flatMap((tool) => choicesIn(parametersOf(tool), message));
  const conversation = [...request.instructions.map(({ text }) => text), textOf(request.turns)].join('\n');
  return {
    request: message,
    values: namedValues(message, told.join('\n'), choices),
    conversation: conversation.length > MAX_CONVERSATION_CHARACTERS ? undefined : conversation,
  };
}

function textOf(turns: GenerationRequest['turns']): string {
  return turns.flatMap(({ parts }) => parts.map((part) => (part.type === 'text' ? part.text : ''))).join('\n');
}
