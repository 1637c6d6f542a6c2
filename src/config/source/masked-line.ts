import { printable } from '../problem.js'
import type { Place, SourceSpan } from './source.js'

const mask = '***'
const widest = 120
const reach = 400

/** A line of the file, fit to be printed: secrets masked, comments dropped, and where the caret goes. */
export interface MaskedLine {
  readonly text: string
  readonly caret: number
  readonly length: number
}

/** Part of a line that is a key or value, and whether it may be shown. */
export interface Piece extends SourceSpan {
  readonly isShown: boolean
}

/**
 * The line around `at`. Only what is known to be harmless is shown: a secret stands in all kinds of wrong places, under
 * misspelt keys, behind `!` and `&`, in comments.
 */
export function maskLine(text: string, at: SourceSpan, pieces: readonly Piece[], isShown = false): MaskedLine {
  // A whole file can be one line: only what can be shown is looked at.
  const from = Math.max(0, at.start - reach)
  const around = text.slice(from, at.start + reach)
  const lineStart = at.start === 0 ? 0 : from + around.lastIndexOf('\n', at.start - from - 1) + 1
  const found = around.indexOf('\n', at.start - from)
  const lineEnd = from + (found === -1 ? around.length : found)
  let shown = ''
  let caret: number | undefined
  let caretEnd: number | undefined
  const add = (start: number, end: number, becomes: string) => {
    const isMasked = becomes === mask
    if (caret === undefined && end > at.start) caret = shown.length + (isMasked ? 0 : Math.max(0, at.start - start))
    shown += becomes
    if (end >= at.end && caretEnd === undefined) caretEnd = isMasked ? shown.length : shown.length - (end - at.end)
  }
  let position = lineStart
  const addBetween = (end: number) => {
    // Between keys and values stand marks and comments; any other word there is a tag or the like.
    const between = text.slice(position, Math.max(position, end))
    for (const match of between.matchAll(/([\s\-?:,[\]{}|>"']+)|(#.*)|([^\s\-?:,[\]{}|>#"']+)/g)) {
      const [part, structure, comment] = match
      const start = position + match.index
      if (comment === undefined) add(start, start + part.length, structure ?? mask)
    }
    position = Math.max(position, end)
  }
  for (let index = firstEndingAfter(pieces, lineStart); index < pieces.length; index += 1) {
    const piece = pieces[index]
    if (!piece || piece.start >= lineEnd) break
    addBetween(piece.start)
    const end = Math.min(piece.end, lineEnd)
    const isAt = isShown && piece.start === at.start && piece.end === at.end
    if (end > position) add(position, end, piece.isShown || isAt ? text.slice(position, end) : mask)
    position = Math.max(position, end)
  }
  addBetween(lineEnd)
  return clip(shown.trimEnd(), caret ?? shown.trimEnd().length, caretEnd ?? shown.length)
}

/** Pieces are in order and do not overlap. */
function firstEndingAfter(pieces: readonly Piece[], offset: number): number {
  let low = 0
  let high = pieces.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((pieces[middle]?.end ?? 0) > offset) high = middle
    else low = middle + 1
  }
  return low
}

/** Long lines keep what is around the caret. */
function clip(text: string, caret: number, caretEnd: number): MaskedLine {
  const from = caret > widest - 20 ? caret - 60 : 0
  const before = from > 0 ? '…' : ''
  const cut = before + printable(text.slice(from, from + widest)) + (text.length > from + widest ? '…' : '')
  const at = caret - from + before.length
  return { text: cut, caret: at, length: Math.max(1, Math.min(caretEnd - caret, cut.length - at)) }
}

const plainKey = /^["']?[A-Za-z_][\w-]{0,40}["']?$/

/** Keys and leaf values of a tree of places; `mayShow` is asked for each value with its path. */
export function piecesOf(
  root: Place,
  knownKeys: ReadonlySet<string>,
  mayShow: (path: ReadonlyArray<string | number>, place: Place, written: string) => boolean,
  text: string,
): Piece[] {
  const pieces: Piece[] = []
  const visit = (place: Place, path: ReadonlyArray<string | number>) => {
    const name = place.key && text.slice(place.key.start, place.key.end)
    if (place.key && name !== undefined) {
      const isKey = plainKey.test(name) && (place.value !== null || knownKeys.has(name))
      pieces.push({ ...place.key, isShown: isKey })
    }
    for (const [key, child] of place.children) visit(child, [...path, key])
    for (const { key, span } of place.refused) {
      pieces.push({ ...key, isShown: plainKey.test(text.slice(key.start, key.end)) }, { ...span, isShown: false })
    }
    if (typeof place.value === 'object' && place.value !== null) return
    const written = text.slice(place.span.start, place.span.end)
    pieces.push({ ...place.span, isShown: mayShow(path, place, written) })
  }
  visit(root, [])
  return pieces.sort((a, b) => a.start - b.start || a.end - b.end)
}

/** For text that is no YAML: only keys that exist are known to be no secret. */
export function piecesOfBroken(text: string, vocabulary: ReadonlySet<string>): Piece[] {
  const pieces: Piece[] = []
  for (const match of text.matchAll(/(?<![^\s,[\]{}])([A-Za-z][A-Za-z-]*)(?=:(?:\s|$))/gm)) {
    const [word] = match
    if (vocabulary.has(word)) pieces.push({ start: match.index, end: match.index + word.length, isShown: true })
  }
  return pieces
}
