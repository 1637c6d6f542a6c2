/** Mail addresses and numbers as people type them. */

/** Without the signs by which one header field names several addresses (RFC 5322, 3.4). */
export function mailAddress(typed: string): string | undefined {
  const address = typed.normalize('NFC').trim()
  return address.length <= 254 && /^[^\s\p{C}@,;:<>()[\]"\\]+@[^\s\p{C}@,;:<>()[\]"\\]+$/u.test(address)
    ? address
    : undefined
}

/** E.164. Without a country code nobody knows whose number it is. */
export async function mobileNumber(typed: string): Promise<string | undefined> {
  // Knows the numbers of every country, and takes as long to load as half of the gateway.
  const { parsePhoneNumberFromString } = await import('libphonenumber-js/max')
  const number = parsePhoneNumberFromString(typed.normalize('NFKC').trim().replace(/^00/, '+'))
  return number?.isValid() ? number.number : undefined
}
