/**
 * Where the blocks of the context cache end in a rendered prompt.
 *
 * A template says what it likes around a caller's texts, so nobody can work out from the request where in the prompt a
 * piece of it ends. Instead the prompt is rendered a second time with a tag behind each piece, and cut at the tags. The
 * tags must have changed nothing else: where the two renderings differ otherwise, this prompt has no places, and its marks
 * make and find nothing.
 *
 * All pieces are cut, not only the marked ones: pieces are tokenised apart, so the same conversation is the same tokens
 * wherever its marks stand, and a block is found again when the mark has moved on.
 */
import { type CacheBlock, type ContextCache, cacheBlocksOf, markedBlocksOf } from '../../core/context-cache.ts';
import type { ContentPart, GenerationRequest, ImagePart, Role, TextPart } from '../../core/generation.ts';
import { escapeOf, unusedCharacter } from './control-text.ts';
import type { CacheMarkPlan, CachePlan, DecodePlan, PromptSegment } from './engine-protocol.ts';

export type CachedPrompt = Pick<DecodePlan, 'prompt' | 'cache'>;

/**
 * The prompt as it is to be cached. `render` renders a request as the prompt was rendered; it is used only where blocks
 * are looked for.
 */
export function cachedPrompt(
  request: GenerationRequest,
  prompt: readonly PromptSegment[],
  render: (request: GenerationRequest) => readonly PromptSegment[],
): CachedPrompt {
  const cache = request.contextCache;
  if (!cache) return { prompt };
  if (cache.mode === 'off' || cache.mode === 'implicit' || request.rawPrompt)
    return { prompt, cache: implicitPlan(cache) };
  const { mode, namespace, minTokens, lifetimeMs } = cache;
  const cut = cutPrompt(request, mode, render);
  const isSame = cut !== undefined && textOf(cut.prompt) === textOf(prompt);
  return {
    prompt: isSame ? cut.prompt : prompt,
    cache: { mode: 'explicit', namespace, minTokens, lifetimeMs, marks: isSame ? cut.marks : [] },
  };
}

/** Undefined where the template stumbles over the tags. */
function cutPrompt(
  request: GenerationRequest,
  mode: ContextCache['mode'],
  render: (request: GenerationRequest) => readonly PromptSegment[],
): { readonly prompt: readonly PromptSegment[]; readonly marks: readonly CacheMarkPlan[] } | undefined {
  const blocks = cacheBlocksOf(request);
  const tag = tagIn(request);
  let rendered: readonly PromptSegment[];
  try {
    rendered = render(tagged(request, blocks, tag));
  } catch {
    // It rendered the request without them, so the caller has done nothing wrong.
    return undefined;
  }
  const { prompt, places } = cutAtTags(rendered, tag);
  return { prompt, marks: marksOf(request, blocks, places, mode) };
}

/** What a raw prompt or a prompt without marks is kept by: the engine's own saving of work. */
function implicitPlan({ namespace }: ContextCache): CachePlan {
  return { mode: 'implicit', namespace };
}

function textOf(prompt: readonly PromptSegment[]): string {
  return prompt.map(({ text }) => text).join('');
}

// The tags

interface Tag {
  readonly character: string;
  /** The tag of a piece. */
  of(name: number | typeof FIRST_TURN): string;
  /** Every tag, its name in the one group. */
  readonly pattern: RegExp;
}

/** The tag in front of the first turn behind the system text. */
const FIRST_TURN = 'first';

function tagIn(request: GenerationRequest): Tag {
  const character = unusedCharacter([JSON.stringify([request.instructions, request.turns, request.tools])]);
  // A template may write a caller's text as JSON.
  const spelling = `(?:${character}|\\${escapeOf(character)})`;
  return {
    character,
    of: (name) => `${character}${name}${character}`,
    pattern: new RegExp(`${spelling}(\\d+|${FIRST_TURN})${spelling}`, 'giu'),
  };
}

function tagged(request: GenerationRequest, blocks: readonly CacheBlock[], tag: Tag): GenerationRequest {
  const parts = blocks.map(({ content }, index) => taggedParts(content, tag.of(index)));
  const first = systemBlocksOf(request, blocks);
  const firstPart = parts[first]?.[0];
  if (request.tools.length > 0 && firstPart?.type === 'text' && roleOf(request, blocks[first]) === 'user')
    parts[first] = [{ ...firstPart, text: beforeVisible(firstPart.text, tag.of(FIRST_TURN)) }];
  const byPlace = new Map(blocks.map(({ turn, part }, index) => [`${turn}/${part}`, parts[index]]));
  const swapped = (turn: number, own: readonly ContentPart[]): ContentPart[] =>
    own.flatMap((part, index) => byPlace.get(`${turn}/${index}`) ?? [part]);
  return {
    ...request,
    instructions: swapped(-1, request.instructions) as TextPart[],
    turns: request.turns.map((turn, index) => ({ ...turn, parts: swapped(index, turn.parts) })),
  };
}

