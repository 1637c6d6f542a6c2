import t from 'tap'
import type { CheckedSecondFactor, Store } from '../../src/contracts.js'
import { hashOf } from '../../src/identity/store/random-token.js'
import {
  add,
  client,
  codeAt,
  enrolApp,
  halfWay,
  open,
  PASSWORD,
  type Rooms,
  services,
  shownKey,
  tryPassword,
} from '../support/core.js'

const times = <Result>(count: number, work: (index: number) => Promise<Result>): Promise<Result[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => work(index)))

/** A factor whose answer is `right`, that counts how often it is asked. */
function counted(label: string, grows = false): CheckedSecondFactor & { judged: number } {
  return {
    label,
    judged: 0,
    available: () => true,
    enrol: {
      begin: async () => ({ secret: 'secret', show: 'shown' }),
      confirm: async (secret, answer) => (answer === 'right' ? { secret, used: 0 } : undefined),
    },
    begin: async () => null,
    async verify(_challenge, enrolment, answer) {
      this.judged += 1
      if (answer !== 'right') return false
      return grows ? { enrolment: { ...(enrolment as { used: number }), used: 1 } } : true
    },
  }
}

async function enrolCounted(r: Rooms, username: string, method: string): Promise<void> {
  const token = await halfWay(r, username, { ask: 'enrol' })
  await r.signIn.beginEnrolment(token, method)
  const done = await r.signIn.confirmEnrolment(token, 'right', client())
  if (done.outcome !== 'session') throw new Error(done.outcome)
  r.clock.forward(16 * 60)
}

t.test('a right password opens a session where nothing more is asked', async (t) => {
  const r = await services(t)
  await add(r, 'Ada', { email: 'ada@example.com', groups: ['staff'] })
  const found = await r.sessions.find(await open(r, '  ADA'.trim()))
  t.match(found?.session, {
    user: { username: 'Ada', email: 'ada@example.com', groups: ['staff'] },
    passwordAt: r.clock.ms,
    via: ['password'],
    client: '192.0.2.7',
  })
  t.equal(found?.session.secondFactorAt, undefined)
})

t.test('every kind of no is the same: unknown, wrong, deactivated, API account, refused by policy', async (t) => {
  const r = await services(t)
  await add(r, 'ada')
  const gone = await add(r, 'gone')
  await add(r, 'robot', { role: 'api' })
  await r.accounts.deactivate(gone.id)
  const writes: number[] = []
  const noes = [
    () => tryPassword(r, 'nobody'),
    () => tryPassword(r, 'ada', { password: 'wrong wrong' }),
    () => tryPassword(r, 'gone'),
    () => tryPassword(r, 'robot'),
    () => tryPassword(r, 'ada', { ask: 'deny' }),
    () => tryPassword(r, 'x'.repeat(5000)),
    () => tryPassword(r, '\ud800 :'),
    () => tryPassword(r, 'ada', { password: 'x'.repeat(5000) }),
    () => tryPassword(r, ''),
  ]
  for (const no of noes) {
    const before = r.lines.length
    t.same(await no(), { outcome: 'refused' })
    writes.push(r.lines.length - before)
    r.clock.forward(60)
  }
  t.same(new Set(writes), new Set([1]), 'each is written down once')
  const text = JSON.stringify(r.lines)
  t.notMatch(text, PASSWORD, 'no password is written down')
  t.notMatch(text, 'nobody', 'nor what was typed for a name that is not there: it may be a password')
})

t.test('a first sign-in of a user whom only the directory knows opens an account', async (t) => {
  const r = await services(t)
  const user = await r.directory.writable?.create({ username: 'bob', groups: [] }, PASSWORD)
  const found = await r.sessions.find(await open(r, 'bob'))
  t.match(found?.account, { id: user?.id, username: 'bob', role: 'user', status: 'active', enrolled: [] })
})

