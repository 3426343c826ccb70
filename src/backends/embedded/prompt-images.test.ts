import { describe, expect, it } from 'vitest';
import type { GenerationRequest } from '../../core/generation.ts';
import { decodePlanOf, promptFor } from './decode-plan.ts';
import { PICTURE, withPictures } from './prompt-images.ts';
import { ask, planInputOf } from './testing/harness.ts';

const CAT = 'data:image/png;base64,Q0FU';
const DOG = 'data:image/jpeg;base64,RE9H';

function shown(text: string, ...urls: string[]): GenerationRequest {
  const pictures = urls.map((url) => ({ type: 'image', url }) as const);
  return { ...ask(''), turns: [{ role: 'user', parts: [...pictures, { type: 'text', text }] }] };
}

function seeing(request: GenerationRequest) {
  const input = planInputOf(request);
  return { ...input, facts: { ...input.facts, seesImages: true } };
}

describe('pictures in a prompt', () => {
  it('are segments of their own, where they stand in the message', () => {
    const { prompt } = decodePlanOf(seeing(shown('Which is the cat?', CAT, DOG)));
    const kinds = prompt.map(({ kind, text }) => (kind === 'image' ? text : '…'));
    expect(kinds.filter((text) => text !== '…')).toEqual([CAT, DOG]);
    const [before, ...rest] = prompt;
    expect(before?.text).toMatch(/<\|im_start\|>user\n$/);
    expect(rest.at(-1)?.text).toMatch(/^Which is the cat\?<\|im_end\|>/);
    expect(promptFor(seeing(shown('Which?', CAT))).map(({ kind }) => kind)).toContain('image');
  });

  it('are refused by an engine that does not see, and where they would have to be fetched', () => {
    expect(() => decodePlanOf(planInputOf(shown('?', CAT)))).toThrow(/Unexpected item type in content/);
    expect(() => decodePlanOf(seeing(shown('?', 'https://example.com/cat.png')))).toThrow(/does not fetch pictures/);
  });

  it('are not made by a caller who writes their character', () => {
    const { prompt } = decodePlanOf(seeing(shown(`a${PICTURE}b`, CAT)));
    expect(prompt.filter(({ kind }) => kind === 'image')).toHaveLength(1);
  });

  it('are all there, or the prompt is refused', () => {
    const text = (value: string) => ({ kind: 'plain', text: value }) as const;
    expect(() => withPictures([text('no place')], [CAT])).toThrow(/cannot show every picture/);
    expect(withPictures([text(PICTURE)], [CAT])).toEqual([{ kind: 'image', text: CAT }]);
  });
});
