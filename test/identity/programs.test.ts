import t from 'tap'
import type { GatelodgeError } from '../../src/errors.js'
import type { ApiClient } from '../../src/identity/api-clients/api-clients.js'
import type { TokenWish } from '../../src/identity/api-clients/app-tokens.js'
import { readAuthorization } from '../../src/identity/api-clients/credentials.js'
import { appTokenId, drawAppToken } from '../../src/identity/api-clients/token-text.js'
import { add, client, PASSWORD, type Rooms, services } from '../support/core.js'

const DAY_MS = 24 * 60 * 60 * 1000

function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

interface From {
  readonly from?: string
  readonly site?: string
  readonly exempt?: boolean
}

/** As the gate asks: API accounts by their password, others where they are exempt. */
function find(r: Rooms, authorization: string, more: From = {}): Promise<ApiClient | undefined> {
  const facts = client(more.from)
  return r.programs.find(authorization, {
    client: more.site === undefined ? facts : { ...facts, site: more.site },
    mayUsePassword: ({ role }) => role === 'api' || more.exempt === true,
  })
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'nothing was thrown',
    (error: GatelodgeError) => error.code,
  )
}

async function issue(r: Rooms, accountId: string, more: Partial<TokenWish> = {}) {
  const issued = await r.tokens.issue({ accountId, name: 'nightly import', ...more }, 'test')
  if (issued === undefined) throw new Error('no token was issued')
  return issued
}

/** Counts what is asked of the directory: a password that is judged costs a hash. */
function countJudged(r: Rooms): () => number {
  const { directory } = r
  const verify = directory.verifyPassword.bind(directory)
  let count = 0
  directory.verifyPassword = (username, password) => {
    count += 1
    return verify(username, password)
  }
  return () => count
}

async function events(r: Rooms, event: string) {
  return (await r.audit.since(0, 1000)).filter((record) => record.event === event)
}

t.test('an app token is one word that says itself what it is, and slips of the hand are seen', async (t) => {
  const { id, text } = drawAppToken()
  t.match(text, /^glt_[0-9A-Za-z]{61}$/)
  t.equal(appTokenId(text), id)
  for (let at = 4; at < text.length; at += 7) {
    const slip = `${text.slice(0, at)}${text[at] === 'x' ? 'y' : 'x'}${text.slice(at + 1)}`
    t.equal(appTokenId(slip), undefined, slip)
  }
  t.equal(appTokenId(text.slice(0, -1)), undefined)
  t.equal(appTokenId(`${text}0`), undefined)
  t.not(drawAppToken().text, text)
})

t.test('Authorization is read as the standards say, and nothing else is', async (t) => {
  t.same(readAuthorization('Bearer abc.DEF-_~+/='), { secret: 'abc.DEF-_~+/=' })
  t.same(readAuthorization('bearer abc'), { secret: 'abc' })
  t.same(readAuthorization(basic('Aladdin', 'open:sesame')), { username: 'Aladdin', secret: 'open:sesame' })
  t.same(readAuthorization(`BASIC ${Buffer.from('zoë:ключ').toString('base64')}`), { username: 'zoë', secret: 'ключ' })
  t.same(readAuthorization(basic('', '')), { username: '', secret: '' })
  const none = ['', 'Basic', 'Basic ', 'Basic ***', 'Digest abc', 'Bearer', 'Bearer a b', `Basic ${'nocolon'}`]
  for (const header of [...none, basic('a\u0000', 'b'), basic('a', 'b\n'), 'Basic /////w==']) {
    t.equal(readAuthorization(header), undefined, header)
  }
})

