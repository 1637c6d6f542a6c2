import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { text as readAll } from 'node:stream/consumers'
import { finished } from 'node:stream/promises'
import { done, failed, wrongUse } from '../../exit-codes.js'
import { Refusal } from '../../operations/operation.js'
import { formatOf, formats } from '../../operations/transfer/formats.js'
import { exportUsers, importUsers } from '../../operations/transfer/transfer.js'
import { byCommand, complain, refusedAt, say, type Terminal, type WithOperations } from '../terminal.js'

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
  { desk }: WithOperations,
  terminal: Terminal,
  file: string,
  { format = formatOf(file), dryRun = false, skipWrong = false }: ImportOptions = {},
): Promise<number> {
  const known = formats.find((name) => name === format)
  if (known === undefined) return complain(terminal, wrongUse, `Say what the file is: --format ${formats.join(' | ')}.`)
  const text = await (file === '-' ? readAll(terminal.stdin) : readFile(file, 'utf8'))
  const input = { file: text, format: known, dryRun, skipWrong }
  const report = await desk.run(importUsers, input, byCommand, progress(terminal))
  if (report instanceof Refusal) {
    if (report.reason !== 'wrong-lines') return refusedAt(terminal, report)
    for (const { field, sentence } of report.faults) sayWrong(terminal, file, field.replace('line ', ''), sentence)
    return complain(terminal, failed, 'Nothing was imported. Mend these lines, or leave them out with --skip-wrong.')
  }
  const { added, thereAlready, problems } = report
  for (const { line, sentence } of problems) sayWrong(terminal, file, line, sentence)
  if (dryRun) {
    say(terminal, `${added} would be added, ${thereAlready} are there already. Nothing was done.`)
    return problems.length === 0 || skipWrong ? done : failed
  }
  say(terminal, `${added} added, ${thereAlready} there already and left as they were.`)
  return problems.length === 0 ? done : failed
}

/** `export [FILE]`: everybody, without anything secret, as `import` reads it. */
export async function usersExport(
  { desk }: WithOperations,
  terminal: Terminal,
  file: string | undefined,
  { format = (file && formatOf(file)) ?? 'csv' }: { format?: string } = {},
): Promise<number> {
  if (format !== 'csv' && format !== 'json') return complain(terminal, wrongUse, 'An export is --format csv or json.')
  const handed = await desk.run(exportUsers, { format }, byCommand)
  if (handed instanceof Refusal) return refusedAt(terminal, handed)
  const out = file === undefined ? terminal.stdout : createWriteStream(file, { flags: 'wx', mode: 0o600 })
  const ended = file === undefined ? undefined : finished(out)
  let lines = 0
  for await (const line of handed.content) {
    if (!out.write(line)) await once(out, 'drain')
    lines++
  }
  if (file !== undefined) {
    out.end()
    await ended
    say(terminal, `${format === 'csv' ? lines - 1 : lines} users were written to ${file}.`)
  }
  return done
}

function sayWrong({ stderr }: Terminal, file: string, line: string | number, sentence: string): void {
  stderr.write(`${file}:${line}: ${sentence}\n`)
}

/** A line that is written over, where a person looks. */
function progress({ stderr }: Terminal): (count: number, all: number) => void {
  if (!('isTTY' in stderr) || stderr.isTTY !== true) return () => {}
  return (count, all) => {
    if (count % 50 !== 0 && count !== all) return
    const filled = Math.floor((count / all) * BAR)
    const bar = `${'#'.repeat(filled)}${'.'.repeat(BAR - filled)}`
    stderr.write(`\r[${bar}] ${count} of ${all}${count === all ? '\n' : ''}`)
  }
}

const BAR = 30
