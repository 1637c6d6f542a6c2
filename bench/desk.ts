import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildGateway, openCore } from '../src/app.js'
import type { StoredEntry } from '../src/contracts.js'
import { addUser } from '../src/identity/accounts/add-user.js'
import { hashOf } from '../src/identity/store/random-token.js'
import { checkConfig } from '../src/plugin-host/check-config.js'
import { Visitor } from '../test/support/visitor.js'

/**
 * What the desk costs with many users and sessions: medians of 15 page loads each, by the whole gateway in one process, and
 * whether its memory stays flat. `USERS` and `SESSIONS` in the environment say how many.
 */

const users = Number(process.env['USERS'] ?? 100_000)
const sessions = Number(process.env['SESSIONS'] ?? 1_000_000)
const LIMIT_MS = 200
/** What a process may grow by that has answered a few hundred pages, the index of names included. */
const LIMIT_MB = 64
const ROUNDS = 15
const PASSWORD = 'a lamp over the lodge gate'
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

const ends: (() => unknown)[] = []
const home = await mkdtemp(join(tmpdir(), 'gatelodge-bench-'))
let areKept = true
try {
  const file = join(home, 'gatelodge.yaml')
  const lines = [
    'publicUrl: http://localhost:8080',
    'sites: [{ host: crm.example.com, upstream: "http://127.0.0.1:1" }]',
    // The desk is measured, not the way to it.
    'administration: { secondFactor: when-enabled }',
    'store: { use: embedded, path: ./data }',
  ]
  await writeFile(file, `${lines.join('\n')}\n`)
  const checked = await checkConfig(file, {})
  if ('problems' in checked) throw new Error('the configuration is wrong')
  const seeding = performance.now()
  const ids = await seed(checked.config)
  console.log(`${users} users, ${sessions} sessions, seeded in ${Math.round((performance.now() - seeding) / 1000)} s`)

  // Opened anew: what seeding left in memory is not the gateway's.
  global.gc?.()
  const core = await openCore(checked.config, { log: silent, now: () => Date.now() })
  const server = await buildGateway(core)
  await server.listen({ host: '127.0.0.1', port: 0 })
  ends.push(async () => {
    server.server.closeAllConnections()
    await server.close()
    await core.close()
  })
  const { port } = server.server.address() as AddressInfo
  const olga = new Visitor({ teardown: (end) => void ends.unshift(end) }, `http://localhost:${port}`)
  const signIn = () => olga.fillIn('/.gatelodge/sign-in', { username: 'olga', password: PASSWORD }, '/sign-in')
  await signIn()
  const desk = '/.gatelodge/admin'
  const one = ids[Math.floor(ids.length / 2)]
  const clear = async (fields: Readonly<Record<string, string>>) => {
    const page = await olga.get(`${desk}/users/new`)
    const token = /name="token" value="([^"]*)"/.exec(page.text)?.[1] ?? ''
    return timed(() => olga.post(`${desk}/do/session.clear`, { token, ...fields }), 303)
  }
  const get = (path: string) => () => timed(() => olga.get(`${desk}${path}`), 200)
  await get('')()
  const [heapBefore, rssBefore] = memory()
  await measure('first page', get(''))
  await measure('users', get('/users'))
  await measure('users, a later page', get(`/users?after=${Buffer.from('user-0050000').toString('base64url')}`))
  console.log(`${'search, the first one, which makes the index'.padEnd(48)} ${ms(await get('/users?search=x')())}`)
  await measure('search, the beginning of names', get('/users?search=user-009'))
  await measure('search, a part of few names', get('/users?search=99123'))
  await measure('search, a part of every address', get('/users?search=example.com'))
  await measure('search, a display name', get('/users?search=Person+4711'))
  await measure('search, nobody', get('/users?search=nobody-at-all'))
  await measure('find, from anywhere', get('/find?q=99123'))
  await measure('users, with a filter nobody fits', get('/users?exempt=yes'))
  await measure('one user', get(`/users/${one}`))
  await measure('clear sessions, the question', get('/sessions/clear'))
  await measure('audit', get('/audit'))
  await measure('locks', get('/locks'))
  await measure('clear one user', () => clear({ user: one ?? '' }))
  await measure('clear a network', () => clear({ network: '192.0.2.0/24' }))
  await measure('clear all', async () => {
    const took = await clear({ all: 'yes' })
    await signIn()
    return took
  })
  const [heap, rss] = memory()
  const isFlat = heap - heapBefore <= LIMIT_MB
  areKept &&= isFlat
  console.log(
    `memory in use ${heapBefore} MB before, ${heap} MB after: at most ${LIMIT_MB} MB more: ${isFlat ? 'PASS' : 'FAIL'}`,
  )
  console.log(`resident ${rssBefore} MB before, ${rss} MB after, the pages of the data file that were read among them`)
} finally {
  for (const end of ends) await end()
  await rm(home, { recursive: true, force: true })
}
if (!areKept) process.exitCode = 1

