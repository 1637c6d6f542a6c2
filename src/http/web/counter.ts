/** How many there are of each kind, counted as they come and go: asking costs the same however many there are. */
export class Counter<Kind> {
  readonly #counts = new Map<Kind, number>()

  of(kind: Kind): number {
    return this.#counts.get(kind) ?? 0
  }

  add(kind: Kind): void {
    this.#counts.set(kind, this.of(kind) + 1)
  }

  /** Of what was added before. */
  remove(kind: Kind): void {
    const left = this.of(kind) - 1
    if (left > 0) this.#counts.set(kind, left)
    else this.#counts.delete(kind)
  }

  /** Kinds that there are any of. */
  get size(): number {
    return this.#counts.size
  }
}
