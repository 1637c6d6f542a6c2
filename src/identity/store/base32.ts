import { randomInt } from 'node:crypto'

/** Crockford's base 32: no I, L, O and U, so that nothing can be misread. Five bits a character. */
const LETTERS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** Random characters to be typed by a person. */
export function drawCharacters(count: number): string {
  return Array.from({ length: count }, () => LETTERS[randomInt(LETTERS.length)]).join('')
}

/** In groups, of four unless told otherwise, as codes are shown: `9F3K-71ZQ`. */
export function inGroups(characters: string, size = 4): string {
  const count = Math.ceil(characters.length / size)
  return Array.from({ length: count }, (_, at) => characters.slice(at * size, (at + 1) * size)).join('-')
}

/**
 * What was meant by what was typed: any case, `O` for 0, `I` and `L` for 1, and whatever stands between the groups.
 * @returns `undefined` when it cannot be that many characters of ours
 */
export function readCharacters(text: string, count: number): string | undefined {
  if (text.length > 256) return undefined
  const read = text
    .normalize('NFKC')
    .replace(/[\s\p{P}\p{Cf}]/gu, '')
    .toUpperCase()
    .replaceAll('O', '0')
    .replace(/[IL]/g, '1')
  return read.length === count && [...read].every((letter) => LETTERS.includes(letter)) ? read : undefined
}