t.test('the account follows when the directory writes the name in another way', async (t) => {
  const r = await services(t)
  const { id } = await add(r, 'ada')
  await open(r, 'ada')
  await r.directory.writable?.update(id, { username: 'Ada' })
  t.ok(await r.sessions.find(await open(r, 'ada')))
  t.match(await r.accounts.find(id), { username: 'Ada', role: 'user' })
})

t.test('the directory broken: no answer about the password, and no try lost', async (t) => {
  const r = await services(t)
  await add(r, 'ada')
  const verify = r.directory.verifyPassword
  r.directory.verifyPassword = async () => {
    throw new Error('the wires are down')
  }
  for (let round = 0; round < 30; round += 1) {
    await t.rejects(tryPassword(r, 'ada'), { code: 'directory.unavailable' })
  }
  r.directory.verifyPassword = verify
  t.equal((await tryPassword(r, 'ada')).outcome, 'session')
})

t.test('a pending sign-in opens nothing, and a session is no pending sign-in', async (t) => {
  const r = await services(t)
  await add(r, 'ada')
  const pendingToken = await halfWay(r, 'ada', { ask: 'enrol' })
  t.equal(await r.sessions.find(pendingToken), undefined)
  const token = await open(r, 'ada')
  t.equal(await r.signIn.pending(token), undefined)
  t.same(await r.signIn.answer(token, '123456', client()), { outcome: 'expired' })
  t.same(await r.signIn.confirmEnrolment(token, '123456', client()), { outcome: 'expired' })
})

t.test('an authenticator app counts after its first right code, and not before', async (t) => {
  const r = await services(t)
  const { id } = await add(r, 'ada')
  const pendingToken = await halfWay(r, 'ada', { ask: 'enrol' })
  t.match(await r.signIn.pending(pendingToken), {
    mode: 'enrol',
    methods: [{ id: 'totp', label: 'Authenticator app' }],
  })
  const key = await shownKey(r, pendingToken)
  t.equal(await shownKey(r, pendingToken), key, 'a page that is loaded again shows the same secret')
  t.match(await r.signIn.confirmEnrolment(pendingToken, '000000', client()), { outcome: 'wrong' })
  t.same((await r.accounts.find(id))?.enrolled, [])

  const code = codeAt(key, r.clock.ms)
  const done = await r.signIn.confirmEnrolment(pendingToken, `${code.slice(0, 3)} ${code.slice(3)}`, client())
  if (done.outcome !== 'session') throw new Error(done.outcome)
  t.equal(done.returnTo, '/wanted')
  t.match((await r.accounts.find(id))?.enrolled, [{ method: 'totp' }])
  t.match((await r.sessions.find(done.token))?.session, { via: ['password', 'totp'], secondFactorAt: r.clock.ms })

  const next = await halfWay(r, 'ada')
  t.match(await r.signIn.answer(next, code, client()), { outcome: 'wrong' }, 'the code that confirmed it is used up')
  r.clock.forward(30)
  t.match(await r.signIn.answer(next, codeAt(key, r.clock.ms), client()), { outcome: 'session' })
})

t.test(
  'a phone whose clock is minutes off is told so; the try counts, and a code of the minutes to come is used up',
  async (t) => {
    const r = await services(t)
    await add(r, 'ada')
    const begun = await halfWay(r, 'ada', { ask: 'enrol' })
    const shown = await shownKey(r, begun)
    const slow = codeAt(shown, r.clock.ms - 5 * 60_000)
    t.match(await r.signIn.confirmEnrolment(begun, slow, client()), {
      outcome: 'wrong',
      triesLeft: 4,
      isOfAnotherTime: true,
    })

    const { key } = await enrolApp(r, 'ada')
    r.clock.forward(15 * 60)
    const next = await halfWay(r, 'ada')
    const answer = (text: string) => r.signIn.answer(next, text, client())
    const early = codeAt(key, r.clock.ms + 5 * 60_000)
    t.same(await answer(early), { outcome: 'wrong', triesLeft: 4, isOfAnotherTime: true })
    t.same(await answer(codeAt(key, r.clock.ms - 9 * 60_000)), {
      outcome: 'wrong',
      triesLeft: 3,
      isOfAnotherTime: true,
    })
    t.same(await answer(codeAt(key, r.clock.ms + 11 * 60_000)), { outcome: 'wrong', triesLeft: 2 })
    r.clock.forward(5 * 60)
    t.match(await answer(early), { outcome: 'wrong' }, 'nobody brings it again when its time has come')
    t.match(await answer(codeAt(key, r.clock.ms - 30_000)), { outcome: 'session' }, 'and the one beside it is good')
  },
)

