import {
  CST,
  isAlias,
  isCollection,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  type Pair,
  parseAllDocuments,
} from 'yaml'
import { type Interpolated, interpolate } from './interpolate.js'
import type { Path } from './problem.js'

/** Offsets into the text of the file: from `start` to before `end`. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** One value of the file: where it is, what it holds, and what may be said about it. */
export interface Place {
  /** Where its key is written; list entries have none. */
  readonly key?: Span
  readonly span: Span
  readonly children: ReadonlyMap<string | number, Place>
  /** The value, interpolated. */
  readonly value: unknown
  /** Whether the value, or part of it, came from the environment or a file. */
  readonly fromOutside: boolean
  /** Whether something is wrong with it already, so that what follows from that is not said too. */
  readonly faulty: boolean
}

/** A mistake seen while reading, before there is any meaning. */
export interface Fault {
  readonly path: Path
  readonly span: Span
  readonly message: string
  readonly accepted?: string
}

/** What reading a text gives: a tree of places, or faults only. */
export interface Source {
  readonly text: string
  readonly root: Place | undefined
  readonly faults: readonly Fault[]
  /** Whether the text is no YAML at all, so that nothing in it is known to be a key or a value. */
  readonly broken: boolean
}

const mostLevels = 32
const mostPerLine = 64
/** Keys through which JavaScript objects are reached rather than entries made. */
const forbiddenKeys: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])

/** Reads YAML 1.2 without tags, anchors, aliases, directives or further documents. Never throws. */
export function readSource(text: string, env: NodeJS.ProcessEnv, baseDirectory: string): Source {
  const structure = checkStructure(text)
  if (structure.tooDeep) return { text, root: undefined, faults: structure.faults, broken: true }
  const documents = composeDocuments(text)
  if (!documents) return { text, root: undefined, faults: [tooDeep(0)], broken: true }
  const errors = documents.flatMap((document) => document.errors)
  if (errors.length > 0) {
    const faults = errors.slice(0, 20).map((error): Fault => {
      const [start, end] = error.pos
      return { path: [], span: { start, end }, ...wordsFor(error.code, error.message, text, start) }
    })
    return { text, root: undefined, faults: [...structure.faults, ...faults], broken: true }
  }
  const contents = documents[0]?.contents
  if (!isNode(contents) || (isScalar(contents) && contents.value === null)) {
    const fault = { path: [], span: { start: 0, end: 0 }, message: 'the file is empty' }
    return { text, root: undefined, faults: [...structure.faults, fault], broken: structure.faults.length > 0 }
  }
  const reader = new Reader(env, baseDirectory)
  const root = reader.place(contents, [], undefined)
  return { text, root, faults: [...structure.faults, ...reader.faults], broken: false }
}

function composeDocuments(text: string) {
  try {
    const options = { lineCounter: new LineCounter(), prettyErrors: false, uniqueKeys: false, version: '1.2' as const }
    const documents = parseAllDocuments(text, { ...options, logLevel: 'silent' })
    return Array.isArray(documents) ? documents : []
  } catch {
    // The composer calls itself for every level; what the scan let through can still be too much for the stack.
    return undefined
  }
}

function tooDeep(start: number): Fault {
  return {
    path: [],
    span: { start, end: start + 1 },
    message: 'is nested too deeply',
    accepted: `up to ${mostLevels} levels`,
  }
}

/**
 * Looks at the tokens alone, which takes time and memory in proportion to the text, so that nothing is composed that
 * grows when it is read: aliases, anchors, deep nesting.
 */
function checkStructure(text: string): { faults: Fault[]; tooDeep: boolean } {
  const faults: Fault[] = []
  let offset = 0
  let levels = 0
  let onLine = 0
  let documents = 0
  let isScalarNext = false
  const refuse = (message: string, token: string) => {
    if (faults.length < 20) faults.push({ path: [], span: { start: offset, end: offset + token.length }, message })
  }
  for (const token of new Lexer().lex(text)) {
    const type = isScalarNext ? 'scalar' : CST.tokenType(token)
    isScalarNext = token === CST.SCALAR && !isScalarNext
    if (isScalarNext || token === CST.DOCUMENT || token === CST.FLOW_END) continue
    if (type === 'newline') onLine = 0
    if (type === 'flow-map-start' || type === 'flow-seq-start') levels += 1
    if (type === 'flow-map-end' || type === 'flow-seq-end') levels -= 1
    if (type === 'seq-item-ind' || type === 'explicit-key-ind') onLine += 1
    if (type === 'anchor') refuse('is an anchor; write the value out where it is needed', token)
    if (type === 'alias') refuse('is an alias; write the value out, or put it in quotes if it is text', token)
    if (type === 'tag') refuse('is a tag; leave it out, or put the value in quotes if it is text', token)
    if (type === 'directive-line') refuse('is a directive; the file is plain YAML 1.2', token)
    if (type === 'doc-start' && ++documents > 1) refuse('starts a second document; one file is one document', token)
    const indent = type === 'space' && (offset === 0 || text[offset - 1] === '\n') ? token.length : 0
    if (levels > mostLevels || onLine > mostLevels || indent > 4 * mostPerLine) {
      return { faults: [...faults, tooDeep(offset)], tooDeep: true }
    }
    offset += token.length
  }
  return { faults, tooDeep: false }
}

