/**
 * One content block → canonical parts (anthropic-messages reference §3).
 *
 * Documents, search results and the like become text: what a model is to read must reach it whoever answers. Text of
 * ours is kept apart from its neighbours by a blank line; the caller's own blocks go on as they are.
 */
import type {
  CacheMark,
  ContentPart,
  ImagePart,
  TextPart,
  ToolCallPart,
  ToolResultPart,
} from '../../core/generation.ts';
import { isObject } from '../parameters.ts';
import type { BlockOf, CacheControl, MessageBlock, ResultBlock } from './schema.ts';

const LIFE_SECONDS = { '5m': 300, '1h': 3600 } as const;

/** The mark of a block; another `ttl` than the two is an unknown member. */
export function cacheMarkOf(control: CacheControl): CacheMark | undefined {
  if (control === undefined) return undefined;
  return { ttlSeconds: control.ttl === '1h' ? LIFE_SECONDS['1h'] : LIFE_SECONDS['5m'] };
}

/** A block of a message, but for results of tools: those come apart (`decodeToolResult`). */
export type PlainBlock = Exclude<MessageBlock, { type: 'tool_result' }>;

/** The parts of a message's blocks. */
export function decodeBlocks(blocks: readonly PlainBlock[]): ContentPart[] {
  return joinPieces(blocks.flatMap(decodeBlock));
}

function decodeBlock(block: PlainBlock): Piece[] {
  switch (block.type) {
    case 'thinking':
      // Shown without its text (`display: "omitted"`) there is nothing to keep.
      if (block.thinking === '') return [];
      return [{ part: { type: 'reasoning', text: block.thinking, signature: block.signature } }];
    case 'redacted_thinking':
      return [];
    case 'tool_use':
      return [{ part: decodeToolUse(block) }];
    case 'video':
      return [{ part: { type: 'video', url: urlOf(block.source), cacheMark: cacheMarkOf(block.cache_control) } }];
    default:
      return decodeReadable(block);
  }
}

/** A failed tool says so in its text: no template and no upstream has another word for it. */
export function decodeToolResult(block: BlockOf<'tool_result'>): ToolResultPart {
  const content = block.content ?? [];
  const parts = joinTexts(partsOf(content), '\n');
  const isError = block.is_error ?? false;
  const marks = [block, ...content].map((each) => cacheMarkOf(each.cache_control));
  return {
    type: 'tool-result',
    callId: block.tool_use_id,
    parts: isError ? withErrorWord(parts) : parts,
    isError,
    cacheMark: marks.find((mark) => mark !== undefined),
  };
}

/** The parts of one message behind those of another. */
export function joinMessages<Part extends ContentPart>(messages: readonly (readonly Part[])[]): Part[] {
  const joined: Part[] = [];
  for (const parts of messages)
    for (const [index, part] of parts.entries()) joined.push(index === 0 ? apart(joined.at(-1), part) : part);
  return joined;
}

/** A blank line keeps text apart from text before it. */
export function apart<Part extends ContentPart>(before: ContentPart | undefined, part: Part): Part {
  return before?.type === 'text' && part.type === 'text' ? { ...part, text: `\n\n${part.text}` } : part;
}

type ReadablePart = TextPart | ImagePart;

interface Piece<Part extends ContentPart = ContentPart> {
  readonly part: Part;
  /** Text that we wrote. */
  readonly isOurs?: boolean;
}

function joinPieces(pieces: readonly Piece[]): ContentPart[] {
  return pieces.map(({ part, isOurs }, index) => {
    const before = pieces[index - 1];
    return isOurs || before?.isOurs ? apart(before?.part, part) : part;
  });
}

