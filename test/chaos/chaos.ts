import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { hash } from '@node-rs/argon2'
import { type RunningGateway, startGateway } from '../support/gateway.js'
import { MailServer } from '../support/mail-server.js'
import { startRedis } from '../support/redis-server.js'
import type { Scope } from '../support/scope.js'
import { Desk } from './changes.js'
import { type ChaosCounts, noCounts } from './counts.js'
import { Door } from './door.js'
import { Person } from './person.js'
import { type Coder, coderOf, raceCode, raceLink } from './single-use.js'

/**
 * Two gateways on one Redis under mixed load, each killed without warning and started again, over and over. Everybody who
 * asks knows what may be answered: somebody else's name, a page for a session whose end was acknowledged, a session or a
 * change lost, a link or a code that worked twice is counted, and any of them is a fault of the gateway. No
 * answer at all is none.
 */

export interface ChaosOptions {
  readonly seconds: number
  readonly users: number
  /** Users with an authenticator app, whose codes are raced. */
  readonly coders: number
  /** Requests under way at once for pages. */
  readonly readers: number
  readonly log?: (line: string) => void
  /** Goes on after that time until enough has happened, for two minutes at most. */
  readonly isEnough?: (counts: ChaosCounts) => boolean
}

const password = 'correct horse 7 battery'

export async function chaos(
  scope: Scope,
  { seconds, users, coders, readers, log = () => {}, isEnough = () => true }: ChaosOptions,
): Promise<ChaosCounts> {
  const counts = noCounts()
  const [redis, mail, application] = await Promise.all([startRedis(scope), MailServer.start(), startApplication()])
  scope.teardown(() => Promise.all([mail.stop(), application.close()]))
  const yaml = `
publicUrl: http://localhost
trustedProxies: [127.0.0.0/8]
sites: [{ upstream: "${application.url}" }]
mail: { use: smtp, url: "${mail.url}", from: "a@example.com" }
store: { use: redis, url: "${redis.url}" }
log: { level: error }
`
  const first = await startGateway(scope, { yaml })
  const second = await startGateway(scope, { yaml })
  const passwordHash = await hash(password, { memoryCost: 1024, timeCost: 1 })
  const names = Array.from({ length: users }, (_, index) => `user${index}`)
  const coderNames = Array.from({ length: coders }, (_, index) => `coder${index}`)
  const rows = [...names, ...coderNames].map((username) =>
    JSON.stringify({ username, email: `${username}@example.com`, passwordHash }),
  )
  await done(first.run(['import', '-', '--format', 'json'], rows.join('\n')))
  await done(first.run(['user', 'add', 'boss', '--role', 'owner', '--password-stdin'], `${password}\n`))
  const token = await done(first.run(['tokens', 'issue', 'boss', '--admin', '--rate', '1000/s']))
  const withApps: Coder[] = []
  for (const name of coderNames) withApps.push(await coderOf(scope, first, { name, password }))

  const doors = [new Door(first.port), new Door(second.port)] as const
  scope.teardown(() => {
    for (const door of doors) door.close()
  })
  const people = names.map((name, index) => new Person({ name, index, password }, doors, counts))
  const desk = new Desk(token, doors, counts)
  const anyOf = (some: readonly Person[]) => some[Math.floor(Math.random() * some.length)]
  const present = () => people.filter(({ isSignedIn }) => isSignedIn)
  const anybody = () => anyOf(people) as Person
  const absent = () => people.filter(({ isSignedIn }) => !isSignedIn)
  /** Most are signed in most of the time: only who is can be taken for somebody else. */
  const isFull = () => absent().length < 0.1 * users
  const comeOrGo = async () => anyOf(isFull() ? present() : absent())?.comeOrGo()
  const come = async () => {
    for (; !isFull(); await pause(1)) await comeOrGo()
  }
  await Promise.all([come(), come(), come(), come()])

  const end = performance.now() + seconds * 1000
  const isOver = () => performance.now() > end && (isEnough(counts) || performance.now() > end + 120_000)
  const every = async (ms: number, work: () => Promise<void>) => {
    while (!isOver()) {
      await work()
      await pause(ms * (0.5 + Math.random()))
    }
  }
  const read = async () => {
    // Where nothing came somebody else is asked at once, but not over and over while nobody answers.
    while (!isOver()) if (!(await anybody().visit())) await pause(2)
  }
  const shutOut = async () => {
    const person = anyOf(present())
    await person?.shutOut(() => desk.shutOut(person.name))
  }
  await Promise.all([
    ...Array.from({ length: readers }, read),
    ...Array.from({ length: 4 }, () => every(80, comeOrGo)),
    every(200, () => desk.changeReason(anybody().name)),
    every(700, shutOut),
    every(1500, () => raceLink(anybody(), doors, desk, mail, counts)),
    ...withApps.map((coder) => every(2000, () => raceCode(coder, doors, counts))),
    every(2400, () => killOne([first, second], counts)),
    every(10_000, async () => log(JSON.stringify(counts))),
  ])
  for (const name of desk.changed) await desk.check(name)
  return counts
}

/** What a command printed. */
async function done(outcome: ReturnType<RunningGateway['run']>): Promise<string> {
  const { code, stdout, stderr } = await outcome
  if (code !== 0) throw new Error(stderr)
  return stdout.trim()
}

async function killOne(gateways: readonly RunningGateway[], counts: ChaosCounts): Promise<void> {
  const gateway = gateways[Math.random() < 0.5 ? 0 : 1]
  await gateway?.kill()
  counts.kills += 1
  await pause(200 * Math.random())
  await gateway?.start()
}

/** Says back who it was told is there. */
async function startApplication(): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer((request: IncomingMessage, response) => {
    response.end(String(request.headers['remote-user'] ?? 'nobody'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
