/**
 * What holds for a model in each region: its prices, free tokens and limits (models reference §3, §4, §7;
 * docs/decisions/0016).
 */
import type { ModelLimits, ModelTerms } from '../core/models.ts';
import type { FreeQuota, ModelPrices } from '../core/prices.ts';
import { REGION_FACTS, REGIONS, type Region } from '../core/regions.ts';
import type { CatalogueEntry, CataloguePriceTier, CatalogueScope } from './schema.ts';

/** An entry, or one of its snapshots laid over it, as its terms depend on it. */
export interface OfferedModel extends CatalogueEntry {
  /** Beijing's list price is the founding document's, which knows no snapshots with a price of their own. */
  readonly hasOwnPrices: boolean;
  /** The windows are those of the entry's limits; a snapshot with other limits has none. */
  readonly hasOwnLimits: boolean;
}

/** The terms of every region that has the model. */
export function termsOf(model: OfferedModel): { [region in Region]?: ModelTerms } {
  const terms: { [region in Region]?: ModelTerms } = {};
  for (const region of REGIONS) {
    const { catalogueRegion } = REGION_FACTS[region];
    if ((model.regions as readonly string[]).includes(catalogueRegion)) terms[region] = termsIn(region, model);
  }
  return terms;
}

/** The regions that reach a place of inference. */
export const REGIONS_OF_SCOPE: { readonly [scope in CatalogueScope]: CatalogueEntry['regions'] } = {
  beijing: ['beijing'],
  singapore: ['singapore'],
  global: ['virginia', 'frankfurt'],
  us: ['virginia'],
  eu: ['frankfurt'],
};

function termsIn(region: Region, model: OfferedModel): ModelTerms {
  const scopes = scopesOf(region, model);
  return {
    prices: pricesIn(region, scopes, model),
    freeQuota: freeQuotaIn(region, model),
    limits: limitsIn(scopes, model),
  };
}

/** First those in which this very model runs: what ends in `-us` costs what the USA cost, not what the global pool does. */
function scopesOf(region: Region, { deployment_scopes: own }: OfferedModel): readonly CatalogueScope[] {
  const scopes = REGION_FACTS[region].scopes as readonly CatalogueScope[];
  return [...scopes.filter((scope) => own.includes(scope)), ...scopes.filter((scope) => !own.includes(scope))];
}

// Prices

/** "Context cache": what a hit costs where nothing else is said. A model without a batch price has the full one. */
const IMPLICIT_HIT = 0.2;
const EXPLICIT_HIT = 0.1;
const EXPLICIT_CREATE = 1.25;

function pricesIn(region: Region, scopes: readonly CatalogueScope[], model: OfferedModel): ModelPrices | undefined {
  const tiers = tiersIn(region, scopes, model);
  if (!tiers) return undefined;
  const factors = model.cache_price_multipliers;
  return {
    tiers: tiers.map(({ over, up_to, input, output, output_thinking }) => ({
      overTokens: over,
      upToTokens: up_to,
      inputPico: picoOf(input),
      outputPico: picoOf(output ?? output_thinking ?? 0),
      outputThinkingPico: picoOf(output_thinking ?? output ?? 0),
    })),
    cacheReadPermille: permilleOf(factors?.implicit_hit ?? IMPLICIT_HIT),
    explicitCacheReadPermille: permilleOf(factors?.explicit_hit ?? EXPLICIT_HIT),
    cacheWritePermille: permilleOf(factors?.explicit_create ?? EXPLICIT_CREATE),
    batchPermille: permilleOf(1 - (model.batch_discount ?? 0)),
  };
}

/** The founding document's prices are Beijing's: they are in yuan a thousand tokens, beside Beijing's host. */
function tiersIn(
  region: Region,
  scopes: readonly CatalogueScope[],
  { price_effective: effective, price_tiers: tiers, hasOwnPrices }: OfferedModel,
): readonly CataloguePriceTier[] | undefined {
  if (region === 'beijing' && !hasOwnPrices && effective) return effective;
  for (const scope of scopes) if (tiers?.[scope]) return tiers[scope];
  return effective ?? undefined;
}

/** Yuan a million tokens → pico-yuan a token. */
function picoOf(yuan: number): number {
  return Math.round(yuan * 1_000_000);
}

function permilleOf(factor: number): number {
  return Math.round(factor * 1000);
}

// Free tokens

/** "Free Tier" (founding document): what most models have, so what is taken where nobody knows. */
const USUAL_FREE_TOKENS = 1_000_000;
const USUAL_FREE_DAYS = 90;

function freeQuotaIn(region: Region, { free_quota: quota }: OfferedModel): FreeQuota | undefined {
  if ((quota?.scope ?? 'beijing') !== region) return undefined;
  const tokens = quota?.tokens ?? USUAL_FREE_TOKENS;
  if (tokens === 0) return undefined;
  return { tokens, days: quota?.days ?? USUAL_FREE_DAYS, isPaidAfter: quota?.paid_after ?? true };
}

// Limits

function limitsIn(scopes: readonly CatalogueScope[], model: OfferedModel): ModelLimits | undefined {
  const scope = scopes.find((each) => model.rate_limits?.[each]);
  const rates = scope && model.rate_limits?.[scope];
  if (!rates) return undefined;
  const window = scope === 'beijing' && !model.hasOwnLimits ? model.rate_window : null;
  return {
    requestsPerMinute: rates.rpm,
    tokensPerMinute: rates.tpm,
    requestWindow: window && { count: window.requests, seconds: window.requests_per_seconds },
    tokenWindow: window && { count: window.tokens, seconds: window.tokens_per_seconds },
  };
}
