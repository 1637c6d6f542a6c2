import t, { type Test } from 'tap'
import { carried } from '../../src/http/web/return-path.js'
import { flag, type Mischief, SoftAuthenticator } from '../support/authenticator.js'
import { type Answer, formOf, type Visitor } from '../support/visitor.js'
import { answerTo, at, keptMails, ORIGIN, passkeyLodge, questionOf, secondStep, setUp } from './house.js'

async function signInPage(visitor: Visitor, returnTo = '/reports'): Promise<Answer> {
  return visitor.get(at(`/sign-in?${new URLSearchParams({ return: returnTo })}`))
}

function send(visitor: Visitor, page: Answer, answer: string, more: Record<string, string> = {}): Promise<Answer> {
  const { fields } = formOf(page.text, '/sign-in/passkey')
  return visitor.post(at('/sign-in/passkey'), { ...fields, keep: 'yes', answer, ...more })
}

async function isNobody(t: Test, visitor: Visitor, answer: Answer): Promise<void> {
  t.ok(answer.status === 422 || answer.status === 400, String(answer.status))
  t.not((await visitor.get(at('/account'))).status, 200, 'nobody is signed in')
}

t.test('a passkey that asked who holds it is both factors, without a username', async (t) => {
  const house = await passkeyLodge(t, { policy: { secondFactor: { required: 'everyone', unenrolled: 'enrol' } } })
  await house.addUser('ada')
  const device = new SoftAuthenticator(ORIGIN, { synced: true, counts: false })
  await setUp(house.visitor(), 'ada', device)
  const visitor = house.visitor()
  const page = await signInPage(visitor, '/secret/plans')
  t.match(page.text, 'autocomplete="username webauthn"')
  t.match(page.text, 'needs JavaScript', 'and says so where there is none')
  const done = await send(visitor, page, device.get(questionOf(page.text)))
  t.equal(done.location, '/secret/plans')
  t.equal((await visitor.get(at('/account'))).status, 200)
  t.equal((await visitor.get(at('/account/methods/add/totp'))).status, 303, 'both proofs are fresh')
  const { entries } = await house.audit.search({ event: 'sign-in.passkey' })
  t.match(entries, [{ outcome: 'success', method: 'passkey', username: 'ada', details: { name: 'Phone or computer' } }])
})

t.test('one that did not ask is the first factor alone: the flag of this very answer says so', async (t) => {
  const house = await passkeyLodge(t)
  await house.addUser('ada')
  const device = new SoftAuthenticator(ORIGIN)
  const first = house.visitor()
  await setUp(first, 'ada', device)
  device.verifies = false
  const visitor = house.visitor()
  const page = await signInPage(visitor)
  const half = await send(visitor, page, device.get(questionOf(page.text)))
  t.equal(half.location, at('/verify?return=%2Freports'), 'a second factor is asked, and not the same one again')
  const asked = await visitor.get(half.location ?? '')
  t.notMatch(asked.text, 'data-question')
  t.not((await visitor.get(at('/account'))).status, 200)
  // Where policy lets one factor in, it is enough.
  await t.test('and opens what one factor opens', async (t) => {
    const page = await signInPage(visitor, '/simple/page')
    t.equal((await send(visitor, page, device.get(questionOf(page.text)))).location, '/simple/page')
    const account = await visitor.get(at('/account'))
    t.match(account.location, '/verify', 'and nothing more')
  })
})

t.test('a passkey leads back to every address that is taken, however long it is', async (t) => {
  const house = await passkeyLodge(t)
  await house.addUser('ada')
  const device = new SoftAuthenticator(ORIGIN)
  await setUp(house.visitor(), 'ada', device)
  const visitor = house.visitor()
  const place = `/reports?${'q=%D0%BE%D1%82&'.repeat(600)}`.slice(0, 8190)
  const page = await visitor.get(at(`/sign-in?${new URLSearchParams({ return: carried(place) })}`))
  const done = await send(visitor, page, device.get(questionOf(page.text)))
  t.same([done.status, done.location], [303, place])
  const { fields } = formOf(page.text, '/sign-in/passkey')
  t.ok(String(new URLSearchParams(fields)).length < 12_000, 'there is room for the answer in the 16 KiB of a form')
})

const refused: ReadonlyArray<readonly [attack: string, mischief: Mischief]> = [
  ['wrong origin', { origin: 'http://localhost:8081' }],
  ['wrong RP ID', { rpId: 'example.com' }],
  ['a frame of another site', { crossOrigin: true }],
  ['a bogus signature', { bogus: true }],
  ['a flipped flag says that the person was verified', { flip: flag.verified }],
  ['nobody was there', { flags: flag.verified }],
  ['a swapped user handle', { userHandle: Buffer.from('x'.repeat(32)).toString('base64url') }],
  ['no user handle: it says not whose it is', { userHandle: null }],
  ['a challenge of the attacker', { challenge: Buffer.from('c'.repeat(43)).toString('base64url') }],
]