t.test('a token', async (t) => {
  const r = await services(t)
  const ann = await add(r, 'ann')
  const { secret, token } = await issue(r, ann.id, { expiresAt: r.clock.ms + DAY_MS })

  await t.test(
    'stands for its user: as Bearer, as the password of Basic with or without a name, or as the name without one',
    async (t) => {
      for (const header of [
        `Bearer ${secret}`,
        basic('ann', secret),
        basic('ANN', secret),
        basic(token.id, secret),
        basic(secret, ''),
        basic('', secret),
      ]) {
        const program = await find(r, header)
        t.equal(program?.session.user.username, 'ann', header.slice(0, 10))
        t.equal(program?.session.token, true)
        t.equal(program?.token?.id, token.id)
      }
      t.equal(await find(r, basic('bob', secret)), undefined, 'the name says somebody else')
    },
  )

  await t.test('is nowhere in the store, the audit and the log', async (t) => {
    const text = JSON.stringify([await r.store.list('', { limit: 10_000 }), r.lines])
    t.notMatch(text, secret)
    t.notMatch(text, secret.slice(16, 59))
    t.match(text, token.id)
  })

  await t.test('needs nothing of the store but the epoch once it is known', async (t) => {
    await find(r, `Bearer ${secret}`)
    let reads = 0
    const get = r.store.get.bind(r.store)
    r.store.get = (key) => {
      reads += 1
      return get(key)
    }
    await find(r, `Bearer ${secret}`)
    r.store.get = get
    t.equal(reads, 0)
  })

  await t.test('is refused without a look into the store when it cannot be one', async (t) => {
    let reads = 0
    const get = r.store.get.bind(r.store)
    r.store.get = (key) => {
      reads += 1
      return get(key)
    }
    const judged = countJudged(r)
    t.equal(await find(r, `Bearer ${secret.slice(0, -1)}!`), undefined)
    t.equal(await find(r, `Bearer ${secret.slice(0, -1)}`), undefined)
    t.equal(await find(r, basic('ann', `${secret}x`)), undefined)
    r.store.get = get
    t.equal(reads, 0)
    t.equal(judged(), 0)
  })

  await t.test('with the id of another and a secret of its own opens nothing', async (t) => {
    const other = drawAppToken()
    t.equal(await find(r, `Bearer ${other.text}`), undefined)
  })

  await t.test('tells when and from where it was used last, and the audit once a day and network', async (t) => {
    await find(r, `Bearer ${secret}`, { from: '198.51.100.1' })
    await r.settled()
    const before = (await events(r, 'api.used')).length
    r.clock.forward(61)
    for (let turn = 0; turn < 5; turn += 1) await find(r, `Bearer ${secret}`, { from: '198.51.100.1' })
    await r.settled()
    const [listed] = await r.tokens.list(ann.id)
    t.match(listed, { lastUsedAt: r.clock.ms, lastUsedFrom: '198.51.100.1', status: 'active' })
    t.equal((await events(r, 'api.used')).length, before)
    await find(r, `Bearer ${secret}`, { from: '198.51.100.2' })
    await r.settled()
    t.equal((await events(r, 'api.used')).length, before + 1)
    t.match((await events(r, 'api.used')).at(-1), { username: 'ann', method: 'token', details: { token: token.id } })
  })

  await t.test('passes although its use cannot be written down', async (t) => {
    r.clock.forward(61)
    const { set, add: adds } = r.store
    r.store.set = () => Promise.reject(new Error('full'))
    r.store.add = () => Promise.reject(new Error('full'))
    t.ok(await find(r, `Bearer ${secret}`, { from: '198.51.100.3' }))
    await r.settled()
    Object.assign(r.store, { set, add: adds })
  })

  await t.test('expires to the millisecond, though it was used a moment before', async (t) => {
    const short = await issue(r, ann.id, { expiresAt: r.clock.ms + 1000 })
    t.ok(await find(r, `Bearer ${short.secret}`))
    r.clock.ms += 999
    t.ok(await find(r, `Bearer ${short.secret}`))
    r.clock.ms += 1
    t.equal(await find(r, `Bearer ${short.secret}`), undefined)
    t.equal((await r.tokens.list(ann.id)).find(({ id }) => id === short.token.id)?.status, 'expired')
  })

  await t.test('that is revoked opens nothing in any process, and what it opened before has ended', async (t) => {
    const second = await r.beside()
    const one = await issue(r, ann.id)
    const here = await find(r, `Bearer ${one.secret}`)
    t.ok(await find(second, `Bearer ${one.secret}`))
    t.match(await second.tokens.revoke(one.token.id, 'owner'), { id: one.token.id, name: 'nightly import' })
    t.equal(await find(r, `Bearer ${one.secret}`), undefined)
    t.equal(await find(second, `Bearer ${one.secret}`), undefined)
    t.equal(await here?.still(), undefined)
    t.equal(await r.tokens.revoke(one.token.id, 'owner'), undefined, 'once')
    t.match((await events(r, 'token.revoked')).at(-1), {
      username: 'ann',
      details: { by: 'owner', token: one.token.id },
    })
    t.ok(await find(r, `Bearer ${secret}`), 'the others go on')
  })
})

