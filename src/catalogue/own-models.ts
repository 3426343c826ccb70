/**
 * Models that the configuration describes: new ones, and the catalogue's own told differently. They stand in the
 * catalogue like any other, so that every wire lists them, every check holds for them and the ledger knows their price.
 */
import {
  type ModelAbilities,
  type ModelCard,
  type ModelCatalogue,
  type ModelTerms,
  type OwnModel,
  permissiveCard,
} from '../core/models.ts';
import { REGIONS } from '../core/regions.ts';

/** The catalogue with the own models before its others. */
export function withOwnModels(own: readonly OwnModel[], catalogue: ModelCatalogue): ModelCatalogue {
  const cards = own.map((model) => cardOf(model, catalogue.find(model.id) ?? permissiveCard(model.id)));
  const byId = new Map(cards.map((card) => [card.id, card]));
  const listed = [...cards, ...catalogue.list().filter(({ id }) => !byId.has(id))];
  return { find: (id) => byId.get(id) ?? catalogue.find(id), list: () => listed };
}

function cardOf(own: OwnModel, base: ModelCard): ModelCard {
  return {
    ...base,
    name: own.name ?? base.name,
    contextWindow: own.contextWindow ?? base.contextWindow,
    ...lengthsOf(own, base),
    ...(own.thinking && thinkingOf(own.thinking)),
    ...(own.abilities && skillsOf(own.abilities)),
    terms: termsOf(own, base),
  };
}

type Lengths = Pick<ModelCard, 'maxInput' | 'maxInputThinking' | 'maxOutput'>;

/** A context that was given bounds all that was not. */
function lengthsOf({ contextWindow, maxInput, maxOutput }: OwnModel, base: ModelCard): Lengths {
  const within = (known: number | null): number | null =>
    contextWindow === undefined ? known : Math.min(known ?? contextWindow, contextWindow);
  return {
    maxInput: maxInput ?? within(base.maxInput),
    maxInputThinking: maxInput ?? within(base.maxInputThinking),
    maxOutput: maxOutput ?? within(base.maxOutput),
  };
}

/** A model that only streams its thoughts in the cloud may well be another one here. */
function thinkingOf(thinking: NonNullable<OwnModel['thinking']>): Partial<ModelCard> {
  const { mode, budgetMax } = thinking;
  return {
    thinking: mode,
    thinkingBudgetMax: mode === 'none' ? 0 : (budgetMax ?? Number.MAX_SAFE_INTEGER),
    isThinkingBudgetSettable: mode !== 'none',
    streamRequired: 'no',
  };
}

function skillsOf(abilities: ModelAbilities): Partial<ModelCard> {
  const { vision, video, fim } = abilities;
  return {
    abilities,
    kinds: ['chat', ...(vision ? ['vision'] : []), ...(fim ? ['fim'] : [])],
    inputModalities: ['text', ...(vision ? ['image'] : []), ...(video ? ['video'] : [])],
  };
}

/** Whoever names a model in the configuration wants it everywhere; where the catalogue lacks it, it costs what it costs elsewhere. */
function termsOf(own: OwnModel, base: ModelCard): ModelCard['terms'] {
  const [elsewhere = {}] = Object.values(base.terms);
  // Free tokens are a gift of one region.
  const usual: ModelTerms = { prices: elsewhere.prices, limits: elsewhere.limits };
  return Object.fromEntries(
    (own.regions ?? REGIONS).map((region) => [region, { ...(base.terms[region] ?? usual), ...own.terms }]),
  );
}
