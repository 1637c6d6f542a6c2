import { printable } from './problem.js'
import type { Place, Span } from './source.js'

const mask = '***'
const widest = 120

/** A line of the file, fit to be printed: secrets masked, comments dropped, and where the caret goes. */
export interface MaskedLine {
  readonly text: string
  readonly caret: number
  readonly length: number
}

/** Part of a line that is a key or value, and whether it may be shown. */
export interface Piece extends Span {
  readonly isShown: boolean
}

/**
 * The line around `at`. Only what is known to be harmless is shown: a secret stands in all kinds of wrong places, under
 * misspelt keys, behind `!` and `&`, in comments.
 */
export function maskLine(text: string, at: Span, pieces: readonly Piece[]): MaskedLine {
  const lineStart = at.start === 0 ? 0 : text.lastIndexOf('\n', at.start - 1) + 1
  const found = text.indexOf('\n', lineStart)
  const lineEnd = found === -1 ? text.length : found
  const here = pieces.filter((piece) => piece.start < lineEnd && piece.end > lineStart)
  const onLine = here.sort((a, b) => a.start - b.start)
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
  for (const piece of [...onLine, { start: lineEnd, end: lineEnd, isShown: true }]) {
    const start = Math.max(position, piece.start)
    for (const match of text.slice(position, start).matchAll(/([\s\-?:,[\]{}|>]+)|(#.*)|([^\s\-?:,[\]{}|>#]+)/g)) {
      const [part, structure, comment] = match
      const partStart = position + match.index
      if (comment === undefined) add(partStart, partStart + part.length, structure ?? mask)
    }
    const end = Math.min(piece.end, lineEnd)
    if (end > start) add(start, end, piece.isShown ? text.slice(start, end) : mask)
    position = Math.max(position, end)
  }
  return clip(shown.trimEnd(), caret ?? shown.trimEnd().length, caretEnd ?? shown.length)
}

/** Long lines keep what is around the caret. */
function clip(text: string, caret: number, caretEnd: number): MaskedLine {
  const from = caret > widest - 20 ? caret - 60 : 0
  const cut = printable(text.slice(from, from + widest))
  const length = Math.max(1, Math.min(caretEnd - caret, cut.length - (caret - from)))
  return { text: cut, caret: caret - from, length }
}

/** Keys and leaf values of a tree of places; `mayShow` is asked for each value with its path. */
export function piecesOf(
  root: Place,
  mayShow: (path: ReadonlyArray<string | number>, place: Place, written: string) => boolean,
  text: string,
): Piece[] {
  const pieces: Piece[] = []
  const visit = (place: Place, path: ReadonlyArray<string | number>) => {
    const name = place.key && text.slice(place.key.start, place.key.end)
    if (place.key && name !== undefined) {
      pieces.push({ ...place.key, isShown: /^["']?[A-Za-z_][\w-]{0,40}["']?$/.test(name) })
    }
    for (const [key, child] of place.children) visit(child, [...path, key])
    if (typeof place.value === 'object' && place.value !== null) return
    const written = text.slice(place.span.start, place.span.end)
    pieces.push({ ...place.span, isShown: mayShow(path, place, written) })
  }
  visit(root, [])
  return pieces
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
