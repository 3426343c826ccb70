/**
 * Members whose names nobody declared: `additionalProperties` and `patternProperties`. Names fall into classes by the
 * patterns they match, and each class has its own schema; automata keep the classes, and the declared names, apart.
 */
import { ALL_TEXTS, type Automaton, exactTexts, intersect, isEmptyLanguage, subtract } from './automaton.ts';
import type { SchemaCompiler } from './compiler.ts';
import { hasFreeMembers, hasSchemaForRest, isOpenObject } from './generated.ts';
import { choice, type Expression, literal, NEVER, sequence } from './grammar-expression.ts';
import { automatonOfPattern } from './pattern.ts';
import { type Conjunction, keywordOf, objectOf, refuse, type SchemaPart, subschema } from './schema-part.ts';
import { held, nameLanguage } from './string-language.ts';
import { automatonText, freeText } from './strings.ts';

const MAX_CLASSES = 32;

interface NameClass {
  readonly names: Automaton;
  /** The patterns, of any part, that these names match. */
  readonly matched: ReadonlySet<string>;
}

/** A member of any name but the declared ones, from after the quote that opens it; NEVER where none is written. */
export function freeMember(parts: Conjunction, declared: readonly string[], compiler: SchemaCompiler): Expression {
  if (!hasFreeMembers(parts)) return NEVER;
  const rest = isOpenObject(parts) || parts.some(hasSchemaForRest);
  const options = nameClasses(parts, declared, compiler).map(({ names, matched }) => {
    if (matched.size === 0 && !rest) return NEVER;
    const value = compiler.inside(
      parts.flatMap((part) => schemasOfClass(part, matched)),
      'member',
    );
    const name = names === ALL_TEXTS ? freeText(compiler.writer) : automatonText(names, compiler.writer, 'name');
    return sequence(name, literal('": '), value);
  });
  return compiler.writer.rule('any-member', choice(...options));
}

function nameClasses(parts: Conjunction, declared: readonly string[], compiler: SchemaCompiler): readonly NameClass[] {
  let names = ALL_TEXTS;
  for (const part of parts) {
    if (keywordOf(part, 'propertyNames') === undefined) continue;
    const allowed = nameLanguage([subschema(part, 'propertyNames')], compiler.document);
    names = held(part, 'propertyNames', () => intersect(names, allowed));
  }
  if (declared.length > 0) names = held(parts[0], 'additionalProperties', () => subtract(names, exactTexts(declared)));
  let classes: readonly NameClass[] = [{ names, matched: new Set() }];
  for (const [pattern, part] of patternsOf(parts)) {
    const matching = held(part, 'patternProperties', () => automatonOfPattern(pattern));
    classes = held(part, 'patternProperties', () => classes.flatMap((each) => split(each, pattern, matching)));
    if (classes.length > MAX_CLASSES)
      refuse('patternProperties', part.pointer, 'its patterns overlap in too many ways');
  }
  return classes.filter((each) => !isEmptyLanguage(each.names));
}

function split({ names, matched }: NameClass, pattern: string, matching: Automaton): readonly NameClass[] {
  const inside = { names: intersect(names, matching), matched: new Set([...matched, pattern]) };
  const outside = { names: subtract(names, matching), matched };
  return [inside, outside].filter((each) => !isEmptyLanguage(each.names));
}

function patternsOf(parts: Conjunction): ReadonlyMap<string, SchemaPart> {
  return new Map(
    parts.flatMap((part) =>
      Object.keys(objectOf(part, 'patternProperties') ?? {}).map((pattern): [string, SchemaPart] => [pattern, part]),
    ),
  );
}

function schemasOfClass(part: SchemaPart, matched: ReadonlySet<string>): readonly SchemaPart[] {
  const patterns = Object.keys(objectOf(part, 'patternProperties') ?? {}).filter((pattern) => matched.has(pattern));
  if (patterns.length > 0) return patterns.map((pattern) => subschema(part, 'patternProperties', pattern));
  return keywordOf(part, 'additionalProperties') === undefined ? [] : [subschema(part, 'additionalProperties')];
}
