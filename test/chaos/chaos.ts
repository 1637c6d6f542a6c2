import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { hash } from '@node-rs/argon2'
import { Agent } from 'undici'
import { type RunningGateway, startGateway } from '../support/gateway.js'
import { MailServer } from '../support/mail-server.js'
import { until } from '../support/poll.js'
import { startRedis } from '../support/redis-server.js'
import type { Scope } from '../support/scope.js'
import { formOf } from '../support/visitor.js'

/**
 * Two gateways on one Redis under mixed load, each killed without warning and started again, over and over. Everybody who
 * asks knows what may be answered: somebody else's name, a page after a sign-out that was acknowledged, a session lost, or a
 * link that opened twice is counted, and any of them is a fault of the gateway. No answer at all is none.
 */

export interface ChaosOptions {
  readonly seconds: number
  readonly users: number
  /** Requests under way at once for pages. */
  readonly readers: number
  readonly log?: (line: string) => void
  /** Goes on after that time until enough has happened, for two minutes at most. */
  readonly isEnough?: (counts: ChaosCounts) => boolean
}

export interface ChaosCounts {
  pages: number
  signIns: number
  signOuts: number
  linksRaced: number
  linksOpened: number
  kills: number
  /** Answers that said the machinery is away, and connections without an answer. */
  unanswered: number
  /** Somebody else's name, or a page without one. */
  wrongIdentity: number
  /** Pages for a session whose sign-out was acknowledged more than a second before. */
  passedAfterSignOut: number
  /** Sessions that were acknowledged, never ended, and are not known any more. */
  sessionsLost: number
  linksOpenedTwice: number
  /** Answers that fit nothing, by status. */
  unexpected: Record<string, number>
}

const password = 'correct horse 7 battery'

/** How long a word that a session ended may take to every gateway. */
const HEARD_MS = 1000

export async function chaos(
  scope: Scope,
  { seconds, users, readers, log = () => {}, isEnough = () => true }: ChaosOptions,
): Promise<ChaosCounts> {
  const counts: ChaosCounts = {
    pages: 0,
    signIns: 0,
    signOuts: 0,
    linksRaced: 0,
    linksOpened: 0,
    kills: 0,
    unanswered: 0,
    wrongIdentity: 0,
    passedAfterSignOut: 0,
    sessionsLost: 0,
    linksOpenedTwice: 0,
    unexpected: {},
  }
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
  const gateways = await Promise.all([startGateway(scope, { yaml }), startGateway(scope, { yaml })])
  const passwordHash = await hash(password, { memoryCost: 1024, timeCost: 1 })
  const names = Array.from({ length: users }, (_, index) => `user${index}`)
  const rows = names.map((username) => JSON.stringify({ username, email: `${username}@example.com`, passwordHash }))
  const [first] = gateways
  const imported = await first?.run(['import', '-', '--format', 'json'], rows.join('\n'))
  if (imported?.code !== 0) throw new Error(imported?.stderr)

  const agent = new Agent({ pipelining: 0, connections: 512 })
  scope.teardown(() => agent.destroy())
  const end = performance.now() + seconds * 1000
  const isOver = () => performance.now() > end && (isEnough(counts) || performance.now() > end + 120_000)
  const people = names.map((name, index) => new Person(name, index, agent, gateways, counts))
  const every = async (ms: number, work: () => Promise<void>) => {
    while (!isOver()) {
      await work()
      await pause(ms * (0.5 + Math.random()))
    }
  }
  const anybody = () => people[Math.floor(Math.random() * people.length)] as Person
  await Promise.all([
    ...Array.from({ length: readers }, () => every(0, () => anybody().ask())),
    ...Array.from({ length: 4 }, () => every(20, () => anybody().comeOrGo())),
    every(1500, () => raceLink(anybody(), gateways, agent, mail, counts)),
    every(2500, () => killOne(gateways, counts)),
    every(10_000, async () => log(JSON.stringify(counts))),
  ])
  return counts
}

interface Acknowledged {
  readonly cookie: string
  ending: boolean
}

/** Somebody with one browser. What is known of the session is what was acknowledged. */
class Person {
  readonly #name: string
  readonly #address: string
  readonly #agent: Agent
  readonly #gateways: readonly RunningGateway[]
  readonly #counts: ChaosCounts
  #session: Acknowledged | undefined
  readonly #ended: Array<{ readonly cookie: string; readonly at: number }> = []
  #busy = false

  constructor(name: string, index: number, agent: Agent, gateways: readonly RunningGateway[], counts: ChaosCounts) {
    this.#name = name
    this.#address = `10.1.${index >> 8}.${index & 255}`
    this.#agent = agent
    this.#gateways = gateways
    this.#counts = counts
  }

