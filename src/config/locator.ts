import { LineCounter } from 'yaml'
import { type Complaint, placeAt } from './complaints.js'
import { maskLine, type Piece, piecesOf, piecesOfBroken } from './masked-line.js'
import { type ConfigProblem, formatPath, type Path } from './problem.js'
import { settingsSchema } from './schema.js'
import { noteOf, schemaAt, vocabularyOf } from './schema-walk.js'
import { isReference, isSecretName, mayCarrySecret } from './secrets.js'
import type { Place, Source, Span } from './source.js'

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

  /** A complaint at its key or value; what is missing is said where it should have been. */
  problem(complaint: Complaint, extraShown: readonly Path[] = []): ConfigProblem {
    const { path, at } = complaint
    const root = this.#source.root
    if (!root) return this.problemAt({ start: 0, end: 0 }, path, complaint)
    const { place, depth } = placeAt(root, path)
    const isHere = depth === path.length
    const span = (at === 'key' || !isHere ? place.key : undefined) ?? place.span
    return this.problemAt(span, path, complaint, extraShown)
  }

  problemAt(span: Span, path: Path, { message, accepted, suggestion }: Words, extraShown: readonly Path[] = []) {
    const { line, col } = this.#lines.linePos(Math.min(span.start, this.#source.text.length))
    const problem: ConfigProblem = {
      file: this.#file,
      line: Math.max(1, line),
      column: Math.max(1, col),
      path: formatPath(path),
      message,
      ...(accepted !== undefined && { accepted }),
      ...(suggestion !== undefined && { suggestion }),
      ...(this.#source.text !== '' && { source: maskLine(this.#source.text, span, this.#pieces(extraShown)) }),
    }
    return problem
  }

  /** 1-based line a value starts on. */
  lineOf(path: Path): number {
    const root = this.#source.root
    return root ? this.#lines.linePos(placeAt(root, path).place.span.start).line : 1
  }

  /** Whether a value of the gateway's own keys may be repeated in a message. */
  mayQuote(path: Path): boolean {
    const { root, text } = this.#source
    if (!root) return false
    const { place, depth } = placeAt(root, path)
    return depth === path.length && isHarmless(path, place, text.slice(place.span.start, place.span.end))
  }

  /** Kept, since a file can have as many mistakes as lines. */
  #plainPieces: readonly Piece[] | undefined

  #pieces(extraShown: readonly Path[]) {
    if (extraShown.length > 0) return this.#makePieces(new Set(extraShown.map(formatPath)))
    this.#plainPieces ??= this.#makePieces(new Set())
    return this.#plainPieces
  }

  #makePieces(extra: ReadonlySet<string>): Piece[] {
    const { root, text } = this.#source
    if (!root) return piecesOfBroken(text, ownNames)
    const mayShow = (path: Path, place: Place, written: string) =>
      isReference(written) || isHarmless(path, place, written) || (extra.size > 0 && extra.has(formatPath(path)))
    return piecesOf(root, mayShow, text)
  }
}

/** Values of our own keys, if nothing in them came from outside and no key on the way sounds like a secret. */
function isHarmless(path: Path, place: Place, written: string): boolean {
  if (place.fromOutside || mayCarrySecret(written)) return false
  if (path.some((key) => typeof key === 'string' && isSecretName(key) && !ownNames.has(key))) return false
  const schema = schemaAt(settingsSchema, path)
  return schema !== undefined && noteOf(schema, 'pluginKind') === undefined
}

const ownNames = vocabularyOf(settingsSchema)
