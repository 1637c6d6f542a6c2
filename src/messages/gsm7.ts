/** The characters a text message carries in seven bits (3GPP TS 23.038, 6.2.1), and those that cost two. */
const basic = new Set(
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿' +
    'abcdefghijklmnopqrstuvwxyzäöñüà',
)
const extended = new Set('\f^{}\\[~]|€')

/** Length in septets; `undefined` where a character needs sixteen bits, and the whole text with it. */
export function septets(text: string): number | undefined {
  let length = 0
  for (const character of text) {
    if (basic.has(character)) length += 1
    else if (extended.has(character)) length += 2
    else return undefined
  }
  return length
}

/** Whether the text travels, and is paid for, as one message: 160 septets, or 70 UTF-16 units. */
export function isOneMessage(text: string): boolean {
  const length = septets(text)
  return length === undefined ? text.length <= 70 : length <= 160
}

/** The same without accents and without what seven bits do not carry. */
export function inPlainLetters(text: string): string {
  return [...text.normalize('NFKD')].filter((character) => basic.has(character)).join('')
}
