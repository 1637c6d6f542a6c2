import { hash } from '@node-rs/argon2'
import { openCore } from '../src/app.js'
import { loadConfig } from '../src/config/load-config.js'
import type { Logger, StoredEntry } from '../src/contracts.js'
import type { Account } from '../src/identity/accounts/account.js'
import { createUser } from '../src/identity/accounts/add-user.js'
import type { Session } from '../src/identity/sessions/sessions.js'
import { drawToken, hashOf } from '../src/identity/store/random-token.js'

/** Who can sign in. */
export interface Person {
  readonly username: string
  readonly password: string
}

export interface Seeded {
  /** Of sessions that are open: at most a thousand, from all over the store. */
  readonly tokens: readonly string[]
  /** Of branches of the same sessions, at {@link branchHost}. */
  readonly branches: readonly string[]
  readonly people: readonly Person[]
}

/** A site beside the portal, which is localhost. */
export const branchHost = 'site.localhost'

const tokensGiven = 1000
const sessionsOfOne = 10
const peopleCount = 8
const silent: Logger = { debug() {}, info() {}, warn() {}, error: console.error }

/**
 * Fills the store that the file names. One session is opened as the gateway opens them; all others are copies of it under
 * tokens and accounts of their own, put in by way of a restore, which takes seconds for a million.
 */
export async function seed(file: string, sessionCount: number): Promise<Seeded> {
  const read = loadConfig(file, {})
  if ('problems' in read) throw new Error(JSON.stringify(read.problems))
  const { store, directory, identity, close } = await openCore(read.config, { log: silent, now: Date.now })
  try {
    const { accounts, sessions, installation } = identity
    const password = 'correct horse battery staple'
    const credential = { hash: await hash(password, { memoryCost: 19_456, timeCost: 2, parallelism: 1 }) }
    const people: Person[] = []
    for (let at = 1; at <= peopleCount; at += 1) {
      const username = `person-${at}`
      const user = { username, email: `${username}@example.com`, groups: ['staff', 'sales'] }
      await createUser({ directory, accounts }, user, { role: 'user', credential })
      people.push({ username, password })
    }
    const [user] = await directory.find({ username: 'person-1' })
    const account = user && (await accounts.find(user.id))
    if (user === undefined || account === undefined) throw new Error('nobody was added')
    const now = Date.now()
    const { session } = await sessions.open({
      user,
      generation: account.generation,
      installation: await installation.generation(),
      passwordAt: now,
      secondFactorAt: now,
      via: ['password', 'totp'],
      client: { address: '127.0.0.1', network: '127.0.0.1', userAgent: 'bench', requestId: '' },
    })
    const there: StoredEntry[] = []
    for await (const entry of store.snapshot?.() ?? []) there.push(entry)
    const tokens: string[] = []
    const branches: string[] = []
    await store.replaceAll?.(entriesOf({ there, account, session, sessionCount, tokens, branches }))
    return { tokens, branches, people }
  } finally {
    await close()
  }
}

/** @param tokens gets those that are given out, and `branches` those of a branch of each */
function* entriesOf({
  there,
  account,
  session,
  sessionCount,
  tokens,
  branches,
}: {
  there: readonly StoredEntry[]
  account: Account
  session: Session
  sessionCount: number
  tokens: string[]
  branches: string[]
}): Generator<StoredEntry> {
  yield* there
  const model = there.find(({ key }) => key === `session/${session.id}`)
  const expiry = model?.expiresAt === undefined ? {} : { expiresAt: model.expiresAt }
  const each = Math.max(1, Math.floor(sessionCount / tokensGiven))
  for (let at = 0; at < sessionCount; at += 1) {
    const accountId = `seeded-${Math.floor(at / sessionsOfOne)}`
    if (at % sessionsOfOne === 0) {
      yield { key: `account/${accountId}`, value: { ...account, id: accountId, username: accountId } as never }
    }
    const token = drawToken()
    const id = hashOf(token)
    const user = { ...session.user, id: accountId, username: accountId }
    const branch = drawToken()
    const isGiven = at % each === 0 && tokens.length < tokensGiven
    const carried = isGiven ? { branches: [{ host: branchHost, id: hashOf(branch) }] } : {}
    yield { key: `session/${id}`, value: { ...session, ...carried, id, accountId, user } as never, ...expiry }
    yield { key: `session-of/${accountId}/${id}`, value: session.openedAt, ...expiry }
    if (!isGiven) continue
    tokens.push(token)
    branches.push(branch)
    yield { key: `branch/${hashOf(branch)}`, value: { sessionId: id, host: branchHost }, ...expiry }
  }
}
