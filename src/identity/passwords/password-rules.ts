import { foldUsername } from '../../contracts.js'
import { commonPasswords } from './common-passwords.js'
import { LONGEST_PASSWORD } from './password-pool.js'

/** Why a new password is refused, with a sentence for the person who chose it. */
export interface PasswordFault {
  readonly code: 'too-short' | 'too-long' | 'common' | 'has-username'
  readonly sentence: string
}

/**
 * NIST SP 800-63B-4, 3.1.1.2: length, and nothing that others try first; no rules about kinds of characters, which only
 * turn `password` into `Password1!`.
 * @param shortest in characters
 */
export function passwordFault(password: string, username: string, shortest = SHORTEST): PasswordFault | undefined {
  const length = [...password].length
  if (length < shortest) return { code: 'too-short', sentence: `A password has at least ${shortest} characters.` }
  if (length > LONGEST_PASSWORD) {
    return { code: 'too-long', sentence: `A password has at most ${LONGEST_PASSWORD} characters.` }
  }
  const folded = foldUsername(password)
  if (isMostly(folded, foldUsername(username))) {
    return { code: 'has-username', sentence: 'The password is little more than the username. Choose another one.' }
  }
  if (isCommon(folded)) {
    return { code: 'common', sentence: 'The password is one of those that are tried first. Choose another one.' }
  }
  return undefined
}

const SHORTEST = 8

/** Whether the name is in the password, and what is left without it would be no password of its own. */
function isMostly(password: string, username: string): boolean {
  if (username.length < 3 || !password.includes(username)) return false
  return password.replaceAll(username, '').length < SHORTEST
}

function isCommon(password: string): boolean {
  if (isPattern(password)) return true
  const core = trimmed(password)
  return [core, spelled(core), trimmed(spelled(password)), password.replace(/[^\p{L}]/gu, '')].some(isWord)
}

/** Without the digits and signs at both ends. */
function trimmed(text: string): string {
  const characters = [...text]
  const first = characters.findIndex(isLetter)
  return first < 0 ? '' : characters.slice(first, characters.findLastIndex(isLetter) + 1).join('')
}

function isLetter(character: string): boolean {
  return /\p{L}/u.test(character)
}

function spelled(text: string): string {
  return text.replace(/[@$0134578!|]/g, (sign) => SPELLING[sign] ?? sign)
}

/** One common word, or one and the same twice and more. */
function isWord(text: string): boolean {
  return text !== '' && commonPasswords.has(text.replace(/^(.{3,}?)\1+$/u, '$1'))
}

/** The usual stand-ins for letters. */
const SPELLING: { readonly [sign: string]: string } = {
  '@': 'a',
  $: 's',
  '0': 'o',
  '1': 'i',
  '3': 'e',
  '4': 'a',
  '5': 's',
  '7': 't',
  '8': 'b',
  '!': 'i',
  '|': 'l',
}

/** Rows of keys and orders that fingers fall into, read either way. */
const ROWS = [
  '01234567890',
  'abcdefghijklmnopqrstuvwxyz',
  'qwertyuiop',
  'qwertzuiop',
  'azertyuiop',
  'asdfghjkl',
  'zxcvbnm',
  'yxcvbnm',
  '1q2w3e4r5t6y7u8i9o0p',
  '1qaz2wsx3edc4rfv5tgb6yhn7ujm',
  'qazwsxedcrfvtgbyhnujm',
]
const WALKS = ROWS.flatMap((row) => [row.repeat(2), [...row].reverse().join('').repeat(2)])

/** Few different characters, a short block again and again, a row of keys, or two of them, or a date. */
function isPattern(password: string): boolean {
  if (new Set(password).size < 4) return true
  if (/^(.{1,4}?)\1+.{0,3}$/u.test(password)) return true
  if (/^\d{1,2}[./ -]?\d{1,2}[./ -]?(19|20)\d\d$|^(19|20)\d\d[./ -]?\d{1,2}[./ -]?\d{1,2}$/.test(password)) return true
  const pieces = password.split(/[^\p{L}\p{N}]+/u).filter((piece) => piece !== '')
  return pieces.length > 0 && pieces.every(isWalked)
}

/** Made of walks of at least three keys and nothing else. */
function isWalked(text: string): boolean {
  if (text === '') return true
  for (let length = text.length; length >= 3; length -= 1) {
    const head = text.slice(0, length)
    if (WALKS.some((walk) => walk.includes(head))) return isWalked(text.slice(length))
  }
  return false
}
