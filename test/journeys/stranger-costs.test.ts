import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { readFileSync } from 'node:fs'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { Store } from '../../src/contracts.js'
import { application } from '../support/front-door.js'
import { type OpenHouse, startHouse } from '../support/house.js'
import { MailServer } from '../support/mail-server.js'
import type { Visitor } from '../support/visitor.js'

t.setTimeout(600_000)

/**
 * What somebody who has proved nothing can make the gateway spend: 43,584 requests in ten seconds once made 36.7 MB of audit,
 * and every answer was a 303. Every route that takes a POST has to be in this table, which is measured here and printed in
 * docs/security.md: a route that is new fails the test until somebody has thought about it.
 */

/** At most, of one try and of sixty in a minute from one network. */
interface Cost {
  readonly writes: readonly [one: number, sixty: number]
  readonly audit: readonly [one: number, sixty: number]
  readonly mails: readonly [one: number, sixty: number]
  /** Passwords that are hashed. */
  readonly hashes: readonly [one: number, sixty: number]
}

const none = [0, 0] as const
const nothing: Cost = { writes: none, audit: none, mails: none, hashes: none }

/** By what stands under the prefix; the names are those of the table in the documentation. */
const costs: Readonly<Record<string, Cost>> = {
  // A name that nobody has: with its delay, its network, the entry of the audit and what the audit is found by.
  '/sign-in': { writes: [20, 520], audit: [2, 30], mails: none, hashes: [1, 20] },
  // An answer to a question of ours, of a passkey that nobody has.
  '/sign-in/passkey': { writes: [8, 24], audit: [1, 4], mails: none, hashes: none },
  // A link that is none; over the limit of the network the first of a minute is written down.
  '/setup': { writes: [0, 16], audit: [0, 2], mails: none, hashes: none },
  '/sign-in/link': { writes: [16, 160], audit: [1, 14], mails: none, hashes: none },
  '/help': { writes: [16, 160], audit: [1, 14], mails: [1, 10], hashes: none },
  // A link that is none: the first of a minute is written down, the others are counted.
  '/link': { writes: [8, 24], audit: [1, 4], mails: none, hashes: none },
  '/not-me': { writes: [8, 16], audit: [1, 2], mails: none, hashes: none },
  '/sign-out': nothing,
  '/verify': nothing,
  '/verify/method': nothing,
  '/verify/send': nothing,
  '/verify/backup-code': nothing,
  '/verify/recovery-code': nothing,
  '/enrol/later': nothing,
  '/enrol/:method': nothing,
  '/enrol/:method/send': nothing,
  '/account/*': nothing,
  '/admin/*': nothing,
  '/api/*': nothing,
  '/forward-auth': nothing,
  // Kept for `explain` by its number, at most 300 in a minute and process.
  '/forward-auth/*': { writes: [1, 60], audit: none, mails: none, hashes: none },
  '/*': nothing,
}

/** Where a route that takes a POST is to be found in the table. */
function rowOf(route: string): string | undefined {
  if (Object.hasOwn(costs, route)) return route
  const group = /^\/(account|admin|api)(\/|$)/.exec(route)?.[1]
  return group === undefined ? undefined : `/${group}/*`
}

const yaml = (app: string, mail: string) => `
publicUrl: http://localhost
trustedProxies: [127.0.0.0/8]
sites: [{ upstream: "${app}" }]
secondFactor:
  methods:
    - { use: email }
    - { use: magic-link, signIn: true }
    - { use: passkey, signIn: true }
mail: { use: smtp, url: "${mail}", from: "Sign-in <no-reply@example.com>" }
`

/** A gateway, and every route of it that takes a POST. */
async function open(t: Test): Promise<{ gateway: OpenHouse; mail: MailServer; routes: readonly string[] }> {
  const routes = new Set<string>()
  const created = (message: unknown) => {
    const { fastify } = message as { readonly fastify: FastifyInstance }
    fastify.addHook('onRoute', ({ method, url }) => {
      if ([method].flat().includes('POST')) routes.add(url)
    })
  }
  subscribe('fastify.initialization', created)
  const [app, mail] = await Promise.all([application(t), MailServer.start()])
  t.teardown(() => mail.stop())
  const gateway = await startHouse(t, { yaml: yaml(app.url, mail.url) })
  unsubscribe('fastify.initialization', created)
  return { gateway, mail, routes: [...routes] }
}

