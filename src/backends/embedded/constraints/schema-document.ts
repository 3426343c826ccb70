/** One schema document: finds what its references mean. Nothing is ever fetched. */
import type { Json } from '../../../core/generation.ts';
import { type ReferenceKeyword, SCHEMA_PLACES } from './keywords.ts';
import {
  isJsonObject,
  type JsonObject,
  keywordOf,
  pointerTo,
  refuse,
  refuseMalformed,
  type SchemaPart,
  schemaPart,
} from './schema-part.ts';

/** The base of a document that does not name itself: references in it can only mean places in it. */
const UNNAMED = 'schema://document/';

export class SchemaDocument {
  readonly root: SchemaPart;
  #places: Places | undefined;

  constructor(schema: JsonObject) {
    this.root = schemaPart(schema, '#');
  }

  /** The schema that a reference of `part` names. */
  resolve(part: SchemaPart, keyword: ReferenceKeyword): SchemaPart {
    const reference = keywordOf(part, keyword);
    if (typeof reference !== 'string') return refuseMalformed(keyword, part.pointer, 'a string');
    if (part.pointer !== '#' && typeof keywordOf(part, '$id') === 'string' && !this.#isModern()) {
      return refuse(
        keyword,
        part.pointer,
        'beside "$id" it means one thing up to draft 7 and another since; name the draft in "$schema"',
      );
    }
    this.#places ??= placesOf(this.root.schema as JsonObject);
    const { resources, anchors, bases } = this.#places;
    const url = absolute(reference, baseAt(part.pointer, bases));
    const fragment = url === undefined ? undefined : decoded(url.hash.slice(1));
    if (url === undefined || fragment === undefined) return refuseMalformed(keyword, part.pointer, 'a URI reference');
    url.hash = '';
    const resource = resources.get(url.href);
    if (resource === undefined)
      return refuse(keyword, part.pointer, `"${reference}" is not in this schema, and none is fetched`);
    const isPointer = fragment === '' || fragment.startsWith('/');
    const pointer = isPointer ? resource + fragment : anchors.get(`${resource} ${fragment}`);
    const value = pointer === undefined ? undefined : valueAt(this.root.schema as JsonObject, pointer);
    if (pointer === undefined || value === undefined)
      return refuse(keyword, part.pointer, `there is nothing at "${reference}"`);
    const target = schemaPart(value, pointer);
    if (this.#isDynamic(keyword, target, fragment, this.#places))
      refuse(keyword, part.pointer, 'what it refers to is only known while a value is checked');
    return target;
  }

  /** Only where several schemas could be meant does it matter on which way a value was reached ("JSON Schema Core", 8.2.3.2). */
  #isDynamic(keyword: ReferenceKeyword, target: SchemaPart, fragment: string, places: Places): boolean {
    switch (keyword) {
      case '$ref':
        return false;
      case '$dynamicRef':
        return keywordOf(target, '$dynamicAnchor') === fragment && (places.dynamicAnchors.get(fragment) ?? 0) > 1;
      case '$recursiveRef':
        return places.hasRecursiveAnchor;
      default:
        return keyword satisfies never;
    }
  }

  #isModern(): boolean {
    const draft = keywordOf(this.root, '$schema');
    return typeof draft === 'string' && /20(19|20)-/.test(draft);
  }
}

interface Places {
  /** Pointer of each schema resource, by its absolute name. */
  readonly resources: ReadonlyMap<string, string>;
  /** Pointer of each anchor, by the pointer of its resource and its name. */
  readonly anchors: ReadonlyMap<string, string>;
  /** Absolute name of each resource, by its pointer. */
  readonly bases: ReadonlyMap<string, string>;
  /** How many schemas have a dynamic anchor of this name. */
  readonly dynamicAnchors: ReadonlyMap<string, number>;
  readonly hasRecursiveAnchor: boolean;
}

function placesOf(root: JsonObject): Places {
  const resources = new Map([[UNNAMED, '#']]);
  const anchors = new Map<string, string>();
  const bases = new Map([['#', UNNAMED]]);
  const dynamicAnchors = new Map<string, number>();
  let hasRecursiveAnchor = false;
  const visit = (schema: Json, pointer: string, resource: string): void => {
    if (!isJsonObject(schema)) return;
    const id = schema.$id ?? schema.id;
    const url =
      typeof id === 'string' && !id.startsWith('#') ? absolute(id, bases.get(resource) ?? UNNAMED) : undefined;
    const inside = url === undefined ? resource : pointer;
    if (url !== undefined) {
      url.hash = '';
      bases.set(pointer, url.href);
      resources.set(url.href, pointer);
    }
    const olderAnchor = typeof id === 'string' && id.startsWith('#') ? id.slice(1) : undefined;
    for (const anchor of [schema.$anchor, schema.$dynamicAnchor, olderAnchor]) {
      if (typeof anchor === 'string') anchors.set(`${inside} ${anchor}`, pointer);
    }
    const { $dynamicAnchor: dynamic } = schema;
    if (typeof dynamic === 'string') dynamicAnchors.set(dynamic, (dynamicAnchors.get(dynamic) ?? 0) + 1);
    hasRecursiveAnchor ||= schema.$recursiveAnchor === true;
    for (const [keyword, value] of Object.entries(schema)) {
      const place = pointerTo(pointer, keyword);
      if (SCHEMA_PLACES.single.has(keyword)) visit(value, place, inside);
      if (SCHEMA_PLACES.listed.has(keyword) && Array.isArray(value)) {
        for (const [index, item] of value.entries()) visit(item, pointerTo(place, index), inside);
      }
      if (SCHEMA_PLACES.named.has(keyword) && isJsonObject(value)) {
        for (const [name, item] of Object.entries(value)) visit(item, pointerTo(place, name), inside);
      }
    }
  };
  visit(root, '#', '#');
  return { resources, anchors, bases, dynamicAnchors, hasRecursiveAnchor };
}

/** The name of the nearest resource around a place. */
function baseAt(pointer: string, bases: ReadonlyMap<string, string>): string {
  for (let at = pointer; at !== '#' && at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('/')))) {
    const base = bases.get(at);
    if (base !== undefined) return base;
  }
  return bases.get('#') ?? UNNAMED;
}

function absolute(reference: string, base: string): URL | undefined {
  return URL.parse(reference, base) ?? undefined;
}

function decoded(fragment: string): string | undefined {
  try {
    return decodeURIComponent(fragment);
  } catch {
    return undefined;
  }
}

function valueAt(root: JsonObject, pointer: string): Json | undefined {
  let value: Json | undefined = root;
  for (const segment of pointer.split('/').slice(1)) {
    const key = segment.replaceAll('~1', '/').replaceAll('~0', '~');
    if (Array.isArray(value)) value = /^(0|[1-9][0-9]*)$/.test(key) ? value[Number(key)] : undefined;
    else value = isJsonObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  }
  return value;
}
