/**
 * Token counts of one call. Integers. `total` includes its parts, nothing is counted twice, and the parts never add
 * up to more than the total. `input.total` counts the prompt once however many choices were asked; `output.total` is
 * the sum over choices and counts the tokens the model sampled, not text that we forced (docs/decisions/0003).
 */
export interface Usage {
  readonly input: InputUsage;
  readonly output: OutputUsage;
  /** Calls of server-run tools by kind. */
  readonly hostedTools?: { readonly [kind: string]: number } | undefined;
  /**
   * What the source told, where it did not tell all: services leave counts out, by model and by year, and a recording
   * has to come back as it was. A count that was not told is 0. Absent: everything is known.
   */
  readonly told?: readonly UsageCount[] | undefined;
}

/** A count, or a group of counts, that a source may leave out. */
export type UsageCount =
  | 'input'
  | 'output'
  | 'total'
  /** The group of cached tokens; it may be there and empty. */
  | 'cache'
  | 'cached-read'
  /** The input by kind (text, image…), in a group of its own. */
  | 'input-kinds'
  /** Media counts beside the totals. */
  | 'media'
  | 'reasoning'
  | 'output-text';

export interface InputUsage {
  readonly total: number;
  /** Read from a cached prefix. */
  readonly cachedRead: number;
  /**
   * Of those read: found by a mark of the caller, which costs less than one that was found without. Present, and 0 where
   * nothing was found, when the call used the explicit cache.
   */
  readonly markedRead?: number | undefined;
  /** Written into an explicit cache by this call. */
  readonly cacheWritten: number;
  readonly image: number;
  readonly video: number;
  readonly audio: number;
  /** Spent on tool definitions. */
  readonly toolDefinitions: number;
}

export interface OutputUsage {
  readonly total: number;
  readonly reasoning: number;
  readonly audio: number;
  /** Tokens of text as the source counts them, where it does: some count reasoning in. */
  readonly text?: number | undefined;
}

export const NO_USAGE: Usage = {
  input: { total: 0, cachedRead: 0, cacheWritten: 0, image: 0, video: 0, audio: 0, toolDefinitions: 0 },
  output: { total: 0, reasoning: 0, audio: 0 },
};

/** A usage of the given totals, every other count 0. */
export function usageOf(counts: {
  input: number;
  output: number;
  cachedRead?: number | undefined;
  reasoning?: number | undefined;
}): Usage {
  return {
    input: { ...NO_USAGE.input, total: counts.input, cachedRead: counts.cachedRead ?? 0 },
    output: { total: counts.output, reasoning: counts.reasoning ?? 0, audio: 0 },
  };
}

/** The usage of a call that did not come to its end: what a mark makes is written behind the answer. */
export function withoutCacheWritten(usage: Usage): Usage {
  return usage.input.cacheWritten === 0 ? usage : { ...usage, input: { ...usage.input, cacheWritten: 0 } };
}

/** The sum of two model steps of one call (tool loop, sequential choices). */
export function addUsage(a: Usage, b: Usage): Usage {
  const hostedTools: Record<string, number> = { ...a.hostedTools };
  for (const [kind, count] of Object.entries(b.hostedTools ?? {})) hostedTools[kind] = (hostedTools[kind] ?? 0) + count;
  return {
    input: {
      total: a.input.total + b.input.total,
      cachedRead: a.input.cachedRead + b.input.cachedRead,
      ...(a.input.markedRead !== undefined || b.input.markedRead !== undefined
        ? { markedRead: (a.input.markedRead ?? 0) + (b.input.markedRead ?? 0) }
        : {}),
      cacheWritten: a.input.cacheWritten + b.input.cacheWritten,
      image: a.input.image + b.input.image,
      video: a.input.video + b.input.video,
      audio: a.input.audio + b.input.audio,
      toolDefinitions: a.input.toolDefinitions + b.input.toolDefinitions,
    },
    output: {
      total: a.output.total + b.output.total,
      reasoning: a.output.reasoning + b.output.reasoning,
      audio: a.output.audio + b.output.audio,
    },
    ...(Object.keys(hostedTools).length > 0 ? { hostedTools } : {}),
  };
}