t.test('attacks on the sign-in', async (t) => {
  const house = await passkeyLodge(t)
  const id = await house.addUser('ada')
  await house.addUser('eve')
  const device = new SoftAuthenticator(ORIGIN)
  const eves = new SoftAuthenticator(ORIGIN)
  await setUp(house.visitor(), 'ada', device)
  await setUp(house.visitor(), 'eve', eves)
  const begin = async () => {
    const visitor = house.visitor()
    return { visitor, page: await signInPage(visitor) }
  }

  for (const [attack, mischief] of refused) {
    await t.test(attack, async (t) => {
      const { visitor, page } = await begin()
      await isNobody(t, visitor, await send(visitor, page, device.get(questionOf(page.text), mischief)))
    })
  }

  await t.test('a replayed answer, in the same browser and in another one', async (t) => {
    const { visitor, page } = await begin()
    const answer = device.get(questionOf(page.text))
    t.equal((await send(visitor, page, answer)).location, '/reports')
    const { cookies } = visitor
    const again = house.visitor()
    for (const [name, value] of cookies) if (name.includes('pending')) again.cookies.set(name, value)
    await isNobody(t, again, await send(again, page, answer))
    const other = await begin()
    await isNobody(t, other.visitor, await send(other.visitor, other.page, answer))
  })

  await t.test('a foreign challenge: the question of another browser', async (t) => {
    const [thief, victim] = [await begin(), await begin()]
    const answer = device.get(questionOf(victim.page.text))
    await isNobody(t, thief.visitor, await send(thief.visitor, thief.page, answer))
    const { fields } = formOf(victim.page.text, '/sign-in/passkey')
    const stolen = await thief.visitor.post(at('/sign-in/passkey'), { ...fields, answer })
    await isNobody(t, thief.visitor, stolen)
  })

  await t.test('a question older than five minutes: the page comes again with one that stands', async (t) => {
    const { visitor, page } = await begin()
    house.clock.forward(301)
    const late = await send(visitor, page, device.get(questionOf(page.text)))
    t.match(late.text, 'That took too long')
    t.equal((await send(visitor, late, device.get(questionOf(late.text)))).location, '/reports')
  })

  await t.test('another person’s key under the name of this one', async (t) => {
    const { visitor, page } = await begin()
    const [own] = eves.credentials
    const [one] = device.credentials
    const mischief = { ...(own && { by: own }), id: one?.id ?? '', userHandle: one?.userHandle ?? '' }
    await isNobody(t, visitor, await send(visitor, page, eves.get(questionOf(page.text), mischief)))
  })

  await t.test('what is no answer at all', async (t) => {
    const { visitor, page } = await begin()
    for (const answer of ['', 'null', '{', '[]', '"x"', '{"id":1}', 'x'.repeat(9000)]) {
      await isNobody(t, visitor, await send(visitor, page, answer))
    }
  })

  await t.test('a credential that was removed', async (t) => {
    const spare = new SoftAuthenticator(ORIGIN)
    const visitor = house.visitor()
    await house.addUser('bob')
    await setUp(visitor, 'bob', spare)
    await house.enrolments.reset((await house.directory.find({ username: 'bob' }))[0]?.id ?? '')
    const again = await begin()
    await isNobody(t, again.visitor, await send(again.visitor, again.page, spare.get(questionOf(again.page.text))))
  })

  await t.test('a deactivated user, a program, and a method that is switched off', async (t) => {
    for (const change of [
      { status: 'deactivated' as const },
      { role: 'api' as const },
      { methodsOff: ['passkey'] as readonly string[] },
    ]) {
      const before = await house.accounts.find(id)
      await house.accounts.change(id, (account) => ({ ...account, ...change }))
      const { visitor, page } = await begin()
      await isNobody(t, visitor, await send(visitor, page, device.get(questionOf(page.text))))
      if (before !== undefined) await house.accounts.change(id, () => before)
    }
    const { visitor, page } = await begin()
    t.equal((await send(visitor, page, device.get(questionOf(page.text)))).location, '/reports')
  })

  await t.test('the credential of a removed user', async (t) => {
    const gone = new SoftAuthenticator(ORIGIN)
    const carl = await house.addUser('carl')
    await setUp(house.visitor(), 'carl', gone)
    await house.directory.writable?.remove(carl)
    const { visitor, page } = await begin()
    await isNobody(t, visitor, await send(visitor, page, gone.get(questionOf(page.text))))
  })

  await t.test('what stranger’s answers cost: nothing is written one by one', async (t) => {
    const { entries } = await house.audit.search({ event: 'sign-in.passkey', outcome: 'refused' }, { limit: 200 })
    t.ok(entries.every(({ reason }) => typeof reason === 'string'))
    t.match(new Set(entries.map(({ reason }) => reason)), new Set(['wrong-answer', 'deactivated', 'api-account']))
  })
})

