import type { LogOutput } from './log-output.js'

/** Turns each line of JSON into one for people, as in `08:41:09 WARN  everything is late  waitMs=3`. */
export function textOutput(to: LogOutput): LogOutput {
  return { write: (line) => to.write(textOf(line)) }
}

/** @param line one JSON object; anything else is passed on as it is */
export function textOf(line: string): string {
  const entry = objectOf(line)
  if (entry === undefined) return line
  const { level, time, msg, audit, err, ...rest } = entry
  // What happened is told by its event, which is the message; who and where are what one looks for.
  const fields = { ...rest, ...(isObject(audit) ? shortened(audit) : {}), ...(isObject(err) ? errorOf(err) : {}) }
  const words = Object.entries(fields).map(([name, value]) => `${name}=${wordOf(value)}`)
  const clock = typeof time === 'string' ? `${time.slice(11, 19)} ` : ''
  const kind = `${String(level ?? 'info').toUpperCase()}    `.slice(0, 6)
  return `${[`${clock}${kind}${plain(String(msg ?? ''))}`, ...words].join('  ')}\n`
}

/** Without what says the same as the line itself, and what only programs read. */
function shortened(entry: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { outcome, username, address, method, reason, by, details } = entry
  const all = { outcome, username, address, method, reason, by, ...(isObject(details) ? details : {}) }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}

function errorOf({ type, code, message }: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return { error: [type, code, message].filter((part) => part !== undefined).join(' ') }
}

function wordOf(value: unknown): string {
  if (typeof value !== 'string') return plain(JSON.stringify(value) ?? '')
  return /^[\w./:@+-]+$/.test(value) ? value : plain(JSON.stringify(value))
}

/** A terminal obeys some characters: what came from outside must not move its cursor or colour its words. */
function plain(text: string): string {
  return text.replace(/[\p{C}\u2028\u2029]/gu, (sign) => `\\u{${(sign.codePointAt(0) ?? 0).toString(16)}}`)
}

function objectOf(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
