/** One schema document: finds what its references mean. Nothing is ever fetched. */
import type { Json } from '../../../core/generation.ts';
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

  /** The schema that `$ref` of `part` names. */
  resolve(part: SchemaPart): SchemaPart {
    const reference = keywordOf(part, '$ref');
    if (typeof reference !== 'string') return refuseMalformed('$ref', part.pointer, 'a string');
    if (part.pointer !== '#' && typeof keywordOf(part, '$id') === 'string' && !this.#isModern()) {
      return refuse(
        '$ref',
        part.pointer,
        'beside "$id" it means one thing up to draft 7 and another since; name the draft in "$schema"',
      );
    }
    this.#places ??= placesOf(this.root.schema as JsonObject);
    const { resources, anchors, bases } = this.#places;
    const url = absolute(reference, baseAt(part.pointer, bases));
    const fragment = url === undefined ? undefined : decoded(url.hash.slice(1));
    if (url === undefined || fragment === undefined) return refuseMalformed('$ref', part.pointer, 'a URI reference');
    url.hash = '';
    const resource = resources.get(url.href);
    if (resource === undefined)
      return refuse('$ref', part.pointer, `"${reference}" is not in this schema, and none is fetched`);
    const isPointer = fragment === '' || fragment.startsWith('/');
    const pointer = isPointer ? resource + fragment : anchors.get(`${resource} ${fragment}`);
    const value = pointer === undefined ? undefined : valueAt(this.root.schema as JsonObject, pointer);
    if (pointer === undefined || value === undefined)
      return refuse('$ref', part.pointer, `there is nothing at "${reference}"`);
    return schemaPart(value, pointer);
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
}

function placesOf(root: JsonObject): Places {
  const resources = new Map([[UNNAMED, '#']]);
  const anchors = new Map<string, string>();
  const bases = new Map([['#', UNNAMED]]);
  const visit = (value: Json, pointer: string, resource: string): void => {
    if (typeof value !== 'object' || value === null) return;
    let inside = resource;
    if (isJsonObject(value)) {
      const id = value.$id ?? value.id;
      const url =
        typeof id === 'string' && !id.startsWith('#') ? absolute(id, bases.get(resource) ?? UNNAMED) : undefined;
      if (url !== undefined) {
        url.hash = '';
        inside = pointer;
        bases.set(pointer, url.href);
        resources.set(url.href, pointer);
      }
      const olderAnchor = typeof id === 'string' && id.startsWith('#') ? id.slice(1) : undefined;
      for (const anchor of [value.$anchor, value.$dynamicAnchor, olderAnchor]) {
        if (typeof anchor === 'string') anchors.set(`${inside} ${anchor}`, pointer);
      }
    }
    for (const [key, child] of Object.entries(value)) {
      if (key !== 'enum' && key !== 'const') visit(child, pointerTo(pointer, key), inside);
    }
  };
  visit(root, '#', '#');
  return { resources, anchors, bases };
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
