import type { Llama, LlamaContext, LlamaModel } from 'node-llama-cpp';
import { expect, test } from 'vitest';
import { Engine, type NativeSampler, type NativeSamplerConfig } from './binding.ts';

/** What the native side would be told, without one. */
class CountedSampler implements NativeSampler {
  static made = 0;
  static disposed = 0;
  readonly configs: NativeSamplerConfig[] = [];

  constructor() {
    CountedSampler.made++;
  }

  applyConfig(config: NativeSamplerConfig): void {
    this.configs.push(config);
  }

  dispose(): void {
    CountedSampler.disposed++;
  }
}

function counts(): { made: number; disposed: number } {
  const { made, disposed } = CountedSampler;
  return { made, disposed };
}

function engineOfSamplers(): Engine {
  CountedSampler.made = 0;
  CountedSampler.disposed = 0;
  const llama = { _bindings: { AddonSampler: CountedSampler } } as unknown as Llama;
  return new Engine(llama, { _model: {} } as unknown as LlamaModel, { _ctx: {} } as unknown as LlamaContext);
}

test('samplers are used again: each holds a row as long as the vocabulary, which nothing frees in time', () => {
  const engine = engineOfSamplers();
  for (let call = 0; call < 1_000; call++) {
    const samplers = [engine.newSampler(), engine.newSampler(), engine.newSampler()];
    expect(new Set(samplers).size).toBe(3);
    for (const sampler of samplers) engine.freeSampler(sampler);
  }
  expect(counts()).toEqual({ made: 3, disposed: 0 });
});

test('a sampler that is used again has no settings left, and dice that no choice has thrown', () => {
  const engine = engineOfSamplers();
  const sampler = engine.newSampler();
  sampler.applyConfig({ temperature: 1, topK: 20, topP: 0.8, seed: 7 });
  engine.freeSampler(sampler);
  expect(engine.newSampler()).toBe(sampler);
  expect((sampler as CountedSampler).configs.at(-1)).toEqual({ temperature: 0, seed: 0xffffffff });
});

test('no more samplers are kept than a few choices need', () => {
  const engine = engineOfSamplers();
  const samplers = Array.from({ length: 100 }, () => engine.newSampler());
  for (const sampler of samplers) engine.freeSampler(sampler);
  expect(counts()).toEqual({ made: 100, disposed: 68 });
});
