import t, { type Test } from 'tap'
import type { BrowserSecondFactor, Json } from '../../src/contracts.js'
import { NotMe } from '../../src/identity/notices/not-me.js'
import { showUser } from '../../src/operations/users/show.js'
import { lodge } from '../http/pages/lodge.js'
import { flag, type Mischief, SoftAuthenticator } from '../support/authenticator.js'
import { client } from '../support/core.js'
import { formOf } from '../support/visitor.js'
import {
  answerTo,
  at,
  bePassword,
  keptMails,
  ORIGIN,
  passkeyLodge,
  questionOf,
  secondStep,
  setUp,
  setUpAnother,
} from './house.js'

t.test('a passkey is set up, and is the second step from then on', async (t) => {
  const mail = keptMails()
  const house = await passkeyLodge(t, { mail })
  await house.addUser('ada')
  const device = new SoftAuthenticator(ORIGIN)
  const visitor = house.visitor()
  const done = await setUp(visitor, 'ada', device, 'Work laptop')
  t.match(done.location, '/backup-codes')
  const other = house.visitor()
  const page = await secondStep(other, 'ada')
  t.match(page.text, '<h1>One more step</h1>')
  t.match(page.text, 'This way needs JavaScript')
  t.match(page.text, 'Use a backup code', 'every other way works without a script')
  const opened = await answerTo(other, page, device.get(questionOf(page.text)))
  t.equal(opened.location, '/reports')
  await house.settled()
  t.match(mail.sent.map(({ text }) => text).join('\n'), 'Passkey or security key (Work laptop)', 'the mail says which')
  const { entries } = await house.audit.search({}, { limit: 50 })
  t.match(
    entries.filter(({ event }) => event === 'factor.enrolled'),
    [{ method: 'passkey', details: { name: 'Work laptop' } }],
  )
  t.match(
    entries.filter(({ event }) => event === 'sign-in.second-factor').map(({ outcome, details }) => [outcome, details]),
    [
      ['success', { name: 'Work laptop' }],
      ['success', { name: 'Work laptop' }],
    ],
  )
})

t.test('one question is put to all of a user’s passkeys, and each has a name of its own', async (t) => {
  const house = await passkeyLodge(t)
  await house.addUser('ada')
  const [laptop, key] = [new SoftAuthenticator(ORIGIN), new SoftAuthenticator(ORIGIN, { transports: ['usb'] })]
  const visitor = house.visitor()
  await setUp(visitor, 'ada', laptop)
  await setUpAnother(visitor, key)
  await setUpAnother(visitor, new SoftAuthenticator(ORIGIN, { transports: ['usb'] }))
  const account = await house.accounts.find((await house.directory.find({ username: 'ada' }))[0]?.id ?? '')
  const names = account === undefined ? [] : (await house.enrolments.list(account)).map(({ name }) => name)
  t.same(names, ['Phone or computer', 'Security key', 'Security key 2'])
  for (const device of [laptop, key]) {
    const other = house.visitor()
    const page = await secondStep(other, 'ada')
    const { allowCredentials } = questionOf(page.text) as { allowCredentials: unknown[] }
    t.equal(allowCredentials.length, 3)
    t.notMatch(page.text, 'Try another way', 'they are one way')
    t.equal((await answerTo(other, page, device.get(questionOf(page.text)))).location, '/reports')
  }
})

t.test('an authenticator that is set up already is not set up twice', async (t) => {
  const house = await passkeyLodge(t)
  await house.addUser('ada')
  const device = new SoftAuthenticator(ORIGIN)
  const visitor = house.visitor()
  await setUp(visitor, 'ada', device)
  const start = await visitor.get(at('/account/methods/add/passkey'))
  const page = await visitor.get(start.location ?? '')
  const { excludeCredentials } = questionOf(page.text) as { excludeCredentials: { id: string }[] }
  t.same(
    excludeCredentials.map(({ id }) => id),
    device.credentials.map(({ id }) => id),
  )
})

