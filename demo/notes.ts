import type { KeptMessage } from './outbox.js'

/** What the gateway wrote to its log. */
type LogFields = Readonly<Record<string, unknown>>

/** Audit events in the words of someone who watches; the rest of the log is not for the demonstration's terminal. */
const sentences = new Map(
  Object.entries<(fields: LogFields) => string>({
    'sign-in.password': (fields) =>
      fields['outcome'] === 'success'
        ? `${whoOf(fields)} gave the right password`
        : 'somebody gave a wrong name or password',
    'sign-in.second-factor': (fields) =>
      fields['outcome'] === 'success' ? `${whoOf(fields)} gave the right code` : `${whoOf(fields)} gave a wrong code`,
    'sign-in.link': (fields) => `${whoOf(fields)} came in by a link`,
    'session.opened': (fields) => `${whoOf(fields)} is signed in`,
    'session.ended': (fields) => `${whoOf(fields)} is signed out`,
    'code.sent': (fields) =>
      fields['outcome'] === 'success'
        ? `a code is on its way to ${whoOf(fields)}`
        : `no code could be sent to ${whoOf(fields)}`,
    'code.fallback': (fields) => `the text message to ${whoOf(fields)} did not go, so the code goes by mail`,
    'factor.enrolled': (fields) => `${whoOf(fields)} set up a second factor`,
    'throttle.on': () => 'too many tries: answers wait now',
    'access.denied': (fields) => `${whoOf(fields)} was not let in`,
  }),
)

/**
 * One short line for one line of the log, or `undefined` when there is nothing to tell. Messages in the outbox are shown
 * whole, because nobody else will receive them.
 */
export function noteOf(line: string): string | undefined {
  const fields = fieldsOf(line)
  if (!fields) return undefined
  const at = timeOf(fields)
  const { to, text, level, audit } = fields
  if (typeof to === 'string' && typeof text === 'string') return `${at}  outbox   ${messageOf(fields)}`
  if (typeof audit === 'object' && audit !== null) {
    const entry = audit as LogFields
    const sentence = sentences.get(String(entry['event']))
    return sentence && `${at}  sign-in  ${sentence(entry)}`
  }
  if (level === 'error' || level === 'warn') return `${at}  ${level.padEnd(7)}  ${printable(fields['msg'])}`
  return undefined
}

/** The message a line of the log tells of, if it does. */
export function keptMessageOf(line: string): KeptMessage | undefined {
  const fields = fieldsOf(line)
  if (typeof fields?.['to'] !== 'string' || typeof fields['text'] !== 'string') return undefined
  const { to, text, subject } = fields
  return { at: timeOf(fields), to, text, ...(typeof subject === 'string' ? { subject } : {}) }
}

function messageOf({ to, subject, text }: LogFields): string {
  const lines = [`to ${printable(to)}${subject === undefined ? '' : `: ${printable(subject)}`}`]
  for (const each of String(text).trimEnd().split('\n')) lines.push(`                   ${printable(each)}`)
  return lines.join('\n')
}

function fieldsOf(line: string): LogFields | undefined {
  try {
    const fields: unknown = JSON.parse(line)
    return typeof fields === 'object' && fields !== null ? (fields as LogFields) : undefined
  } catch {
    return undefined
  }
}

function whoOf({ username }: LogFields): string {
  return username === undefined ? 'somebody' : printable(username)
}

function timeOf({ time }: LogFields): string {
  return typeof time === 'string' ? time.slice(11, 19) : '        '
}

/** What a stranger typed must not drive the terminal. */
function printable(text: unknown): string {
  return String(text ?? '').replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, '?')
}
