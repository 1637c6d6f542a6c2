import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { Terminal } from '../../src/cli/terminal.js'

/** Runs a command as a script does; gives the exit code and what was said. */
export async function runCommand(command: (terminal: Terminal) => Promise<number>, input = '') {
  const terminal = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() }
  terminal.stdin.end(input)
  const heard = Promise.all([text(terminal.stdout), text(terminal.stderr)])
  const code = await command(terminal)
  terminal.stdout.end()
  terminal.stderr.end()
  const [out, err] = await heard
  return { code, out, err }
}