t.test('the token of a deactivated account is dead, and stays so when the account comes back', async (t) => {
  const r = await services(t)
  const bob = await add(r, 'bob')
  const { secret } = await issue(r, bob.id)
  const before = await find(r, `Bearer ${secret}`)
  t.ok(before)
  await r.accounts.deactivate(bob.id)
  t.equal(await find(r, `Bearer ${secret}`), undefined)
  t.equal(await before?.still(), undefined)
  t.equal(await r.tokens.issue({ accountId: bob.id, name: 'another' }, 'test'), undefined)
  await r.accounts.activate(bob.id)
  t.equal(await find(r, `Bearer ${secret}`), undefined)
  t.equal((await r.tokens.list(bob.id))[0]?.status, 'ended')
  const again = await issue(r, bob.id)
  t.ok(await find(r, `Bearer ${again.secret}`))
  await r.directory.writable?.remove(bob.id)
  r.clock.forward(31)
  t.equal(await find(r, `Bearer ${again.secret}`), undefined, 'gone from the directory')
})

t.test('all tokens of an account end at once, and so do those of everybody', async (t) => {
  const r = await services(t)
  const [ann, bob] = [await add(r, 'ann'), await add(r, 'bob')]
  const issued = [await issue(r, ann.id), await issue(r, ann.id), await issue(r, bob.id)]
  const alive = async () => (await Promise.all(issued.map(({ secret }) => find(r, `Bearer ${secret}`)))).map(Boolean)
  t.same(await alive(), [true, true, true])
  t.equal(await r.tokens.revokeAll(ann.id, 'owner'), 2)
  t.same(await alive(), [false, false, true])
  t.equal(await r.tokens.revokeAll(undefined, 'owner'), 1)
  t.same(await alive(), [false, false, false])
  t.same(await r.tokens.list(), [])
  const reasons = (await events(r, 'token.revoked')).map(({ reason, details }) => [reason, details?.['count']])
  t.same(reasons, [
    ['all-of-account', 2],
    ['all', 1],
  ])
})

t.test('a rate is kept exactly by one gateway, never exceeded by several, and begins anew', async (t) => {
  const r = await services(t)
  const second = await r.beside()
  const ann = await add(r, 'ann')
  const { secret } = await issue(r, ann.id, { rate: { requests: 50, seconds: 60 } })
  r.clock.ms = Math.ceil(r.clock.ms / 60_000) * 60_000
  const first = await find(r, `Bearer ${secret}`)
  t.same(first?.headers, {
    'ratelimit-policy': '50;w=60',
    'ratelimit-limit': '50',
    'ratelimit-remaining': '49',
    'ratelimit-reset': '60',
  })
  let passed = 1
  const ask = async (where: Rooms) => {
    const code = await codeOf(find(where, `Bearer ${secret}`))
    if (code === 'nothing was thrown') passed += 1
    else t.equal(code, 'token.rate-limited')
  }
  await Promise.all(Array.from({ length: 60 }, () => ask(r)))
  t.equal(passed, 50, 'all at once are counted like one after another')
  t.equal(await codeOf(find(second, `Bearer ${secret}`)), 'token.rate-limited', 'for the other gateway, too')
  r.clock.forward(60)
  passed = 0
  for (let turn = 0; turn < 40; turn += 1) await Promise.all([ask(r), ask(second)])
  t.ok(passed <= 50 && passed >= 48, String(passed))
  const error = await find(r, `Bearer ${secret}`).catch((fault: GatelodgeError) => fault)
  t.match(error, { retryAfterSeconds: 60, headers: { 'ratelimit-remaining': '0' } })
  t.ok(await first?.still(), 'what is under way is not counted again')
})

