/** Lines in a frame, for the terminal. `undefined` is an empty line; the first line is set apart from the rest. */
export function box(title: string, lines: readonly (string | undefined)[], { colour }: { colour: boolean }): string {
  const all = [title, ...lines.map((line) => line ?? '')]
  const width = Math.max(...all.map((line) => line.length))
  const paint = (code: string, text: string) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text)
  const edge = (text: string) => paint('33', text)
  const row = (line: string, code?: string) => {
    const padded = `  ${line.padEnd(width)}  `
    return `${edge('│')}${code === undefined ? padded : paint(code, padded)}${edge('│')}`
  }
  const rule = '─'.repeat(width + 4)
  const [, ...rest] = all
  return [
    edge(`╭${rule}╮`),
    row(title, '1;30;43'),
    edge(`├${rule}┤`),
    ...rest.map((line) => row(line)),
    edge(`╰${rule}╯`),
    '',
  ].join('\n')
}
