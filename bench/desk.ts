import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildGateway, openHouse } from '../src/app.js'
import { checkConfig } from '../src/config/load-config.js'
import type { Json } from '../src/contracts.js'
import { addUser } from '../src/identity/add-user.js'
import { hashOf } from '../src/identity/secret.js'
import { Visitor } from '../test/support/visitor.js'

/**
 * What the desk's pages cost with many users and sessions: medians of 15 page loads each, by the whole gateway in one
 * process. `USERS` and `SESSIONS` in the environment say how many.
 */

const users = Number(process.env['USERS'] ?? 100_000)
const sessions = Number(process.env['SESSIONS'] ?? 1_000_000)
const PASSWORD = 'a lamp over the lodge gate'
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

const ends: (() => unknown)[] = []
const home = await mkdtemp(join(tmpdir(), 'gatelodge-bench-'))
try {
  const file = join(home, 'gatelodge.yaml')
  await writeFile(file, 'sites: [{ upstream: "http://127.0.0.1:1" }]\nstore: { use: embedded, path: ./data }\n')
  const checked = await checkConfig(file, {})
  if ('problems' in checked) throw new Error('the configuration is wrong')
  const house = await openHouse(checked.config, { log: silent, now: () => Date.now() })
  const { store, directory, identity } = house
  const added = await addUser(
    { directory, accounts: identity.accounts },
    { username: 'olga', role: 'owner', password: PASSWORD },
  )
  if (added.outcome !== 'added') throw new Error(added.sentence)
  const seeding = performance.now()
  const ids: string[] = []
  await inBatches(users, async (index) => {
    const username = `user-${String(index).padStart(7, '0')}`
    const user = await directory.writable?.create({ username, groups: [], email: `${username}@example.com` })
    if (user === undefined) throw new Error(`${username} is taken`)
    await identity.accounts.open(user)
    ids.push(user.id)
  })
  await inBatches(sessions, async (index) => {
    const accountId = ids[index % ids.length] ?? ''
    const id = hashOf(`session ${index}`)
    const user = { id: accountId, username: `user-${index}`, groups: [] }
    const session = {
      id,
      accountId,
      user,
      openedAt: Date.now(),
      passwordAt: Date.now(),
      via: ['password'],
      generation: 1,
      installation: 1,
      client: '192.0.2.1',
      userAgent: 'Mozilla/5.0',
    }
    await Promise.all([
      store.set(`session/${id}`, session as unknown as Json),
      store.set(`session-of/${accountId}/${id}`, Date.now()),
    ])
  })
  console.log(`${users} users, ${sessions} sessions, seeded in ${Math.round((performance.now() - seeding) / 1000)} s`)

  const server = await buildGateway(house)
  await server.listen({ host: '127.0.0.1', port: 0 })
  ends.push(async () => {
    server.server.closeAllConnections()
    await server.close()
    await house.close()
  })
  const { port } = server.server.address() as AddressInfo
  const olga = new Visitor({ teardown: (end) => void ends.unshift(end) }, `http://localhost:${port}`)
  await olga.fillIn('/.gatelodge/sign-in', { username: 'olga', password: PASSWORD }, '/sign-in')
  const before = process.memoryUsage().rss
  const desk = '/.gatelodge/admin'
  const one = ids[Math.floor(ids.length / 2)]
  await measure('first page', () => olga.get(desk))
  await measure('users', () => olga.get(`${desk}/users`))
  await measure('users, by the beginning of the name', () => olga.get(`${desk}/users?search=user-009`))
  await measure('users, with a filter nobody fits', () => olga.get(`${desk}/users?exempt=yes`))
  await measure('one user', () => olga.get(`${desk}/users/${one}`))
  await measure('clear sessions, the question', () => olga.get(`${desk}/sessions/clear`))
  await measure('audit', () => olga.get(`${desk}/audit`))
  await measure('clear all but one’s own, by network', async () => {
    const page = await olga.get(`${desk}/users/new`)
    const token = /name="token" value="([^"]*)"/.exec(page.text)?.[1] ?? ''
    const cleared = await olga.post(`${desk}/do/session.clear`, { token, network: '192.0.2.0/24' })
    return { ...cleared, status: cleared.status === 303 ? 200 : cleared.status }
  })
  console.log(`memory grew by ${Math.round((process.memoryUsage().rss - before) / 2 ** 20)} MB`)
} finally {
  for (const end of ends) await end()
  await rm(home, { recursive: true, force: true })
}

async function measure(name: string, load: () => Promise<{ readonly status: number }>): Promise<void> {
  const times: number[] = []
  for (let round = 0; round < 15; round += 1) {
    const start = performance.now()
    const { status } = await load()
    times.push(performance.now() - start)
    if (status !== 200) throw new Error(`${name}: ${status}`)
  }
  times.sort((a, b) => a - b)
  console.log(`${name.padEnd(40)} ${(times[7] ?? 0).toFixed(1).padStart(7)} ms`)
}

async function inBatches(count: number, work: (index: number) => Promise<unknown>): Promise<void> {
  for (let start = 0; start < count; start += 1000) {
    await Promise.all(Array.from({ length: Math.min(1000, count - start) }, (_, index) => work(start + index)))
  }
}