/** The parser's words are for people who know YAML; the commonest mistakes get plainer ones. */
function wordsFor(code: string, message: string, text: string, start: number): { message: string; accepted?: string } {
  const lineStart = text.lastIndexOf('\n', start - 1) + 1
  const [line = ''] = text.slice(lineStart, lineStart + 1_000).split('\n', 1)
  if (code === 'TAB_AS_INDENT') return { message: 'a tab is used as indentation', accepted: 'spaces' }
  if (/[{[,].*:\s*[^"'\s]*\$\{/.test(line)) {
    return { message: 'is not YAML', accepted: '${…} inside { } or [ ] stands in quotes, as in "${NAME}"' }
  }
  // The parser quotes the text it stumbles over, which may be a secret.
  const [plain = message] = message.split(/[:\n]|(?=["'`])/, 1)
  return { message: `is not YAML: ${plain.trim().replace(/\.$/, '').toLowerCase()}` }
}

function spanOf(node: Node): Span {
  const [start, end] = node.range ?? [0, 0]
  return { start, end }
}

/** Walks the composed document once and makes places of it, without ever following an alias. */
class Reader {
  readonly faults: Fault[] = []
  readonly #env: NodeJS.ProcessEnv
  readonly #baseDirectory: string

  constructor(env: NodeJS.ProcessEnv, baseDirectory: string) {
    this.#env = env
    this.#baseDirectory = baseDirectory
  }

  place(node: Node | undefined, path: Path, key: Span | undefined): Place {
    const span = node ? spanOf(node) : { start: key?.end ?? 0, end: key?.end ?? 0 }
    const common = { ...(key && { key }), span, children: new Map(), fromOutside: false, faulty: false }
    if (!node || isAlias(node)) return { ...common, value: null, faulty: node !== undefined }
    if (isMap(node)) return { ...common, ...this.#map(node.items, path) }
    if (isSeq(node)) return { ...common, ...this.#list(node.items, path) }
    if (!isScalar(node)) return { ...common, value: null, faulty: true }
    if (typeof node.value !== 'string') return { ...common, value: node.value }
    return { ...common, ...this.#text(interpolate(node.value, this.#env, this.#baseDirectory), path, span) }
  }

  #text({ text, fromOutside, faults }: Interpolated, path: Path, span: Span) {
    for (const message of faults) this.faults.push({ path, span, message })
    return { value: text, fromOutside, faulty: faults.length > 0 }
  }

  #list(items: readonly unknown[], path: Path) {
    const children = new Map<string | number, Place>()
    for (const [index, item] of items.entries()) {
      // `[a: 1]` is a pair where a value belongs.
      const pair = isPair(item) ? item : undefined
      const node = isNode(item) ? item : undefined
      if (pair && isNode(pair.key))
        this.faults.push({ path: [...path, index], span: spanOf(pair.key), message: 'is a key in a list' })
      children.set(
        index,
        pair
          ? { ...this.place(undefined, [...path, index], undefined), faulty: true }
          : this.place(node, [...path, index], undefined),
      )
    }
    return { children, value: [...children.values()].map((child) => child.value) }
  }

  #map(items: readonly Pair[], path: Path) {
    const children = new Map<string | number, Place>()
    const value: Record<string, unknown> = {}
    for (const { key, value: node } of items) {
      if (!isScalar(key) || isCollection(key)) {
        const span = isNode(key) ? spanOf(key) : { start: 0, end: 0 }
        this.faults.push({ path, span, message: 'is not a plain key' })
        continue
      }
      const name = typeof key.value === 'string' ? key.value : (key.source ?? '')
      const span = spanOf(key)
      const childPath = [...path, name]
      if (forbiddenKeys.has(name)) {
        this.faults.push({ path: childPath, span, message: 'is not a key anything here can have' })
      } else if (children.has(name)) {
        this.faults.push({ path: childPath, span, message: 'is written twice; remove one' })
      } else {
        const child = this.place(isNode(node) ? node : undefined, childPath, span)
        children.set(name, child)
        value[name] = child.value
      }
    }
    return { children, value }
  }
}
