import { spelledAddress, spelledNumber } from '../../contracts.js'

/** Mail addresses and numbers as people type them. */

/** Normalizing takes the square of the length: see foldUsername. */
const LONGEST_TYPED = 512

/** Without the signs by which one header field names several addresses (RFC 5322, 3.4). */
export function mailAddress(typed: string): string | undefined {
  if (typed.length > LONGEST_TYPED) return undefined
  const address = spelledAddress(typed)
  return address.length <= 254 && /^[^\s\p{C}@,;:<>()[\]"\\]+@[^\s\p{C}@,;:<>()[\]"\\]+$/u.test(address)
    ? address
    : undefined
}

/** E.164. Without a country code nobody knows whose number it is. */
export async function mobileNumber(typed: string): Promise<string | undefined> {
  // Knows the numbers of every country, and takes as long to load as half of the gateway.
  if (typed.length > LONGEST_TYPED) return undefined
  const { parsePhoneNumberFromString } = await import('libphonenumber-js/max')
  const number = parsePhoneNumberFromString(spelledNumber(typed))
  return number?.isValid() ? number.number : undefined
}
