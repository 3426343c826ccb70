/** The models of the configuration, and what they cost, for the commands that show them; nothing of it is loaded before. */

import type { ModelView } from '../admin/contract.ts';
import { modelView, type ServedModel } from '../admin/views.ts';
import type { Config } from '../config.ts';
import type { ModelCard } from '../core/models.ts';
import type { PriceOverride } from '../core/platform.ts';
import type { Region } from '../core/regions.ts';

type Models = Pick<Config, 'ownModels' | 'prices'>;

/** The models of a region as `GET /admin/models` shows them, save who answers: only a server knows that. */
export async function modelsOf(config: Models, region: Region, set: readonly PriceOverride[]): Promise<ModelView[]> {
  const { createPriceBook } = await import('../billing/price-book.ts');
  const cards = await cardsOf(config);
  const byId = new Map(cards.map((card) => [card.id, card]));
  const catalogue = { find: (id: string) => byId.get(id), list: () => cards };
  const prices = createPriceBook({ catalogue, modelOf: (id) => id, overrides: config.prices });
  prices.setOverrides(set);
  const atMs = Date.now();
  return cards
    .filter((card) => card.terms[region] !== undefined)
    .map((card) => modelView(unserved(card), region, prices.pricesOf({ model: card.id, region, atMs })));
}

async function cardsOf({ ownModels }: Models): Promise<readonly ModelCard[]> {
  const { loadCatalogue } = await import('../catalogue/load.ts');
  const { withOwnModels } = await import('../catalogue/own-models.ts');
  return withOwnModels(ownModels, loadCatalogue()).list();
}

function unserved(card: ModelCard): ServedModel {
  return { card, servedBy: undefined, isStandIn: false };
}
