import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startDemoApplication } from './application.js'
import { box } from './box.js'
import { keptMessageOf, noteOf } from './notes.js'
import { startOutbox } from './outbox.js'

/** How the demonstration wants the gateway started. */
export interface DemoStart {
  /** The YAML file to read. */
  readonly configFile: string
  /** What `${NAME}` in the file stands for, besides the environment. */
  readonly environment: Readonly<Record<string, string>>
  /** Where the log goes, one JSON line a call, instead of standard output. */
  readonly log: { write(line: string): void }
}

/** The gateway, running. */
export interface DemoGateway {
  addUser(user: DemoUser): Promise<void>
  close(): Promise<void>
}

export interface DemoUser {
  readonly username: string
  readonly password: string
  readonly email: string
  readonly mobile: string
  readonly role: 'owner' | 'user'
}

export interface DemoOptions {
  readonly startGateway: (start: DemoStart) => Promise<DemoGateway>
  /** 8080 unless told otherwise. */
  readonly port?: number
  readonly terminal?: { readonly isTTY?: boolean; write(text: string): unknown }
}

/** The demonstration, running. */
export interface Demo {
  readonly url: string
  readonly users: readonly DemoUser[]
  /** Stops everything and forgets all of it. */
  close(): Promise<void>
}

/** `npm start` compiles to dist/demo, the file stays where it is written. */
const configFile = fileURLToPath(new URL('../../demo/gatelodge.yaml', import.meta.url))

/**
 * Starts the sample application with the gateway in front of it, and says on the terminal how to get in and what
 * happens. Everything is new at every start and gone at the end: users, passwords, sessions. `undefined` when the port is
 * taken; what to do about it was said then.
 */
export async function runDemo({
  startGateway,
  port = 8080,
  terminal = process.stdout,
}: DemoOptions): Promise<Demo | undefined> {
  if (!(await isFree(port, '127.0.0.1')) || !(await isFree(port, '::1'))) {
    terminal.write(
      `Port ${port} is taken by another program. Stop that one, or choose another port:\n\n    PORT=${port + 1} npm start    (or gatelodge demo --port ${port + 1})\n`,
    )
    return undefined
  }
  const url = `http://localhost:${port}`
  const cleanUp: Array<() => Promise<void>> = []
  const close = async () => {
    for (const step of cleanUp.splice(0).reverse()) await step()
  }
  try {
    const data = await mkdtemp(join(tmpdir(), 'gatelodge-demo-'))
    cleanUp.push(() => rm(data, { recursive: true, force: true, maxRetries: 3 }))
    const application = await startDemoApplication()
    cleanUp.push(() => application.close())
    const outbox = await startOutbox()
    cleanUp.push(() => outbox.close())
    const gateway = await startGateway({
      configFile,
      environment: {
        GATELODGE_DEMO_PORT: String(port),
        GATELODGE_DEMO_APPLICATION: application.url,
        GATELODGE_DEMO_OUTBOX: outbox.url,
        GATELODGE_DEMO_DATA: join(data, 'store'),
      },
      log: {
        write(line) {
          tell(terminal, line)
          const message = keptMessageOf(line)
          if (message !== undefined) outbox.keep(message)
        },
      },
    })
    cleanUp.push(() => gateway.close())
    // Numbers that are kept for fiction, so that no message could ever reach anybody.
    const users = [newUser('olivia', 'owner', '+12025550171'), newUser('ben', 'user', '+12025550143')]
    for (const user of users) await gateway.addUser(user)
    terminal.write(greeting(url, users, terminal.isTTY === true && process.env['NO_COLOR'] === undefined))
    return { url, users, close }
  } catch (fault) {
    await close()
    throw fault
  }
}

function greeting(url: string, users: readonly DemoUser[], colour: boolean): string {
  const lines = [
    undefined,
    'Not for use: plain HTTP, and passwords on the screen.',
    'All of it is new at every start and gone when you stop it.',
    undefined,
    `Open       ${url}`,
    `Messages   ${url}/outbox`,
    `Desk       ${url}/.gatelodge/admin   (for the owner)`,
    undefined,
    ...users.map(({ username, password, role }) => `Sign in    ${username.padEnd(8)} ${password}   (${role})`),
    undefined,
    'The Office page asks for a code: by text message, by e-mail,',
    'or from an authenticator app. Nothing is sent: what would be',
    'stands below, where it says "outbox". The desk has the owner',
    'set one of them up first, and asks for it at each change.',
    undefined,
    'Stop       Ctrl+C',
    undefined,
  ]
  return `\n${box('Gatelodge: THIS IS A DEMONSTRATION', lines, { colour })}\nWhat happens at the gate:\n`
}

function tell(terminal: { write(text: string): unknown }, line: string): void {
  const note = noteOf(line)
  if (note !== undefined) terminal.write(`  ${note}\n`)
}

function newUser(username: string, role: DemoUser['role'], mobile: string): DemoUser {
  return { username, role, mobile, email: `${username}@example.com`, password: newPassword() }
}

/** Three groups of four out of 31 signs that cannot be mistaken for each other: 59 bits. */
function newPassword(): string {
  const signs = 'abcdefghjkmnpqrstuvwxyz23456789'
  const group = () => Array.from({ length: 4 }, () => signs[randomInt(signs.length)]).join('')
  return `${group()}-${group()}-${group()}`
}

/** Both families are asked, because `localhost` in a browser may mean either. */
async function isFree(port: number, host: string): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, host)
    await once(server, 'listening')
  } catch (fault) {
    return !(fault instanceof Error && 'code' in fault && fault.code === 'EADDRINUSE')
  }
  server.close()
  await once(server, 'close')
  return true
}
