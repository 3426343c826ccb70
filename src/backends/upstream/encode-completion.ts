/**
 * Canonical request with a raw prompt → Completions request of one kind of server. As strict as `encode.ts`: what the
 * server would quietly do otherwise is refused.
 */
import { StudioError } from '../../core/errors.ts';
import { CODE_TOKENS, formOf, type Gap, type RawPromptForm, spellGap } from '../../core/fim.ts';
import type { GenerationRequest, RawPrompt, Sampling } from '../../core/generation.ts';
import { addSampling, type EncodeContext, type EncodedRequest, refuse, streamOptions } from './encode.ts';
import type { WireObject } from './encode-messages.ts';
import type { UpstreamQuirks } from './quirks.ts';

/** The request for this server. Throws a StudioError for what it cannot do. */
export function encodeCompletion(
  request: GenerationRequest,
  rawPrompt: RawPrompt,
  context: EncodeContext,
  quirks: UpstreamQuirks,
): EncodedRequest {
  const { isStreaming } = context;
  const body: WireObject = {
    model: context.route?.target ?? request.model,
    ...encodePrompt(rawPrompt, namesOf(request, context), quirks),
    stream: isStreaming,
  };
  if (isStreaming) body.stream_options = streamOptions(quirks);
  addSampling({ ...request.sampling, logprobs: undefined }, body, quirks);
  addLogprobs(request.sampling, body, quirks);
  addLimit(request, context, body, quirks);
  if (request.storage.user !== undefined) body.user = request.storage.user;
  return { path: '/completions', body: JSON.stringify(body), isStreaming };
}

/** `prompt`, and `suffix` where the server knows it. */
export function encodePrompt(
  rawPrompt: RawPrompt,
  names: readonly string[],
  { completions }: UpstreamQuirks,
): { readonly prompt: string; readonly suffix?: string } {
  const form = formOf(rawPrompt);
  if (!completions.isRaw) return asGap(form);
  switch (form.kind) {
    case 'continuation':
    case 'spelt':
      return { prompt: form.text };
    case 'gap':
      if (completions.gap === 'suffix') return { prompt: form.before, suffix: form.after };
      if (names.some((name) => KNOWS_OUR_TOKENS.test(name))) return { prompt: spellGap(form) };
      throw cannot(
        'suffix',
        'fills in the middle only for Qwen coder models; spell the gap with the tokens of the model',
      );
    default:
      return form satisfies never;
  }
}

/** Every Qwen coder model since 2.5 has the tokens; other families have others. */
const KNOWS_OUR_TOKENS = /qwen.*coder/i;

/** The name at the server, and the caller's, who may know it under another one. */
export function namesOf(request: GenerationRequest, { route }: Pick<EncodeContext, 'route'>): readonly string[] {
  return route ? [route.target, request.model] : [request.model];
}

/** A server that puts a chat template round everything but a gap; to it, an empty suffix is none. */
function asGap(form: RawPromptForm): { readonly prompt: string; readonly suffix: string } {
  if (form.kind === 'continuation') throw cannot('prompt', 'takes a prompt only together with a suffix');
  if (form.after === '') throw cannot('suffix', 'fills a gap only where something follows it');
  if (form.kind === 'spelt' && (form.context !== '' || holdsTokens(form)))
    throw cannot('prompt', 'takes no other files beside a gap');
  return { prompt: form.before, suffix: form.after };
}

function holdsTokens({ before, after }: Gap): boolean {
  return CODE_TOKENS.some((token) => before.includes(token) || after.includes(token));
}

function cannot(param: string, what: string): StudioError {
  return new StudioError('invalid-parameter', `The server behind this model ${what}.`, { param });
}

/** A number here, where Chat Completions has a switch and a number. */
function addLogprobs({ logprobs }: Sampling, body: WireObject, quirks: UpstreamQuirks): void {
  if (!logprobs) return;
  if (quirks.sampling.logprobs === undefined) refuse('logprobs');
  body.logprobs = logprobs.top;
}

/** The newer name of the limit is Chat Completions' alone. */
function addLimit(
  { limits }: GenerationRequest,
  { card }: EncodeContext,
  body: WireObject,
  { completions }: UpstreamQuirks,
): void {
  const limit = Math.min(limits.maxOutputTokens ?? Infinity, limits.maxTotalOutputTokens ?? Infinity);
  if (limit !== Infinity) body.max_tokens = limit;
  else if (completions.noLimit === 'null') body.max_tokens = null;
  else if (completions.noLimit === 'card' && card?.maxOutput) body.max_tokens = card.maxOutput;
}
