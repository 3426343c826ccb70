/**
 * The form of a reply where the caller says nothing (dashscope-native reference §3.2, result_format and
 * incremental_output), and what thinking demands of it.
 *
 * The vendor lists models. Those that think unless told not to need both new forms, so they follow from the card; the
 * others stand in the two lists.
 */
import { StudioError } from '../../core/errors.ts';
import type { ModelCard, NativeService } from '../../core/models.ts';
import type { DashScopeParameters } from './schema.ts';
import * as texts from './texts.ts';

/** `text` is one string; `message` is a list of choices. */
export type ResultForm = 'text' | 'message';

type CardFacts = Pick<ModelCard, 'entryId' | 'family'>;

/** "message" by default. */
function answersInMessages({ entryId, family }: CardFacts): boolean {
  if (entryId === 'qwen3-next-80b-a3b-instruct') return false;
  return /^qwen3-max/.test(entryId) || ['qwen3-open', 'qwen-long'].includes(family);
}

/** "true" by default. */
function streamsInDeltas({ entryId, family }: CardFacts): boolean {
  return /^qwen3-max/.test(entryId) || ['qwen3-open', 'qwen3-vl', 'qwen3-vl-open'].includes(family);
}

/** The form of one reply. Throws where what was asked, or the model's default, has no room for what else was asked. */
export function decideForm(
  parameters: DashScopeParameters,
  service: NativeService,
  card: ModelCard | undefined,
  isStreaming: boolean,
): { readonly form: ResultForm; readonly isIncremental: boolean } {
  const isThinking = thinks(parameters, card);
  const form = formOf(parameters, service, card, isThinking);
  const isIncremental = parameters.incremental_output ?? (card !== undefined && isIncrementalByDefault(card));
  if (isStreaming && isThinking && !isIncremental) {
    const isOnlyForm = card?.thinking === 'always';
    refuse(isOnlyForm ? texts.ALWAYS_INCREMENTAL : texts.INCREMENTAL_WHILE_THINKING);
  }
  return { form, isIncremental };
}

function formOf(
  parameters: DashScopeParameters,
  service: NativeService,
  card: ModelCard | undefined,
  isThinking: boolean,
): ResultForm {
  // Content is a list of parts there, for which a text has no room.
  if (service === 'multimodal-generation') return 'message';
  const { result_format: asked } = parameters;
  const reason = whyMessage(parameters);
  if (asked === 'text' && reason !== undefined) refuse(texts.formWhile(reason));
  const isMessage = card !== undefined && (thinksByDefault(card) || answersInMessages(card));
  const form = asked ?? (isMessage || reason !== undefined ? 'message' : 'text');
  if (form === 'text' && isThinking) refuse(texts.formWhile('enable_thinking is true'));
  return form;
}

/** What a single text cannot carry; nobody who asks for it means a text. */
function whyMessage({ tools, n, logprobs }: DashScopeParameters): string | undefined {
  if (tools) return 'tools is set';
  if ((n ?? 1) > 1) return 'n is greater than 1';
  return logprobs ? 'logprobs is true' : undefined;
}

function isIncrementalByDefault(card: ModelCard): boolean {
  return thinksByDefault(card) || streamsInDeltas(card);
}

function thinksByDefault({ thinking }: ModelCard): boolean {
  return thinking === 'always' || thinking === 'hybrid-default-on';
}

/** As the pipeline will decide it; what the model cannot do is refused there. */
function thinks(parameters: DashScopeParameters, card: ModelCard | undefined): boolean {
  const { enable_thinking: isEnabled, reasoning_effort: effort } = parameters;
  if (!card) return isEnabled === true;
  switch (card.thinking) {
    case 'none':
      return false;
    case 'always':
      return true;
    case 'hybrid-default-on':
    case 'hybrid-default-off':
      if (isEnabled !== undefined && isEnabled !== null) return isEnabled;
      if (effort && card.reasoningEfforts.length > 0) return effort !== 'none';
      return card.thinking === 'hybrid-default-on';
    default:
      return card.thinking satisfies never;
  }
}

function refuse(message: string): never {
  throw new StudioError('invalid-parameter', message);
}
