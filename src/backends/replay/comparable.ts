/**
 * A request in the form in which two requests are compared, whatever wire they came over.
 *
 * Left out is what changes no answer (who asks, what is stored, cache marks, ids of calls, reasoning that is not read
 * again) and what only wires differ in (system text apart or as a turn, results in one turn or in several, how pieces of
 * text are set apart, JSON with or without blanks). Limits and parallel calls are compared by the library: wires have other defaults there.
 */
import type { ContentPart, GenerationRequest, Json, OutputFormat, Tool, Turn } from '../../core/generation.ts';
import { scrub } from '../../core/recordings.ts';

/** The form. Two requests are the same when `keyOf` of it is. */
export function comparableOf(request: GenerationRequest): Json {
  const { sampling, thinking } = request;
  const keepsReasoning = thinking.keepsHistory ?? false;
  const callNames = new Map<string, string>();
  return clean({
    model: request.model,
    turns: turnsOf(request).map((turn) => ({
      role: turn.role,
      name: turn.name,
      isPartial: turn.isPartial,
      parts: partsOf(turn.parts, keepsReasoning, callNames),
    })),
    tools: request.tools.map(toolOf),
    toolChoice: request.tools.length === 0 ? undefined : request.toolChoice,
    output: outputOf(request.output),
    sampling: { ...sampling, choices: sampling.choices === 1 ? undefined : sampling.choices },
    thinking: { ...thinking, keepsHistory: keepsReasoning || undefined, keepsLoop: undefined },
    extensions: request.extensions,
    rawPrompt: request.rawPrompt,
    continuation: request.continuation,
  }) as Json;
}

export function keyOf(comparable: Json): string {
  return JSON.stringify(comparable);
}

/** The paths at which two comparables differ; a list of another length is one difference. */
export function differingPaths(recorded: Json | undefined, asked: Json | undefined, path = ''): string[] {
  if (JSON.stringify(recorded) === JSON.stringify(asked)) return [];
  if (isList(recorded) && isList(asked)) {
    if (recorded.length !== asked.length) return [`${path}.length`];
    return recorded.flatMap((item, at) => differingPaths(item, asked[at], `${path}[${at}]`));
  }
  if (isRecordOrAbsent(recorded) && isRecordOrAbsent(asked)) {
    const names = new Set([...Object.keys(recorded ?? {}), ...Object.keys(asked ?? {})]);
    return [...names].flatMap((name) =>
      differingPaths(recorded?.[name], asked?.[name], path === '' ? name : `${path}.${name}`),
    );
  }
  return [path];
}

/** System text first, results each in a turn of its own, neighbours of one role joined. */
function turnsOf({ instructions, turns }: GenerationRequest): Turn[] {
  const system: Turn[] = instructions.length > 0 ? [{ role: 'system', parts: instructions }] : [];
  const apart = [...system, ...turns].flatMap((turn): Turn[] => {
    const results = turn.parts.filter(({ type }) => type === 'tool-result');
    const others = turn.parts.filter(({ type }) => type !== 'tool-result');
    const own: Turn[] = others.length > 0 || results.length === 0 ? [{ ...turn, parts: others }] : [];
    return [...results.map((result): Turn => ({ role: 'tool', parts: [result] })), ...own];
  });
  const joined: Turn[] = [];
  for (const turn of apart) {
    const last = joined.at(-1);
    if (last && last.role === turn.role && turn.role !== 'tool' && last.name === turn.name)
      joined[joined.length - 1] = { ...last, ...turn, parts: [...last.parts, ...turn.parts] };
    else joined.push(turn);
  }
  return joined;
}

function partsOf(parts: readonly ContentPart[], keepsReasoning: boolean, callNames: Map<string, string>): unknown[] {
  const shown: unknown[] = [];
  let texts: string[] = [];
  const endText = (): void => {
    const text = texts.join('\n').replace(/\n{2,}/g, '\n');
    if (text !== '') shown.push({ type: 'text', text });
    texts = [];
  };
  for (const part of parts) {
    if (part.type === 'text') {
      if (part.text !== '') texts.push(part.text);
    } else if (part.type !== 'reasoning' || keepsReasoning) {
      endText();
      shown.push(partOf(part, keepsReasoning, callNames));
    }
  }
  endText();
  return shown;
}

function partOf(
  part: Exclude<ContentPart, { type: 'text' }>,
  keepsReasoning: boolean,
  callNames: Map<string, string>,
): unknown {
  const call = (callId: string): string => {
    const name = callNames.get(callId) ?? `call ${callNames.size + 1}`;
    callNames.set(callId, name);
    return name;
  };
  switch (part.type) {
    case 'reasoning':
      return { type: part.type, text: part.text };
    case 'tool-call':
      return { type: part.type, call: call(part.callId), name: part.name, input: asJson(part.inputText) };
    case 'tool-result':
      return {
        type: part.type,
        call: call(part.callId),
        parts: partsOf(part.parts, keepsReasoning, callNames),
        isError: part.isError || undefined,
      };
    default:
      return { ...part, cacheMark: undefined };
  }
}

function toolOf(tool: Tool): unknown {
  if (tool.type === 'hosted') return tool;
  return { ...tool, cacheMark: undefined, isStrict: tool.isStrict || undefined };
}

/** The name of a schema changes nothing. */
function outputOf(output: OutputFormat): unknown {
  return output.type === 'json-schema' ? { ...output, name: undefined } : output;
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/**
 * Without undefined members and empty containers, members in one order, texts without what a recording must not hold: the
 * recording has lost it too.
 */
function clean(value: unknown): Json | undefined {
  if (typeof value === 'string') return scrub(value);
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return value;
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map((item) => clean(item) ?? null);
  if (typeof value !== 'object') return undefined;
  const entries = Object.entries(value)
    .map(([name, item]): [string, Json | undefined] => [name, clean(item)])
    .filter((entry): entry is [string, Json] => entry[1] !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

function isRecordOrAbsent(value: Json | undefined): value is { readonly [key: string]: Json } | undefined {
  return value === undefined || (typeof value === 'object' && value !== null && !Array.isArray(value));
}
