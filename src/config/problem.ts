/** One mistake in the configuration, with everything needed to find and mend it, and no secret in any field. */
export interface ConfigProblem {
  readonly file: string
  /** 1-based, in characters. */
  readonly line: number
  readonly column: number
  /** As in `sites[0].rules[2].access`; empty for the file as a whole. */
  readonly path: string
  /** What is wrong. */
  readonly message: string
  /** What would have been right. */
  readonly accepted?: string
  /** The nearest right name. */
  readonly suggestion?: string
  /** The line of the file, secrets masked, and where the caret stands in it. */
  readonly source?: { readonly text: string; readonly caret: number; readonly length: number }
}

/** Keys and indexes from the top of the file. */
export type Path = ReadonlyArray<string | number>

/** `sites[0].rules[2].access`; keys that are no plain names are quoted, and those that look like no key masked. */
export function formatPath(path: Path): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else if (/^[A-Za-z_][\w-]*$/.test(part)) text += text === '' ? part : `.${part}`
    else text += /^[\w./ -]{1,40}$/.test(part) ? `[${quote(part)}]` : '["***"]'
  }
  return text
}

/** Text of unknown origin, fit for a terminal: quoted, short, without control or direction characters. */
export function quote(text: string): string {
  const short = text.length > 60 ? `${text.slice(0, 57)}...` : text
  return `"${printable(short)}"`
}

/** Replaces, one for one, what would move the cursor, hide text or turn its direction. */
export function printable(text: string): string {
  return text.replace(/\t/g, ' ').replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, '\ufffd')
}

/** `file:line:column  path: what is wrong`, what is accepted, the nearest name, and the line with a caret. */
export function formatProblem(problem: ConfigProblem): string {
  const { file, line, column, path, message, accepted, suggestion, source } = problem
  const lines = [`${file}:${line}:${column}  ${path === '' ? '' : `${path}: `}${message}`]
  if (accepted !== undefined) lines.push(`  accepted: ${accepted}`)
  if (suggestion !== undefined) lines.push(`  did you mean ${quote(suggestion)}?`)
  if (source) {
    const number = String(line)
    lines.push(`  ${number} | ${source.text}`)
    lines.push(`  ${' '.repeat(number.length)} | ${' '.repeat(source.caret)}${'^'.repeat(Math.max(1, source.length))}`)
  }
  return lines.join('\n')
}

/** In the order of the file. */
export function sortProblems(problems: readonly ConfigProblem[]): ConfigProblem[] {
  return [...problems].sort((a, b) => a.line - b.line || a.column - b.column || (a.message < b.message ? -1 : 1))
}

/** All problems and how many there are, as `check` and `start` print them. */
export function formatProblems(file: string, problems: readonly ConfigProblem[]): string {
  return `${problems.map(formatProblem).join('\n\n')}\n\n${file}: ${count(problems.length, 'mistake')}\n`
}

export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