t.test('whoever has a factor verifies: asking to enrol is no way round it', async (t) => {
  const r = await services(t)
  await add(r, 'ada')
  const early = await halfWay(r, 'ada', { ask: 'enrol' })
  const thief = await shownKey(r, early)
  await enrolApp(r, 'ada')
  r.clock.forward(30)
  t.match(await tryPassword(r, 'ada', { ask: 'enrol' }), { outcome: 'verify' })
  t.equal(await r.signIn.pending(early), undefined, 'a page that was opened before ends with the first factor')
  t.same(await r.signIn.confirmEnrolment(early, codeAt(thief, r.clock.ms), client()), { outcome: 'expired' })
  t.equal(await r.signIn.beginEnrolment(await halfWay(r, 'ada'), 'totp'), undefined)
})

t.test('two pages take a factor over at once: one wins, the other ends', async (t) => {
  const r = await services(t)
  const { id } = await add(r, 'ada')
  const pages = await times(2, () => halfWay(r, 'ada', { ask: 'enrol' }))
  const keys = await Promise.all(pages.map((page) => shownKey(r, page)))
  const done = await times(2, (n) => r.signIn.confirmEnrolment(pages[n], codeAt(keys[n] ?? '', r.clock.ms), client()))
  t.same(done.map(({ outcome }) => outcome).sort(), ['expired', 'session'])
  t.equal((await r.accounts.find(id))?.enrolled.length, 1)
})

t.test('one right code, sent fifty times at once from fifty browsers to two gateways, opens one session', async (t) => {
  const r = await services(t)
  const other = await r.beside()
  await add(r, 'ada')
  const { key } = await enrolApp(r, 'ada')
  r.clock.forward(3600)
  // One after the other: of more than four passwords at once that are not judged yet, the fifth has to wait.
  const pending: string[] = []
  for (let n = 0; n < 50; n++) pending.push(await halfWay(n % 2 ? r : other, 'ada', { from: `192.0.2.${n % 5}` }))
  const code = codeAt(key, r.clock.ms)
  const results = await times(50, (n) => (n % 2 ? r : other).signIn.answer(pending[n], code, client()))
  t.equal(results.filter(({ outcome }) => outcome === 'session').length, 1)
})

t.test('one pending sign-in opens one session, whatever is sent to it at once', async (t) => {
  const factor = counted('Token')
  const r = await services(t, { factors: new Map([['token', factor]]) })
  await add(r, 'ada')
  await enrolCounted(r, 'ada', 'token')
  const pendingToken = await halfWay(r, 'ada')
  const results = await times(50, () => r.signIn.answer(pendingToken, 'right', client()))
  t.equal(results.filter(({ outcome }) => outcome === 'session').length, 1)
  t.same(await r.signIn.answer(pendingToken, 'right', client()), { outcome: 'expired' })
})

t.test('an answer without a counter is used up as well', async (t) => {
  const r = await services(t, { factors: new Map([['token', counted('Token')]]) })
  await add(r, 'ada')
  await enrolCounted(r, 'ada', 'token')
  t.match(await r.signIn.answer(await halfWay(r, 'ada'), 'right', client()), { outcome: 'session' })
  t.match(await r.signIn.answer(await halfWay(r, 'ada'), ' ri-ght', client()), { outcome: 'wrong' })
})

