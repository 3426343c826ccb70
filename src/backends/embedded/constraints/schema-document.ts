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

export class SchemaDocument {
  readonly root: SchemaPart;
  /** Identifiers and anchors, found at the first reference that needs them. */
  #places: Map<string, string> | undefined;

  constructor(schema: JsonObject) {
    this.root = schemaPart(schema, '#');
  }

  /** The schema that `$ref` of `part` names. */
  resolve(part: SchemaPart): SchemaPart {
    const reference = keywordOf(part, '$ref');
    if (typeof reference !== 'string') return refuseMalformed('$ref', part.pointer, 'a string');
    const hash = reference.indexOf('#');
    const resource = hash < 0 ? reference : reference.slice(0, hash);
    const fragment = hash < 0 ? '' : reference.slice(hash + 1);
    const base = resource === '' ? this.#resourceOf(part.pointer) : this.#placeOf(resource);
    if (base === undefined)
      return refuse('$ref', part.pointer, `"${reference}" is not in this schema, and none is fetched`);
    if (fragment !== '' && !fragment.startsWith('/')) {
      const anchored = this.#placeOf(`${base}#${fragment}`);
      if (anchored === undefined) return refuse('$ref', part.pointer, `there is no anchor "${reference}"`);
      return this.#at(anchored, part);
    }
    return this.#at(base + normalFragment(fragment, part), part);
  }

  #at(pointer: string, from: SchemaPart): SchemaPart {
    const value = this.#valueAt(pointer);
    if (value === undefined) return refuse('$ref', from.pointer, `there is nothing at ${pointer}`);
    return schemaPart(value, pointer);
  }

  #valueAt(pointer: string): Json | undefined {
    let value: Json | undefined = this.root.schema;
    for (const segment of pointer.split('/').slice(1)) {
      const key = segment.replaceAll('~1', '/').replaceAll('~0', '~');
      if (Array.isArray(value)) value = /^(0|[1-9][0-9]*)$/.test(key) ? value[Number(key)] : undefined;
      else value = isJsonObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
    }
    return value;
  }

  /** The schema resource a schema belongs to: the nearest one around it with an `$id`, or the document. */
  #resourceOf(pointer: string): string {
    for (let at = pointer; at !== '#'; at = at.slice(0, at.lastIndexOf('/'))) {
      const value = this.#valueAt(at);
      if (isJsonObject(value) && typeof value.$id === 'string' && !value.$id.startsWith('#')) return at;
    }
    return '#';
  }

  #placeOf(name: string): string | undefined {
    this.#places ??= this.#findPlaces();
    return this.#places.get(name);
  }

  #findPlaces(): Map<string, string> {
    const places = new Map<string, string>();
    const visit = (value: Json, pointer: string, resource: string): void => {
      if (typeof value !== 'object' || value === null) return;
      let inside = resource;
      if (isJsonObject(value)) {
        const id = value.$id ?? value.id;
        if (typeof id === 'string' && !id.startsWith('#')) {
          inside = pointer;
          places.set(id.replace(/#$/, ''), pointer);
        }
        const anchor = value.$anchor ?? (typeof id === 'string' && id.startsWith('#') ? id.slice(1) : undefined);
        if (typeof anchor === 'string') places.set(`${inside}#${anchor}`, pointer);
      }
      for (const [key, child] of Object.entries(value)) {
        if (key !== 'enum' && key !== 'const') visit(child, pointerTo(pointer, key), inside);
      }
    };
    visit(this.root.schema as Json, '#', '#');
    return places;
  }
}

function normalFragment(fragment: string, part: SchemaPart): string {
  try {
    return decodeURIComponent(fragment);
  } catch {
    return refuseMalformed('$ref', part.pointer, 'a URI reference');
  }
}
