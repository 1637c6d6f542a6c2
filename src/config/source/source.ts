import {
  CST,
  type ErrorCode,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  type Pair,
  parseAllDocuments,
} from 'yaml'
import type { Path } from '../problem.js'
import { type Interpolated, interpolate } from './interpolate.js'

/** Offsets into the text of the file: from `start` to before `end`. */
export interface SourceSpan {
  readonly start: number
  readonly end: number
}

/** One value of the file: where it is, what it holds, and what may be said about it. */
export interface Place {
  /** Where its key is written; list entries have none. */
  readonly key?: SourceSpan
  readonly span: SourceSpan
  readonly children: ReadonlyMap<string | number, Place>
  /** Entries that were refused (written twice, forbidden) and have no value. */
  readonly refused: ReadonlyArray<{ readonly key: SourceSpan; readonly span: SourceSpan }>
  /** The value, interpolated. */
  readonly value: unknown
  /** Whether the value, or part of it, came from the environment or a file. */
  readonly fromOutside: boolean
  /** Whether something is wrong with it already, so that what follows from that is not said too. */
  readonly faulty: boolean
}

/** A mistake seen while reading, before there is any meaning. */
export interface SourceFault {
  readonly path: Path
  readonly span: SourceSpan
  readonly message: string
  readonly accepted?: string
}

/** What reading a text gives: a tree of places, unless the text is no YAML, and what is wrong so far. */
export interface Source {
  readonly text: string
  readonly root: Place | undefined
  readonly faults: readonly SourceFault[]
}

const mostLevels = 32
const mostIndent = 256
/** One wrong bracket makes many errors. */
const mostFaults = 20
/** Keys through which JavaScript objects are reached rather than entries made. */
const forbiddenKeys: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])

