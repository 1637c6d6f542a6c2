import { parse as parseCsv } from 'csv-parse/sync'
import { isMap, isScalar, LineCounter, parseDocument } from 'yaml'
import { z } from 'zod'
import { type ImportedUser, type LineProblem, roles } from '../../identity/accounts/import-users.js'
import type { Format } from './formats.js'
import { fromSpreadsheetText } from './spreadsheet-text.js'

/** What a file holds: users, and what is wrong with it, each with its line, counted from 1. */
export interface UsersFile {
  readonly users: readonly ImportedUser[]
  readonly problems: readonly LineProblem[]
}

/** Reads all of a file before anything is done with any of it. */
export function readUsers(format: Format, text: string): UsersFile {
  const broken = text.indexOf('\uFFFD')
  if (broken !== -1) {
    const line = text.slice(0, broken).split('\n').length
    return { users: [], problems: [{ line, sentence: 'This is not UTF-8: save the file in that encoding.' }] }
  }
  const entries = [...readers[format](text.replace(/^\uFEFF/, ''))]
  const users: ImportedUser[] = []
  const problems: LineProblem[] = []
  for (const { line, value, problem } of entries) {
    const parsed = user.safeParse(value)
    if (problem !== undefined) problems.push({ line, sentence: problem })
    else if (parsed.success) users.push({ line, ...parsed.data })
    else for (const issue of parsed.error.issues) problems.push({ line, sentence: sentenceOf(issue) })
  }
  return { users, problems }
}

interface Entry {
  readonly line: number
  readonly value?: unknown
  readonly problem?: string
}

/** The first line names the columns. Lists of groups are separated by `;` or `|`. */
function* csv(text: string): Generator<Entry> {
  try {
    const rows = parseCsv(text, { columns: true, info: true, skip_empty_lines: true, trim: true }) as unknown as Array<{
      record: Record<string, string>
      info: { lines: number }
    }>
    for (const { record, info } of rows) {
      const { groups, ...rest } = filled(record)
      const split = groups?.split(/[;|]/).flatMap((group) => group.trim() || [])
      yield { line: info.lines, value: split === undefined ? rest : { ...rest, groups: split } }
    }
  } catch (fault) {
    if (!(fault instanceof Error)) throw fault
    const line = 'lines' in fault && typeof fault.lines === 'number' ? fault.lines : 1
    // The words of the parser without the line's text, which may be a password.
    yield { line, problem: `This is not CSV with as many cells in every line as in the first (${codeOf(fault)}).` }
  }
}

/** One array, or one object a line. */
function* json(text: string): Generator<Entry> {
  if (text.trimStart().startsWith('[')) {
    const list = parsed(text)
    if (!Array.isArray(list)) yield { line: 1, problem: 'This is not JSON.' }
    else for (const [index, value] of list.entries()) yield { line: index + 1, value }
    return
  }
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '') continue
    const value = parsed(line)
    yield value === undefined ? { line: index + 1, problem: 'This line is not JSON.' } : { line: index + 1, value }
  }
}

/** `name:hash` a line, as Apache and nginx read it. */
function* htpasswd(text: string): Generator<Entry> {
  for (const [index, row] of text.split(/\r?\n/).entries()) {
    if (row.trim() === '' || row.startsWith('#')) continue
    const colon = row.indexOf(':')
    const [username, passwordHash = ''] = [row.slice(0, colon), row.slice(colon + 1).split(':')[0]]
    if (colon < 1) yield { line: index + 1, problem: 'This line has no name and hash with a colon between.' }
    else yield { line: index + 1, value: { username, passwordHash: passwordHash.trim() } }
  }
}

/** The users file of Authelia: `users:` with a mapping by name. */
function* authelia(text: string): Generator<Entry> {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  const fault = document.errors[0]
  const users = document.errors.length === 0 ? document.get('users') : undefined
  if (!isMap(users)) {
    const line = fault === undefined ? 1 : lines.linePos(fault.pos[0]).line
    yield { line, problem: 'This is not a users file of Authelia: it has no mapping "users".' }
    return
  }
  for (const { key, value } of users.items) {
    const line = isScalar(key) && key.range ? lines.linePos(key.range[0]).line : 1
    const parsedUser = autheliaUser.safeParse(isMap(value) ? value.toJS(document, { maxAliasCount: 100 }) : undefined)
    if (!parsedUser.success) {
      yield { line, problem: `This user has no "password", or something in it is of another kind.` }
      continue
    }
    const { password, displayname: displayName, email, groups, disabled } = parsedUser.data
    const status = disabled === true ? 'deactivated' : 'active'
    yield {
      line,
      value: {
        username: String(isScalar(key) ? key.value : key),
        passwordHash: password,
        displayName,
        email,
        groups,
        status,
      },
    }
  }
}

const readers: { readonly [format in Format]: (text: string) => Generator<Entry> } = { csv, json, htpasswd, authelia }

/** A user as a file has it. Columns nobody knows are refused: one that is misspelled would be lost. */
const user = z.strictObject({
  username: z.string(),
  displayName: z.string().optional(),
  email: z.string().optional(),
  mobile: z.string().optional(),
  groups: z.array(z.string().max(200)).max(1_000).optional(),
  role: z.enum(roles).optional(),
  status: z.enum(['active', 'deactivated']).optional(),
  password: z.string().optional(),
  passwordHash: z.string().optional(),
  // As an export has them: known, and made here.
  id: z.unknown().optional(),
  secondFactors: z.unknown().optional(),
  createdAt: z.unknown().optional(),
})

const autheliaUser = z.looseObject({
  password: z.string(),
  displayname: z.string().optional(),
  email: z.string().optional(),
  groups: z.array(z.string()).optional(),
  disabled: z.boolean().optional(),
})

function sentenceOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') {
    return `Nothing here is called ${issue.keys.map((key) => JSON.stringify(key)).join(', ')}; known are ${known}.`
  }
  const where = issue.path.join('.')
  if (issue.code === 'invalid_value') return `"${where}" is one of ${issue.values.join(', ')}.`
  return where === '' ? 'This is no user.' : `"${where}" is missing, or of another kind.`
}

const known = Object.keys(user.shape).join(', ')

/** Without empty cells, and without what an export put before text that a spreadsheet would compute. */
function filled(record: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(record).flatMap(([name, value]) => {
      if (value === '') return []
      return [[name, secrets.has(name) ? value : fromSpreadsheetText(value)]]
    }),
  )
}

/** No export has them, so every sign in them is meant. */
const secrets: ReadonlySet<string> = new Set(['password', 'passwordHash'])

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function codeOf(fault: Error): string {
  return 'code' in fault && typeof fault.code === 'string' ? fault.code : fault.name
}
