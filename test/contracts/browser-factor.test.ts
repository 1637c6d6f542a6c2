import t from 'tap'
import passkey from '../../plugins/second-factors/passkey.js'
import type { BrowserSecondFactor, Json } from '../../src/contracts.js'
import { browserFactorContract } from '../../testing/browser-factor.js'
import { SoftAuthenticator } from '../support/authenticator.js'
import { build, lentHost } from '../support/lent-host.js'

const origin = 'https://login.example.com'
const user = { id: '1', username: 'ada', displayName: 'Ada Lovelace', groups: [] }
const nonce = 'n'.repeat(43)

async function open(options: object = {}, origins = [origin]): Promise<BrowserSecondFactor> {
  const factor = await build(passkey, options, lentHost({ origins }))
  if (!('asks' in factor)) throw new Error('a passkey is asked in the browser')
  return factor
}

for (const [kind, more] of [
  ['one that counts', {}],
  ['one that is synced', { synced: true, counts: false }],
  ['a security key', { verifies: false }],
] as const) {
  t.test(`passkey keeps the contract: ${kind}`, async (t) => {
    browserFactorContract(t, {
      user,
      open: () => open({ signIn: true }),
      device: () => {
        const device = new SoftAuthenticator(origin, more)
        return {
          enrol: async (question) => JSON.parse(device.create(question)) as Json,
          answer: async (question) => JSON.parse(device.get(question)) as Json,
        }
      },
    })
  })
}

async function enrolled(f: BrowserSecondFactor, device: SoftAuthenticator) {
  const { secret, question } = await f.setUp.begin(user, nonce, [])
  const made = await f.setUp.confirm(secret, nonce, JSON.parse(device.create(question)) as Json)
  if (made === undefined) throw new Error('it was not confirmed')
  return made
}

t.test('passkey: what is asked for at registration', async (t) => {
  const f = await open({ name: 'Riverside' })
  const device = new SoftAuthenticator(origin)
  const first = await enrolled(f, device)
  const { question } = await f.setUp.begin(user, nonce, [first.enrolment])
  t.match(question, {
    rp: { id: 'login.example.com', name: 'Riverside' },
    attestation: 'none',
    pubKeyCredParams: [{ alg: -8 }, { alg: -7 }, { alg: -257 }],
    excludeCredentials: [{ id: first.handle }],
    timeout: 300_000,
  })
  const { id, name } = (question as unknown as { user: { id: string; name: string } }).user
  t.equal(name, 'ada')
  t.equal(Buffer.from(id, 'base64url').length, 32, 'by chance, and not the name')
  t.equal(id, device.credentials[0]?.userHandle, 'the same for all of one user')
  const other = (await f.setUp.begin(user, nonce, [])).question as unknown as { user: { id: string } }
  t.not(other.user.id, id)
})

t.test('passkey: the domain is the host, or a parent that the file names', async (t) => {
  t.equal((await open()).scope, 'login.example.com')
  t.equal((await open({ rpId: 'example.com' })).scope, 'example.com')
  t.equal((await open({}, ['http://localhost:8080'])).scope, 'localhost')
  await t.rejects(open({ rpId: 'com' }), /rpId must be login\.example\.com/)
  await t.rejects(open({ rpId: 'ample.com' }), /rpId must be/)
  await t.rejects(open({ rpId: 'example.org' }), /rpId must be/)
  await t.rejects(open({}, ['https://192.0.2.1']), /need a host name/)
  await t.rejects(open({}, ['http://login.example.com']), /need https/)
})

t.test('passkey: the flags of this answer alone say whether it proves the person', async (t) => {
  const f = await open()
  const device = new SoftAuthenticator(origin)
  const made = await enrolled(f, device)
  t.equal(made.about.provesUser, true)
  const verdict = async () => {
    const question = await f.ask(user, nonce, [made.enrolment], false)
    return f.judge(nonce, made.enrolment, JSON.parse(device.get(question)) as Json, false)
  }
  t.match(await verdict(), { provesUser: true })
  device.verifies = false
  t.match(await verdict(), { provesUser: false }, 'it could, and did not')
  const strict = await open({ userVerification: 'required' })
  const question = await strict.ask(user, nonce, [made.enrolment], false)
  t.equal(await strict.judge(nonce, made.enrolment, JSON.parse(device.get(question)) as Json, false), false)
})

t.test('passkey: a counter that goes back is told apart; zero for ever is fine', async (t) => {
  const f = await open()
  const device = new SoftAuthenticator(origin)
  const made = await enrolled(f, device)
  const answer = async (enrolment: Json, counter: number) => {
    const question = await f.ask(user, nonce, [enrolment], false)
    return f.judge(nonce, enrolment, JSON.parse(device.get(question, { counter })) as Json, false)
  }
  t.match(await answer(made.enrolment, 0), { provesUser: true }, 'zero after zero')
  const used = await answer(made.enrolment, 7)
  if (used === false) throw new Error('it was refused')
  t.match(await answer(used.enrolment, 8), { provesUser: true })
  for (const counter of [7, 6, 0])
    t.match(await answer(used.enrolment, counter), { refused: 'copied' }, String(counter))
  const back = await answer(used.enrolment, 3)
  if (back === false) throw new Error('it is right, if odd')
  t.match(await answer(back.enrolment, 4), { provesUser: true }, 'refused once')
})

t.test('passkey: what a page tells the browser is about its own domain only', async (t) => {
  const f = await open()
  const made = await enrolled(f, new SoftAuthenticator(origin))
  const gone = [
    { handle: 'AAAA', scope: 'login.example.com' },
    { handle: 'BBBB', scope: 'example.com' },
  ]
  t.match(f.signals?.(user, [made.enrolment], gone), {
    unknown: [{ rpId: 'login.example.com', credentialId: 'AAAA' }],
    accepted: [{ rpId: 'login.example.com', allAcceptedCredentialIds: [made.handle] }],
    details: [{ name: 'ada', displayName: 'Ada Lovelace' }],
  })
  t.match(f.signals?.(user, [], gone), { unknown: { length: 1 }, accepted: [], details: [] })
})
