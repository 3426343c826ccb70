/**
 * The prices in memory: the catalogue's, and over them what the configuration and the administrator have set, each from a
 * date on. A call costs what held when it began; receipts keep their charge, so that a new price never changes an old one.
 */
import type { ModelCatalogue } from '../core/models.ts';
import type { PriceBook, PriceOverride } from '../core/platform.ts';
import type { FreeQuota, ModelPrices } from '../core/prices.ts';
import type { Region } from '../core/regions.ts';

export interface PriceBookOptions {
  readonly catalogue: ModelCatalogue;
  /** The model that an id stands for: itself, unless it is another name. */
  readonly modelOf: (id: string) => string;
  /** Of the configuration. */
  readonly overrides: readonly PriceOverride[];
}

/** What a model gives for free, and under which id that is counted. */
export interface OfferedQuota {
  readonly model: string;
  readonly quota: FreeQuota;
}

/** All prices and offers; `setOverrides` takes what the administrator has set. */
export interface LedgerPriceBook extends PriceBook {
  freeQuotaOf(call: { readonly model: string; readonly region: Region }): OfferedQuota | undefined;
  setOverrides(overrides: readonly PriceOverride[]): void;
}

export function createPriceBook({ catalogue, modelOf, overrides }: PriceBookOptions): LedgerPriceBook {
  let byModel = sorted(overrides);
  const overrideOf = (model: string, region: Region, atMs: number): PriceOverride | undefined =>
    byModel.get(model)?.find((each) => each.validFromMs <= atMs && (each.region === null || each.region === region));
  return {
    pricesOf({ model, region, atMs }): ModelPrices | undefined {
      const override =
        byModel.size > 0 ? (overrideOf(model, region, atMs) ?? overrideOf(modelOf(model), region, atMs)) : undefined;
      return override?.prices ?? catalogue.find(model)?.terms[region]?.prices;
    },
    freeQuotaOf({ model, region }) {
      const quota = catalogue.find(model)?.terms[region]?.freeQuota;
      return quota && { model: modelOf(model), quota };
    },
    setOverrides(set) {
      byModel = sorted([...overrides, ...set]);
    },
  };
}

/** The one that holds comes first: the newest; of the same date the one for a region, and then what was set last. */
function sorted(overrides: readonly PriceOverride[]): ReadonlyMap<string, readonly PriceOverride[]> {
  const newestFirst = [...overrides]
    .reverse()
    .sort((a, b) => b.validFromMs - a.validFromMs || Number(a.region === null) - Number(b.region === null));
  return Map.groupBy(newestFirst, ({ model }) => model);
}