t.test(
  'guesses judged never exceed the limit: over sessions, methods, gateways, restarts and parallel tries',
  async (t) => {
    const [token, card] = [counted('Token'), counted('Card')]
    const r = await services(t, {
      factors: new Map([
        ['token', token],
        ['card', card],
      ]),
    })
    const account = await add(r, 'ada')
    await enrolCounted(r, 'ada', 'token')
    // A second method beside the first, as the account page will add it.
    await r.enrolments.activate((await r.accounts.find(account.id)) ?? account, {
      method: 'card',
      name: 'Card',
      enrolment: { used: 0 },
    })
    const judged = () => token.judged + card.judged
    const attack = async () => {
      const gateways = [r, await r.beside(), await r.beside()]
      // A right password each time: success in the first step must not refill the second.
      const pages = await Promise.all(gateways.map((gateway, n) => halfWay(gateway, 'ada', { from: `192.0.2.${n}` })))
      const cards = (await r.signIn.pending(pages[0]))?.methods.map(({ id }) => id)[1] ?? ''
      await r.signIn.choose(pages[0], cards, client())
      await times(50, async (n) => {
        const result = await (gateways[n % 3] ?? r).signIn.answer(pages[n % 3], `guess ${n}`, client())
        if (result.outcome === 'wrong') t.ok(result.triesLeft < 5)
        else t.equal(result.outcome, 'throttled')
      })
    }
    const waits = [15, 30, 60]
    for (const [round, minutes] of [15, ...waits].entries()) {
      await attack()
      t.equal(judged(), 5 * (round + 1), `round ${round + 1}`)
      t.ok(token.judged > 0 && card.judged > 0)
      r.clock.forward((waits[round] ?? minutes) * 60 - 1)
      await attack()
      t.equal(judged(), 5 * (round + 1), 'a second before the wait is over nothing is judged')
      r.clock.forward(1)
    }
    await attack()
    t.equal(judged(), 20, 'twenty a day')
    r.clock.forward(24 * 3600)
    t.match(await r.signIn.answer(await halfWay(r, 'ada'), 'right', client()), { outcome: 'session' })
  },
)

t.test('a right answer gives back its own try and no other', async (t) => {
  const r = await services(t)
  await add(r, 'ada')
  const { key } = await enrolApp(r, 'ada')
  r.clock.forward(60)
  const first = await halfWay(r, 'ada')
  for (const left of [4, 3, 2, 1]) {
    t.same(await r.signIn.answer(first, '000000', client()), { outcome: 'wrong', triesLeft: left })
  }
  t.match(await r.signIn.answer(first, codeAt(key, r.clock.ms), client()), { outcome: 'session' }, 'the fifth is right')
  r.clock.forward(30)
  const second = await halfWay(r, 'ada')
  t.match(await r.signIn.pending(second), { triesLeft: 1 })
  t.match(await r.signIn.answer(second, '000000', client()), { outcome: 'wrong', triesLeft: 0 })
  t.match(await r.signIn.pending(second), { triesLeft: 0, retryAfterSeconds: 900 })
  t.same(await r.signIn.answer(second, codeAt(key, r.clock.ms), client()), {
    outcome: 'throttled',
    retryAfterSeconds: 900,
  })
  t.same(
    await r.signIn.answer(second, ' - ', client()),
    { outcome: 'wrong', triesLeft: 0 },
    'an empty field is no guess',
  )
})