/** Counts what is written to the store and what is hashed. */
function meter({ core }: OpenHouse, mail: MailServer) {
  const count = { writes: 0, hashes: 0 }
  const keys: string[] = []
  const { store, directory } = core
  for (const name of ['set', 'add', 'replace', 'delete', 'increment'] as const) {
    const original = store[name].bind(store) as (...args: unknown[]) => Promise<unknown>
    store[name] = (async (...args: unknown[]) => {
      // What goes on by the clock is nobody's request.
      if (!/^(adoption|audit-retention)/.test(String(args[0]))) {
        count.writes += 1
        keys.push(`${name} ${String(args[0])}`)
      }
      return original(...args)
    }) as Store[typeof name] as never
  }
  const verify = directory.verifyPassword.bind(directory)
  directory.verifyPassword = (...args) => {
    count.hashes += 1
    return verify(...args)
  }
  return async () => {
    await core.identity.settled()
    await core.messages.settled()
    core.refusals.flush()
    await core.refusals.settled()
    // The chain moves its head after an entry is kept: that write belongs to the route that made the entry.
    await core.audit.settled()
    return { ...count, keys: [...keys], audit: await core.audit.count(), mails: mail.arrived.length }
  }
}

/** The best a stranger has: a form that was just read, for what has one. */
async function post(visitor: Visitor, route: string, network: string, number: number): Promise<number> {
  const path = `/.gatelodge${route.replace(':method', 'email').replace(/\*$/, 'x')}`
  const headers = { 'x-forwarded-for': network }
  const page = ['/help', '/sign-in', '/sign-in/link', '/sign-in/passkey'].includes(route)
    ? await visitor.get(path, { headers })
    : undefined
  const borrowed = page ?? (await visitor.get('/.gatelodge/help', { headers }))
  const token = [...borrowed.text.matchAll(/name="token" value="([^"]+)"/g)].at(-1)?.[1] ?? ''
  const typed = route === '/help' ? { email: `nobody-${number}@example.com` } : { username: `nobody-${number}` }
  const fields = { token, password: 'not the one', link: 'A'.repeat(43), code: '123456', ...typed }
  return (await visitor.post(path, fields, { headers })).status
}

t.test('every route that takes a POST is in the table of what a stranger may cost', async (t) => {
  const { routes } = await open(t)
  const own = routes
    .filter((route) => route.startsWith('/.gatelodge'))
    .map((route) => route.slice('/.gatelodge'.length))
  t.ok(own.length > 40, `${own.length} routes`)
  for (const route of own) t.ok(rowOf(route) !== undefined, `${route} is not in the table: what may it cost?`)
  for (const row of Object.keys(costs))
    t.ok(
      own.some((route) => rowOf(route) === row),
      `${row} is no route any more`,
    )
})

t.test('no route costs more than the table says, of one try and of sixty in a minute', async (t) => {
  const { gateway, mail, routes } = await open(t)
  const measure = meter(gateway, mail)
  const own = routes
    .filter((route) => route.startsWith('/.gatelodge'))
    .map((route) => route.slice('/.gatelodge'.length))
    .filter((route) => !/^\/(admin|api)\/.*[:*]/.test(route))
  let network = 0
  for (const route of own) {
    const row = rowOf(route)
    const allowed = row === undefined ? nothing : (costs[row] ?? nothing)
    network += 1
    const visitor = gateway.visitor()
    for (const [which, tries] of [
      [0, 1],
      [1, 60],
    ] as const) {
      // Each of the two from a network of its own.
      const address = `198.51.${which}.${network}`
      const before = await measure()
      for (let number = 0; number < tries; number += 1) await post(visitor, route, address, network * 100 + number)
      const after = await measure()
      for (const what of ['writes', 'audit', 'mails', 'hashes'] as const) {
        const cost = after[what] - before[what]
        const written = after.keys.slice(before.keys.length, before.keys.length + 10).join(', ')
        const said = `${route}: ${cost} ${what} of ${tries} tries, at most ${allowed[what][which]}`
        t.ok(cost <= allowed[what][which], cost <= allowed[what][which] ? said : `${said}: ${written}`)
      }
    }
  }
})

t.test('the table of the documentation is this one', async (t) => {
  const docs = readFileSync(new URL('../../../docs/security.md', import.meta.url), 'utf8')
  for (const [route, { writes, audit, mails, hashes }] of Object.entries(costs)) {
    const cells = [writes, audit, mails, hashes].map(([one, sixty]) => (sixty === 0 ? '0' : `${one} / ${sixty}`))
    t.ok(docs.includes(`| \`${route}\` | ${cells.join(' | ')} |`), `| \`${route}\` | ${cells.join(' | ')} |`)
  }
})