  async ask(): Promise<void> {
    const session = this.#session
    const old = this.#ended[Math.floor(Math.random() * this.#ended.length)]
    const asksOld = old !== undefined && (session === undefined || Math.random() < 0.2)
    const cookie = asksOld ? old.cookie : session?.cookie
    const mayBeKnown = old !== undefined && performance.now() - old.at < HEARD_MS
    const answer = await this.#send('GET', '/who', cookie === undefined ? {} : { cookie })
    if (answer === undefined) return
    this.#counts.pages += 1
    if (answer.status === 200) {
      if (answer.text !== this.#name) this.#counts.wrongIdentity += 1
      else if (cookie === undefined || (asksOld && !mayBeKnown)) this.#counts.passedAfterSignOut += 1
      return
    }
    if (answer.status !== 401) this.#unexpected(answer.status)
    // Ending may have begun while the question was on its way.
    else if (!asksOld && session !== undefined && session === this.#session && !session.ending) {
      this.#counts.sessionsLost += 1
    }
  }

  async comeOrGo(): Promise<void> {
    if (this.#busy) return
    this.#busy = true
    try {
      await (this.#session === undefined ? this.#signIn() : this.#signOut(this.#session))
    } finally {
      this.#busy = false
    }
  }

  async #signIn(): Promise<void> {
    const page = await this.#send('GET', '/.gatelodge/sign-in', { accept: 'text/html' })
    if (page?.status !== 200) return
    const body = new URLSearchParams({ ...formOf(page.text).fields, username: this.#name, password }).toString()
    const answer = await this.#send('POST', '/.gatelodge/sign-in', { cookie: page.cookies, ...form }, body)
    if (answer === undefined) return
    const cookie = /(?:^|; )(gatelodge=[^;]+)/.exec(answer.cookies)?.[1]
    if (answer.status !== 303 || cookie === undefined) {
      if (answer.status !== 429) this.#unexpected(answer.status)
      return
    }
    this.#counts.signIns += 1
    this.#session = { cookie, ending: false }
  }

  async #signOut(session: Acknowledged): Promise<void> {
    const page = await this.#send('GET', '/.gatelodge/account', { accept: 'text/html', cookie: session.cookie })
    if (page?.status !== 200) return
    session.ending = true
    const { fields } = formOf(page.text, '/sign-out')
    const body = new URLSearchParams(fields).toString()
    const cookie = [session.cookie, page.cookies].filter((part) => part !== '').join('; ')
    const answer = await this.#send('POST', '/.gatelodge/sign-out', { cookie, ...form }, body)
    // Without an answer it may have ended or not: nothing can be said of it any more.
    this.#session = undefined
    if (answer === undefined) return
    if (answer.status >= 400) {
      this.#unexpected(answer.status)
      return
    }
    this.#counts.signOuts += 1
    this.#ended.push({ cookie: session.cookie, at: performance.now() })
    if (this.#ended.length > 20) this.#ended.shift()
  }

  /** `undefined` where nothing came, or word that the machinery is away. */
  async #send(method: 'GET' | 'POST', path: string, headers: Record<string, string>, body?: string) {
    const gateway = this.#gateways[Math.random() < 0.5 ? 0 : 1]
    const answer = await send(
      this.#agent,
      gateway,
      method,
      path,
      { 'x-forwarded-for': this.#address, ...headers },
      body,
    )
    if (answer === undefined || answer.status >= 502) {
      this.#counts.unanswered += 1
      return undefined
    }
    return answer
  }

  #unexpected(status: number): void {
    this.#counts.unexpected[status] = (this.#counts.unexpected[status] ?? 0) + 1
  }

  get name(): string {
    return this.#name
  }
}

const form = {
  accept: 'text/html',
  'content-type': 'application/x-www-form-urlencoded',
  'sec-fetch-site': 'same-origin',
  origin: 'null',
}

/** A login link, opened by six browsers over both gateways in the same moment. */
async function raceLink(
  person: Person,
  gateways: readonly RunningGateway[],
  agent: Agent,
  mail: MailServer,
  counts: ChaosCounts,
): Promise<void> {
  const before = mail.arrived.length
  const sent = await gateways[0]?.run(['user', 'login-link', person.name])
  if (sent?.code !== 0) return
  const isTheirs = ({ envelope }: { envelope: { to: readonly string[] } }) =>
    envelope.to.includes(`${person.name}@example.com`)
  const arrived = await until('the mail', () => mail.arrived.slice(before).find(isTheirs), 5000).catch(() => undefined)
  const path = /\/\.gatelodge\/link\S*/.exec(arrived?.email.text ?? '')?.[0]
  if (path === undefined) return
  counts.linksRaced += 1
  const opened = await Promise.all(
    [0, 1, 0, 1, 0, 1].map(async (which, index) => {
      const headers = { accept: 'text/html', 'x-forwarded-for': `10.2.0.${index}` }
      const page = await send(agent, gateways[which], 'GET', path, headers)
      if (page?.status !== 200) return false
      const { action = '', fields } = formOf(page.text)
      const body = new URLSearchParams(fields).toString()
      const answer = await send(
        agent,
        gateways[which],
        'POST',
        action,
        { ...headers, ...form, cookie: page.cookies },
        body,
      )
      return answer !== undefined && /(?:^|; )gatelodge=[^;]+/.test(answer.cookies)
    }),
  )
  const times = opened.filter((one) => one).length
  counts.linksOpened += times
  if (times > 1) counts.linksOpenedTwice += 1
}

async function killOne(gateways: readonly RunningGateway[], counts: ChaosCounts): Promise<void> {
  const gateway = gateways[Math.random() < 0.5 ? 0 : 1]
  await gateway?.kill()
  counts.kills += 1
  await pause(200 * Math.random())
  await gateway?.start()
}

async function send(
  agent: Agent,
  gateway: RunningGateway | undefined,
  method: 'GET' | 'POST',
  path: string,
  headers: Record<string, string>,
  body?: string,
): Promise<{ readonly status: number; readonly text: string; readonly cookies: string } | undefined> {
  try {
    const answer = await agent.request({
      origin: `http://localhost:${gateway?.port}`,
      method,
      path,
      headers,
      headersTimeout: 10_000,
      bodyTimeout: 10_000,
      ...(body === undefined ? {} : { body }),
    })
    const set = [answer.headers['set-cookie'] ?? []].flat().map((line) => line.split(';')[0])
    return { status: answer.statusCode, text: await answer.body.text(), cookies: set.join('; ') }
  } catch {
    return undefined
  }
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