t.test('a pending sign-in ends after ten minutes, and with every revocation', async (t) => {
  const r = await services(t)
  const { id } = await add(r, 'ada')
  const { key } = await enrolApp(r, 'ada')
  const revocations: ReadonlyArray<readonly [string, () => unknown]> = [
    ['ten minutes', () => r.clock.forward(600)],
    ['end all', () => r.sessions.endAll(id)],
    ['clear', () => r.sessions.clear()],
    ['deactivate and activate', async () => [await r.accounts.deactivate(id), await r.accounts.activate(id)]],
  ]
  for (const [name, revoke] of revocations) {
    r.clock.forward(60)
    const pendingToken = await halfWay(r, 'ada')
    t.match(await r.signIn.pending(pendingToken), { username: 'ada' })
    await revoke()
    t.equal(await r.signIn.pending(pendingToken), undefined, name)
    t.same(await r.signIn.answer(pendingToken, codeAt(key, r.clock.ms), client()), { outcome: 'expired' }, name)
    t.same(await r.signIn.choose(pendingToken, 'totp', client()), { outcome: 'expired' }, name)
  }
})

t.test('a revocation while the password is being judged ends what it opens', async (t) => {
  const r = await services(t)
  const { id } = await add(r, 'ada')
  const verify = r.directory.verifyPassword.bind(r.directory)
  const during: ReadonlyArray<() => Promise<unknown>> = [
    () => r.sessions.endAll(id),
    () => r.sessions.clear(),
    async () => [await r.accounts.deactivate(id), await r.accounts.activate(id)],
  ]
  for (const revoke of during) {
    r.directory.verifyPassword = async (username, password) => {
      const user = await verify(username, password)
      await revoke()
      return user
    }
    t.equal(await r.sessions.find(await open(r, 'ada')), undefined)
    t.equal(await r.signIn.pending(await halfWay(r, 'ada', { ask: 'enrol' })), undefined)
  }
})

t.test('a new session id at every step up; the old one ends', async (t) => {
  const r = await services(t)
  await add(r, 'ada')
  const { key } = await enrolApp(r, 'ada')
  r.clock.forward(60)
  const plain = await open(r, 'ada')
  const step = await r.signIn.stepUp(plain, '/admin')
  if (step.outcome !== 'verify') throw new Error(step.outcome)
  t.ok(await r.sessions.find(plain), 'the old one stands until the answer is right')
  const done = await r.signIn.answer(step.pendingToken, codeAt(key, r.clock.ms), client())
  if (done.outcome !== 'session') throw new Error(done.outcome)
  t.equal(done.returnTo, '/admin')
  t.not(done.token, plain)
  t.equal(await r.sessions.find(plain), undefined)
  t.match((await r.sessions.find(done.token))?.session.via, ['password', 'totp'])

  const again = await open(r, 'ada', { sessionToken: done.token })
  t.equal(await r.sessions.find(done.token), undefined, 'signing in again in the same browser ends what was there')
  t.ok(await r.sessions.find(again))
})

t.test('a step up of a session that is ended at that very moment opens nothing', async (t) => {
  let end = async () => {}
  const wrap = (store: Store): Store =>
    new Proxy(store, {
      get(target, name) {
        const method = Reflect.get(target, name)
        if (typeof method !== 'function') return method
        if (name !== 'set') return method.bind(target)
        return async (key: string, ...more: unknown[]) => {
          // The new session is about to be written, and has not taken the place of the old one yet.
          if (key.startsWith('session/')) await end()
          return method.call(target, key, ...more)
        }
      },
    })
  const r = await services(t, { wrap })
  await add(r, 'ada')
  const { key } = await enrolApp(r, 'ada')
  const stolen = await open(r, 'ada')
  const step = await r.signIn.stepUp(stolen, '/admin')
  if (!('pendingToken' in step)) throw new Error('the session is enough')
  r.clock.forward(60)
  end = async () => {
    end = async () => {}
    t.equal(await r.sessions.end(stolen), true)
  }
  const done = await r.signIn.answer(step.pendingToken, codeAt(key, r.clock.ms), client())
  if (done.outcome !== 'session') throw new Error(`it ended with ${done.outcome}`)
  t.equal(await r.sessions.find(done.token), undefined)
  t.equal(await r.sessions.isOpen(done.session.id), false)
})