const refused: ReadonlyArray<readonly [attack: string, mischief: Mischief]> = [
  ['wrong origin: a page that looks like ours passes the question on', { origin: 'http://localhost:8081' }],
  ['wrong origin: a longer name that ends as ours does', { origin: 'http://evil-localhost:8080' }],
  ['wrong RP ID: the key was asked for another domain', { rpId: 'example.com' }],
  ['a frame of another site asks', { crossOrigin: true }],
  ['an answer to a registration in place of one to a sign-in', { type: 'webauthn.create' }],
  ['a bogus signature', { bogus: true }],
  ['a flipped flag: the person was not verified, and the answer says so', { flip: flag.verified }],
  ['a flipped flag: nobody was there', { flip: flag.present }],
  ['nobody was there, and it is signed', { flags: flag.verified }],
  ['a key that cannot be copied says that it is', { flags: flag.present | flag.verified | flag.mayBeSynced }],
  ['backed up without being able to be', { flags: flag.present | flag.verified | flag.isSynced }],
  ['a swapped user handle', { userHandle: Buffer.from('x'.repeat(32)).toString('base64url') }],
]

t.test('attacks on the second step', async (t) => {
  const house = await passkeyLodge(t)
  await house.addUser('ada')
  await house.addUser('eve')
  const device = new SoftAuthenticator(ORIGIN)
  const eves = new SoftAuthenticator(ORIGIN)
  await setUp(house.visitor(), 'ada', device)
  await setUp(house.visitor(), 'eve', eves)
  // Each attack is one guess, and each has the whole budget.
  const begin = async (visitor = house.visitor()) => {
    house.clock.forward(3 * 60 * 60)
    return { visitor, page: await secondStep(visitor, 'ada') }
  }
  const isRefused = async (t: Test, visitor: ReturnType<typeof house.visitor>, answer: { status: number }) => {
    t.equal(answer.status, 422)
    t.equal((await visitor.get('/reports')).status, 200, 'the application is open in this lodge')
    const account = await visitor.get(at('/account'))
    t.not(account.status, 200, 'nobody is signed in')
  }

  for (const [attack, mischief] of refused) {
    await t.test(attack, async (t) => {
      const { visitor, page } = await begin()
      await isRefused(t, visitor, await answerTo(visitor, page, device.get(questionOf(page.text), mischief)))
    })
  }

  await t.test('a replayed answer', async (t) => {
    const { visitor, page } = await begin()
    const answer = device.get(questionOf(page.text))
    t.equal((await answerTo(visitor, page, answer)).location, '/reports')
    const again = await begin()
    await isRefused(t, again.visitor, await answerTo(again.visitor, again.page, answer))
  })

  await t.test('a question that was answered wrong is not answered again', async (t) => {
    const { visitor, page } = await begin()
    const question = questionOf(page.text)
    const first = await answerTo(visitor, page, device.get(question, { bogus: true }))
    t.not((questionOf(first.text) as { challenge: string }).challenge, (question as { challenge: string }).challenge)
    const second = await answerTo(visitor, page, device.get(question))
    t.equal(second.status, 422)
    const page3 = await visitor.get(at('/verify'))
    t.equal((await answerTo(visitor, page3, device.get(questionOf(page3.text)))).location, '/reports')
  })

  await t.test('a foreign challenge: of another sign-in of the same person', async (t) => {
    const [one, other] = [await begin(), { visitor: house.visitor(), page: await secondStep(house.visitor(), 'ada') }]
    await isRefused(t, one.visitor, await answerTo(one.visitor, one.page, device.get(questionOf(other.page.text))))
  })

  await t.test('a challenge the attacker drew', async (t) => {
    const { visitor, page } = await begin()
    const challenge = Buffer.from('c'.repeat(43)).toString('base64url')
    await isRefused(t, visitor, await answerTo(visitor, page, device.get(questionOf(page.text), { challenge })))
  })

  await t.test('a question older than five minutes', async (t) => {
    const { visitor, page } = await begin()
    house.clock.forward(301)
    const late = await answerTo(visitor, page, device.get(questionOf(page.text)))
    t.match(late.text, 'That took too long')
    const fresh = await visitor.get(at('/verify'))
    t.equal((await answerTo(visitor, fresh, device.get(questionOf(fresh.text)))).location, '/reports')
  })

  await t.test('another person’s credential', async (t) => {
    const { visitor, page } = await begin()
    const [own] = eves.credentials
    await isRefused(
      t,
      visitor,
      await answerTo(visitor, page, eves.get(questionOf(page.text), { ...(own && { by: own }) })),
    )
  })

  await t.test('another person’s key under the name of this one', async (t) => {
    const { visitor, page } = await begin()
    const [own] = eves.credentials
    const [id] = device.credentials.map((each) => each.id)
    const mischief = { ...(own && { by: own }), ...(id && { id }), userHandle: device.credentials[0]?.userHandle ?? '' }
    await isRefused(t, visitor, await answerTo(visitor, page, eves.get(questionOf(page.text), mischief)))
  })

  await t.test('wrong answers are counted with all other guesses', async (t) => {
    const { visitor, page } = await begin()
    let at: { text: string } = page
    for (let guess = 1; guess < 5; guess += 1) {
      const answer = await answerTo(visitor, at as typeof page, device.get(questionOf(at.text), { bogus: true }))
      t.equal(answer.status, 422)
      at = answer
    }
    const last = await answerTo(visitor, at as typeof page, device.get(questionOf(at.text), { bogus: true }))
    t.equal(last.status, 429)
  })
})