t.test('two gateways redeem one challenge of a sign-in once', async (t) => {
  const house = await passkeyLodge(t)
  await house.addUser('ada')
  const device = new SoftAuthenticator(ORIGIN, { counts: false, synced: true })
  await setUp(house.visitor(), 'ada', device)
  const beside = await house.beside()
  for (let round = 0; round < 5; round += 1) {
    const nonce = `nonce-${round}`
    const answer = device.get(house.browserSignIn.ask(nonce))
    const client = { address: '192.0.2.7', network: '192.0.2.7', userAgent: 'test', requestId: 'r' }
    const input = { answer, nonce, client, returnTo: '/', policy: () => 'none' as const }
    const tries = [house, beside, house, beside].map(({ browserSignIn }) => browserSignIn.redeem(input))
    const outcomes = (await Promise.all(tries)).map(({ outcome }) => outcome).sort()
    t.same(outcomes, ['refused', 'refused', 'refused', 'session'])
  }
})

t.test('a counter that goes back at a sign-in is refused once, and mailed', async (t) => {
  const mail = keptMails()
  const house = await passkeyLodge(t, { mail })
  await house.addUser('ada')
  const device = new SoftAuthenticator(ORIGIN)
  await setUp(house.visitor(), 'ada', device)
  const answer = async (counter: number) => {
    const visitor = house.visitor()
    const page = await signInPage(visitor)
    return send(visitor, page, device.get(questionOf(page.text), { counter }))
  }
  t.equal((await answer(5)).location, '/reports')
  t.match((await answer(2)).text, 'refused this once')
  t.equal((await answer(3)).location, '/reports')
  await house.settled()
  t.equal(mail.sent.filter(({ subject }) => subject.includes('a passkey was refused')).length, 1)
})

t.test('who signed in by a passkey proves it again by the same, and only where it asks who holds it', async (t) => {
  const house = await passkeyLodge(t)
  await house.addUser('ada')
  const device = new SoftAuthenticator(ORIGIN)
  await setUp(house.visitor(), 'ada', device)
  const visitor = house.visitor()
  const page = await signInPage(visitor)
  await send(visitor, page, device.get(questionOf(page.text)))
  house.clock.forward(20 * 60)
  const asked = await visitor.get(at('/verify?return=%2Ffresh%2Fpage'))
  t.match(questionOf(asked.text), { userVerification: 'required' })
  device.verifies = false
  t.equal((await answerTo(visitor, asked, device.get(questionOf(asked.text)))).status, 422)
  device.verifies = true
  const again = await visitor.get(at('/verify?return=%2Ffresh%2Fpage'))
  t.equal((await answerTo(visitor, again, device.get(questionOf(again.text)))).location, '/fresh/page')
})

t.test('a session ends with the browser where nobody ticked', async (t) => {
  const house = await passkeyLodge(t)
  await house.addUser('ada')
  const device = new SoftAuthenticator(ORIGIN)
  await setUp(house.visitor(), 'ada', device)
  for (const [keep, isLasting] of [
    ['yes', true],
    ['', false],
  ] as const) {
    const visitor = house.visitor()
    const page = await signInPage(visitor)
    const done = await send(visitor, page, device.get(questionOf(page.text)), { keep })
    const cookies = [done.headers['set-cookie'] ?? []].flat()
    const session = cookies.find((cookie) => cookie.startsWith('gatelodge='))
    t.equal(/max-age/i.test(session ?? ''), isLasting)
  }
})

t.test('proof: passkey', async (t) => {
  const rule = (path: string, proof: 'passkey' | undefined) => ({
    path,
    access: 'second-factor' as const,
    line: 1,
    ...(proof && { proof }),
  })
  const rules = [rule('/keys/**', 'passkey'), rule('/secret/**', undefined)]
  const sites = [{ path: '/', upstream: 'http://127.0.0.1:1', line: 1, rules }]
  const house = await passkeyLodge(t, { policy: { sites } })
  await house.addUser('ada')
  const device = new SoftAuthenticator(ORIGIN)
  const visitor = house.visitor()

  await t.test('whoever has none is told, and led to set one up', async (t) => {
    await house.addUser('bob')
    const bob = house.visitor()
    const half = await secondStep(bob, 'bob')
    t.equal(half.status, 200)
    const page = await bob.get(at('/verify?return=%2Fkeys%2F1'))
    // No second factor at all: one is set up first.
    t.match(page.location ?? page.text, /enrol|A passkey is needed/)
  })

  await setUp(visitor, 'ada', device)
  await t.test('one that was just set up is asked for', async (t) => {
    const page = await visitor.get(at('/verify?return=%2Fkeys%2F1'))
    t.equal((await answerTo(visitor, page, device.get(questionOf(page.text)))).location, '/keys/1')
  })

  await t.test('a sign-in by a passkey opens it at once', async (t) => {
    const other = house.visitor()
    const page = await signInPage(other, '/keys/1')
    t.equal((await send(other, page, device.get(questionOf(page.text)))).location, '/keys/1')
    const { account, session } = (await house.sessions.find(other.cookies.get('gatelodge'))) ?? {}
    t.ok(account)
    t.ok(session?.passkeyAt)
  })
})
