import { AnswerError } from './answer-head.js'

const bareLineFeed = /(?<!\r)\n/
const framing = /^[\t ]*(?:content-length|transfer-encoding)[\t ]*:/i

/** The first empty line, whichever way its line ends are written. */
export const lenientHeadEnd = /\n\r?\n/g

/** Where the empty line of a head begins; anything else in it that is not CRLF counts as written oddly. */
export interface StrictForm {
  /** As {@link parseHead} wants it, without the empty line. */
  readonly text: string
  readonly isChanged: boolean
}

/**
 * The head of an answer from a device that ends lines in LF alone, or folds them (RFC 9112, 2.2 and 5.2), as it would have
 * been written today. Only what every reader ends at the same place: where one that knows CRLF alone, or no folding, would find
 * another length, this is no answer.
 * @param raw in Latin-1, with its empty line
 * @throws {@link AnswerError}
 */
export function strictForm(raw: string): StrictForm {
  const hasBare = bareLineFeed.test(raw)
  if (hasBare && raw.includes('\r\n')) refuseAmbiguousLineEnds(raw)
  const lines = (hasBare ? raw.replace(/\r?\n/g, '\r\n') : raw).slice(0, -'\r\n\r\n'.length).split('\r\n')
  const [first = '', ...rest] = lines
  const whole = [first]
  for (const line of rest) {
    if (line[0] !== ' ' && line[0] !== '\t') whole.push(line)
    else whole[whole.length - 1] = `${foldable(whole)} ${continuationOf(line)}`
  }
  return { text: whole.join('\r\n'), isChanged: hasBare || whole.length < lines.length }
}

/** Both kinds of line ends: who knows CRLF alone reads on at an LF, so nothing about the length may stand next to one. */
function refuseAmbiguousLineEnds(raw: string): void {
  const fault = new AnswerError('line ends of two kinds around what says where the answer ends')
  if (!raw.endsWith('\r\n\r\n')) throw fault
  for (const line of raw.split('\r\n')) {
    if (line.includes('\n') && line.split('\n').some((part) => framing.test(part))) throw fault
  }
}

/** The line that goes on, which is neither the first nor about the length. */
function foldable(lines: readonly string[]): string {
  const last = lines.at(-1) ?? ''
  if (lines.length < 2 || framing.test(last)) throw new AnswerError('a folded line where the answer says how it ends')
  return last
}

function continuationOf(line: string): string {
  const text = line.trim()
  // Some end the head at a line of blanks, and some take such a line for a header of its own.
  if (text === '' || framing.test(text)) throw new AnswerError('a folded line that may be read as another')
  return text
}