t.test('two gateways redeem one challenge once', async (t) => {
  const house = await passkeyLodge(t)
  await house.addUser('ada')
  const device = new SoftAuthenticator(ORIGIN, { counts: false, synced: true })
  await setUp(house.visitor(), 'ada', device)
  const beside = await house.beside()
  for (let round = 0; round < 5; round += 1) {
    const visitor = house.visitor()
    const page = await secondStep(visitor, 'ada')
    const token = visitor.cookies.get('gatelodge-pending') ?? ''
    const answer = device.get(questionOf(page.text))
    const client = { address: '192.0.2.7', network: '192.0.2.7', userAgent: 'test', requestId: 'r' }
    const tries = [house, beside, house, beside].map(({ signIn }) => signIn.answer(token, answer, client))
    const outcomes = (await Promise.all(tries)).map(({ outcome }) => outcome).sort()
    t.equal(outcomes.filter((outcome) => outcome === 'session').length, 1, outcomes.join())
    house.clock.forward(3600)
  }
})

t.test('a counter that goes back is refused once, written down and mailed, and locks nobody out', async (t) => {
  const mail = keptMails()
  const house = await passkeyLodge(t, { mail })
  await house.addUser('ada')
  const device = new SoftAuthenticator(ORIGIN)
  await setUp(house.visitor(), 'ada', device, 'Blue key')
  const answer = async (counter: number) => {
    const visitor = house.visitor()
    const page = await secondStep(visitor, 'ada')
    return answerTo(visitor, page, device.get(questionOf(page.text), { counter }))
  }
  t.equal((await answer(9)).location, '/reports')
  const back = await answer(3)
  t.equal(back.status, 422)
  t.match(back.text, 'refused this once')
  t.equal((await answer(4)).location, '/reports', 'the next time it is taken')
  await house.settled()
  const { entries } = await house.audit.search({}, { limit: 50 })
  t.match(
    entries.find(({ reason }) => reason === 'counter-went-back'),
    { event: 'sign-in.second-factor', outcome: 'refused', method: 'passkey', details: { name: 'Blue key' } },
  )
  const told = mail.sent.filter(({ subject }) => subject.includes('a passkey was refused'))
  t.equal(told.length, 1)
  t.match(told[0]?.text, 'Blue key')
})

t.test('registration into someone else’s session', async (t) => {
  const house = await passkeyLodge(t)
  await house.addUser('ada')
  await house.addUser('eve')
  const begin = async (username: string) => {
    const visitor = house.visitor()
    await bePassword(visitor, username, '/secret/plans')
    return { visitor, page: await visitor.get(at('/enrol/passkey?return=%2Fsecret%2Fplans')) }
  }
  const [ada, eve] = [await begin('ada'), await begin('eve')]
  const eves = new SoftAuthenticator(ORIGIN)
  const answer = eves.create(questionOf(eve.page.text))
  const { fields } = formOf(ada.page.text, '/enrol/passkey')
  const put = await ada.visitor.post(at('/enrol/passkey'), { ...fields, name: '', answer })
  t.equal(put.status, 422, 'an answer to Eve’s question sets nothing up for Ada')
  const forged = await eve.visitor.post(at('/enrol/passkey'), { ...fields, name: '', answer })
  t.equal(forged.status, 400, 'a form of Ada’s page is worth nothing in Eve’s browser')
  for (const mischief of [{ origin: 'http://localhost:9' }, { rpId: 'example.com' }, { type: 'webauthn.get' }]) {
    house.clock.forward(3600)
    const again = await begin('ada')
    const made = new SoftAuthenticator(ORIGIN).create(questionOf(again.page.text), mischief)
    const { fields } = formOf(again.page.text, '/enrol/passkey')
    t.equal((await again.visitor.post(at('/enrol/passkey'), { ...fields, answer: made })).status, 422)
  }
})

