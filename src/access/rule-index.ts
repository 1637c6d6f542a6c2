import type { PathPattern } from './targets/path-pattern.js'

/** A value under a pattern; `order` says which of several that fit comes first. */
export interface Indexed<Value> {
  readonly order: number
  readonly pattern: PathPattern
  readonly value: Value
}

interface Node<Value> {
  readonly children: Map<string, Node<Value>>
  readonly entries: Indexed<Value>[]
}

/**
 * Patterns in a tree of their leading literal segments: a lookup walks down the request's own segments and asks only
 * the patterns that lie on its way, so what it costs depends on them and not on how many rules there are.
 */
export class RuleIndex<Value> {
  readonly #root: Node<Value> = { children: new Map(), entries: [] }

  /** In ascending `order`. */
  add(entry: Indexed<Value>): void {
    let node = this.#root
    for (const name of entry.pattern.literalPrefix) {
      let child = node.children.get(name)
      if (child === undefined) {
        child = { children: new Map(), entries: [] }
        node.children.set(name, child)
      }
      node = child
    }
    node.entries.push(entry)
  }

  /** The first entry that fits, and comes before the entry given. */
  first(
    segments: readonly string[],
    fits: (value: Value) => boolean,
    before?: Indexed<Value>,
  ): Indexed<Value> | undefined {
    let best = before
    let node: Node<Value> | undefined = this.#root
    for (let depth = 0; node !== undefined; depth++) {
      for (const entry of node.entries) {
        if (best !== undefined && entry.order >= best.order) break
        if (fits(entry.value) && entry.pattern.matchesSegments(segments)) {
          best = entry
          break
        }
      }
      const name = segments[depth]
      node = name === undefined ? undefined : node.children.get(name)
    }
    return best
  }

  /** Every entry that fits and comes before the order given, in no order. */
  all(segments: readonly string[], fits: (value: Value) => boolean, before: number): Indexed<Value>[] {
    const found: Indexed<Value>[] = []
    let node: Node<Value> | undefined = this.#root
    for (let depth = 0; node !== undefined; depth++) {
      for (const entry of node.entries) {
        if (entry.order >= before) break
        if (fits(entry.value) && entry.pattern.matchesSegments(segments)) found.push(entry)
      }
      const name = segments[depth]
      node = name === undefined ? undefined : node.children.get(name)
    }
    return found
  }
}
