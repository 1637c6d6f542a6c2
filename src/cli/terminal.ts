import type { Readable, Writable } from 'node:stream'
import { failed, wrongUse } from '../exit-codes.js'
import type { Actor, Refusal } from '../operations/operation.js'
import type { Operations } from '../operations/operations.js'

/** What a command talks to. */
export interface Terminal {
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Writable
  readonly stderr: Writable
}

/** One line of result. */
export function say(terminal: Terminal, line: string): void {
  terminal.stdout.write(`${line}\n`)
}

/** One line of complaint. @returns the exit code to end with */
export function complain<Code extends number>(terminal: Terminal, code: Code, line: string): Code {
  terminal.stderr.write(`${line}\n`)
  return code
}

/** Columns of text, each as wide as its widest cell. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** A moment as a person reads it, to the second, in UTC. */
export function moment(ms: number): string {
  return new Date(ms)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, 'Z')
}

/** What commands that are operations work with. */
export interface WithOperations {
  readonly desk: Operations
}

/** Whoever can run a command here can read the store anyway: an owner, by the shell. */
export const byCommand: Actor = { door: 'command-line', role: 'owner', isFresh: true }

/** Says why it was not done. @returns the exit code to end with */
export function refusedAt(terminal: Terminal, { code, sentence }: Refusal): number {
  return complain(terminal, code === 'operation.input' ? wrongUse : failed, sentence)
}