t.test('the password of an API account is judged once, and then known for a minute', async (t) => {
  const r = await services(t)
  await add(r, 'nightly', { role: 'api' })
  const judged = countJudged(r)
  const header = basic('Nightly', PASSWORD)
  const all = await Promise.all(Array.from({ length: 30 }, () => find(r, header)))
  t.ok(all.every((program) => program?.session.user.username === 'nightly' && program.session.passwordAt !== undefined))
  t.equal(judged(), 1, 'thirty at once')
  t.ok(await find(r, header, { from: '198.51.100.9' }))
  r.clock.forward(59)
  t.ok(await find(r, header))
  t.equal(judged(), 1)
  r.clock.forward(2)
  t.ok(await find(r, header))
  t.equal(judged(), 2)
  await r.settled()
  t.equal((await events(r, 'sign-in.password')).length, 0, 'no line for every minute')
  t.match(await events(r, 'api.used'), [{ username: 'nightly', method: 'password' }, {}])
})

t.test(
  'a password that is known does not survive its change, nor a deactivation or any end of everything',
  async (t) => {
    const r = await services(t)
    const nightly = await add(r, 'nightly', { role: 'api' })
    const header = basic('nightly', PASSWORD)
    const before = await find(r, header)
    t.ok(await before?.still())
    const [user] = await r.directory.find({ username: 'nightly' })
    if (user === undefined) throw new Error('no such user')
    const password = 'another lamp entirely'
    const changed = await r.changePassword.change({
      user,
      account: nightly,
      password,
      client: client(),
      method: 'password',
    })
    t.equal(changed.outcome, 'changed')
    t.equal(await before?.still(), undefined)
    t.equal(await find(r, header), undefined, 'the old one')
    const anew = basic('nightly', 'another lamp entirely')
    t.ok(await find(r, anew))
    await r.accounts.endAll(nightly.id)
    t.ok(await find(r, anew), 'the password itself is still right')
    await r.accounts.deactivate(nightly.id)
    t.equal(await find(r, anew), undefined)
  },
)

t.test(
  'a person passes with the password only where exempt, and does not learn otherwise that it was right',
  async (t) => {
    const r = await services(t)
    await add(r, 'ann')
    const judged = countJudged(r)
    t.equal(await find(r, basic('ann', PASSWORD)), undefined)
    t.equal(judged(), 1, 'it costs a hash like a wrong one')
    t.ok(await find(r, basic('ann', PASSWORD), { exempt: true, site: 'crm.example.com' }))
    t.equal(
      await find(r, basic('ann', PASSWORD), { site: 'wiki.example.com' }),
      undefined,
      'known, and not enough here',
    )
    t.match(
      (await events(r, 'sign-in.password')).map(({ reason }) => reason),
      ['policy'],
    )
  },
)