/** Reads YAML 1.2 without tags, anchors, aliases, directives or further documents. Never throws. */
export function readSource(text: string, env: NodeJS.ProcessEnv, baseDirectory: string): Source {
  const structure = checkStructure(text)
  if (structure.isTooDeep) return { text, root: undefined, faults: structure.faults }
  const documents = composeDocuments(text)
  if (!documents) return { text, root: undefined, faults: [tooDeep(0)] }
  const errors = documents.flatMap((document) => document.errors).filter(({ code }) => !saidAlready.has(code))
  if (errors.length > 0) {
    const faults = errors.slice(0, mostFaults).map(({ code, pos: [start, end] }): SourceFault => {
      return { path: [], span: { start, end }, ...wordsFor(code, text, start) }
    })
    return { text, root: undefined, faults: [...structure.faults, ...faults] }
  }
  const faults = [...structure.faults]
  const [first, second] = documents
  if (second && faults.length === 0) {
    const [start] = second.range
    faults.push({ path: [], span: { start, end: start + 1 }, message: oneDocument })
  }
  const contents = first?.contents
  if (!isNode(contents) || (isScalar(contents) && contents.value === null)) {
    faults.push({ path: [], span: { start: 0, end: 0 }, message: 'the file is empty', accepted: 'at least one site' })
    return { text, root: undefined, faults }
  }
  const reader = new Reader(env, baseDirectory)
  const root = reader.place(contents, [], undefined)
  return { text, root, faults: [...faults, ...reader.faults] }
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

function tooDeep(start: number): SourceFault {
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
function checkStructure(text: string): { faults: SourceFault[]; isTooDeep: boolean } {
  const faults: SourceFault[] = []
  let offset = 0
  let levels = 0
  let onLine = 0
  let documents = 0
  let isScalarNext = false
  const refuse = (message: string, token: string) => {
    if (faults.length < mostFaults)
      faults.push({ path: [], span: { start: offset, end: offset + token.length }, message })
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
    if (type === 'doc-start' && ++documents > 1) refuse(oneDocument, token)
    const indent = type === 'space' && (offset === 0 || text[offset - 1] === '\n') ? token.length : 0
    if (levels > mostLevels || onLine > mostLevels || indent > mostIndent) {
      return { faults: [...faults, tooDeep(offset)], isTooDeep: true }
    }
    offset += token.length
  }
  return { faults, isTooDeep: false }
}

const oneDocument = 'starts a second document; one file is one document'

/** Errors of the composer about what the scan has named. */
const saidAlready: ReadonlySet<ErrorCode> = new Set([
  'TAG_RESOLVE_FAILED',
  'MULTIPLE_TAGS',
  'MULTIPLE_ANCHORS',
  'ALIAS_PROPS',
  'BAD_ALIAS',
  'BAD_DIRECTIVE',
  'MULTIPLE_DOCS',
])

/** The parser's own messages quote what it stumbles over, which may be a secret; and they are for people who know YAML. */
const wordsOfCodes: Readonly<Partial<Record<ErrorCode, string>>> = {
  BAD_INDENT: 'is indented unlike the lines around it',
  TAB_AS_INDENT: 'is indented with a tab; YAML takes spaces only',
  MISSING_CHAR: 'is not finished: a quote, bracket, comma, colon or space is missing here or before',
  BAD_DQ_ESCAPE: 'has a backslash that means nothing in double quotes; use single quotes',
  BAD_SCALAR_START: 'starts with a character that needs quotes around the text',
  BLOCK_AS_IMPLICIT_KEY: 'has a second colon; put text with a colon in quotes',
  BLOCK_IN_FLOW: 'starts a block inside { } or [ ]',
  MULTILINE_IMPLICIT_KEY: 'has no colon, or goes over more than one line',
  KEY_OVER_1024_CHARS: 'is too long for a key',
}

function wordsFor(code: ErrorCode, text: string, start: number): { message: string; accepted?: string } {
  const message = `is not YAML: ${wordsOfCodes[code] ?? 'something stands here that does not belong'}`
  const lineStart = text.lastIndexOf('\n', start - 1) + 1
  const [line = ''] = text.slice(lineStart, lineStart + 1_000).split('\n', 1)
  const opened = line.search(/[{[,]/)
  const isBareReference = opened >= 0 && /:\s*[^"'\s:]*\$\{/.test(line.slice(opened))
  return { message, ...(isBareReference && { accepted: '${…} inside { } or [ ] in quotes, as in "${NAME}"' }) }
}

function spanOf(node: Node): SourceSpan {
  const [start, end] = node.range ?? [0, 0]
  return { start, end }
}

/** Walks the composed document once and makes places of it, without ever following an alias. */
class Reader {
  readonly faults: SourceFault[] = []
  readonly #env: NodeJS.ProcessEnv
  readonly #baseDirectory: string

  constructor(env: NodeJS.ProcessEnv, baseDirectory: string) {
    this.#env = env
    this.#baseDirectory = baseDirectory
  }

  place(node: Node | undefined, path: Path, key: SourceSpan | undefined): Place {
    const span = node ? spanOf(node) : { start: key?.end ?? 0, end: key?.end ?? 0 }
    const common = { ...(key && { key }), span, children: new Map(), refused: [], fromOutside: false, faulty: false }
    if (!node || isAlias(node)) return { ...common, value: null, faulty: node !== undefined }
    if (isMap(node)) return { ...common, ...this.#map(node.items, path) }
    if (isSeq(node)) return { ...common, ...this.#list(node.items, path) }
    if (!isScalar(node)) return { ...common, value: null, faulty: true }
    if (typeof node.value !== 'string') return { ...common, value: node.value }
    return { ...common, ...this.#text(interpolate(node.value, this.#env, this.#baseDirectory), path, span) }
  }

  #text({ text, fromOutside, faults }: Interpolated, path: Path, span: SourceSpan) {
    for (const message of faults) this.faults.push({ path, span, message })
    return { value: text, fromOutside, faulty: faults.length > 0 }
  }

  #list(items: readonly unknown[], path: Path) {
    const places = items.map((item, index) => this.place(isNode(item) ? item : undefined, [...path, index], undefined))
    return { children: new Map(places.entries()), value: places.map((place) => place.value) }
  }

  #map(items: readonly Pair[], path: Path) {
    const children = new Map<string | number, Place>()
    const refused: { key: SourceSpan; span: SourceSpan }[] = []
    const value: Record<string, unknown> = {}
    for (const { key, value: item } of items) {
      const span = isNode(key) ? spanOf(key) : { start: 0, end: 0 }
      const node = isNode(item) ? item : undefined
      const fault = faultOfKey(key, children)
      const name = nameOf(key)
      if (fault !== undefined) {
        this.faults.push({ path: isScalar(key) ? [...path, name] : path, span, message: fault })
        refused.push({ key: span, span: node ? spanOf(node) : { start: span.end, end: span.end } })
        continue
      }
      const child = this.place(node, [...path, name], span)
      children.set(name, child)
      value[name] = child.value
    }
    return { children, refused, value }
  }
}

function nameOf(key: unknown): string {
  if (!isScalar(key)) return ''
  return typeof key.value === 'string' ? key.value : (key.source ?? '')
}

function faultOfKey(key: unknown, earlier: ReadonlyMap<string | number, Place>): string | undefined {
  if (!isScalar(key)) return 'is not a plain key'
  if (forbiddenKeys.has(nameOf(key))) return 'is not a key anything here can have'
  return earlier.has(nameOf(key)) ? 'is written twice; remove one' : undefined
}
