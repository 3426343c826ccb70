/**
 * Rows of tokens in a radix tree: which of many stored rows has most in common with this one, in time that grows with
 * the row and not with how many are stored. Pure.
 */

/** Tokens in order; read only. */
export type TokenRow = ArrayLike<number>;

interface Node<Value> {
  /** The tokens between the parent and this node. */
  label: TokenRow;
  value: Value | undefined;
  /** By the first token of their labels. */
  readonly children: Map<number, Node<Value>>;
}

/** What begins as another row does. */
export interface Nearest<Value> {
  /** So many tokens are the same at most, over all rows. */
  readonly common: number;
  /** Of every row that has so many in common. */
  readonly values: readonly Value[];
}

export class TokenTree<Value> {
  readonly #root: Node<Value> = { label: [], value: undefined, children: new Map() };
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Keeps a value for a row, in place of the one it has. */
  set(row: TokenRow, value: Value): void {
    let node = this.#root;
    for (let at = 0; ; ) {
      if (at === row.length) {
        if (node.value === undefined) this.#size++;
        node.value = value;
        return;
      }
      const first = row[at] ?? -1;
      const child = node.children.get(first);
      if (child === undefined) {
        node.children.set(first, { label: part(row, at, row.length), value, children: new Map() });
        this.#size++;
        return;
      }
      const shared = sharedFrom(row, at, child.label);
      node = shared === child.label.length ? child : split(node, child, shared);
      at += shared;
    }
  }

  get(row: TokenRow): Value | undefined {
    return this.#pathTo(row)?.at(-1)?.value;
  }

  /** Forgets a row; false when it is not kept. */
  delete(row: TokenRow): boolean {
    const path = this.#pathTo(row);
    const node = path?.at(-1);
    if (path === undefined || node?.value === undefined) return false;
    node.value = undefined;
    this.#size--;
    for (let i = path.length - 1; i > 0; i--) {
      const [parent, child] = [path[i - 1], path[i]];
      if (parent === undefined || child === undefined || child.value !== undefined || child.children.size > 1) break;
      const only = child.children.values().next().value;
      const first = child.label[0] ?? -1;
      if (only === undefined) parent.children.delete(first);
      else {
        only.label = joined(child.label, only.label);
        parent.children.set(first, only);
        break;
      }
    }
    return true;
  }

  /** The values of all rows that `row` begins with, the shortest first. */
  *prefixesOf(row: TokenRow): Generator<Value> {
    let node: Node<Value> | undefined = this.#root;
    for (let at = 0; node !== undefined; ) {
      if (node.value !== undefined) yield node.value;
      const child: Node<Value> | undefined = at < row.length ? node.children.get(row[at] ?? -1) : undefined;
      if (child === undefined || sharedFrom(row, at, child.label) < child.label.length) return;
      at += child.label.length;
      node = child;
    }
  }

  nearest(row: TokenRow): Nearest<Value> {
    let node = this.#root;
    let common = 0;
    while (common < row.length) {
      const child = node.children.get(row[common] ?? -1);
      if (child === undefined) break;
      const shared = sharedFrom(row, common, child.label);
      common += shared;
      node = child;
      if (shared < child.label.length) break;
    }
    return { common, values: [...valuesBelow(node)] };
  }

  values(): Generator<Value> {
    return valuesBelow(this.#root);
  }

  /** The nodes from the root to the one that ends with the row's last token. */
  #pathTo(row: TokenRow): Node<Value>[] | undefined {
    const path = [this.#root];
    let node = this.#root;
    for (let at = 0; at < row.length; ) {
      const child = node.children.get(row[at] ?? -1);
      if (child === undefined || sharedFrom(row, at, child.label) < child.label.length) return undefined;
      at += child.label.length;
      node = child;
      path.push(node);
    }
    return path;
  }
}

/** How many tokens two rows have in common at their beginnings. */
export function commonPrefix(a: TokenRow, b: TokenRow): number {
  const length = Math.min(a.length, b.length);
  let i = 0;
  while (i < length && a[i] === b[i]) i++;
  return i;
}

function sharedFrom(row: TokenRow, at: number, label: TokenRow): number {
  const length = Math.min(row.length - at, label.length);
  let i = 0;
  while (i < length && row[at + i] === label[i]) i++;
  return i;
}

/** Puts a node into the middle of the way to `child`, behind the first `length` tokens of its label. */
function split<Value>(parent: Node<Value>, child: Node<Value>, length: number): Node<Value> {
  const middle: Node<Value> = { label: part(child.label, 0, length), value: undefined, children: new Map() };
  parent.children.set(child.label[0] ?? -1, middle);
  middle.children.set(child.label[length] ?? -1, child);
  child.label = part(child.label, length, child.label.length);
  return middle;
}

/** A copy: a label must not keep a whole long row alive, nor change with it. */
function part(row: TokenRow, from: number, to: number): TokenRow {
  const copy = new Uint32Array(to - from);
  for (let i = from; i < to; i++) copy[i - from] = row[i] ?? 0;
  return copy;
}

function joined(a: TokenRow, b: TokenRow): TokenRow {
  const row = new Uint32Array(a.length + b.length);
  row.set(a);
  row.set(b, a.length);
  return row;
}

/** Without recursion: a chain of conversations that each went on a little is as deep as it is long. */
function* valuesBelow<Value>(top: Node<Value>): Generator<Value> {
  const open = [top];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (node.value !== undefined) yield node.value;
    open.push(...node.children.values());
  }
}