function roleOf({ turns }: GenerationRequest, block: CacheBlock | undefined): Role {
  return turns[block?.turn ?? -1]?.role ?? 'system';
}

/** How many blocks at the beginning are system text. */
function systemBlocksOf(request: GenerationRequest, blocks: readonly CacheBlock[]): number {
  const index = blocks.findIndex((block) => roleOf(request, block) !== 'system');
  return index < 0 ? blocks.length : index;
}

/** The piece with its tag as late as it can stand; the piece itself where it can stand nowhere. */
function taggedParts(part: ContentPart, tag: string): readonly ContentPart[] {
  switch (part.type) {
    case 'text':
      return [taggedText(part, tag)];
    case 'image':
      return [part, { type: 'text', text: tag }];
    case 'tool-call':
      return [{ ...part, inputText: beforeLastQuote(part.inputText, tag) }];
    case 'tool-result': {
      const last = part.parts.findLastIndex((inner) => inner.type === 'text' && inner.text.trim() !== '');
      return [{ ...part, parts: part.parts.map((inner, index) => (index === last ? taggedText(inner, tag) : inner)) }];
    }
    case 'reasoning':
    case 'video':
    case 'audio':
    case 'file':
      return [part];
    default:
      return part satisfies never;
  }
}

function taggedText<Part extends TextPart | ImagePart>(part: Part, tag: string): Part {
  return part.type === 'text' ? { ...part, text: behindVisible(part.text, tag) } : part;
}

/** Templates trim: a tag behind white space would keep it. */
function behindVisible(text: string, tag: string): string {
  const end = text.trimEnd().length;
  return end === 0 ? text : text.slice(0, end) + tag + text.slice(end);
}

function beforeVisible(text: string, tag: string): string {
  const start = text.length - text.trimStart().length;
  return text.slice(0, start) + tag + text.slice(start);
}

/** The last string of a JSON text, a value or a key, ends at its last quote: the one place that every template keeps. */
function beforeLastQuote(json: string, tag: string): string {
  const at = json.lastIndexOf('"');
  return at < 0 ? json : json.slice(0, at) + tag + json.slice(at);
}

// The cuts

/** By the tag's name, how many segments stand before it. A tag that comes twice counts where it comes last. */
type Places = ReadonlyMap<string, number>;

function cutAtTags(
  prompt: readonly PromptSegment[],
  { pattern }: Tag,
): { readonly prompt: readonly PromptSegment[]; readonly places: Places } {
  const pieces: PromptSegment[] = [];
  const places = new Map<string, number>();
  for (const { kind, text } of prompt) {
    // Texts and tags' names take turns.
    for (const [index, piece] of text.split(pattern).entries()) {
      if (index % 2 === 1) places.set(piece, pieces.length);
      else if (piece !== '') pieces.push({ kind, text: piece });
    }
  }
  return { prompt: pieces, places };
}

function marksOf(
  request: GenerationRequest,
  blocks: readonly CacheBlock[],
  places: Places,
  mode: ContextCache['mode'],
): CacheMarkPlan[] {
  const lastSystemBlock = systemBlocksOf(request, blocks) - 1;
  const placeOf = (block: number): number => {
    const own = places.get(String(block)) ?? 0;
    // Tools belong to the prefix, and most templates tell them behind the system text.
    return block === lastSystemBlock ? Math.max(own, places.get(FIRST_TURN) ?? 0) : own;
  };
  const marks = markedBlocksOf(blocks, mode).map(({ block, lookBack }): CacheMarkPlan => {
    const ends = [...new Set([block, ...lookBack].map(placeOf))].filter((place) => place > 0);
    // A piece that left no trace in the prompt ends where the piece before it does.
    const [segments = 0] = ends;
    return { segments, lookBack: ends.filter((place) => place !== segments).sort((a, b) => b - a) };
  });
  return marks.filter(
    ({ segments }, index) => segments > 0 && marks.findIndex((mark) => mark.segments === segments) === index,
  );
}
