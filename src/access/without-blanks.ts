/**
 * A field value without the spaces and tabs around it (OWS, RFC 9110, 5.6.3), in one pass. `/[ \t]+$/` is not: it tries
 * every blank as the beginning of the last run, which takes the square of the length on blanks that something follows.
 * @param from where in the text it begins
 * @param to where it ends
 */
export function withoutBlanks(text: string, from = 0, to = text.length): string {
  let start = from
  let end = to
  while (start < end && isBlank(text.charCodeAt(start))) start += 1
  while (end > start && isBlank(text.charCodeAt(end - 1))) end -= 1
  return text.slice(start, end)
}

/** Space or tab. */
export function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}