t.test('a credential that is somebody’s is nobody else’s', async (t) => {
  const house = await passkeyLodge(t)
  await house.addUser('ada')
  await house.addUser('eve')
  const device = new SoftAuthenticator(ORIGIN)
  await setUp(house.visitor(), 'ada', device)
  const eve = house.visitor()
  await bePassword(eve, 'eve', '/secret/plans')
  const page = await eve.get(at('/enrol/passkey?return=%2Fsecret%2Fplans'))
  const [stolen] = device.credentials
  const answer = new SoftAuthenticator(ORIGIN).create(questionOf(page.text), { ...(stolen && { id: stolen.id }) })
  const { fields } = formOf(page.text, '/enrol/passkey')
  t.equal((await eve.post(at('/enrol/passkey'), { ...fields, answer })).status, 422)
})

t.test('several are listed with what they are, renamed, preferred and removed; the browser is told', async (t) => {
  const mail = keptMails()
  const house = await passkeyLodge(t, { mail })
  const id = await house.addUser('ada')
  const phone = new SoftAuthenticator(ORIGIN, { synced: true, counts: false })
  const key = new SoftAuthenticator(ORIGIN, { verifies: false, transports: ['usb'] })
  const visitor = house.visitor()
  await setUp(visitor, 'ada', phone, 'Phone')
  await setUpAnother(visitor, key)
  const list = await visitor.get(at('/account/methods'))
  t.match(list.text, 'Synced to your other devices.')
  t.match(list.text, 'On one device only. Second step only: it does not ask who holds it.')
  const account = await house.accounts.find(id)
  const [first = '', second = ''] = account?.enrolled.map((each) => each.id) ?? []
  await visitor.fillIn(at(`/account/methods/${second}`), { name: 'Blue key' }, '/rename')
  await visitor.fillIn(at(`/account/methods/${second}`), {}, '/prefer')
  const page = await secondStep(house.visitor(), 'ada')
  const { allowCredentials } = questionOf(page.text) as { allowCredentials: { id: string }[] }
  t.equal(allowCredentials[0]?.id, key.credentials[0]?.id, 'the preferred one first')
  const removed = await visitor.fillIn(at(`/account/methods/${first}`), {}, '/remove')
  const after = await visitor.get(removed.location ?? '')
  const said = /data-signals="([^"]*)"/.exec(after.text)?.[1]?.replaceAll('&quot;', '"') ?? '[]'
  t.match(JSON.parse(said), [
    {
      unknown: [{ rpId: 'localhost', credentialId: phone.credentials[0]?.id }],
      accepted: [{ allAcceptedCredentialIds: [key.credentials[0]?.id] }],
    },
  ])
  await house.settled()
  const told = mail.sent.map(({ text }) => text).join('\n')
  t.match(told, 'name of a sign-in method (Blue key)')
  t.match(told, 'Passkey or security key (Phone)')
  const { entries } = await house.audit.search({ event: 'factor.removed' })
  t.match(entries, [{ method: 'passkey', details: { name: 'Phone' } }])
  const shown = await house.desk.run(showUser, { user: 'ada' }, { door: 'command-line', role: 'owner', isFresh: true })
  t.match(shown, { secondFactors: [{ name: 'Blue key', kind: 'Security key', synced: false, provesUser: false }] })
  t.notMatch(JSON.stringify(shown), /publicKey|credential|handle/, 'nothing that is kept')
})

