/** How a wrong setting is told: where it stands, what is wrong, and how to mend it. */
import type { z } from 'zod';
import { didYouMean, type SettingPath, type SettingsSource } from './config-source.ts';

/** What can be set, for suggestions. */
export interface KnownSettings {
  readonly settings: readonly Setting[];
  /** Settings inside lists and maps; `*` in a path is any index or name. */
  readonly inner: readonly Pick<Setting, 'path' | 'default' | 'sentence'>[];
}

/** One setting of the schema. */
export interface Setting {
  readonly name: string;
  readonly path: SettingPath;
  readonly schema: z.ZodType;
  readonly default: unknown;
  readonly sentence: string;
  readonly variable: string;
}

/** What a person reads of one issue: where, why, how to fix it. An issue of several unknown keys gives a line each. */
export function problemsOf(
  issue: z.core.$ZodIssue,
  sources: readonly SettingsSource[],
  known: KnownSettings,
): string[] {
  const at = issue.path as SettingPath;
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey([...at, key], sources, known));
  const source = sourceOf(at, sources);
  const leaf = settingAt(at, known);
  const got = isSecret(at) ? '' : gotText(at, sources);
  const fix = leaf
    ? `${leaf.sentence}${leaf.default === undefined ? '' : ` Default: ${show(leaf.default)}.`}`
    : `Write settings of ${at.join('.')} below it, one a line.`;
  const reason = issue.message.startsWith('must') ? issue.message : 'is missing or of the wrong kind';
  return [`${source?.locate(at) ?? 'the settings'}: ${at.join('.')} ${reason}${got}. Fix: ${fix}`];
}

/** The setting of a path: the innermost that is described, or the one that holds it. */
function settingAt(
  at: SettingPath,
  { settings, inner }: KnownSettings,
): Pick<Setting, 'default' | 'sentence'> | undefined {
  const holds = ({ path }: Pick<Setting, 'path'>): boolean =>
    path.every((key, index) => key === '*' || at[index] === key);
  const [innermost] = inner
    .filter((each) => each.path.length <= at.length && holds(each))
    .sort((a, b) => b.path.length - a.path.length);
  return innermost ?? settings.find(holds);
}

function unknownKey(at: SettingPath, sources: readonly SettingsSource[], known: KnownSettings): string {
  const name = at.join('.');
  const last = String(at.at(-1));
  const names = known.settings.map((leaf) => leaf.name);
  const groups = [...new Set(names.map((each) => each.split('.')[0] ?? each))];
  const beside = siblingsOf(at, known);
  const guess =
    beside.length > 0
      ? didYouMean(last, beside)
      : (didYouMean(name, [...names, ...groups]) ??
        names.find((each) => each.split('.').at(-1)?.toLowerCase() === last.toLowerCase()));
  const candidates = beside.length > 0 ? beside : at.length === 1 ? groups : names;
  const fix = guess ? `did you mean ${guess}?` : `known settings are ${candidates.join(', ')}.`;
  return `${sourceOf(at, sources)?.locate(at) ?? 'the settings'}: ${name} is not a setting. Fix: ${fix}`;
}

/** Keys that may stand in the same map, inside a list or a map. */
function siblingsOf(at: SettingPath, { inner }: KnownSettings): string[] {
  return inner
    .filter(
      ({ path }) =>
        path.length === at.length && path.slice(0, -1).every((key, index) => key === '*' || at[index] === key),
    )
    .map(({ path }) => String(path.at(-1)));
}

/** The winning source of a path: the last one that has it, or else that has the nearest thing above it. */
export function sourceOf(at: SettingPath, sources: readonly SettingsSource[]): SettingsSource | undefined {
  for (let length = at.length; length > 0; length--) {
    const found = sources.findLast((source) => source.has(at.slice(0, length)));
    if (found) return found;
  }
  return undefined;
}

function gotText(at: SettingPath, sources: readonly SettingsSource[]): string {
  let value: unknown = sourceOf(at, sources)?.values;
  for (const key of at)
    value = value && typeof value === 'object' ? (value as { [key: string]: unknown })[key] : undefined;
  return value === undefined ? '' : `, got ${show(value)}`;
}

/** A value as it would be written. */
export function show(value: unknown): string {
  return JSON.stringify(value) ?? String(value);
}

function isSecret(at: SettingPath): boolean {
  return at.at(-1) === 'apiKey';
}
