/**
 * Texts that make an expression try as much as it can: what it repeats, again and again, and at the end what it refuses.
 * Made of the characters and short words the expression itself is written with, alone, in pairs, and behind a beginning.
 */
export function* worstTexts(source: string, flags: string, length: number): Generator<string> {
  const atoms = atomsOf(source)
  const pumps = new Set([
    ...atoms,
    ...atoms.slice(0, 4).flatMap((one) => atoms.slice(4, 7).map((other) => one + other)),
  ])
  const starts = ['', ...atoms.filter((atom) => atom.length > 1 || /[^\w\s]/.test(atom)).slice(0, 1)]
  for (const pump of pumps) {
    const middle = pump.repeat(Math.ceil(length / pump.length))
    for (const start of starts) {
      for (const end of ['\0', flags.includes('u') ? '\n!' : '!'])
        yield (start + middle).slice(0, length - end.length) + end
    }
  }
}

/** Words and signs as they are written, and one character of every class that has a letter of its own. */
function atomsOf(source: string): string[] {
  const plain = source
    .replace(/\\x([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replace(/\\t/g, '\t')
    .replace(/\\n/g, '\n')
    .replace(/\\r/g, '\r')
  const words = plain.replace(/\\(.)/g, '$1').match(/[A-Za-z]{2,12}/g) ?? []
  const signs = new Set(plain.replace(/\\[sdwbpSDWBP]/g, ''))
  const classes = [/\\s/.test(source) ? ' ' : '', /\\d/.test(source) ? '1' : '', 'a', '.', '=', '\t']
  return [...new Set([...classes, ...words.slice(0, 4), ...[...signs].slice(0, 12)])].filter((atom) => atom !== '')
}
