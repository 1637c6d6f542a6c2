/**
 * Looks into a zod schema without running it: which keys, words and notes it has at a path. Works on shapes alone, since
 * a plugin's schema may come from another copy of zod. What it does not understand it passes over.
 */

type Bag = Readonly<Record<string, unknown>>

function bag(value: unknown): Bag | undefined {
  return (typeof value === 'object' || typeof value === 'function') && value !== null ? (value as Bag) : undefined
}

/** The schema itself and what it wraps (optional, default, pipe and the like), from outside in; unions spread out. */
export function layers(schema: unknown, depth = 0): Bag[] {
  const outer = bag(schema)
  const def = bag(outer?.['def']) ?? bag(bag(outer?.['_zod'])?.['def'])
  if (!outer || !def || depth > 16) return []
  const options = Array.isArray(def['options']) ? def['options'] : []
  // A pipe that starts with a transform (preprocess) takes its shape from what follows.
  const start = bag(bag(def['in'])?.['def'])?.['type'] === 'transform' ? def['out'] : def['in']
  const inner = [def['innerType'], start, ...options].filter((next) => next !== undefined)
  return [outer, ...inner.flatMap((next) => layers(next, depth + 1))]
}

function defOf(layer: Bag): Bag {
  return bag(layer['def']) ?? bag(bag(layer['_zod'])?.['def']) ?? {}
}

/** The keys an object takes, in the order of the schema; `undefined` when it is no object. */
export function keysOf(schema: unknown): readonly string[] | undefined {
  const shapes = layers(schema).flatMap((layer) => {
    const shape = bag(defOf(layer)['shape'])
    return shape ? [shape] : []
  })
  return shapes.length === 0 ? undefined : [...new Set(shapes.flatMap((shape) => Object.keys(shape)))]
}

/** The words an enumeration takes. */
export function wordsOf(schema: unknown): readonly string[] {
  return layers(schema).flatMap((layer) => {
    const entries = bag(defOf(layer)['entries'])
    const values = defOf(layer)['values']
    const listed = entries ? Object.values(entries) : Array.isArray(values) ? values : []
    return listed.filter((word) => typeof word === 'string')
  })
}

/** The first note of this name on the schema or what it wraps. */
export function noteOf(schema: unknown, name: string): unknown {
  for (const layer of layers(schema)) {
    const meta = layer['meta']
    const notes = typeof meta === 'function' ? bag(meta.call(layer)) : undefined
    if (notes && Object.hasOwn(notes, name)) return notes[name]
  }
  return undefined
}

/** The schema of one key or list entry. */
export function childOf(schema: unknown, key: string | number): unknown {
  for (const layer of layers(schema)) {
    const def = defOf(layer)
    const shape = bag(def['shape'])
    if (shape && typeof key === 'string' && Object.hasOwn(shape, key)) return shape[key]
    if (typeof key === 'number' && def['type'] === 'array') return def['element']
    if (typeof key === 'string' && def['type'] === 'record') return def['valueType']
  }
  return undefined
}

export function schemaAt(schema: unknown, path: ReadonlyArray<string | number>): unknown {
  return path.reduce<unknown>((at, key) => childOf(at, key), schema)
}

/** Every key and word anywhere in the schema. */
export function vocabularyOf(schema: unknown, words = new Set<string>(), depth = 0): Set<string> {
  if (depth > 16) return words
  for (const word of wordsOf(schema)) words.add(word)
  for (const key of keysOf(schema) ?? []) {
    words.add(key)
    vocabularyOf(childOf(schema, key), words, depth + 1)
  }
  const entry = childOf(schema, 0)
  if (entry !== undefined) vocabularyOf(entry, words, depth + 1)
  return words
}

/** Where in a schema a key of this name is, as in `sites[].rules[]`; empty for the top. */
export function homesOf(schema: unknown, key: string, path = '', depth = 0): string[] {
  if (depth > 16) return []
  const keys = keysOf(schema) ?? []
  const inside = keys.flatMap((name) => {
    const child = childOf(schema, name)
    return homesOf(child, key, path === '' ? name : `${path}.${name}`, depth + 1)
  })
  const entry = childOf(schema, 0)
  const inEntries = entry === undefined ? [] : homesOf(entry, key, `${path}[]`, depth + 1)
  return [...(keys.includes(key) ? [path] : []), ...inside, ...inEntries]
}