/** What may stand in a message and in a result alike. */
function decodeReadable(block: ResultBlock): Piece<ReadablePart>[] {
  switch (block.type) {
    case 'text':
      return isBlank(block.text) ? [] : [{ part: decodeText(block) }];
    case 'image':
      return [{ part: { type: 'image', url: urlOf(block.source), cacheMark: cacheMarkOf(block.cache_control) } }];
    case 'document':
      return decodeDocument(block);
    case 'search_result': {
      const [opening, closing] = tagsOf('search_result', { source: block.source, title: block.title });
      const text = [opening, ...block.content.map((each) => each.text), closing].join('\n');
      return [{ part: { ...textPart(text), cacheMark: cacheMarkOf(block.cache_control) }, isOurs: true }];
    }
    case 'tool_reference':
      return [{ part: textPart(`The tool ${block.tool_name} is now available.`), isOurs: true }];
    default: {
      const text = textWithin(block);
      return isBlank(text) ? [] : [{ part: textPart(text), isOurs: true }];
    }
  }
}

/** Clients send the empty texts that a stream left behind; the vendor's API refuses them. */
function isBlank(text: string): boolean {
  return text.trim() === '';
}

/** System text and message text. */
export function decodeText(block: BlockOf<'text'>): TextPart {
  return { type: 'text', text: block.text, cacheMark: cacheMarkOf(block.cache_control) };
}

function urlOf(source: BlockOf<'image'>['source']): string {
  return source.type === 'url' ? source.url : `data:${source.media_type};base64,${source.data}`;
}

function decodeToolUse(block: BlockOf<'tool_use'>): ToolCallPart {
  return {
    type: 'tool-call',
    callId: block.id,
    name: block.name,
    inputText: JSON.stringify(block.input),
    executedBy: 'client',
    cacheMark: cacheMarkOf(block.cache_control),
  };
}

/** Pictures stay pictures, in their place between the texts. */
function decodeDocument({
  source,
  title,
  context,
  cache_control: control,
}: BlockOf<'document'>): Piece<ReadablePart>[] {
  const content = source.type === 'text' ? [textPart(source.data)] : partsOf(source.content);
  const [opening, closing] = tagsOf('document', { title, context });
  const parts = joinTexts([textPart(opening), ...content, textPart(closing)], '\n');
  const cacheMark = cacheMarkOf(control);
  return parts.map((part, index) => ({
    part: cacheMark && index === parts.length - 1 ? { ...part, cacheMark } : part,
    isOurs: true,
  }));
}

/** The tags around text that came with a name. */
function tagsOf(name: string, attributes: { readonly [name: string]: string | null | undefined }): [string, string] {
  const told = Object.entries(attributes).filter(([, value]) => value);
  return [`<${name}${told.map(([key, value]) => ` ${key}="${value}"`).join('')}>`, `</${name}>`];
}

function textPart(text: string): TextPart {
  return { type: 'text', text };
}

function partsOf(blocks: readonly ResultBlock[]): ReadablePart[] {
  return blocks.flatMap(decodeReadable).map(({ part }) => part);
}

/** Neighbouring texts as one, a separator between them. */
function joinTexts(parts: readonly ReadablePart[], separator: string): ReadablePart[] {
  const joined: ReadablePart[] = [];
  for (const part of parts) {
    const before = joined.at(-1);
    if (part.type === 'text' && before?.type === 'text')
      joined[joined.length - 1] = textPart(before.text + separator + part.text);
    else joined.push(part.type === 'text' ? textPart(part.text) : part);
  }
  return joined;
}

/** The texts in a block of a kind that is not known here: its own, or those of the blocks in it. */
function textWithin({ content }: { readonly [member: string]: unknown }): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content
    .map((inner: unknown) => (isObject(inner) && typeof inner.text === 'string' ? inner.text : ''))
    .filter((text) => text !== '')
    .join('\n');
}

function withErrorWord(parts: readonly ReadablePart[]): ReadablePart[] {
  const [first, ...rest] = parts;
  if (first?.type !== 'text') return [textPart('Error'), ...parts];
  return [{ ...first, text: `Error: ${first.text}` }, ...rest];
}