t.test('an old session is not enough to put a phone on the account', async (t) => {
  const r = await services(t)
  await add(r, 'ada')
  const token = await open(r, 'ada')
  t.match(await r.signIn.stepUp(token, '/'), { outcome: 'enrol' })
  r.clock.forward(15 * 60 + 1)
  t.same(await r.signIn.stepUp(token, '/'), { outcome: 'sign-in' })
  t.same(await r.signIn.stepUp(undefined, '/'), { outcome: 'sign-in' })
})

t.test('the preferred factor is asked first; a factor that is no longer configured cannot be passed by', async (t) => {
  const factors = new Map([
    ['token', counted('Token')],
    ['card', counted('Card')],
  ])
  const r = await services(t, { factors })
  const account = await add(r, 'ada')
  await enrolCounted(r, 'ada', 'token')
  const card = await r.enrolments.activate((await r.accounts.find(account.id)) ?? account, {
    method: 'card',
    name: 'Card',
    enrolment: { used: 0 },
  })
  if (card === undefined) throw new Error('the card was not taken')
  const first = await halfWay(r, 'ada')
  const view = await r.signIn.pending(first)
  t.same(
    view?.methods.map(({ label }) => label),
    ['Token', 'Card'],
  )
  t.equal(view?.method, view?.methods[0]?.id)
  await r.accounts.change(account.id, (was) => ({ ...was, preferred: card.id }))
  t.equal((await r.signIn.pending(await halfWay(r, 'ada')))?.method, card.id)
  t.same(await r.signIn.choose(first, 'not mine', client()), { outcome: 'expired' })

  factors.clear()
  const stuck = await tryPassword(r, 'ada', { ask: 'second-factor' })
  if (stuck.outcome !== 'verify') throw new Error(stuck.outcome)
  t.same((await r.signIn.pending(stuck.pendingToken))?.methods, [])
  t.same(await r.signIn.answer(stuck.pendingToken, 'right', client()), { outcome: 'expired' })
})

t.test('reset: every factor goes, every session ends, and the next sign-in may enrol', async (t) => {
  const r = await services(t)
  const { id } = await add(r, 'ada')
  const { token } = await enrolApp(r, 'ada')
  t.equal(await r.enrolments.reset(id), 1)
  t.equal(await r.sessions.find(token), undefined)
  t.match(await tryPassword(r, 'ada', { ask: 'enrol' }), { outcome: 'enrol' })
  t.equal(await r.enrolments.reset('nobody'), undefined)
})

t.test('the store sees hashes, and log and audit see no secret', async (t) => {
  const r = await services(t)
  const { id } = await add(r, 'ada')
  const pendingToken = await halfWay(r, 'ada', { ask: 'enrol' })
  const key = await shownKey(r, pendingToken)
  const code = codeAt(key, r.clock.ms)
  const done = await r.signIn.confirmEnrolment(pendingToken, code, client())
  if (done.outcome !== 'session') throw new Error(done.outcome)
  const everything = JSON.stringify(await r.store.list('', { limit: 10_000 }))
  t.match(everything, hashOf(done.token))
  for (const secret of [pendingToken, done.token, PASSWORD]) t.notOk(everything.includes(secret))
  const said = JSON.stringify([r.lines, await r.audit.recent(id), await r.audit.since(0, 1000)])
  for (const secret of [pendingToken, done.token, PASSWORD, key, code, hashOf(done.token)]) {
    t.notOk(said.includes(secret))
  }
  t.same(
    (await r.audit.since(0)).map(({ event, outcome }) => `${event} ${outcome}`),
    ['sign-in.password success', 'factor.enrolled success', 'sign-in.second-factor success', 'session.opened success'],
  )
  t.match(await r.audit.recent(id, 1), [{ event: 'session.opened' }], 'the newest first')
  t.match((await r.audit.recent(id))[0], { username: 'ada', address: '192.0.2.7', requestId: 'request-1' })
})