/** By way of a restore, which takes a minute or two for what would take an hour one by one. @returns the ids of users */
async function seed(config: Parameters<typeof openCore>[0]): Promise<readonly string[]> {
  const core = await openCore(config, { log: silent, now: () => Date.now() })
  try {
    const { store, directory, identity } = core
    const { accounts, settings } = identity
    const added = await addUser(
      { directory, accounts, settings },
      { username: 'olga', role: 'owner', password: PASSWORD },
    )
    if (added.outcome !== 'added') throw new Error(added.sentence)
    const model = await addUser(
      { directory, accounts, settings },
      { username: 'model', displayName: 'Model', email: 'm@x.example' },
    )
    if (model.outcome !== 'added') throw new Error(model.sentence)
    const { session } = await identity.sessions.open({
      user: model.user,
      generation: model.account.generation,
      installation: await identity.installation.generation(),
      passwordAt: Date.now(),
      via: ['password'],
      client: { address: '192.0.2.1', network: '192.0.2.1', userAgent: 'Mozilla/5.0', requestId: '' },
    })
    const there: StoredEntry[] = []
    for await (const entry of store.snapshot?.() ?? []) there.push(entry)
    await store.replaceAll?.(everything(there, model.user.id, session.id))
    return Array.from({ length: users }, (_, at) => idOf(at))
  } finally {
    await core.close()
  }
}

/** What there is, and of everything that is the model's a copy for everybody: found as the gateway wrote it. */
function* everything(there: readonly StoredEntry[], modelId: string, sessionId: string): Generator<StoredEntry> {
  yield* there
  const own = there.filter(({ key, value }) => `${key} ${JSON.stringify(value)}`.includes(modelId))
  const of = (isSession: boolean) =>
    own
      .filter(({ key }) => !key.startsWith('audit') && /(^|\/)session/.test(key) === isSession)
      .map(({ key, value, expiresAt }) => ({ text: JSON.stringify({ key, value }), expiresAt }))
  const [ofUser, ofSession] = [of(false), of(true)]
  if (ofUser.length < 4 || ofSession.length < 2) throw new Error('the store keeps users or sessions in another way')
  const copies = function* (models: typeof ofUser, change: (text: string) => string): Generator<StoredEntry> {
    for (const { text, expiresAt } of models) {
      yield { ...(JSON.parse(change(text)) as StoredEntry), ...(expiresAt === undefined ? {} : { expiresAt }) }
    }
  }
  for (let at = 0; at < users; at += 1) yield* copies(ofUser, (text) => asUser(text, modelId, at))
  for (let at = 0; at < sessions; at += 1) {
    const id = hashOf(`session ${at}`)
    yield* copies(ofSession, (text) => asUser(text, modelId, at % users).replaceAll(sessionId, id))
  }
}

function asUser(text: string, modelId: string, at: number): string {
  const name = `user-${String(at).padStart(7, '0')}`
  return text
    .replaceAll(modelId, idOf(at))
    .replaceAll('m@x.example', `${name}@example.com`)
    .replaceAll('"Model"', `"Person ${at}"`)
    .replaceAll(/(["/])model"/g, `$1${name}"`)
}

/** As ids are drawn, spread over the keys of the store. */
function idOf(at: number): string {
  const hex = Buffer.from(hashOf(`user ${at}`), 'base64url').toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-')
}

/** @returns ms */
async function timed(load: () => Promise<{ readonly status: number; readonly text: string }>, status: number) {
  const start = performance.now()
  const answer = await load()
  if (answer.status !== status) throw new Error(`${answer.status}: ${answer.text.slice(0, 300)}`)
  return performance.now() - start
}

async function measure(name: string, load: () => Promise<number>): Promise<void> {
  const times: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) times.push(await load())
  times.sort((a, b) => a - b)
  const median = times[Math.floor(ROUNDS / 2)] ?? Number.NaN
  const isKept = median <= LIMIT_MS
  areKept &&= isKept
  const slowest = `(at most ${ms(times.at(-1) ?? 0).trim()})`.padEnd(22)
  console.log(`${name.padEnd(48)} ${ms(median)} ${slowest} ${isKept ? 'PASS' : 'FAIL'}`)
}

function ms(value: number): string {
  return `${value.toFixed(1).padStart(7)} ms`
}

/** In MB: what JavaScript has in use once nothing is left to collect, and what is resident. */
function memory(): readonly [heap: number, rss: number] {
  global.gc?.()
  const { heapUsed, external, rss } = process.memoryUsage()
  return [Math.round((heapUsed + external) / 2 ** 20), Math.round(rss / 2 ** 20)]
}