t.test('Basic brute force over many connections stays in the budget', async (t) => {
  const r = await services(t)
  await add(r, 'nightly', { role: 'api' })
  const judged = countJudged(r)
  const guesses = Array.from({ length: 40 }, (_, n) =>
    codeOf(find(r, basic('nightly', `guess number ${n}`), { from: `198.51.100.${n}` })),
  )
  const codes = await Promise.all(guesses)
  t.equal(judged(), 5)
  t.equal(codes.filter((code) => code === 'sign-in.throttled').length, 35)
  t.equal(await codeOf(find(r, basic('nightly', PASSWORD), { from: '203.0.113.1' })), 'sign-in.throttled')
  const blocked = await r.signIn.password({
    username: 'nightly',
    password: PASSWORD,
    client: client('203.0.113.2'),
    returnTo: '/',
    policy: () => 'none',
  })
  t.match(blocked, { outcome: 'refused', retryAfterSeconds: 1 }, 'the sign-in page has the same budget')
})

t.test('many names from one network stay in the budget of the network', async (t) => {
  const r = await services(t)
  const judged = countJudged(r)
  const codes = await Promise.all(Array.from({ length: 30 }, (_, n) => codeOf(find(r, basic(`name${n}`, 'x')))))
  t.equal(judged(), 20)
  t.equal(codes.filter((code) => code === 'sign-in.throttled').length, 10)
})

t.test('strangers who guess do not lock a program out of the network it always comes from', async (t) => {
  const r = await services(t)
  await add(r, 'nightly', { role: 'api' })
  t.ok(await find(r, basic('nightly', PASSWORD), { from: '192.0.2.1' }))
  r.clock.forward(120)
  for (let n = 0; n < 8; n += 1) await codeOf(find(r, basic('nightly', `guess ${n}`), { from: '198.51.100.1' }))
  t.equal(await codeOf(find(r, basic('nightly', PASSWORD), { from: '198.51.100.2' })), 'sign-in.throttled')
  t.ok(await find(r, basic('nightly', PASSWORD), { from: '192.0.2.1' }))
})

t.test('an unknown name by Basic costs what a known one with a wrong password does', async (t) => {
  const r = await services(t)
  await add(r, 'nightly', { role: 'api' })
  const work = async (name: string) => {
    const calls: string[] = []
    const methods = ['get', 'set', 'add', 'replace', 'delete', 'increment'] as const
    const kept = Object.fromEntries(methods.map((method) => [method, r.store[method]]))
    for (const method of methods) {
      const call = r.store[method].bind(r.store) as (...args: unknown[]) => unknown
      Object.assign(r.store, {
        [method]: (key: string, ...rest: unknown[]) => {
          calls.push(
            `${method} ${key
              .split('/')
              .slice(0, 2)
              .join('/')
              .replace(/audit.*/, 'audit')}`,
          )
          return call(key, ...rest)
        },
      })
    }
    const judged = countJudged(r)
    t.equal(await find(r, basic(name, 'not the password')), undefined)
    t.equal(judged(), 1)
    Object.assign(r.store, kept)
    // The audit's bookkeeping, looks at the epoch and the directory's count of hash formats go on behind whoever waits.
    return calls.filter((call) => !/ (audit|epoch|plugin)/.test(call)).length
  }
  t.equal(await work('nightly'), await work('nobody'))
})

t.test('when too many passwords are being judged, the next is told to come back, and no guess is lost', async (t) => {
  const r = await services(t)
  await add(r, 'nightly', { role: 'api' })
  const verify = r.directory.verifyPassword
  r.directory.verifyPassword = () => Promise.reject(Object.assign(new Error('busy'), {}))
  t.equal(await codeOf(find(r, basic('nightly', PASSWORD))), 'directory.unavailable')
  for (let turn = 0; turn < 8; turn += 1) await codeOf(find(r, basic('nightly', PASSWORD)))
  r.directory.verifyPassword = verify
  t.ok(await find(r, basic('nightly', PASSWORD)))
})

t.test('an API account never gets a session', async (t) => {
  const r = await services(t)
  await add(r, 'nightly', { role: 'api' })
  const outcome = await r.signIn.password({
    username: 'nightly',
    password: PASSWORD,
    client: client(),
    returnTo: '/',
    policy: () => 'none',
  })
  t.match(outcome, { outcome: 'refused' })
})
