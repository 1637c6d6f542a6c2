import { once } from 'node:events'
import { chmodSync, unlinkSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Logger } from '../contracts.js'
import type { ReloadOutcome } from './reload.js'

/** What a running gateway can be told by whoever may open its data directory. One line of JSON each way. */
export type Command = 'reload'

/** A command is one word; more than that is none. */
const longestCommand = 64

/** How long a running gateway may take to read its file anew and open what it names. */
const patienceMs = 60_000

/** Listens for commands; what closes it again. Without it the gateway runs as well, and signals still reach it. */
export async function listenForCommands(
  socket: () => string,
  obey: (command: Command) => Promise<ReloadOutcome>,
  log: Logger,
): Promise<() => Promise<void>> {
  const server = createServer({ allowHalfOpen: true }, (client) => {
    let words = ''
    client.setEncoding('utf8')
    client.setTimeout(patienceMs, () => client.destroy())
    client.on('error', () => client.destroy())
    client.on('data', (piece) => {
      words += piece
      if (words.length > longestCommand) client.destroy()
    })
    client.on('end', async () => {
      if (words.trim() === 'reload') client.end(`${JSON.stringify(await obey('reload'))}\n`)
      else client.destroy()
    })
  })
  try {
    await listenAt(server, socket())
  } catch (err) {
    log.warn({ err }, 'commands cannot be listened for: use SIGHUP in the place of `gatelodge reload`')
    return async () => {}
  }
  return async () => {
    await new Promise((resolve) => server.close(resolve))
  }
}

/**
 * Gives a command to the gateway behind the socket.
 * @returns its answer; `undefined` when none is there
 */
export async function command(socket: string, word: Command): Promise<ReloadOutcome | undefined> {
  const connection = connect(socket)
  try {
    await once(connection, 'connect')
  } catch {
    return undefined
  }
  connection.setTimeout(patienceMs, () => connection.destroy(new Error('The gateway did not answer in time.')))
  connection.end(word)
  const answer = await text(connection)
  if (answer === '') throw new Error('The gateway ended before it answered.')
  return JSON.parse(answer) as ReloadOutcome
}

/** A socket that nobody answers at was left behind by a gateway that was killed. */
async function listenAt(server: Server, path: string): Promise<void> {
  if (await isAnswered(path)) throw new Error(`Another gateway that runs with this file listens at ${path}`)
  try {
    unlinkSync(path)
  } catch {
    // There was none, as after every orderly end.
  }
  server.listen(path)
  await once(server, 'listening')
  chmodSync(path, 0o600)
}

/** Whether a gateway listens for commands there. */
export async function isAnswered(path: string): Promise<boolean> {
  const connection = connect(path)
  try {
    await once(connection, 'connect')
    return true
  } catch {
    return false
  } finally {
    connection.destroy()
  }
}