t.test('"this was not me" makes the passkey useless that was added, and lowers no demand', async (t) => {
  const mail = keptMails()
  const house = await passkeyLodge(t, { mail })
  const id = await house.addUser('ada')
  const thiefs = new SoftAuthenticator(ORIGIN)
  const thief = house.visitor()
  await setUp(thief, 'ada', thiefs, 'Mine now')
  await house.settled()
  const added = mail.sent.find(({ subject }) => subject.includes('was added'))
  const link = /\/not-me\?token=[\w-]+/.exec(added?.text ?? '')?.[0] ?? ''
  const ada = house.visitor()
  const half = house.visitor()
  const before = await secondStep(half, 'ada')
  await ada.fillIn(at(link), {}, '/not-me')
  t.not((await thief.get(at('/account'))).status, 200, 'what the thief had open is closed')
  t.not((await answerTo(half, before, thiefs.get(questionOf(before.text)))).location, '/reports')
  const again = await secondStep(house.visitor(), 'ada')
  t.notMatch(again.text, 'data-question', 'it cannot be asked any more')
  t.match(again.text, 'protected by a second step', 'and the password alone opens nothing')
  t.equal((await house.accounts.find(id))?.enrolled.length, 1)
  const { entries } = await house.audit.search({ event: 'factor.removed' })
  t.match(entries, [{ reason: 'not-me', details: { name: 'Mine now' } }])
})

t.test(
  'a third party’s factor that a script asks is one file: pages, script and questions are the gateway’s',
  async (t) => {
    const badge: BrowserSecondFactor = {
      label: 'Badge',
      asks: 'browser',
      script: 'console.log("badge")',
      available: () => true,
      setUp: {
        begin: async (_user, nonce) => ({ secret: null, question: { nonce } }),
        confirm: async (_secret, nonce, answer) =>
          isAnswer(answer, nonce) ? { enrolment: null, handle: answer.badge, about: { kind: 'Badge' } } : undefined,
      },
      ask: async (_user, nonce) => ({ nonce }),
      handleOf: (answer) => (isAnswer(answer) ? answer.badge : undefined),
      judge: async (nonce, enrolment, answer) => isAnswer(answer, nonce) && { enrolment, provesUser: false },
    }
    const house = await lodge(t, { factors: new Map([['badge', badge]]) })
    await house.addUser('ada')
    const visitor = house.visitor()
    await bePassword(visitor, 'ada', '/secret/plans')
    const page = await visitor.get(at('/enrol/badge?return=%2Fsecret%2Fplans'))
    const script = /src="([^"]*factor-badge\.js)"/.exec(page.text)?.[1] ?? ''
    t.equal((await visitor.get(script)).text, 'console.log("badge")')
    const answer = (text: string) =>
      JSON.stringify({ badge: 'b1', nonce: (questionOf(text) as { nonce: string }).nonce })
    const { fields } = formOf(page.text, '/enrol/badge')
    t.equal((await visitor.post(at('/enrol/badge'), { ...fields, name: '', answer: answer(page.text) })).status, 303)
    const other = house.visitor()
    const asked = await secondStep(other, 'ada')
    t.match(asked.text, 'Use Badge to finish')
    t.equal((await answerTo(other, asked, '{"badge":"b1","nonce":"other"}')).status, 422)
    const again = await other.get(at('/verify'))
    t.equal((await answerTo(other, again, answer(again.text))).location, '/reports')
  },
)

function isAnswer(answer: Json, nonce?: string): answer is { badge: string; nonce: string } {
  if (typeof answer !== 'object' || answer === null || !('badge' in answer) || !('nonce' in answer)) return false
  return typeof answer.badge === 'string' && (nonce === undefined || answer.nonce === nonce)
}

t.test('a passkey that somebody else added opens nothing while "this was not me" is under way', async (t) => {
  const mail = keptMails()
  const house = await passkeyLodge(t, { mail })
  await house.addUser('ada')
  const thiefs = new SoftAuthenticator(ORIGIN)
  await setUp(house.visitor(), 'ada', thiefs)
  await house.settled()
  const added = mail.sent.find(({ subject }) => subject.includes('was added'))
  const token = /\/not-me\?token=([\w-]+)/.exec(added?.text ?? '')?.[1] ?? ''
  const thief = house.visitor()
  // At the last moment at which it opens something, signs in by it.
  const disable = async (accountId: string, id: string) => {
    const page = await thief.get(at('/sign-in?return=%2Freports'))
    const answer = thiefs.get(questionOf(page.text))
    await thief.post(at('/sign-in/passkey'), { ...formOf(page.text, '/sign-in/passkey').fields, answer })
    t.equal((await thief.get(at('/account'))).status, 200, 'it opens a session still')
    await house.enrolments.disable(accountId, id)
  }
  const notMe = new NotMe({ ...house, now: house.clock.now, disable })
  t.ok(await notMe.redeem(token, client()))
  t.not((await thief.get(at('/account'))).status, 200, 'what it opened is closed with all the rest')
})
