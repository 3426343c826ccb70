/**
 * Where settings come from and where each one stands: a YAML file with positions, environment variables, flags.
 * Knows nothing of what the settings mean; `config.ts` does.
 */
import { isMap, isPair, isScalar, LineCounter, type Node, parse, parseDocument, type YAMLMap } from 'yaml';

export type SettingPath = readonly (string | number)[];

/** One layer of settings; a later layer wins over an earlier one. */
export interface SettingsSource {
  readonly values: { readonly [key: string]: unknown };
  /** Says where a path stands, for a person: `atelier.yaml:3:9` or `environment variable PORT`. */
  locate(path: SettingPath): string;
  has(path: SettingPath): boolean;
}

/** A file that is not YAML at all; the message names line and column. */
export class ConfigSyntaxError extends Error {}

/** Reads a YAML text; `name` is what messages call the file. */
export function yamlSource(text: string, name: string): SettingsSource {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const broken = document.errors[0];
  if (broken) throw new ConfigSyntaxError(`${name}:${position(lines, broken.pos[0])}: ${broken.message}`);
  const values: unknown = document.toJS();
  if (values !== null && (typeof values !== 'object' || Array.isArray(values)))
    throw new ConfigSyntaxError(`${name}:1:1: the file must hold settings such as \`server:\`, not a single value`);
  return {
    values: (values ?? {}) as { [key: string]: unknown },
    has: (path) => document.hasIn(path),
    locate: (path) => {
      const offset = offsetOf(document.contents, path);
      return offset === undefined ? name : `${name}:${position(lines, offset)}`;
    },
  };
}

/** Single values by path, each with the name of what set it. */
export function pairsSource(
  pairs: readonly { readonly path: SettingPath; readonly value: unknown; readonly origin: string }[],
): SettingsSource {
  const values: { [key: string]: unknown } = {};
  for (const { path, value } of pairs) setIn(values, path, value);
  const covering = (path: SettingPath) =>
    pairs.find((pair) => pair.path.every((key, index) => path[index] === key)) ??
    pairs.find((pair) => path.every((key, index) => pair.path[index] === key));
  return {
    values,
    has: (path) => covering(path) !== undefined,
    locate: (path) => covering(path)?.origin ?? 'the settings',
  };
}

/** Lays sources over one another: maps by key, anything else whole. */
export function mergeSources(sources: readonly SettingsSource[]): { [key: string]: unknown } {
  const merged: { [key: string]: unknown } = {};
  for (const source of sources) mergeInto(merged, source.values);
  return merged;
}

/** A value as typed in a flag or an environment variable; `auto`, `8192`, `true`, `[1, 2]` mean what they mean in YAML. */
export function parseTypedValue(text: string): unknown {
  try {
    return parse(text);
  } catch {
    return text;
  }
}

/** The candidate nearest to what was typed, when near enough to be meant. */
export function didYouMean(typed: string, candidates: readonly string[]): string | undefined {
  const limit = Math.max(2, Math.floor(typed.length / 3));
  let best: { candidate: string; distance: number } | undefined;
  for (const candidate of candidates) {
    const distance = editDistance(typed.toLowerCase(), candidate.toLowerCase());
    if (distance <= limit && (!best || distance < best.distance)) best = { candidate, distance };
  }
  return best?.candidate;
}

function position(lines: LineCounter, offset: number): string {
  const { line, col } = lines.linePos(offset);
  return `${line}:${col}`;
}

/** The offset of the node at the path, or of the nearest one above it that exists. */
function offsetOf(root: Node | null, path: SettingPath): number | undefined {
  let node: unknown = root;
  let offset = root?.range?.[0];
  for (const key of path) {
    if (isMap(node)) {
      const pair = pairOf(node, key);
      if (!pair) return offset;
      const keyRange = isScalar(pair.key) ? pair.key.range : undefined;
      node = pair.value;
      offset = rangeOf(node) ?? keyRange?.[0] ?? offset;
      // A whole block is best shown by its key; a single value by itself.
      if (!isScalar(node) && keyRange) offset = keyRange[0];
    } else if (node && typeof node === 'object' && 'get' in node && typeof node.get === 'function') {
      node = node.get(key, true);
      offset = rangeOf(node) ?? offset;
    } else return offset;
  }
  return offset;
}

function rangeOf(node: unknown): number | undefined {
  return node && typeof node === 'object' && 'range' in node && Array.isArray(node.range)
    ? (node.range[0] as number)
    : undefined;
}

function pairOf(map: YAMLMap, key: string | number) {
  return map.items.find((item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(key));
}

function mergeInto(target: { [key: string]: unknown }, source: { readonly [key: string]: unknown }): void {
  for (const [key, value] of Object.entries(source)) {
    if (value === undefined) continue;
    const present = target[key];
    if (isPlainObject(value)) {
      const copy = isPlainObject(present) ? present : {};
      mergeInto(copy, value);
      target[key] = copy;
    } else target[key] = value;
  }
}

function isPlainObject(value: unknown): value is { [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function setIn(target: { [key: string]: unknown }, path: SettingPath, value: unknown): void {
  let place = target;
  for (const key of path.slice(0, -1)) {
    const next = place[key];
    if (isPlainObject(next)) place = next;
    else {
      const made = {};
      place[key] = made;
      place = made;
    }
  }
  const last = path.at(-1);
  if (last !== undefined) place[last] = value;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, substitution));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
