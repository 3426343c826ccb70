import { describe, expect, it } from 'vitest';
import type { EngineSampling } from '../engine-protocol.ts';
import type { GrammarState, NativeSampler, NativeSamplerConfig } from './binding.ts';
import type { SamplingWishes } from './choice-decoder.ts';
import { ChoiceSampler } from './sampling.ts';
import { letterTokeniser, scriptedEngine } from './testing/letter-model.ts';
import { ModelVocabulary } from './vocabulary.ts';

const PLAIN: EngineSampling = {
  temperature: 0.7,
  topP: 1,
  topK: 0,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  seed: 5,
  logitBias: [],
};
const FREE: SamplingWishes = { grammar: undefined, closing: 'no', logprob: false };
const GRAMMAR: GrammarState = { __opaque: 'grammar-state' };
const CLOSING = {
  string: new Map([[34, 60]]),
  value: new Map([[125, 60]]),
};

/** A sampler whose model says these tokens in turn, and what it was configured to. */
async function sampled(sampling: Partial<EngineSampling>, wishes: readonly SamplingWishes[], says = [97, 97, 98]) {
  const configs: NativeSamplerConfig[] = [];
  let said = 0;
  const scripted = scriptedEngine({ sequences: 1, contextTokens: 9, script: () => 0 });
  const engine = {
    ...scripted,
    newSampler: (): NativeSampler => ({ applyConfig: (config) => void configs.push(config), dispose: () => {} }),
    sample: async () => says[said++] ?? 0,
    topLogits: async () =>
      new Map([
        [97, 4],
        [98, 2],
      ]),
    logitAndWeight: async (_place: number, _sampler: NativeSampler, token: number) => ({
      logit: token === 97 ? 4 : 2,
      weight: 2,
    }),
  };
  const vocabulary = new ModelVocabulary(letterTokeniser());
  const sampler = new ChoiceSampler(
    engine,
    vocabulary,
    CLOSING,
    { ...PLAIN, ...sampling },
    { index: 2, topLogprobs: 2 },
  );
  const results = [];
  for (const wish of wishes) results.push(await sampler.sample(0, wish, [1, 2, 3]));
  return { configs, results };
}

const biases = (config: NativeSamplerConfig | undefined): Record<number, number> =>
  Object.fromEntries([...(config?.tokenBiasKeys ?? [])].map((token, i) => [token, config?.tokenBiasValues?.[i] ?? 0]));

describe('ChoiceSampler', () => {
  it('leaves what is neutral off, and configures the native side only when something changes', async () => {
    const { configs } = await sampled({}, [FREE, FREE, { ...FREE, grammar: GRAMMAR }, FREE]);
    expect(configs).toEqual([
      { temperature: 0.7, seed: 7 },
      { temperature: 0.7, seed: 7, grammarEvaluationState: GRAMMAR },
      { temperature: 0.7, seed: 7 },
    ]);
  });

  it('passes truncation and repetition on, the latter over the context', async () => {
    const { configs } = await sampled({ topK: 20, topP: 0.8, minP: 0.1, repetitionPenalty: 1.1 }, [FREE]);
    expect(configs[0]).toEqual({
      temperature: 0.7,
      seed: 7,
      topK: 20,
      topP: 0.8,
      minP: 0.1,
      repeatPenalty: 1.1,
      repeatPenaltyMaxTokens: 64,
      repeatPenaltyTokens: Uint32Array.of(1, 2, 3),
    });
  });

  it('takes presence once and frequency as often as a token was generated', async () => {
    const { configs } = await sampled({ presencePenalty: 1, frequencyPenalty: 0.5 }, [FREE, FREE, FREE, FREE]);
    expect(configs.map(biases)).toEqual([{}, { 97: -1.5 }, { 97: -2 }, { 97: -2, 98: -1.5 }]);
  });

  it('bans at -100, but under a grammar leaves a banned token possible', async () => {
    const { configs } = await sampled(
      {
        logitBias: [
          [5, -100],
          [6, 3],
        ],
      },
      [FREE, { ...FREE, grammar: GRAMMAR }],
    );
    expect(configs.map(biases)).toEqual([
      { 5: Number.NEGATIVE_INFINITY, 6: 3 },
      { 5: -100, 6: 3 },
    ]);
  });

  it('closes by the bias alone, and tells when the model would have gone on', async () => {
    const closing: SamplingWishes = { grammar: GRAMMAR, closing: 'string', logprob: false };
    const { configs, results } = await sampled({ frequencyPenalty: 2 }, [closing, closing], [34, 97]);
    expect(configs.map(biases)).toContainEqual({ 34: 60 });
    expect(results.map(({ wasSteered }) => wasSteered)).toEqual([true, false]);
  });

  it('gives log probabilities over the whole distribution', async () => {
    const { results } = await sampled({}, [{ ...FREE, logprob: true }], [98]);
    const logTotal = 4 + Math.log(2);
    expect(results[0]?.logprob).toEqual({
      token: 'b',
      bytes: [98],
      logprob: 2 - logTotal,
      top: [
        { token: 'a', bytes: [97], logprob: 4 - logTotal },
        { token: 'b', bytes: [98], logprob: 2 - logTotal },
      ],
    });
  });

  it('never passes on the seed that means any', async () => {
    const { configs } = await sampled({ seed: 0xffffffff - 2 }, [FREE]);
    expect(configs[0]?.seed).toBe(0);
    const { configs: folded } = await sampled({ seed: 2 ** 40 + 1 }, [FREE]);
    expect(folded[0]?.seed).toBe(3);
  });
});
