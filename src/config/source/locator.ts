import { LineCounter } from 'yaml'
import { type Complaint, placeAt } from '../complaints.js'
import { sameName } from '../nearest.js'
import { type ConfigProblem, formatPath, type Path } from '../problem.js'
import { settingsSchema } from '../schema.js'
import { childOf, keysOf, schemaAt, vocabularyOf, wordsOf } from '../schema-walk.js'
import { isReference, isSecretName, mayCarrySecret } from '../secrets.js'
import { maskLine, type Piece, piecesOf, piecesOfBroken } from './masked-line.js'
import type { Place, Source, SourceSpan } from './source.js'

/** Nobody mends more at a time, and a file of nothing but mistakes stays cheap. */
const mostProblems = 500

type Words = Pick<Complaint, 'message' | 'accepted' | 'suggestion'>

/** Turns what is wrong into problems with a place in the file, and keeps its secrets. */
export class Locator {
  readonly #file: string
  readonly #source: Source
  readonly #lines = new LineCounter()

  /** @param file as it is to be printed */
  constructor(file: string, source: Source) {
    this.#file = file
    this.#source = source
    this.#lines.addNewLine(0)
    for (const match of source.text.matchAll(/\n/g)) this.#lines.addNewLine(match.index + 1)
  }

  /** Complaints at their keys or values; what is missing is said where it should have been. */
  problems(complaints: readonly Complaint[], isOfPlugins = false): ConfigProblem[] {
    const placed = complaints.map((complaint) => ({ complaint, span: this.#spanOf(complaint) }))
    placed.sort((a, b) => a.span.start - b.span.start)
    return placed
      .slice(0, mostProblems)
      .map(({ complaint, span }) => this.problemAt(span, complaint.path, complaint, isOfPlugins && complaint.isForm))
  }

  #spanOf({ path, at, near }: Complaint): SourceSpan {
    const { root } = this.#source
    if (!root) return { start: 0, end: 0 }
    const exact = placeAt(root, path)
    const { place, depth } = exact.depth < path.length && near ? placeAt(root, near) : exact
    if (at === 'key' && place.key) return place.key
    if (depth < (near ?? path).length && place.key) return place.key
    // A caret under a whole list or map would underline everything and show nothing.
    const isBranch = typeof place.value === 'object' && place.value !== null
    return isBranch ? { start: place.span.start, end: place.span.start + 1 } : place.span
  }

  /** @param isOption whether the value at the path may be shown though it belongs to a plugin */
  problemAt(span: SourceSpan, path: Path, { message, accepted, suggestion }: Words, isOption?: boolean): ConfigProblem {
    const { text } = this.#source
    const { line, col } = this.#lines.linePos(Math.min(span.start, text.length))
    return {
      file: this.#file,
      line: Math.max(1, line),
      column: Math.max(1, col),
      path: formatPath(path),
      message,
      ...(accepted !== undefined && { accepted }),
      ...(suggestion !== undefined && { suggestion }),
      ...(text !== '' && {
        source: maskLine(text, span, this.#pieces(), isOption === true && this.mayQuoteOption(path)),
      }),
    }
  }

  /** 1-based line a value starts on. */
  lineOf(path: Path): number {
    const root = this.#source.root
    return root ? this.#lines.linePos(placeAt(root, path).place.span.start).line : 1
  }

  /** The file that a value was read from, where it is `${file:…}` and nothing else. */
  fileOf(path: Path): string | undefined {
    const { root, text } = this.#source
    if (!root) return undefined
    const { place, depth } = placeAt(root, path)
    if (depth < path.length) return undefined
    return /^["']?\$\{file:([^}"']+)\}["']?$/.exec(text.slice(place.span.start, place.span.end))?.[1]
  }

  /** Whether a value of the gateway's own keys may be repeated in a message. */
  mayQuote(path: Path): boolean {
    const { root, text } = this.#source
    if (!root) return false
    const { place, depth } = placeAt(root, path)
    return depth === path.length && isHarmless(path, place, text.slice(place.span.start, place.span.end))
  }

  /** Whether the value of an option may be repeated, given that its plugin knows the option. */
  mayQuoteOption(path: Path): boolean {
    const { root, text } = this.#source
    if (!root) return false
    const { place, depth } = placeAt(root, path)
    if (depth < path.length || place.fromOutside || path.some((key) => isSecretName(String(key)))) return false
    return !mayCarrySecret(text.slice(place.span.start, place.span.end))
  }

  /** Kept, since a file can have as many mistakes as lines. */
  #keptPieces: readonly Piece[] | undefined

  #pieces(): readonly Piece[] {
    const { root, text } = this.#source
    const mayShow = (path: Path, place: Place, written: string) =>
      isReference(written) || isHarmless(path, place, written)
    this.#keptPieces ??= root ? piecesOf(root, ownNames, mayShow, text) : piecesOfBroken(text, ownNames)
    return this.#keptPieces
  }
}

/** Values of our own keys, if nothing in them came from outside. */
function isHarmless(path: Path, place: Place, written: string): boolean {
  if (place.fromOutside || mayCarrySecret(written)) return false
  // A key that is written into the file itself, and is wrong, is a key all the same.
  if (isSecretName(String(path.findLast((key) => typeof key === 'string')))) return false
  // What a plugin is called is no secret, at any depth.
  if (path.at(-1) === 'use') return true
  const schema = schemaAt(settingsSchema, asItIsCalled(path))
  if (schema === undefined || childOf(schema, 0) !== undefined) return false
  // Text where one of a few words may stand, or keys.
  const isWord = typeof place.value === 'string' && wordsOf(schema).length > 0
  return isWord || keysOf(schema) === undefined
}

/** A key that is one of ours in other letters, as `publicURL`, has a value that is as harmless as under its right name. */
function asItIsCalled(path: Path): Path {
  const last = path.at(-1)
  if (typeof last !== 'string') return path
  const parent = path.slice(0, -1)
  const name = sameName(last, keysOf(schemaAt(settingsSchema, parent)) ?? [])
  return name === undefined ? path : [...parent, name]
}

const ownNames = vocabularyOf(settingsSchema)
