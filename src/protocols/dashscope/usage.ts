/** `usage` of a reply, in the recorded key order (dashscope-native reference §4.1). */
import type { NativeService } from '../../core/models.ts';
import type { Usage, UsageCount } from '../../core/usage.ts';

/** What of a reply plan decides the form of its usage. */
export interface UsagePlan {
  readonly service: NativeService;
  /** The model has a cache to tell of. */
  readonly tellsCache: boolean;
  /** How the web is searched, where it is. */
  readonly searchStrategy?: string | undefined;
}

/** `reasoning_tokens` appears once there was reasoning, also where it counts nothing yet. */
export function encodeUsage(usage: Usage, plan: UsagePlan, hasReasoned: boolean): object {
  const { service } = plan;
  const tells = teller(usage, service);
  const { input, output } = usage;
  const totals = {
    ...(tells('total') ? { total_tokens: input.total + output.total } : {}),
    ...(tells('output') ? { output_tokens: output.total } : {}),
    ...(tells('input') ? { input_tokens: input.total } : {}),
  };
  const showsReasoning = usage.told !== undefined || hasReasoned || output.reasoning > 0;
  const outputDetails = outputDetailsOf(usage, tells, showsReasoning);
  const hasCache = usage.told ? tells('cache') : plan.tellsCache || input.cachedRead + input.cacheWritten > 0;
  const cache = hasCache ? { prompt_tokens_details: cacheDetailsOf(usage, tells) } : {};
  const plugins = pluginsOf(usage, plan.searchStrategy);
  const kinds = tells('input-kinds') ? inputKindsOf(usage) : {};
  const media = tells('media') ? mediaCounts(usage) : {};
  if (service === 'text-generation') {
    // The document models tell their cached tokens beside the totals.
    const flatCache = usage.told?.includes('cached-read') && !hasCache ? { cached_tokens: input.cachedRead } : {};
    return { ...kinds, ...totals, ...flatCache, ...outputDetails, ...plugins, ...cache, ...media };
  }
  return { ...kinds, ...cache, ...totals, ...outputDetails, ...plugins, ...media };
}

type Teller = (count: UsageCount) => boolean;

/** What each service tells of a usage of which everything is known. */
const TOLD: { readonly [service in NativeService]: readonly UsageCount[] } = {
  'text-generation': ['input', 'output', 'total', 'cache', 'cached-read', 'reasoning'],
  'multimodal-generation': [
    'input',
    'output',
    'total',
    'cache',
    'cached-read',
    'input-kinds',
    'media',
    'reasoning',
    'output-text',
  ],
};

/** Whether a count is told: those of the service, unless the source says which it told. */
function teller({ told }: Usage, service: NativeService): Teller {
  return (count) => (told ?? TOLD[service]).includes(count);
}

function outputDetailsOf(
  { output: { total, reasoning, text } }: Usage,
  tells: Teller,
  showsReasoning: boolean,
): object {
  const details = {
    ...(showsReasoning && tells('reasoning') ? { reasoning_tokens: reasoning } : {}),
    ...(tells('output-text') ? { text_tokens: text ?? total - reasoning } : {}),
  };
  return Object.keys(details).length > 0 ? { output_tokens_details: details } : {};
}

/** The counters of the explicit cache, zeros too, once it was used. */
function cacheDetailsOf({ input: { cachedRead, markedRead, cacheWritten } }: Usage, tells: Teller): object {
  return {
    ...(tells('cached-read') ? { cached_tokens: cachedRead } : {}),
    ...(cacheWritten > 0 || markedRead !== undefined
      ? {
          cache_creation_input_tokens: cacheWritten,
          cache_creation: { ephemeral_5m_input_tokens: cacheWritten },
          cache_type: 'ephemeral',
        }
      : {}),
  };
}

function mediaCounts({ input: { image, video, audio } }: Usage) {
  return {
    ...(image > 0 ? { image_tokens: image } : {}),
    ...(video > 0 ? { video_tokens: video } : {}),
    ...(audio > 0 ? { audio_tokens: audio } : {}),
  };
}

function inputKindsOf(usage: Usage): object {
  const { total, image, video, audio } = usage.input;
  return { input_tokens_details: { ...mediaCounts(usage), text_tokens: total - image - video - audio } };
}

/** The wire's names of hosted tools, where they differ. */
const PLUGINS: { readonly [kind: string]: string } = { web_search: 'search' };

function pluginsOf({ hostedTools }: Usage, searchStrategy: string | undefined): object {
  if (!hostedTools) return {};
  const plugins = Object.entries(hostedTools).map(([kind, count]) => {
    const strategy = kind === 'web_search' && searchStrategy !== undefined ? { strategy: searchStrategy } : {};
    return [PLUGINS[kind] ?? kind, { count, ...strategy }];
  });
  return { plugins: Object.fromEntries(plugins) };
}
