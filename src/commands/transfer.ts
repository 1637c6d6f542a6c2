import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { text as readAll } from 'node:stream/consumers'
import { finished } from 'node:stream/promises'
import type { Audit } from '../audit/audit.js'
import {
  exportedUsers,
  type ImportedUser,
  type ImportParts,
  importProblems,
  importUsers,
  type LineProblem,
} from '../identity/import-users.js'
import { formatOf, formats, readUsers } from '../imports/read-users.js'
import { complain, done, failed, say, type Terminal, wrongUse } from './terminal.js'

/** The rooms that commands about many users work on. */
export interface TransferRooms extends ImportParts {
  readonly audit: Pick<Audit, 'record'>
}

/** As given on the command line. */
export interface ImportOptions {
  readonly format?: string
  readonly dryRun?: boolean
  readonly skipWrong?: boolean
}

/**
 * `import FILE`: adds the users of a file. All of it is read and checked first, and one wrong line keeps all out unless
 * told otherwise; users whose name is taken are left as they are, so an import that was cut off is simply run again.
 */
export async function usersImport(
  rooms: TransferRooms,
  terminal: Terminal,
  file: string,
  { format = formatOf(file), dryRun = false, skipWrong = false }: ImportOptions = {},
): Promise<number> {
  const known = formats.find((name) => name === format)
  if (known === undefined) return complain(terminal, wrongUse, `Say what the file is: --format ${formats.join(' | ')}.`)
  if (rooms.directory.writable === undefined) {
    return complain(terminal, failed, 'The users of this directory are added where they come from.')
  }
  const text = await (file === '-' ? readAll(terminal.stdin) : readFile(file, 'utf8'))
  const { users, problems: unread } = readUsers(known, text)
  const problems = [...unread, ...importProblems(rooms, users)].sort((a, b) => a.line - b.line)
  for (const { line, sentence } of problems) terminal.stderr.write(`${file}:${line}: ${sentence}\n`)
  if (problems.length > 0 && !skipWrong) {
    return complain(terminal, failed, 'Nothing was imported. Mend these lines, or leave them out with --skip-wrong.')
  }
  const right = without(users, problems)
  if (dryRun) return tryOut(rooms, terminal, right)
  const reason = 'command-line'
  const details = { format: known, users: right.length }
  await rooms.audit.record({ event: 'admin.import', outcome: 'success', reason, details })
  const counts = await importUsers(rooms, right, progress(terminal, right.length))
  const came = { added: counts.added, thereAlready: counts['there-already'] }
  await rooms.audit.record({ event: 'admin.imported', outcome: 'success', reason, details: { ...details, ...came } })
  say(terminal, `${came.added} added, ${came.thereAlready} there already and left as they were.`)
  return problems.length === 0 ? done : failed
}

/** `export [FILE]`: everybody, without anything secret, as `import` reads it. */
export async function usersExport(
  rooms: ImportParts,
  terminal: Terminal,
  file: string | undefined,
  { format = (file && formatOf(file)) ?? 'csv' }: { format?: string } = {},
): Promise<number> {
  if (format !== 'csv' && format !== 'json') return complain(terminal, wrongUse, 'An export is --format csv or json.')
  if (rooms.directory.writable === undefined) {
    return complain(terminal, failed, 'This directory cannot be listed from here.')
  }
  const out = file === undefined ? terminal.stdout : createWriteStream(file, { flags: 'wx', mode: 0o600 })
  const ended = file === undefined ? undefined : finished(out)
  let count = 0
  if (format === 'csv') out.write(`${columns.join(',')}\n`)
  for await (const user of exportedUsers(rooms)) {
    const line = format === 'json' ? JSON.stringify(user) : columns.map((name) => cell(user[name])).join(',')
    if (!out.write(`${line}\n`)) await once(out, 'drain')
    count++
  }
  if (file !== undefined) {
    out.end()
    await ended
    say(terminal, `${count} users were written to ${file}.`)
  }
  return done
}

const columns = ['username', 'email', 'mobile', 'groups', 'role', 'status', 'secondFactors'] as const

/** RFC 4180, 2. */
function cell(value: string | readonly string[] | undefined): string {
  const text = typeof value === 'object' ? value.join(';') : (value ?? '')
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

function without(users: readonly ImportedUser[], problems: readonly LineProblem[]): readonly ImportedUser[] {
  const wrong = new Set(problems.map(({ line }) => line))
  return users.filter(({ line }) => !wrong.has(line))
}

async function tryOut({ directory }: ImportParts, terminal: Terminal, users: readonly ImportedUser[]): Promise<number> {
  let taken = 0
  for (const { username } of users) if ((await directory.find({ username })).length > 0) taken++
  say(terminal, `${users.length - taken} would be added, ${taken} are there already. Nothing was done.`)
  return done
}

/** A line that is written over, where a person looks. */
function progress({ stderr }: Terminal, all: number): (count: number) => void {
  if (!('isTTY' in stderr) || stderr.isTTY !== true) return () => {}
  return (count) => {
    if (count % 50 !== 0 && count !== all) return
    const filled = Math.floor((count / all) * BAR)
    const bar = `${'#'.repeat(filled)}${'.'.repeat(BAR - filled)}`
    stderr.write(`\r[${bar}] ${count} of ${all}${count === all ? '\n' : ''}`)
  }
}

const BAR = 30
